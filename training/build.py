"""Fit the default artifact: written articles, and stand-off labels and targets where their texts are at hand.

python training/build.py [-o MODEL] [--corpora FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import standoff

from copytaster.artifact import DEFAULT, load, save
from copytaster.errors import CopytasterError
from copytaster.fit import Soft, fit
from copytaster.labeled import read_labeled, select
from copytaster.model import Model
from copytaster.output import reserved

WRITTEN = 2.0
"""Weight of a written paragraph, against 1 for a real one: few texts stand for many kinds."""
HARD = 0.6
"""Weight of a labelled paragraph that was borderline for its annotator."""
TAUGHT = 0.5
"""Weight of a paragraph that only the teacher has labelled."""


def training_set(corpora: dict[str, standoff.Paragraph]):
    """Return examples of the training split, their weights, and soft targets or None."""
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    joined = standoff.join(corpora)
    chosen = [i for i, example in enumerate(joined.examples) if example.split == "train"]
    held_out = {example.article for example in joined.examples if example.split == "test"}
    examples = written + [joined.examples[i] for i in chosen]
    weights = np.concatenate((np.full(len(written), WRITTEN), np.where(joined.hard[chosen], HARD, 1.0)))
    soft = None
    if corpora and standoff.TARGETS.exists():
        labelled = {standoff.key_of(example.text) for example in joined.examples}
        texts, chances, _ = standoff.read_targets(corpora, held_out)
        keep = [i for i, text in enumerate(texts) if standoff.key_of(text) not in labelled]
        soft = Soft([texts[i] for i in keep], TAUGHT * chances[keep], "teacher")
    return examples, weights, soft


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DEFAULT, show_default=True)
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(output: Path, corpora: Path, seed: int) -> None:
    """Fit the default artifact."""
    try:
        with reserved(output):
            build(output, corpora, seed)
    except CopytasterError as fault:
        raise click.ClickException(str(fault)) from None


def keep_careful_reader(model: Model) -> None:
    """Give a model the careful reader of the default artifact, if that has one with the same labels."""
    if not DEFAULT.exists():
        return
    before = load(DEFAULT)
    if before.careful and before.labels == model.labels:
        model.careful = before.careful
        model.manifest["careful"] = {**before.manifest["careful"], "kept": before.careful.digest}


def build(output: Path, corpora: Path, seed: int) -> None:
    """Fit a model, write it to `output` and say what it was made from."""
    copy = standoff.read_corpora(corpora)
    if not copy:
        click.echo(f"No texts in {corpora}: training on the written articles alone", err=True)
    examples, weights, soft = training_set(copy)
    model = fit(examples, seed=seed, weights=weights, soft=soft)
    keep_careful_reader(model)
    save(model, output)
    taught = len(soft.texts) if soft else 0
    click.echo(
        f"Wrote {output}: {len(examples):,} labelled paragraphs, {taught:,} with the teacher's targets"
    )


if __name__ == "__main__":
    sys.exit(main())
