"""Have the careful reader mark gathered passages and written articles that have no targets yet.

    python training/teach.py [-m MODEL] [--texts FOLDER] [--anew]
    python training/teach.py --larger FILE.pt [--doubted P] [--share S] [--corpora FOLDER]

Writes to `labeled/standoff/targets.tsv.gz` the key of each passage, of each written paragraph and of its
sentences, and their probabilities, in per cent. This needs the extra `careful`.

With `--larger`, the weights of `larger.py`, the targets that are there already take in what that model
says, where their likeliest label has less than P. This needs the extra `train-careful`.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
import standoff

from copytaster.annotate import load
from copytaster.labeled import read_labeled, select
from copytaster.model import softmax
from copytaster.output import atomic

BATCH = 2048
Item = TypeVar("Item")


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--texts", type=click.Path(path_type=Path), default=standoff.PACKAGED, show_default=True)
@click.option("--anew", is_flag=True, help="Mark passages that have targets too.")
@click.option("--larger", type=click.Path(path_type=Path), help="Weights of the larger teacher.")
@click.option("--doubted", type=float, default=0.95, show_default=True, help="What it is asked about.")
@click.option("--share", type=click.FloatRange(0, 1), default=0.6, show_default=True, help="Its weight.")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
def main(
    model: Path | None,
    texts: Path,
    anew: bool,
    larger: Path | None,
    doubted: float,
    share: float,
    corpora: Path,
) -> None:
    """Mark passages and written articles, or have the larger teacher say what it thinks of the targets."""
    with gzip.open(standoff.TARGETS, "rt", encoding="ascii") as lines:
        rows = {line[:16]: line for line in lines}
    if larger:
        marked = take_in(
            rows, larger, doubted, share, {**standoff.read_corpora(texts), **standoff.read_corpora(corpora)}
        )
    else:
        marked = mark(rows, model, texts, anew)
    with atomic(standoff.TARGETS) as stream, gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed:
        packed.writelines(rows[key].encode("ascii") for key in sorted(rows))
    click.echo(f"{marked:,} texts marked, {len(rows):,} targets in all")


def batches(items: list[Item]) -> Iterator[list[Item]]:
    """Give some items at a time, and show progress."""
    with click.progressbar(range(0, len(items), BATCH), file=sys.stderr) as starts:
        for at in starts:
            yield items[at : at + BATCH]


def row_of(key: str, chances: np.ndarray) -> str:
    """Return the line of a text."""
    return f"{key} {' '.join(map(str, np.rint(100 * chances).astype(int)))}\n"


def mark(rows: dict[str, str], model: Path | None, texts: Path, anew: bool) -> int:
    """Have the careful reader mark what has no targets, and return how much that is."""
    teacher = load(model, reader="careful")
    passages = {key: passage.text for key, passage in standoff.read_corpora(texts).items()}
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    parts = (part for example in written for part in (example.text, *standoff.sentences(example.text)))
    found = {**{standoff.key_of(part): part for part in parts}, **passages}
    missing = [key for key in found if key not in rows or (anew and key in passages)]
    for keys in batches(missing):
        chances = teacher.predict_proba([found[key] for key in keys])
        rows.update((key, row_of(key, row)) for key, row in zip(keys, chances, strict=True))
    return len(missing)


def take_in(
    rows: dict[str, str], weights: Path, doubted: float, share: float, copy: dict[str, standoff.Paragraph]
) -> int:
    """Have the larger teacher mark doubted texts, and return how many; logits are averaged."""
    from larger import read_larger

    teacher = read_larger(weights)
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    targets = [t for t in standoff.read_targets(copy, written) if max(t.chances) < doubted]
    targets.sort(key=lambda target: len(target.text))
    for some in batches(targets):
        given = np.log(np.maximum([target.chances for target in some], 0.005))
        mean = share * teacher.logits([target.text for target in some]) + (1 - share) * given
        chances = softmax(mean[:, 1:] - mean[:, :1])
        keys = [standoff.key_of(target.text) for target in some]
        rows.update((key, row_of(key, row)) for key, row in zip(keys, chances, strict=True))
    return len(targets)


if __name__ == "__main__":
    sys.exit(main())
