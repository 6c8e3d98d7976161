"""Measure speed on this machine: make bench

    python training/bench.py [--megabytes N] [--repeats N]

The texts are the written articles, over and over. Every figure is the best of the repeats; commands are timed
from start to end, loading included.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import click
import numpy as np

import copytaster
from copytaster.labeled import article_groups, read_labeled

LABELED = Path(__file__).resolve().parent.parent / "labeled"


def best(repeats: int, work: Callable[[], object]) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def run(*arguments: object) -> Callable[[], object]:
    """Return a run of the command line."""
    command = [sys.executable, "-m", "copytaster", *map(str, arguments)]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@click.command()
@click.option("--megabytes", type=float, default=20.0, show_default=True)
@click.option("--repeats", type=int, default=3, show_default=True)
def main(megabytes: float, repeats: int) -> None:
    """Print a table of figures."""
    examples = read_labeled([LABELED])
    texts = [example.text for example in examples]
    numbers = article_groups(examples)
    articles = [[texts[i] for i in np.flatnonzero(numbers == n)] for n in range(numbers.max() + 1)]
    size = sum(len("\n\n".join(article).encode()) for article in articles)
    copies = max(1, round(megabytes * 1e6 / size))
    size, paragraphs = size * copies, len(texts) * copies
    rows = []

    def add(what: str, seconds: float) -> None:
        rate = (f"{paragraphs / seconds:,.0f}", f"{size / seconds / 1e6:.1f}")
        rows.append((what, f"{seconds:.2f}", *rate))

    with tempfile.TemporaryDirectory() as folder:
        source, one = Path(folder, "articles.jsonl"), Path(folder, "one.txt")
        one.write_text("\n\n".join(articles[0]), "utf-8")
        with source.open("w", encoding="utf-8") as file:
            for copy in range(copies):
                for number, article in enumerate(articles):
                    row = {"id": f"{copy}-{number}", "text": "\n\n".join(article)}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        reader = copytaster.load()
        add(
            "probabilities of paragraphs, in Python",
            best(repeats, lambda: reader.predict_proba(texts * copies)),
        )
        for jobs in dict.fromkeys((1, os.cpu_count() or 1)):
            work = run("predict", source, "-f", "jsonl", "-j", jobs, "-o", Path(folder, "out"))
            add(f"`predict -f jsonl -j {jobs}`", best(repeats, work))
        rows.append(("`predict` of one article", f"{best(repeats, run('predict', one)):.2f}", "", ""))
        rows.append(("`--help`", f"{best(repeats, run('--help')):.2f}", "", ""))
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    click.echo(f"{date.today()}, {platform.machine()}, {os.cpu_count()} processors, {versions}")
    click.echo(f"{len(articles) * copies:,} articles, {paragraphs:,} paragraphs, {size / 1e6:.1f} MB\n")
    click.echo("| what | seconds | paragraphs a second | MB a second |\n| --- | --: | --: | --: |")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
