"""How far two blind readings of the same real paragraphs agree, from the stand-off labels.

python training/reread.py
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import standoff

from copytaster.agreement import cohen_kappa

LABELS = ("reporting", "opinion", "call-to-action", "furniture")


def main() -> None:
    """Print agreement, the commonest differences, and how many labels are no longer the first reading's."""
    read = [row for row in standoff.rows() if row["second"]]
    first, second = (np.array([LABELS.index(row[name]) for row in read]) for name in ("first", "second"))
    pairs = Counter((row["first"], row["second"]) for row in read if row["first"] != row["second"])
    changed = sum(row["label"] != row["first"] for row in read)
    print(f"{len(read):,} paragraphs read twice, blind; agreement {(first == second).mean():.3f}", end=", ")
    print(f"Cohen's kappa {cohen_kappa(first, second):.3f}; {changed} labels changed since the first.")
    for (one, other), count in pairs.most_common():
        print(f"{count:5d}  {one} → {other}")


if __name__ == "__main__":
    main()
