"""Modules that need an optional extra or a compiler, found only when they are asked for."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from copytaster.errors import UsageError


def import_compiled(module: str) -> Any:
    """Import a module of this package that is written in C.

    Parameters
    ----------
    module : str
        Its name within the package.

    Returns
    -------
    module or None
        None where there was no compiler when the package was installed, or where the environment variable
        ``COPYTASTER_KERNEL`` is 0.
    """
    try:
        return None if os.environ.get("COPYTASTER_KERNEL") == "0" else import_module(f"copytaster.{module}")
    except ImportError:
        return None


def import_extra(module: str, option: str, extra: str) -> Any:
    """Import a module of this package that needs more than the core dependencies.

    Parameters
    ----------
    module : str
        Its name within the package.
    option : str
        What asks for it, for the error.
    extra : str
        The extra that brings what it needs.

    Returns
    -------
    module

    Raises
    ------
    UsageError
        If what it needs is not installed.
    """
    try:
        return import_module(f"copytaster.{module}")
    except ImportError:
        raise UsageError(
            f"{option} needs more than is installed", f"pip install 'copytaster[{extra}]'"
        ) from None
