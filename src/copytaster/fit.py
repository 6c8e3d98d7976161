"""Fit a `Model` to labelled paragraphs by multinomial logistic regression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import helmert
from scipy.optimize import minimize, minimize_scalar

from copytaster import __version__
from copytaster.context import Context, leads_in, surroundings, weigh
from copytaster.domain import Domain
from copytaster.errors import DataError, UsageError
from copytaster.features import Featuriser, compile_lexicons, read_lexicons
from copytaster.fit_domain import fit_domain
from copytaster.fit_hidden import fit_hidden
from copytaster.hidden import MOST, STEP, Hidden
from copytaster.labeled import Example, article_groups, digest, folds, label_order
from copytaster.lbfgs import Vector, minimise
from copytaster.metrics import evaluate
from copytaster.model import Model, softmax

CUES = Path(__file__).with_name("cues")
BITS = range(10, 23)
"""What `Config.bits` may be."""
BLOCK = 16_384
"""Texts to a block of rows."""
CAUTION = np.array([0.1, 1e-3, 0.1])
"""Penalties of the squared weights of a `Context`.

Neighbours help where a whole page has one voice, which decides the mean loss, and harm where pages change it.
"""
UNSEEN = -10.0
"""Score of a label that no text has."""


@dataclass(frozen=True)
class Config:
    """What can be set about training.

    Attributes
    ----------
    bits : int
        N-grams are hashed to ``2 ** bits`` columns; 10 to 22.
    inverse_regularisation : float
        ``C`` of scikit-learn's multinomial `LogisticRegression`.
    word_weight, cue_weight : float
        Scale of the two views before the penalty.
    iterations : int
        Most steps of the solver.
    tolerance : float
        It stops where a step lowers the mean loss by less.
    folds : int
        Folds by article, for calibration and the figures of the manifest.
    hidden : int
        Units of a hidden layer over the cues, a multiple of 16; worth it where there is much to learn from.

    Raises
    ------
    UsageError
        If `bits` or `hidden` is out of range.
    """

    bits: int = 18
    inverse_regularisation: float = 1.0
    word_weight: float = 3.0
    cue_weight: float = 0.15
    iterations: int = 20
    tolerance: float = 5e-4
    folds: int = 3
    hidden: int = 0

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise UsageError(f"bits must be a whole number from {BITS[0]} to {BITS[-1]}")
        if self.hidden not in range(0, MOST + 1, STEP):
            raise UsageError(f"hidden must be a multiple of {STEP}, up to {MOST}")


class Rows(NamedTuple):
    """Texts to learn from.

    Attributes
    ----------
    features : csr_matrix of float32, shape (n, 2 ** bits + c)
        See `featurise`.
    targets : ndarray of float, shape (n, K)
        The weight of each label for each text, 0 or more.
    """

    features: sp.csr_matrix
    targets: NDArray[np.float64]


class Soft(NamedTuple):
    """Texts with a probability for each label in place of one label, as a stronger model gives them.

    Attributes
    ----------
    texts : list of str
    probabilities : ndarray of float, shape (n, K)
        Columns in the order of `label_order` of the examples they go with.
    source : str
        Where they come from, for the manifest.
    fold : ndarray of int, shape (n,), optional
        The fold of each, which it is held out with; without, they are learnt from in every fold.
    """

    texts: list[str]
    probabilities: NDArray[np.float64]
    source: str
    fold: NDArray[np.intp] | None = None


class Folds(NamedTuple):
    """How examples are held out.

    Attributes
    ----------
    number : ndarray of int, shape (n,)
        The fold of each example, 0 and up.
    by : str
        What no fold parts, for the manifest.
    """

    number: NDArray[np.intp]
    by: str


def fit(
    examples: Sequence[Example],
    *,
    seed: int = 0,
    config: Config | None = None,
    soft: Soft | None = None,
    weights: NDArray[np.float64] | None = None,
    held_out: Folds | None = None,
    notes: dict[str, Any] | None = None,
) -> Model:
    """Fit a model.

    The probabilities are calibrated by one temperature (Guo et al., *On Calibration of Modern Neural
    Networks*, 2017) that minimises the log loss of out-of-fold scores.

    Parameters
    ----------
    examples : sequence of Example
        At least two labels.
    seed : int
        Of the folds.
    config : Config, optional
    soft : Soft, optional
        More texts.
    weights : ndarray of float, shape (n,), optional
        Of the examples.
    held_out : Folds, optional
        By default as many folds as `config` says, by article.
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
    gold = np.array([labels.index(example.label) for example in examples])
    targets = np.eye(len(labels))[gold] * (1.0 if weights is None else weights[:, None])
    texts = [example.text for example in examples]
    fold, by = held_out or Folds(folds(examples, config.folds, seed), "article")
    parts = _parts(texts, targets, fold, config)
    taught = _taught(soft, len(parts.rows), config)
    scores = _held_out(parts, taught, config, seed)
    scored = ~np.isnan(scores[:, 0])
    temperature = temperature_of(scores[scored], gold[scored]) if scored.any() else 1.0
    context = context_of(scores / temperature, gold, examples)
    solution = learn([*chain.from_iterable(parts.rows), *chain.from_iterable(taught)], config, seed)
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
            "method": f"temperature, out of fold by {by}",
            "temperature": round(temperature, 4),
        },
        "context": context._asdict(),
        "out_of_fold": _figures(examples, scores / temperature, gold, labels),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        **(notes or {}),
    }
    domain = fit_domain(texts, [e.article for e in examples], featuriser(), seed)
    return to_model(labels, solution, temperature, manifest, domain)


def out_of_fold(examples: Sequence[Example], labels: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities of models for paragraphs of articles they were not fitted on, shape (n, K)."""
    config = Config()
    targets = np.eye(len(labels))[[labels.index(example.label) for example in examples]]
    parts = _parts([e.text for e in examples], targets, folds(examples, 5, 0), config)
    return softmax(np.nan_to_num(_held_out(parts, _taught(None, len(parts.rows), config), config, 0)))


@cache
def featuriser() -> Featuriser:
    """Return the featuriser of the lexicons that ship with the package."""
    return Featuriser(compile_lexicons(read_lexicons(CUES)))


def featurise(texts: Sequence[str], bits: int, batch: int = 512) -> sp.csr_matrix:
    """Return both views of texts, shape (n, 2 ** bits + c): hashed n-grams, then cues."""
    parts = []
    for at in range(0, len(texts), batch):
        features = featuriser()(texts[at : at + batch])
        size = np.diff(features.pointer)
        owner = np.repeat(np.arange(len(size)), size)
        cue_row, cue = np.nonzero(features.cues)
        row = np.concatenate((owner, owner, features.opening_owner))
        ngram = np.concatenate((features.single, features.pair, features.opening)) >> np.uint64(64 - bits)
        value = (1 / np.sqrt(np.maximum(size, 1)))[row]
        values = np.concatenate((value, features.cues[cue_row, cue]), dtype=np.float32)
        place = (
            np.concatenate((row, cue_row), dtype=np.int32),
            np.concatenate((ngram.astype(np.int32), cue + (1 << bits)), dtype=np.int32),
        )
        shape = (len(size), (1 << bits) + features.cues.shape[1])
        parts.append(sp.csr_matrix((values, place), shape=shape))
    return sp.vstack(parts, format="csr")


def _rows(texts: Sequence[str], targets: NDArray[np.float64], config: Config) -> list[Rows]:
    """Featurise texts, in blocks so that what is computed from one stays small."""
    return [
        Rows(featurise(texts[at : at + BLOCK], config.bits), targets[at : at + BLOCK])
        for at in range(0, len(texts), BLOCK)
    ]


class _Parts(NamedTuple):
    """The folds: which examples each holds, and these as rows."""

    members: list[NDArray[np.intp]]
    rows: list[list[Rows]]


def _parts(
    texts: Sequence[str], targets: NDArray[np.float64], fold: NDArray[np.intp], config: Config
) -> _Parts:
    members = [np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]
    return _Parts(
        members, [_rows([texts[i] for i in some.tolist()], targets[some], config) for some in members]
    )


def _taught(soft: Soft | None, count: int, config: Config) -> list[list[Rows]]:
    """Return the rows of soft targets that belong to each of `count` folds, and last those of none."""
    if soft is None:
        return [[]] * (count + 1)
    fold = np.full(len(soft.texts), count) if soft.fold is None else soft.fold
    members = [np.flatnonzero(fold == number).tolist() for number in range(count + 1)]
    return [_rows([soft.texts[i] for i in some], soft.probabilities[some], config) for some in members]


def _held_out(parts: _Parts, taught: list[list[Rows]], config: Config, seed: int) -> NDArray[np.float64]:
    """Return contrasts, shape (n, K - 1); NaN where the other folds hold fewer than two labels."""
    scores = np.full((sum(map(len, parts.members)), parts.rows[0][0].targets.shape[1] - 1), np.nan)
    for number, members in enumerate(parts.members):
        others = [
            *chain.from_iterable(parts.rows[:number] + parts.rows[number + 1 :]),
            *chain.from_iterable(taught[:number] + taught[number + 1 :]),
        ]
        if len(_labels_in(others)) > 1:
            solution = learn(others, config, seed)
            scores[members] = np.concatenate([solution.score(rows.features) for rows in parts.rows[number]])
    return scores


def learn(blocks: Sequence[Rows], config: Config, seed: int) -> Solution:
    """Fit the linear part and, where asked for, hidden units to what that leaves."""
    solution = solve(blocks, config)
    if not config.hidden:
        return solution
    words = 1 << config.bits
    cues = [rows.features[:, words:] for rows in blocks]
    contrasts = [solution.score(rows.features) for rows in blocks]
    hidden = fit_hidden(cues, contrasts, [rows.targets for rows in blocks], config.hidden, seed)
    return solution._replace(hidden=hidden)


def _labels_in(blocks: Sequence[Rows]) -> NDArray[np.intp]:
    """Return the columns of labels that occur."""
    return np.flatnonzero(np.any([rows.targets.any(axis=0) for rows in blocks], axis=0))


class Solution(NamedTuple):
    """Contrasts to the first label, on the features as they come.

    Attributes
    ----------
    weights : ndarray of float, shape (2 ** bits + c, K - 1)
    bias : ndarray of float, shape (K - 1,)
    hidden : Hidden or None
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    hidden: Hidden | None = None

    def score(self, features: sp.csr_matrix) -> NDArray[np.float64]:
        """Return the contrasts of texts, shape (n, K - 1)."""
        scores = np.asarray(features @ self.weights + self.bias)
        if self.hidden:
            cues = features[:, -len(self.hidden.inner) :]
            scores += np.maximum(cues @ self.hidden.inner + self.hidden.bias, 0) @ self.hidden.outer
        return scores


def solve(blocks: Sequence[Rows], config: Config) -> Solution:
    """Fit a multinomial logistic regression.

    The loss is that of scikit-learn's `LogisticRegression`, for shares of labels: the cross-entropy, plus the
    squared weights of all labels over ``2 C``. Those that minimise it sum to zero over the labels, so they
    are sought in an orthonormal basis; and in units in which the loss curves alike in every column, which
    saves most of the steps.

    Parameters
    ----------
    blocks : sequence of Rows
        At least two labels.
    config : Config
    """
    seen = _labels_in(blocks)
    basis, C = helmert(len(seen)), config.inverse_regularisation
    targets = [rows.targets[:, seen] for rows in blocks]
    mass = [some.sum(axis=1, keepdims=True) for some in targets]
    total = sum(float(some.sum()) for some in mass)
    columns = _columns(blocks, mass, config)
    cues, middle = columns.cues, columns.middle
    curvature = (len(seen) - 1) / len(seen) ** 2 * np.append(columns.square * columns.scale**2, total)
    unit = 1 / np.sqrt(1 / C + curvature)[:, None]
    penalty = unit**2 / C
    penalty[-1] = 0
    unit[:-1, 0] *= columns.scale
    unit, penalty = unit.astype(np.float32), penalty.astype(np.float32)
    compact = columns.alone(blocks)

    def place(point: Vector) -> tuple[Vector, Vector]:
        """Return weights of the features as they come, and the bias."""
        weights = point.reshape(-1, len(basis)) * unit
        return weights[:-1], np.asarray(weights[-1] - middle @ weights[cues])

    def loss(point: Vector) -> tuple[float, Vector]:
        weights, bias = place(point)
        shrunk = penalty * point.reshape(-1, len(basis))
        value, slope = float(shrunk.ravel() @ point) / 2, np.zeros_like(shrunk)
        for features, wanted, some in zip(compact, targets, mass, strict=True):
            scores = (features @ weights + bias) @ basis
            scores -= scores.max(axis=1, keepdims=True)
            chances = np.exp(scores)
            sums = chances.sum(axis=1, keepdims=True)
            value += float((some * np.log(sums)).sum() - (wanted * scores).sum())
            error = (chances * (some / sums) - wanted) @ basis.T
            slope[:-1] += features.T @ error.astype(np.float32)
            slope[-1] += error.sum(axis=0)
        slope[cues] -= np.outer(middle, slope[-1])
        slope *= unit
        slope += shrunk
        return value, slope.ravel()

    start = np.zeros(len(unit) * len(basis), np.float32)
    found, bias = place(minimise(loss, start, config.iterations, config.tolerance * total))
    shape = (blocks[0].features.shape[1], blocks[0].targets.shape[1])
    weights, biases = np.zeros(shape), np.full(shape[1], UNSEEN)
    weights[np.ix_(columns.used, seen)], biases[seen] = found @ basis, bias @ basis
    return Solution(weights[:, 1:] - weights[:, :1], biases[1:] - biases[0])


class _Columns(NamedTuple):
    """The columns that occur.

    Attributes
    ----------
    used : ndarray of int, shape (d,)
    cues : slice
        Which of them are cues.
    middle : ndarray of float
        Mean of each cue; n-grams are not centred.
    square : ndarray of float, shape (d,)
        Sum of squares.
    scale : ndarray of float, shape (d,)
        By what they are multiplied.
    """

    used: NDArray[np.intp]
    cues: slice
    middle: NDArray[np.float64]
    square: NDArray[np.float64]
    scale: NDArray[np.float64]

    def alone(self, blocks: Sequence[Rows]) -> list[sp.csr_matrix]:
        """Return the features without the other columns."""
        number = np.zeros(blocks[0].features.shape[1], np.int32)
        number[self.used] = np.arange(len(self.used))
        matrices = [rows.features for rows in blocks]
        return [
            sp.csr_matrix((m.data, number[m.indices], m.indptr), shape=(m.shape[0], len(self.used)))
            for m in matrices
        ]


def _columns(blocks: Sequence[Rows], mass: Sequence[NDArray[np.float64]], config: Config) -> _Columns:
    """Measure columns over weighted rows."""
    once, square = np.zeros((2, blocks[0].features.shape[1]))
    for rows, some in zip(blocks, mass, strict=True):
        once += (rows.features.T @ some)[:, 0]
        square += (rows.features.power(2).T @ some)[:, 0]
    total = sum(float(some.sum()) for some in mass)
    used = np.flatnonzero(square)
    cues = slice(int(np.searchsorted(used, 1 << config.bits)), len(used))
    middle, square = once[used[cues]] / total, square[used]
    square[cues] = np.maximum(square[cues] - total * middle**2, 0)
    scale = np.full(len(used), config.word_weight)
    scale[cues] = config.cue_weight / np.maximum(np.sqrt(square[cues] / total), 0.02)
    return _Columns(used, cues, middle, square, scale)


def temperature_of(scores: NDArray[np.float64], gold: NDArray[np.int64]) -> float:
    def loss(log_temperature: float) -> float:
        chances = softmax(scores / np.exp(log_temperature))
        return float(-np.log(np.maximum(chances[np.arange(len(gold)), gold], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def context_of(scores: NDArray[np.float64], gold: NDArray[np.int64], examples: Sequence[Example]) -> Context:
    """Choose the weights of neighbours by the log loss of out-of-fold scores.

    Only paragraphs of articles with a name have neighbours. The weights are penalised by `CAUTION` and kept
    at zero or above.
    """
    names = {article: i for i, article in enumerate(dict.fromkeys(e.article for e in examples if e.article))}
    rows = [i for i, e in enumerate(examples) if e.article and not np.isnan(scores[i, 0])]
    rows.sort(key=lambda i: (names[examples[i].article], examples[i].index))
    if len(rows) < 2:
        return Context()
    owner = np.array([names[examples[i].article] for i in rows])
    scores, gold = scores[rows], gold[rows]
    around = surroundings(scores, owner, leads_in([examples[i].text for i in rows]))

    def loss(weights: NDArray[np.float64]) -> float:
        right = softmax(weigh(scores, weights.tolist(), around))[np.arange(len(gold)), gold]
        return float(-np.log(np.maximum(right, 1e-12)).mean() + CAUTION @ weights**2)

    start = np.zeros(len(CAUTION))
    best = minimize(loss, start, bounds=[(0, 1)] * len(start), method="L-BFGS-B").x
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
    words, cues = np.split(solution.weights / temperature, [-len(featuriser().cue_names)])
    scale = np.maximum(np.abs(words).max(axis=0), 1e-9) / 127
    return Model(
        labels,
        featuriser().lexicons,
        np.rint(words / scale).astype(np.int8),
        scale,
        cues,
        solution.bias / temperature,
        manifest,
        domain,
        solution.hidden and solution.hidden._replace(outer=solution.hidden.outer / temperature),
    )
