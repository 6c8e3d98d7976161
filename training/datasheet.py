"""Count the labelled data for its data sheet, labeled/README.md."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from copytaster.labeled import Example, label_order, read_labeled

ROOT = Path(__file__).resolve().parent.parent
FEWEST = 40
"""Kinds with fewer paragraphs are counted together."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    cells = ([f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in lines)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def count_by(examples: list[Example], field: str, fewest: int = 0) -> str:
    """Return a table of the articles and of the paragraphs of each label, by one field of the examples."""
    labels = label_order(examples)
    sizes = Counter(getattr(example, field) for example in examples)
    rare = {value for value, size in sizes.items() if size < fewest}
    rows = []
    groups = [(value, {value}) for value, _ in sizes.most_common() if value not in rare]
    for name, values in [*groups, *([(f"{len(rare)} others", rare)] if rare else [])]:
        rows.append(_row(name, [e for e in examples if getattr(e, field) in values], labels))
    if len(rows) > 1:
        rows.append(_row("**all**", examples, labels))
    return table([field, "articles", "paragraphs", *labels], rows)


def _row(name: str, examples: list[Example], labels: Sequence[str]) -> list[object]:
    counts = Counter(example.label for example in examples)
    articles = len({example.article for example in examples})
    return [name, articles, len(examples), *(counts[label] for label in labels)]


def written() -> str:
    """Return the counts of the written articles."""
    examples = read_labeled([ROOT / "labeled"])
    parts = [count_by(examples, "split"), count_by(examples, "kind", FEWEST), count_by(examples, "variety")]
    return "\n".join(parts)


def standoff() -> str:
    """Return the counts of the stand-off labels."""
    with (ROOT / "labeled" / "standoff" / "real.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    order = ("reporting", "opinion", "call-to-action", "furniture")
    labels = sorted({row["label"] for row in rows}, key=order.index)
    sources = Counter(row["source"] for row in rows)
    counts = Counter((row["source"], row["label"]) for row in rows)
    lines = [[name, size, *(counts[name, label] for label in labels)] for name, size in sources.most_common()]
    totals = [sum(column) for column in list(zip(*lines, strict=True))[1:]]
    return table(["source", "paragraphs", *labels], [*lines, ["**all**", *totals]])
