"""Fit the default artifact: written articles, and stand-off labels and targets where their texts are at hand.

python training/build.py [-o MODEL] [--corpora FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import standoff

from copytaster.artifact import DEFAULT, load, save
from copytaster.errors import CopytasterError
from copytaster.fit import Config, Folds, Soft, fit
from copytaster.labeled import Example, folds, read_labeled, select
from copytaster.model import Model
from copytaster.output import reserved

WRITTEN = 4.0
"""Weight of a written paragraph, against 1 for a real one: few texts stand for many kinds."""
HARD = 0.6
"""Weight of a labelled paragraph that was borderline for its annotator."""
TAUGHT = 0.5
"""Weight of a paragraph that only the teacher has labelled."""
SECOND_OPINION = {False: 0.4, True: 0.6}
"""Weight of the teacher's targets where there is a label too, by whether that was borderline."""
BALANCE = np.array([1.0, 1.2, 1.65])
"""Weights of reporting, opinion and call-to-action, without which the rarer two are missed."""
LABELS = ("reporting", "opinion", "call-to-action")
FOLDS = [{"activism", "speeches"}, {"government"}, {"news", "organisers"}, {"brown", "masc"}]
"""Groups of sources that are held out together; written articles are dealt out by article."""
CONFIG = Config(iterations=120, tolerance=1e-5)
"""Steps enough for what the teacher has to say."""


class Recipe(NamedTuple):
    """What the default artifact is fitted to.

    Attributes
    ----------
    examples : list of Example
    weights : ndarray of float, shape (n,)
        Of the examples.
    folds : Folds
        By source.
    soft : Soft or None
        The teacher's targets, where their texts are at hand.
    """

    examples: list[Example]
    weights: np.ndarray
    folds: Folds
    soft: Soft | None


def fold_of(source: str) -> int:
    """Return the fold that a source of real text is in."""
    group = standoff.group_of(source)
    return next(number for number, groups in enumerate(FOLDS) if group in groups)


def recipe(corpora: dict[str, standoff.Paragraph]) -> Recipe:
    """Return the training split: written articles, and what the local copy has of the stand-off part."""
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    joined = standoff.join(corpora)
    chosen = [i for i, example in enumerate(joined.examples) if example.split == "train"]
    held_out = {example.article for example in joined.examples if example.split == "test"}
    real, hard = [joined.examples[i] for i in chosen], joined.hard[chosen]
    examples = written + real
    weights = np.concatenate((np.full(len(written), WRITTEN), np.where(hard, HARD, 1.0)))
    weights *= BALANCE[[LABELS.index(example.label) for example in examples]]
    number = np.append(folds(written, len(FOLDS), 0), [fold_of(example.source) for example in real])
    soft = None
    if corpora and standoff.TARGETS.exists():
        labelled = {standoff.key_of(e.text): some for e, some in zip(real, hard.tolist(), strict=True)}
        texts, chances, paragraphs = standoff.read_targets(corpora, held_out)
        known = [labelled.get(standoff.key_of(text)) for text in texts]
        share = np.array([TAUGHT if some is None else SECOND_OPINION[some] for some in known])
        place = np.array([fold_of(paragraph.source) for paragraph in paragraphs])
        soft = Soft(texts, share[:, None] * BALANCE * chances, "teacher", place)
    return Recipe(examples, weights, Folds(number.astype(np.intp), "source"), soft)


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
    examples, weights, held_out, soft = recipe(copy)
    model = fit(examples, seed=seed, config=CONFIG, weights=weights, held_out=held_out, soft=soft)
    keep_careful_reader(model)
    save(model, output)
    taught = len(soft.texts) if soft else 0
    click.echo(
        f"Wrote {output}: {len(examples):,} labelled paragraphs, {taught:,} with the teacher's targets"
    )


if __name__ == "__main__":
    sys.exit(main())
