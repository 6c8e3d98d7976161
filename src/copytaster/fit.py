"""Fit a `Model` to labelled paragraphs with scikit-learn's logistic regression."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from copytaster import __version__
from copytaster.context import Context, leads_in, surroundings
from copytaster.domain import Domain
from copytaster.errors import DataError
from copytaster.features import Featuriser, compile_lexicons, read_lexicons
from copytaster.fit_domain import fit_domain
from copytaster.labeled import Example, article_groups, digest, folds, label_order
from copytaster.metrics import evaluate
from copytaster.model import Model, softmax

CUES = Path(__file__).with_name("cues")


@dataclass(frozen=True)
class Config:
    """What can be set about training.

    Attributes
    ----------
    bits : int
        N-grams are hashed to ``2 ** bits`` columns.
    inverse_regularisation : float
        ``C`` of scikit-learn's `LogisticRegression`.
    word_weight, cue_weight : float
        Scale of the two views before the penalty.
    iterations : int
        Most steps of the solver.
    folds : int
        Folds by article, for calibration and the figures of the manifest.
    """

    bits: int = 18
    inverse_regularisation: float = 1.0
    word_weight: float = 3.0
    cue_weight: float = 0.15
    iterations: int = 60
    folds: int = 3


class Matrix(NamedTuple):
    """Both views of texts as scikit-learn takes them."""

    words: sp.csr_matrix
    cues: NDArray[np.float32]

    def take(self, rows: NDArray[Any]) -> Matrix:
        """Return some of the rows."""
        return Matrix(self.words[rows], self.cues[rows])


class Soft(NamedTuple):
    """Texts with a probability for each label in place of one label, as a stronger model gives them.

    Attributes
    ----------
    texts : list of str
    probabilities : ndarray of float, shape (n, K)
        Columns in the order of `label_order` of the examples they go with.
    source : str
        Where they come from, for the manifest.
    """

    texts: list[str]
    probabilities: NDArray[np.float64]
    source: str


def fit(
    examples: Sequence[Example],
    *,
    seed: int = 0,
    config: Config | None = None,
    soft: Soft | None = None,
    weights: NDArray[np.float64] | None = None,
    notes: dict[str, Any] | None = None,
) -> Model:
    """Fit a model.

    The probabilities are calibrated by one temperature (Guo et al., *On Calibration of Modern Neural
    Networks*, 2017) that minimises the log loss of out-of-fold scores, folds by article.

    Parameters
    ----------
    examples : sequence of Example
        At least two labels.
    seed : int
        Of the folds.
    config : Config, optional
    soft : Soft, optional
        More texts, learnt from in every fold.
    weights : ndarray of float, shape (n,), optional
        Of the examples.
    notes : dict, optional
        More for the manifest.

    Raises
    ------
    DataError
        If there are fewer than two or more than 20 labels.
    """
    config = config or Config()
    labels = label_order(examples)
    if not 2 <= len(labels) <= 20:
        raise DataError(f"training takes 2 to 20 labels, the data has {len(labels)}")
    matrix = featurise([example.text for example in examples], config.bits)
    gold = np.array([labels.index(example.label) for example in examples])
    weights = np.ones(len(gold)) if weights is None else weights
    more = (
        None
        if soft is None or not soft.texts
        else (featurise(soft.texts, config.bits), np.where(soft.probabilities > 0.02, soft.probabilities, 0))
    )
    held_out = _out_of_fold(
        matrix, gold, folds(examples, config.folds, seed), len(labels), config, weights, more
    )
    scored = ~np.isnan(held_out[:, 0])
    temperature = _temperature(held_out[scored], gold[scored]) if scored.any() else 1.0
    context = _context(held_out / temperature, gold, examples)
    solution = solve(matrix, np.eye(len(labels))[gold] * weights[:, None], config, more)
    manifest = {
        "package": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seed": seed,
        "config": asdict(config),
        "data": {
            "digest": digest(examples),
            "paragraphs": len(examples),
            "articles": int(article_groups(examples).max()) + 1,
            "labels": {label: count for label, count in Counter(e.label for e in examples).items()},
            "sources": dict(Counter(e.source for e in examples).most_common()),
            "soft": {"texts": len(soft.texts), "source": soft.source} if soft else None,
        },
        "calibration": {
            "method": "temperature, out of fold by article",
            "temperature": round(temperature, 4),
        },
        "context": context._asdict(),
        "out_of_fold": _figures(examples, held_out / temperature, gold, labels),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        **(notes or {}),
    }
    texts, articles = [e.text for e in examples], [e.article for e in examples]
    domain = fit_domain(texts, articles, featuriser(), seed)
    return to_model(labels, solution, temperature, manifest, domain)


def out_of_fold(examples: Sequence[Example], labels: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities of models for paragraphs of articles they were not fitted on, shape (n, K)."""
    config = Config()
    matrix = featurise([e.text for e in examples], config.bits)
    gold = np.array([labels.index(example.label) for example in examples])
    scores = _out_of_fold(matrix, gold, folds(examples, 5, 0), len(labels), config, np.ones(len(gold)), None)
    return softmax(np.nan_to_num(scores))


@cache
def featuriser() -> Featuriser:
    """Return the featuriser of the lexicons that ship with the package."""
    return Featuriser(compile_lexicons(read_lexicons(CUES)))


def featurise(texts: Sequence[str], bits: int, batch: int = 512) -> Matrix:
    """Return both views of texts, shapes (n, 2 ** bits) and (n, c)."""
    shift = np.uint64(64 - bits)
    words, cues = [], []
    for at in range(0, len(texts), batch):
        features = featuriser()(texts[at : at + batch])
        size = np.diff(features.pointer)
        owner = np.repeat(np.arange(len(size)), size)
        row = np.concatenate((owner, owner, features.opening_owner))
        column = np.concatenate((features.single, features.pair, features.opening)) >> shift
        value = (1 / np.sqrt(np.maximum(size, 1)))[row].astype(np.float32)
        shape = (len(size), 1 << bits)
        words.append(sp.csr_matrix((value, (row.astype(np.int32), column.astype(np.int32))), shape=shape))
        cues.append(features.cues)
    return Matrix(sp.vstack(words).tocsr(), np.concatenate(cues))


class Solution(NamedTuple):
    """Contrasts to the first label, on the features as they come."""

    words: NDArray[np.float64]
    cues: NDArray[np.float64]
    bias: NDArray[np.float64]

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.asarray(matrix.words @ self.words + matrix.cues @ self.cues + self.bias)


def solve(
    matrix: Matrix,
    targets: NDArray[np.float64],
    config: Config,
    more: tuple[Matrix, NDArray[np.float64]] | None = None,
) -> Solution:
    """Fit to weighted shares of labels: a row goes in once for every label it may have.

    Parameters
    ----------
    matrix : Matrix
        Both views of ``n`` texts.
    targets : ndarray of float, shape (n, K)
        The weight of each label for each text, 0 or more.
    config : Config
    more : (Matrix, ndarray), optional
        More rows.
    """
    words, cues = matrix
    if more is not None:
        words = sp.vstack((words, more[0].words)).tocsr()
        cues = np.concatenate((cues, more[0].cues))
        targets = np.concatenate((targets, more[1]))
    width = words.shape[1]
    words, used = _occurring(words)
    middle, spread = cues.mean(axis=0, dtype=np.float64), cues.std(axis=0, dtype=np.float64)
    factor = config.cue_weight / np.maximum(spread, 0.02)
    both = sp.hstack(
        (words * np.float32(config.word_weight), sp.csr_matrix(((cues - middle) * factor).astype(np.float32)))
    ).tocsr()
    rows, label = np.nonzero(targets > 0)
    classifier = LogisticRegression(C=config.inverse_regularisation, max_iter=config.iterations, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(
            both if np.array_equal(rows, np.arange(both.shape[0])) else both[rows],
            label,
            sample_weight=targets[rows, label],
        )
    count = targets.shape[1]
    weights, bias = np.zeros((count, both.shape[1])), np.full(count, -10.0)
    seen = classifier.classes_
    weights[seen], bias[seen] = classifier.coef_, classifier.intercept_
    if len(seen) == 2:
        weights[seen], bias[seen] = 0.0, 0.0
        weights[seen[1]], bias[seen[1]] = classifier.coef_[0], classifier.intercept_[0]
    weights = (weights[1:] - weights[0]).T
    on_cues = weights[len(used) :] * factor[:, None]
    on_words = np.zeros((width, count - 1))
    on_words[used] = weights[: len(used)] * config.word_weight
    return Solution(on_words, on_cues, bias[1:] - bias[0] - middle @ on_cues)


def _occurring(words: sp.csr_matrix) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Leave out the columns of a matrix that hold nothing; their weights stay zero."""
    seen = np.zeros(words.shape[1], bool)
    seen[words.indices] = True
    number = np.cumsum(seen, dtype=np.int32) - 1
    used = np.flatnonzero(seen)
    shape = (words.shape[0], len(used))
    return sp.csr_matrix((words.data, number[words.indices], words.indptr), shape=shape), used


def _out_of_fold(
    matrix: Matrix,
    gold: NDArray[np.int64],
    fold: NDArray[np.int64],
    count: int,
    config: Config,
    weights: NDArray[np.float64],
    more: tuple[Matrix, NDArray[np.float64]] | None,
) -> NDArray[np.float64]:
    """Return contrasts, shape (n, K - 1); NaN where the other folds hold fewer than two labels."""
    scores = np.full((len(gold), count - 1), np.nan)
    targets = np.eye(count)[gold] * weights[:, None]
    for part in np.unique(fold):
        train, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        if len(np.unique(gold[train])) > 1:
            scores[test] = solve(matrix.take(train), targets[train], config, more).score(matrix.take(test))
    return scores


def _temperature(scores: NDArray[np.float64], gold: NDArray[np.int64]) -> float:
    def loss(log_temperature: float) -> float:
        chances = softmax(scores / np.exp(log_temperature))
        return float(-np.log(np.maximum(chances[np.arange(len(gold)), gold], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def _context(scores: NDArray[np.float64], gold: NDArray[np.int64], examples: Sequence[Example]) -> Context:
    """Choose the weights of neighbours by the log loss of out-of-fold scores.

    Only paragraphs of articles with a name have neighbours. The weights are penalised and kept at zero or
    above.
    """
    names = {article: i for i, article in enumerate(dict.fromkeys(e.article for e in examples if e.article))}
    rows = [i for i, e in enumerate(examples) if e.article and not np.isnan(scores[i, 0])]
    rows.sort(key=lambda i: (names[examples[i].article], examples[i].index))
    if len(rows) < 2:
        return Context()
    owner = np.array([names[examples[i].article] for i in rows])
    scores, gold = scores[rows], gold[rows]
    mean, following = surroundings(scores, owner, leads_in([examples[i].text for i in rows]))

    def loss(weights: NDArray[np.float64]) -> float:
        chances = softmax(scores + weights[0] * mean + weights[1] * following)
        right = np.maximum(chances[np.arange(len(gold)), gold], 1e-12)
        return float(-np.log(right).mean() + 1e-3 * (weights**2).sum())

    best = minimize(loss, np.zeros(2), bounds=[(0, 1), (0, 1)], method="L-BFGS-B").x
    return Context(*(round(float(weight), 4) for weight in best))


def _figures(
    examples: Sequence[Example], scores: NDArray[np.float64], gold: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, Any] | None:
    """Measure what the folds say of paragraphs they were not fitted on."""
    rows = np.flatnonzero(~np.isnan(scores[:, 0]))
    if not len(rows):
        return None
    report = evaluate(labels, gold[rows], softmax(scores[rows]), article_groups(examples)[rows].tolist())
    return {
        key: report[key]
        for key in ("n", "articles", "accuracy", "macro_f1", "labels", "intervals", "calibration", "coverage")
        if key in report
    }


def to_model(
    labels: tuple[str, ...],
    solution: Solution,
    temperature: float,
    manifest: dict[str, Any],
    domain: Domain | None = None,
) -> Model:
    """Calibrate, and round n-gram weights to 8 bits."""
    words = solution.words / temperature
    scale = np.maximum(np.abs(words).max(axis=0), 1e-9) / 127
    return Model(
        labels,
        featuriser().lexicons,
        np.rint(words / scale).astype(np.int8),
        scale,
        solution.cues / temperature,
        solution.bias / temperature,
        manifest,
        domain,
    )
