"""Fit a `Domain`: a logistic regression between the training texts and texts made to be unlike them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from copytaster import unlike
from copytaster.counts import FORMS
from copytaster.domain import (
    CLASSES,
    PAIR_BITS,
    SIGNS,
    TOKEN_BITS,
    UNIT,
    WORDS,
    Domain,
    class_table,
    counters,
    pair_rows,
    signs,
    steps,
    sums,
    token_rows,
)
from copytaster.features import Features, Featuriser

MOST = 30_000
"""Training texts that the tables are made from."""
SAMPLE = 5_000
"""Training texts that the border is drawn by."""
FULL = (0.07, 0.25)
"""At most these shares of the tables of words and pairs are filled, so that few are known by chance."""
LEAST = 6
"""A training text of fewer words says little of prose; it is left out, unless most are so short."""
NEIGHBOURS, DIMENSIONS = 250, 40
"""Words are sorted by how often they stand before and after each of so many of the commonest tokens."""
THIN = 4
"""What fewer than so many times the least number of articles share, texts from elsewhere may not share."""
STRAY = 0.02
"""Words in fewer articles than this share are not common: a language that few use stays strange."""
DOUBT = 2.0
"""Log-odds by which the border is moved outwards where the table of pairs is empty."""
MISSED = 0.02
"""Share of the training texts that may seem foreign when judged by what is left then."""
AKIN = 0.5
"""A language is no counterexample if its words are known so often, against those of training texts."""

_Tables = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def fit_domain(texts: Sequence[str], groups: Sequence[str], featurise: Featuriser, seed: int = 0) -> Domain:
    """Fit a detector of texts unlike the training texts.

    A token or pair is known if it occurs in several articles, and a training text is judged by what *other*
    articles have; once more by what many have, since texts from elsewhere share less; and in pieces, since
    some are short. Texts in a language that few others use are left out. Of the languages that ship with the
    package as counterexamples, those that the training texts are written in, or near to, are told by how many
    of their words are known, and are left out too. The border is moved to where few training texts fall
    outside, whatever they are; the emptier the table of pairs is, the further out it lies, since a small
    training set knows little of its language.

    Parameters
    ----------
    texts : sequence of str
        Training texts, any labels.
    groups : sequence of str
        The article of each.
    featurise : Featuriser
    seed : int
    """
    random = Random(seed)
    long = [i for i, text in enumerate(texts) if len(text.split()) >= LEAST]
    choice = long if 2 * len(long) > len(texts) else range(len(texts))
    chosen = random.sample(choice, min(len(choice), MOST))
    texts = [texts[i] for i in chosen]
    number: dict[str, int] = {}
    owner = np.array([number.setdefault(groups[i], len(number)) for i in chosen])

    own = _batches(texts, featurise)
    usual = _usual(own, owner)
    if not usual.all():
        texts, owner = [text for text, keep in zip(texts, usual, strict=True) if keep], owner[usual]
        own = _batches(texts, featurise)
    owner = np.repeat(owner, np.concatenate([np.diff(f.pointer) for f in own]))
    tokens = token_rows(np.concatenate([f.single for f in own]))
    pairs = _Shared(pair_rows(np.concatenate([f.pair for f in own])), owner, 1 << PAIR_BITS, FULL[1])
    words = _Shared(tokens, owner, 1 << TOKEN_BITS, FULL[0])
    sorts = _sorts(tokens, words, seed)

    def tables(more: int = 0, times: int = 1) -> _Tables:
        known = np.where(words.by(more, times), sorts, 0)
        return class_table(known.astype(np.uint8)), pairs.by(more, times).astype(np.uint8)

    whole, apart, thin = tables(), tables(more=1), tables(times=THIN)
    own = own[: -(-SAMPLE // _BATCH)]
    sample = texts[: _BATCH * len(own)]
    mixed = _batches(unlike.salad(texts, random), featurise)
    order = _order(_steps(own, apart), _steps(mixed, whole))
    counted = counters(order)

    def judge(batches: list[Features], by: _Tables = whole) -> NDArray[np.float64]:
        found = [signs(np.diff(f.pointer), sums(f, *by, counted), f.cues[:, : len(FORMS)].T) for f in batches]
        return np.concatenate(found or [np.empty((0, len(SIGNS)))])

    inside, scarce = judge(own, apart), judge(own, thin)
    pieces = judge(_batches(unlike.pieces(sample, random), featurise), apart)
    strange = []
    for sentences in unlike.languages().values():
        if _known(judge(_batches(sentences, featurise))) < AKIN * _known(inside):
            strange += unlike.foreign(sentences, random)
    others = (strange, *(make(Random(seed)) for make in (unlike.code, unlike.tables, unlike.filler)))
    kinds = [
        np.concatenate((inside, scarce, pieces)),
        *(judge(_batches(some, featurise)) for some in others if some),
        *([judge(mixed)] if mixed else []),
    ]
    weights = _regression(kinds)
    margin = float(np.quantile(-np.logaddexp.reduce(scarce @ weights[:-1] + weights[-1], axis=1), MISSED))
    trust = pairs.filled / FULL[1]
    weights[-1] += min(margin, margin * trust) - DOUBT * (1 - trust)
    known: NDArray[np.uint8] = np.where(words.by(), sorts, 0).astype(np.uint8)
    shared = np.packbits(pairs.by(), bitorder="little")
    return Domain(known[::2] | known[1::2] * np.uint8(16), shared, order, weights)


_BATCH = 500


def _batches(texts: Sequence[str], featurise: Featuriser) -> list[Features]:
    return [featurise(texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)]


def _usual(batches: list[Features], owner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which texts have their share of the commonest words; the others may be in a stray language."""
    size = np.concatenate([np.diff(f.pointer) for f in batches])
    rows = token_rows(np.concatenate([f.single for f in batches]))
    shared = _Shared(rows, np.repeat(owner, size), 1 << TOKEN_BITS, 1.0)
    plain = class_table(np.ones(1 << TOKEN_BITS, np.uint8)) == 1
    common = plain & (shared.counts >= max(2, STRAY * (owner.max() + 1)))
    text = np.repeat(np.arange(len(size)), size)
    words = np.bincount(text, plain.take(rows), len(size))
    share = np.bincount(text, common.take(rows), len(size)) / np.maximum(words, 1)
    return (words < 12) | (share >= np.median(share) / 3)


class _Shared:
    """The number of articles each row of a table occurs in, and from how many on it is known."""

    def __init__(self, rows: NDArray[np.int64], owner: NDArray[np.int64], size: int, full: float) -> None:
        cell = np.sort(owner * size + rows)
        self.counts = np.bincount(cell[np.diff(cell, prepend=-1) > 0] % size, minlength=size)
        self.least = 2
        while (self.counts >= self.least).mean() > full:
            self.least += 1
        self.filled = float((self.counts >= self.least).mean())

    def by(self, more: int = 0, times: int = 1) -> NDArray[np.bool_]:
        """Return which rows are known if that takes `more` articles, or so many `times` as many."""
        return np.asarray(self.counts >= self.least * times + more)


def _sorts(token: NDArray[np.int64], words: _Shared, seed: int) -> NDArray[np.int64]:
    """Sort the rows of known words by the company they keep, 1 to ``WORDS - 1``; others 0."""
    rows = np.flatnonzero(words.by())
    sorts = np.zeros(len(words.counts), np.int64)
    if len(rows) < 10 * WORDS:
        sorts[rows] = 1
        return sorts
    place, near = np.full((2, len(sorts)), -1)
    place[rows] = np.arange(len(rows))
    near[np.argsort(-words.counts, kind="stable")[:NEIGHBOURS]] = np.arange(NEIGHBOURS)
    cells = []
    for at, (word, beside) in enumerate(((token[1:], token[:-1]), (token[:-1], token[1:]))):
        both = (place[word] >= 0) & (near[beside] >= 0)
        cells.append(place[word[both]] * 2 * NEIGHBOURS + near[beside[both]] + at * NEIGHBOURS)
    counts = np.bincount(np.concatenate(cells), minlength=len(rows) * 2 * NEIGHBOURS)
    company = counts.reshape(len(rows), 2 * NEIGHBOURS).astype(np.float32)
    total = company.sum(axis=1)
    company = np.sqrt(company / np.maximum(total, 1)[:, None]) * (total / (total + 3))[:, None]
    weight = np.sqrt(total) + 1e-3
    company -= np.average(company, axis=0, weights=weight)
    clusters = KMeans(WORDS - 1, n_init=1, max_iter=30, random_state=seed)
    with threadpool_limits(1):
        _, axes = np.linalg.eigh((company * weight[:, None]).T @ company)
        sorts[rows] = 1 + clusters.fit_predict(company @ axes[:, -DIMENSIONS:], sample_weight=weight)
    return sorts


def _steps(batches: list[Features], by: _Tables) -> NDArray[np.float64]:
    """Return how often each step is taken, shape (CLASSES ** 2, 2)."""
    counts = np.zeros(CLASSES * CLASSES * 2)
    for features in batches:
        counts += np.bincount(steps(features, *by), minlength=len(counts))
    return counts.reshape(-1, 2)


def _order(text: NDArray[np.float64], chance: NDArray[np.float64], prior: float = 20) -> NDArray[np.int8]:
    """Return the log-odds of each step in running text to shuffled words, drawn to 0 where steps are few."""
    together = prior * (text + chance + 1e-3) / (text + chance + 1e-3).sum()
    one, other = ((counts + together) / (counts.sum() + prior) for counts in (text, chance))
    units: NDArray[np.float64] = np.rint(UNIT * np.log(one / other))
    return units.clip(-127, 127).astype(np.int8)


def _known(found: NDArray[np.float64]) -> float:
    """Return the share of words that are known, from signs."""
    known, unknown = (found[:, SIGNS.index(sign)].sum() for sign in ("known_words", "unknown_words"))
    return float(known / max(known + unknown, 1e-9))


def _regression(kinds: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return weights of the contrasts of each kind to the first, bias last."""
    x, y = np.concatenate(kinds), np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    with threadpool_limits(1):
        classifier = LogisticRegression(max_iter=200, tol=1e-3).fit((x - middle) / spread, y)
    weights = (classifier.coef_[1:] - classifier.coef_[0]) / spread
    return np.vstack((weights.T, classifier.intercept_[1:] - classifier.intercept_[0] - weights @ middle))
