"""Have the careful reader mark gathered passages that have no targets yet.

    python training/teach.py [-m MODEL] [--texts FOLDER]

Adds to `labeled/standoff/targets.tsv.gz` the key of each passage and its probabilities, in per cent. This
needs the extra `careful`.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import click
import numpy as np
import standoff

from copytaster.annotate import load
from copytaster.output import atomic

BATCH = 2048


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--texts", type=click.Path(path_type=Path), default=standoff.PACKAGED, show_default=True)
def main(model: Path | None, texts: Path) -> None:
    """Mark passages."""
    teacher = load(model, reader="careful")
    with gzip.open(standoff.TARGETS, "rt", encoding="ascii") as lines:
        rows = {line[:16]: line for line in lines}
    found = standoff.read_corpora(texts)
    missing = [key for key in found if key not in rows]
    with click.progressbar(range(0, len(missing), BATCH), file=sys.stderr) as starts:
        for at in starts:
            keys = missing[at : at + BATCH]
            chances = teacher.predict_proba([found[key].text for key in keys])
            for key, row in zip(keys, np.rint(100 * chances).astype(int).tolist(), strict=True):
                rows[key] = f"{key} {' '.join(map(str, row))}\n"
    with atomic(standoff.TARGETS) as stream, gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed:
        packed.writelines(rows[key].encode("ascii") for key in sorted(rows))
    click.echo(f"{len(missing):,} passages marked, {len(rows):,} targets in all")


if __name__ == "__main__":
    sys.exit(main())
