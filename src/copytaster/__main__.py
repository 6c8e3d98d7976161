"""The command ``copytaster``, also as ``python -m copytaster``."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the rest is imported, an interruption needs no traceback

from copytaster.cli import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
