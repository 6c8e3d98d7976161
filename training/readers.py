"""Accuracy against cost of the three readers, on the held-out real documents.

    python training/readers.py [-m MODEL] [--corpora FOLDER]

Prints a Markdown table. Times are those of the clock, start of the reader not included, on all processors of
this machine; the readers that read again need the extra `careful`.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import date
from pathlib import Path
from time import perf_counter

import click
import standoff

from copytaster.annotate import READERS, load
from copytaster.labeled import select
from copytaster.metrics import evaluate_examples, rereading


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
def main(model: Path | None, corpora: Path) -> None:
    """Measure the three readers side by side."""
    examples = select(standoff.join(standoff.read_corpora(corpora)).examples, "test")
    if not examples:
        raise click.ClickException(f"no held-out texts in {corpora}: the comparison needs the real text")
    texts = [example.text for example in examples]
    click.echo(
        f"{date.today()}, {os.cpu_count()} processors ({platform.machine()}), {len(texts):,} paragraphs\n"
    )
    click.echo("| reader | macro F1 (95 %) | paragraphs a second | read again | changed, righted, wronged |")
    click.echo("| --- | --- | --: | --: | --: |")
    first = None
    for reader in READERS:
        annotator = load(model, reader=reader)
        annotator.read(texts[:50])
        began = perf_counter()
        reading = annotator.read(texts)
        speed = len(texts) / (perf_counter() - began)
        report = evaluate_examples(examples, annotator.labels, reading.probabilities, errors=0)
        low, high = report["intervals"]["macro_f1"]
        first = reading.probabilities if first is None else first
        cells = "– | – |"
        if reader != "fast":
            n, asked, *outcome = rereading(examples, annotator.labels, first, reading).values()
            cells = f"{asked / n:.0%} | {', '.join(map(str, outcome))} |"
        click.echo(f"| `{reader}` | {report['macro_f1']:.3f} ({low:.3f}–{high:.3f}) | {speed:,.0f} | {cells}")


if __name__ == "__main__":
    sys.exit(main())
