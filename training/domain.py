"""How much is marked out of domain: of other languages, code, tables, shuffled words, and of real articles.

python training/domain.py [--corpora FOLDER]

Real paragraphs are judged by detectors fitted without their source; sentences, code and tables are those of
`tests/domain`, which no detector is fitted on.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from random import Random

import click
import numpy as np
import standoff

from copytaster.annotate import MIN_DOMAIN
from copytaster.domain import Domain
from copytaster.fit import featuriser
from copytaster.fit_domain import fit_domain
from copytaster.labeled import Example, read_labeled
from copytaster.unlike import filler

CASES = standoff.ROOT / "tests" / "domain"
SHORT = 15
"""Words; shorter paragraphs are counted apart."""


def fitted(examples: list[Example]) -> Domain:
    """Fit a detector to examples."""
    return fit_domain([e.text for e in examples], [e.article for e in examples], featuriser())


def outside(domain: Domain, texts: list[str]) -> list[bool]:
    """Say which texts are out of domain."""
    parts = [domain.familiarity(featuriser()(texts[at : at + 128])) for at in range(0, len(texts), 128)]
    return (np.concatenate(parts) < MIN_DOMAIN).tolist() if parts else []


def made(random: Random) -> dict[str, list[str]]:
    """Return texts out of domain, by class."""
    cases = {"lorem ipsum": filler(random, 200)}
    for name, between in (("spanish", "\n"), ("german", "\n"), ("code", "\n\n"), ("tables", "\n\n")):
        texts = [text for text in (CASES / f"{name}.txt").read_text("utf-8").split(between) if text.strip()]
        cases[f"{name}, one"] = texts
        cases[f"{name}, two together"] = [between[:1].join(pair) for pair in pairwise(texts)]
    return cases


def shuffled(texts: list[str], random: Random) -> list[str]:
    """Return the words of texts out of order."""
    return [" ".join(random.sample(words, len(words))) for words in map(str.split, texts) if len(words) >= 8]


def line(name: str, found: list[bool]) -> None:
    """Print a row."""
    click.echo(f"| {name} | {len(found):,} | {100 * np.mean(found):.1f} |" if found else f"| {name} | 0 | |")


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
def main(corpora: Path) -> None:
    """Measure what is marked out of domain."""
    random = Random(0)
    written = read_labeled([standoff.ROOT / "labeled"])
    real = [e for e in standoff.join(standoff.read_corpora(corpora)).examples if e.label != "furniture"]
    started = time.perf_counter()
    everything = fitted(written + real)
    click.echo(f"Fitted to {len(written + real):,} paragraphs in {time.perf_counter() - started:.1f} s\n")
    click.echo("| class | cases | out of domain, % |\n|---|--:|--:|")
    for name, texts in made(random).items():
        line(name, outside(everything, texts))
    rows: dict[str, list[bool]] = {}
    length: list[bool] = []
    mixed: list[bool] = []
    long: list[bool] = []
    for source in sorted({e.source for e in real}):
        domain = fitted(written + [e for e in real if e.source != source])
        texts = [e.text for e in real if e.source == source]
        rows[source] = outside(domain, texts)
        length += [len(text.split()) < SHORT for text in texts]
        heaps = shuffled(texts, random)
        mixed += (found := outside(domain, heaps))
        long += [flag for flag, heap in zip(found, heaps, strict=True) if len(heap.split()) >= SHORT]
    line("shuffled words, 8 or more, of sources held out", mixed)
    line(f"shuffled words, {SHORT} or more", long)
    click.echo("\n| real source, held out | paragraphs | out of domain, % |\n|---|--:|--:|")
    for source, found in rows.items():
        line(source, found)
    every = [flag for found in rows.values() for flag in found]
    line("all", every)
    line(f"all of {SHORT} words or more", [f for f, short in zip(every, length, strict=True) if not short])
    alone = outside(fitted(written), [e.text for e in real])
    line("all, by a detector fitted to the written articles alone", alone)


if __name__ == "__main__":
    main()
