"""How many labels does `copytaster suggest` save against random choice?

Labelled paragraphs play the unlabelled: a plain linear model starts from a few at random and is shown more,
round by round, either those that `copytaster.suggest.select` picks or as many at random, and is measured each
time on articles it never sees. Repeats differ in the articles held out and in the start; the two ways share
both. The intervals are over repeats, so they speak of these data and not of others.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from copytaster.labeled import Example, folds, label_order, read_labeled
from copytaster.suggest import select

START, STEP, ROUNDS, PER_ARTICLE = 40, 40, 14, 3

Curve = NDArray[np.float64]
"""Macro F1 after each round, shape (ROUNDS + 1,)."""


def curve(
    features: Any,
    texts: list[str],
    articles: list[str],
    y: NDArray[np.intp],
    held: NDArray[np.bool_],
    way: str,
    seed: int,
) -> Curve:
    """Macro F1 on the held-out paragraphs, after each round of labelling the others one way."""
    rng = np.random.default_rng(seed)
    pool = rng.permutation(np.flatnonzero(~held))
    known, unknown = pool[:START], pool[START:]
    scores = []
    for _ in range(ROUNDS + 1):
        model = LogisticRegression(C=10, max_iter=300, class_weight="balanced").fit(features[known], y[known])
        scores.append(f1_score(y[held], model.predict(features[held]), average="macro"))
        if way == "suggest":
            p = model.predict_proba(features[unknown])
            places = [articles[i] for i in unknown]
            chosen = select([texts[i] for i in unknown], p, places, STEP, PER_ARTICLE)
        else:
            chosen = np.arange(STEP)
        known = np.concatenate([known, unknown[chosen]])
        unknown = np.delete(unknown, chosen)
    return np.array(scores)


def simulate(examples: list[Example], repeats: int) -> tuple[Curve, Curve]:
    """Curves of both ways, shape (repeats, ROUNDS + 1) each."""
    texts, articles = [e.text for e in examples], [e.article for e in examples]
    labels = label_order(examples)
    y = np.array([labels.index(e.label) for e in examples])
    features = HashingVectorizer(ngram_range=(1, 2), n_features=2**16).transform(texts)
    pairs = []
    for seed in range(repeats):
        held = folds(examples, 4, seed) == 0
        pairs.append([curve(features, texts, articles, y, held, way, seed) for way in ("suggest", "random")])
    suggest, random = np.array(pairs).swapaxes(0, 1)
    return suggest, random


def saved(suggest: Curve, random: Curve) -> Curve:
    """Share of labels saved in each repeat: what `suggest` needs for the F1 at which random choice ends."""
    counts = START + STEP * np.arange(ROUNDS + 1)
    needed = [
        np.interp(end, np.maximum.accumulate(s), counts)
        for s, end in zip(suggest, random[:, -1], strict=True)
    ]
    return np.asarray(1 - np.array(needed) / counts[-1])


def interval(values: NDArray[np.float64]) -> str:
    """Mean of the repeats with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (5_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():6.3f} [{low:.3f}, {high:.3f}]"


@click.command(help=__doc__)
@click.argument("labeled", nargs=-1)
@click.option("--repeats", default=20, show_default=True)
def main(labeled: tuple[str, ...], repeats: int) -> None:
    examples = read_labeled(labeled or ["labeled"])
    suggest, random = simulate(examples, repeats)
    click.echo(f"macro F1, mean of {repeats} repeats with 95 % interval\n")
    click.echo("labels  suggest                random                 difference")
    for i in range(0, ROUNDS + 1, 2):
        row = (suggest[:, i], random[:, i], suggest[:, i] - random[:, i])
        click.echo(f"{START + STEP * i:6}  " + "  ".join(map(interval, row)))
    click.echo(
        f"\nlabels saved at the F1 of {START + STEP * ROUNDS} random ones: {interval(saved(suggest, random))}"
    )


if __name__ == "__main__":
    main()
