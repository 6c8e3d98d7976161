"""Fit the default artifact: written articles, and stand-off labels and targets where their texts are at hand.

python training/build.py [-o MODEL] [--corpora FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import standoff

from copytaster.annotate import Annotator
from copytaster.artifact import DEFAULT, load, save
from copytaster.errors import CopytasterError
from copytaster.fit import Config, Folds, Soft, featuriser, fit
from copytaster.fit_domain import fit_domain
from copytaster.labeled import Example, folds, read_labeled, select
from copytaster.model import Model
from copytaster.output import reserved

WRITTEN = 6.0
"""Weight of a written paragraph, against 1 for a real one: few texts stand for many kinds."""
HARD = 0.6
"""Weight of a labelled paragraph that was borderline for its annotator."""
TAUGHT = 4.0
"""Weight of what the teacher says of a text."""
PASSED = 2.0
"""Weight of what it says of a passage, which is of a kind that has few labels."""
BALANCE = np.array([1.0, 1.1, 1.5])
"""Weights of reporting, opinion and call-to-action, without which the rarer two are missed."""
DOUBTED = 0.28
"""Share of the held-out real paragraphs that `--reader both` reads again; of other texts it may be more."""
LABELS = ("reporting", "opinion", "call-to-action")
FOLDS = [{"activism", "speeches"}, {"government", "reviews"}, {"news", "organisers"}, {"brown", "masc"}]
"""Groups of sources that are held out together; written articles are dealt out by article."""
CONFIG = Config(inverse_regularisation=0.35, word_weight=1.0, iterations=120, tolerance=3e-6, hidden=64)
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
    soft : Soft
        The teacher's targets of texts that are at hand.
    """

    examples: list[Example]
    weights: np.ndarray
    folds: Folds
    soft: Soft


def fold_of(source: str) -> int:
    """Return the fold that a source of real text is in."""
    group = standoff.group_of(source)
    return next(number for number, groups in enumerate(FOLDS) if group in groups)


def shares_of(targets: Sequence[standoff.Target]) -> np.ndarray:
    """Return the weight of each label for texts that the teacher has marked, shape (n, K)."""
    passed = [target.source.startswith(standoff.PASSAGES) for target in targets]
    chances = np.array([target.chances for target in targets]).reshape(-1, len(LABELS))
    return np.where(passed, PASSED, TAUGHT)[:, None] * BALANCE * chances


def recipe(corpora: dict[str, standoff.Paragraph]) -> Recipe:
    """Return the training split: written articles, and what is at hand of stand-off labels and targets."""
    written = select(read_labeled([standoff.ROOT / "labeled"]), "train")
    joined = standoff.join(corpora)
    chosen = [i for i, example in enumerate(joined.examples) if example.split == "train"]
    held_out = {example.article for example in joined.examples if example.split == "test"}
    real, hard = [joined.examples[i] for i in chosen], joined.hard[chosen]
    examples = written + real
    weights = np.concatenate((np.full(len(written), WRITTEN), np.where(hard, HARD, 1.0)))
    weights *= BALANCE[[LABELS.index(example.label) for example in examples]]
    dealt = folds(written, len(FOLDS), 0)
    number = np.append(dealt, [fold_of(example.source) for example in real]).astype(np.intp)
    of_article = {example.article: fold for example, fold in zip(written, dealt.tolist(), strict=True)}
    targets = [t for t in standoff.read_targets(corpora, written) if t.article not in held_out]
    place = [of_article[t.article] if t.source == "written" else fold_of(t.source) for t in targets]
    texts = [target.text for target in targets]
    soft = Soft(texts, shares_of(targets), "teacher", np.array(place, np.intp))
    return Recipe(examples, weights, Folds(number, "source"), soft)


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


def doubted_below(model: Model, held_out: Sequence[Example]) -> float:
    """Return the confidence of the fast reader below which `DOUBTED` of the held-out paragraphs lie."""
    held_out = sorted(held_out, key=lambda example: (example.article, example.index))
    articles = [example.article or i for i, example in enumerate(held_out)]
    sure = Annotator(model).predict_proba([example.text for example in held_out], articles).max(axis=1)
    return round(float(np.quantile(sure, DOUBTED)), 3)


def keep_careful_reader(model: Model, held_out: Sequence[Example]) -> None:
    """Give a model the careful reader of the default artifact, if that has one with the same labels."""
    before = load(DEFAULT) if DEFAULT.exists() else None
    if before and before.careful and before.labels == model.labels:
        model.careful = before.careful
        model.manifest["careful"] = {**before.manifest["careful"], "kept": before.careful.digest}
        if held_out:
            model.manifest["careful"]["reread_below"] = doubted_below(model, held_out)


def build(output: Path, corpora: Path, seed: int) -> None:
    """Fit a model, write it to `output` and say what it was made from."""
    copy = standoff.read_corpora(corpora)
    if not copy:
        click.echo(f"No texts in {corpora}: training without real labels", err=True)
    passages = standoff.read_corpora(standoff.PACKAGED)
    if not passages:
        click.echo(f"No passages in {standoff.PACKAGED}: `make passages` would gather them", err=True)
    examples, weights, held_out, soft = recipe({**passages, **copy})
    model = fit(examples, seed=seed, config=CONFIG, weights=weights, held_out=held_out, soft=soft)
    whole = [example for example in examples if not example.source.startswith(standoff.PASSAGES)]
    model.domain = fit_domain(  # passages, posts among them, would make it strict with a few words
        [example.text for example in whole], [example.article for example in whole], featuriser(), seed
    )
    keep_careful_reader(model, select(standoff.join(copy).examples, "test"))
    save(model, output)
    click.echo(
        f"Wrote {output}: {len(examples):,} labelled paragraphs, "
        f"the teacher's targets of {len(soft.texts):,} texts"
    )


if __name__ == "__main__":
    sys.exit(main())
