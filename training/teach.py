"""Have the careful reader mark gathered passages and written articles that have no targets yet.

    python training/teach.py [-m MODEL] [--texts FOLDER] [--anew]

Writes to `labeled/standoff/targets.tsv.gz` the key of each passage, of each written paragraph and of its
sentences, and their probabilities, in per cent. This needs the extra `careful`.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import click
import numpy as np
import standoff

from copytaster.annotate import load
from copytaster.labeled import read_labeled, select
from copytaster.output import atomic

BATCH = 2048


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--texts", type=click.Path(path_type=Path), default=standoff.PACKAGED, show_default=True)
@click.option("--anew", is_flag=True, help="Mark passages that have targets too.")
def main(model: Path | None, texts: Path, anew: bool) -> None:
    """Mark passages and written articles."""
    teacher = load(model, reader="careful")
    with gzip.open(standoff.TARGETS, "rt", encoding="ascii") as lines:
        rows = {line[:16]: line for line in lines}
    passages = {key: passage.text for key, passage in standoff.read_corpora(texts).items()}
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    parts = (part for example in written for part in (example.text, *standoff.sentences(example.text)))
    found = {**{standoff.key_of(part): part for part in parts}, **passages}
    missing = [key for key in found if key not in rows or (anew and key in passages)]
    with click.progressbar(range(0, len(missing), BATCH), file=sys.stderr) as starts:
        for at in starts:
            keys = missing[at : at + BATCH]
            chances = teacher.predict_proba([found[key] for key in keys])
            for key, row in zip(keys, np.rint(100 * chances).astype(int).tolist(), strict=True):
                rows[key] = f"{key} {' '.join(map(str, row))}\n"
    with atomic(standoff.TARGETS) as stream, gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed:
        packed.writelines(rows[key].encode("ascii") for key in sorted(rows))
    click.echo(f"{len(missing):,} texts marked, {len(rows):,} targets in all")


if __name__ == "__main__":
    sys.exit(main())
