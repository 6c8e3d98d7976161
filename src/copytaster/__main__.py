"""``python -m copytaster``."""

from __future__ import annotations

from copytaster.cli import main

if __name__ == "__main__":
    main()
