"""Training options from a TOML file."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict
from pathlib import Path

from copytaster.errors import UsageError
from copytaster.fit import BITS, Config
from copytaster.gatefile import parse_toml, read_text


def read_config(path: str | Path) -> Config:
    """Read training options.

    Parameters
    ----------
    path : str or Path
        A TOML file of the attributes of `copytaster.fit.Config`; those it leaves out keep their defaults.

    Returns
    -------
    Config

    Raises
    ------
    UsageError
        If it cannot be read, or an option is unknown, of the wrong type or out of range; all such are named.
    """
    given = parse_toml(read_text(Path(path)), str(path))
    defaults: dict[str, int | float] = asdict(Config())
    faults = []
    for name, value in given.items():
        if name not in defaults:
            close = difflib.get_close_matches(name, defaults, 1)
            faults.append(f"{path}: no option {name!r}" + (f". Did you mean {close[0]!r}?" if close else ""))
        elif not _fits(value, defaults[name]):
            kind = "whole number" if isinstance(defaults[name], int) else "number"
            faults.append(f"{path}: {name} must be a positive {kind}")
    if not faults and given.get("bits", BITS[0]) not in BITS:
        faults.append(f"{path}: bits must be a whole number from {BITS[0]} to {BITS[-1]}")
    if faults:
        raise UsageError("\n".join(faults))
    return Config(**given)


def _fits(value: object, default: float) -> bool:
    kinds = (int,) if isinstance(default, int) else (int, float)
    return type(value) in kinds and math.isfinite(value) and value > 0  # type: ignore[operator,arg-type]
