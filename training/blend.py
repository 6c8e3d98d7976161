"""How much the careful reader should add of what the fast one has found, on the held-out real documents.

    python training/blend.py [-m MODEL] [--corpora FOLDER] [--splits N]

The scale of the careful reader and the weight of the fast one minimise the log loss on half of the sources;
on the other half they are measured, and the other way round, for several random halves. This needs the extra
`careful`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import standoff
from scipy.optimize import minimize

from copytaster import careful
from copytaster.artifact import load
from copytaster.labeled import select
from copytaster.metrics import evaluate
from copytaster.model import softmax


@click.command()
@click.option("-m", "--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--splits", type=click.IntRange(1), default=20, show_default=True)
def main(model: Path | None, corpora: Path, splits: int) -> None:
    """Choose weights on half of the sources, measure on the other half."""
    examples = select(standoff.join(standoff.read_corpora(corpora)).examples, "test")
    if not examples:
        raise click.ClickException(f"no held-out texts in {corpora}: the comparison needs the real text")
    loaded = load(model)
    reader, texts = careful.load(loaded), [example.text for example in examples]
    both = np.stack((reader.contrasts(texts), loaded.decision_function(texts)))
    gold = np.array([loaded.labels.index(example.label) for example in examples])
    source = np.array([example.source for example in examples])
    articles = [example.article for example in examples]

    def loss(weights: np.ndarray, rows: np.ndarray) -> float:
        chances = softmax(np.tensordot(weights, both[:, rows], 1))
        return float(-np.log(np.maximum(chances[np.arange(len(chances)), gold[rows]], 1e-12)).mean())

    def figures(contrasts: np.ndarray) -> tuple[float, float]:
        report = evaluate(loaded.labels, gold, softmax(contrasts), articles)
        return report["macro_f1"], report["calibration"]["error"]

    chosen, found = [], []
    for seed in range(splits):
        names = np.random.default_rng(seed).permutation(np.unique(source))
        half = np.isin(source, names[::2])
        joined = np.empty_like(both[0])
        for rows in (half, ~half):
            chosen.append(minimize(loss, [1.0, 0.0], args=(np.flatnonzero(~rows),), method="Nelder-Mead").x)
            joined[rows] = np.tensordot(chosen[-1], both[:, rows], 1)
        found.append(figures(joined))
    rows = {
        "fast": figures(both[1]),
        "careful alone": figures(both[0]),
        f"careful and {reader.fast} of fast, as the artifact says": figures(both[0] + reader.fast * both[1]),
        f"weights chosen on the other half of the sources, mean of {splits} splits": np.mean(found, axis=0),
    }
    click.echo("| reader | macro F1 | calibration error |\n| --- | --: | --: |")
    for name, (macro, error) in rows.items():
        click.echo(f"| {name} | {macro:.3f} | {error:.3f} |")
    ratio = np.array(chosen)[:, 1] / np.array(chosen)[:, 0]
    scale = np.array(chosen)[:, 0]
    for name, numbers in (("weight of fast by careful", ratio), ("scale of careful", scale)):
        click.echo(f"{name}: {np.median(numbers):.2f} ({numbers.min():.2f}–{numbers.max():.2f})")


if __name__ == "__main__":
    sys.exit(main())
