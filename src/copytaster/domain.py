"""Is a text like those the model has learnt from, or another language, code, a table, a heap of words?

No vocabulary is stored. A table gives each row of token hashes a class: unknown to the training texts, or one
of 15 sorts of words that keep like company, found without supervision (Schütze, *Distributional
part-of-speech tagging*, 1995). A table of bits says which pairs of neighbours training texts share. Unknown
words tell another language; an order of classes and pairs that is likelier in shuffled words than in running
text tells a heap of words; marks and numbers tell code and tables. Evidence grows with the square root of the
length, so a short text is taken for familiar unless it is plainly not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import FORMS
from copytaster.features import Features, ngrams, structure
from copytaster.tokens import tokenise

TOKEN_BITS, PAIR_BITS = 16, 18
"""Hashes are looked up by their highest bits."""
WORDS = 16
"""Classes of words: 0 for unknown ones, and the sorts of known ones."""
NUMBER, STOP, COMMA, MARK = range(WORDS, WORDS + 4)
CLASSES = WORDS + 4
"""Classes of tokens: words, numbers, marks that end sentences, commas, other marks."""
SIGNS = ("unknown_words", "known_words", "figures", "marks", "order", *FORMS)
"""What is weighed: the number of each kind of token, and the evidence for the order they are in, divided by
the square root of the number of tokens; then signs of form."""
LONGEST_WORDS = 3.0
"""Mean word length, in fives of bytes, is cut here."""

UNIT = 16
READ = (1 << 13) - 1
"""A text is judged by this many tokens of its beginning."""

_GRAIN = 2.0**9
"""Signs are rounded to such parts, weights to the square of them: sums are exact, so alike in every batch."""
_TOKEN_SHIFT, _PAIR_SHIFT = np.uint64(64 - TOKEN_BITS), np.uint64(64 - PAIR_BITS)
_WORD_LENGTH = SIGNS.index("word_length")


class Domain:
    """Tells texts like the training texts from others.

    Parameters
    ----------
    words : ndarray of uint8, shape (2 ** TOKEN_BITS / 2,)
        Classes of words by row, two to a byte, the lower half first.
    pairs : ndarray of uint8, shape (2 ** PAIR_BITS / 8,)
        Bits by row: which pairs of neighbours training texts share.
    order : ndarray of int8, shape (CLASSES ** 2, 2)
        Evidence that a class follows a class, in a pair not shared or shared, in running text rather than
        by chance: log-odds in units of 1 / `UNIT`.
    weights : ndarray of float64, shape (len(SIGNS) + 1, k)
        Of the signs, and last the bias, for the log-odds of each of `k` kinds of unlike text to familiar.
    """

    def __init__(
        self,
        words: NDArray[np.uint8],
        pairs: NDArray[np.uint8],
        order: NDArray[np.int8],
        weights: NDArray[np.float64],
    ) -> None:
        self.words = words
        self.pairs = pairs
        self.order = order
        self.weights = weights
        self.classes = class_table(np.stack((words & 15, words >> 4), axis=1).ravel())
        self.counters = counters(order)
        self._scaled = np.rint(weights[:-1] * _GRAIN**2) / _GRAIN**3

    @cached_property
    def _shared(self) -> NDArray[np.uint8]:
        return np.unpackbits(self.pairs, bitorder="little")

    def familiarity(self, features: Features) -> NDArray[np.float64]:
        """Return how familiar each text of a batch is, 0 to 1, shape (n,)."""
        forms = features.cues[:, : len(FORMS)].T
        return self.judge(np.diff(features.pointer), self.sums(features), forms)

    def sums(self, features: Features) -> NDArray[np.int64]:
        """Return the function `sums` of a batch, by the tables of this domain."""
        return sums(features, self.classes, self._shared, self.counters)

    def judge(
        self, tokens: NDArray[Any], sums: NDArray[np.int64], forms: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return how familiar texts are by what `signs` takes, 0 to 1, shape (n,)."""
        found = signs(tokens, sums, forms)
        found *= _GRAIN
        contrasts = np.rint(found, out=found) @ self._scaled + self.weights[-1]
        return np.asarray(1 / (1 + np.exp(np.minimum(contrasts, 600)).sum(axis=1)))


def sums(
    features: Features, classes: NDArray[np.uint8], shared: NDArray[np.uint8], counted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return what the steps of each text add up to, shape (n,), by unpacked tables and `counters`."""
    start, size = features.pointer[:-1], np.diff(features.pointer)
    run = np.zeros(len(features.single) + 1, np.int64)
    np.cumsum(counted.take(steps(features, classes, shared)), out=run[1:])
    return run[start + np.minimum(size, READ)] - run[start]


def signs(tokens: NDArray[Any], sums: NDArray[np.int64], forms: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what is weighed, shape (n, len(SIGNS)).

    Parameters
    ----------
    tokens : ndarray of int, shape (n,)
        How many each text has.
    sums : ndarray of int64, shape (n,)
        By the function of that name.
    forms : ndarray of float32, shape (len(FORMS), n)
        Signs of form.
    """
    size = np.minimum(tokens, READ).astype(np.int64)
    evidence = (sums + (1 << 23) & (1 << 24) - 1) - (1 << 23)
    unknown, numbers, marks = (sums - evidence >> at & READ for at in (24, 37, 50))
    root = np.sqrt(np.maximum(size, 1))
    out = np.empty((len(size), len(SIGNS)))
    for column, count in enumerate(
        (unknown, size - unknown - numbers - marks, numbers, marks, evidence / UNIT)
    ):
        out[:, column] = count / root
    out[:, -len(FORMS) :] = forms.T
    out[:, _WORD_LENGTH] = np.minimum(out[:, _WORD_LENGTH], LONGEST_WORDS)
    return out


def counters(order: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return for each step one number that adds up its evidence (24 bits) and three counts (13 bits each)."""
    right = np.arange(order.size) // 2 % CLASSES
    unknown, number, mark = (flag.astype(np.int64) for flag in (right == 0, right == NUMBER, right > NUMBER))
    added: NDArray[np.int64] = order.ravel() + (unknown << 24) + (number << 37) + (mark << 50)
    return added


def steps(features: Features, classes: NDArray[np.uint8], shared: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the row of `Domain.order` for each token and the one before; at the start stands a full stop."""
    right = classes.take(token_rows(features.single))
    left = np.full(len(right), STOP, np.uint16)
    left[1:] = right[:-1]
    left[features.pointer[:-1][np.diff(features.pointer) > 0]] = STOP
    left *= CLASSES
    left += right
    left *= 2
    left += shared.take(pair_rows(features.pair))
    return left


def token_rows(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of each token hash."""
    return (hashes >> _TOKEN_SHIFT).view(np.int64)


def pair_rows(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of each pair hash."""
    return (hashes >> _PAIR_SHIFT).view(np.int64)


def class_table(words: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the class of the token in each row, given those of words."""
    table = words.copy()
    for name, rows in _FIXED.items():
        table[rows] = name
    return table


def _rows(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of tokens, outside quotations and inside."""
    tokens = tokenise([*texts, *(f'"{text}' for text in texts)])
    single, _, _ = ngrams(tokens, structure(tokens))
    return np.unique(token_rows(single))


_FIXED = {
    NUMBER: _rows(["1" * digits for digits in range(1, 16)]),
    MARK: _rows([chr(code) for code in range(33, 127) if not chr(code).isalnum()]),
    STOP: np.setdiff1d(_rows([".", "!", "?"]), _rows(['"'])),
    COMMA: np.setdiff1d(_rows([","]), _rows(['"'])),
}
