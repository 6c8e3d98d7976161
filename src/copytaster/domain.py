"""Is a text like those the model has learnt from, or another language, code, a table, a heap of words?

No vocabulary is stored. Tables of bits say which token hashes, and which hashes of neighbours, training texts
have in common. One hit may be chance, many are not. Words in common tell the language; neighbours in common
tell its grammar, since shuffled sentences have the words but not the neighbours; marks and numbers tell code
and tables. Evidence grows with the square root of the length: a short text is taken for familiar unless it is
plainly not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from copytaster.features import FORMS, Features, Featuriser, compile_lexicons

BITS = 18
"""Hashes are known by their highest bits."""
BYTES = (1 << BITS) // 8

UNKNOWN, KNOWN, COMMON, NUMBER, MARK = range(5)
"""What a token is: a word training texts do not share, one they do, a very common one; a number; a mark."""
TOKENS = ("unknown", "known", "common", "number", "mark")
CELLS = 2 * len(TOKENS) ** 2
SIGNS = (*(f"{left}-{right}{end}" for left in TOKENS for right in TOKENS for end in ("", "!")), *FORMS)
"""What is weighed: how often each kind of token follows each (``!``: as neighbours training texts share),
divided by the square root of the number of tokens; then signs of form."""
LONGEST_WORDS = 3.0
"""Mean word length, in fives of bytes, is cut here."""

_SHIFT = np.uint64(64 - BITS)
_WORD_LENGTH = SIGNS.index("word_length")


class Domain:
    """Tells texts like the training texts from others.

    Parameters
    ----------
    known : ndarray of uint8, shape (2, BYTES)
        Packed bits: the tokens, and the pairs of neighbours, that training texts share.
    common : ndarray of uint32, shape (c,)
        Rows of the commonest tokens.
    weights : ndarray of float64, shape (len(SIGNS) + 1, k)
        Of the signs, and last the bias, for the log-odds of each of `k` kinds of unlike text.
    """

    def __init__(
        self, known: NDArray[np.uint8], common: NDArray[np.uint32], weights: NDArray[np.float64]
    ) -> None:
        self.known = known
        self.common = common
        self.weights = weights
        bits = np.unpackbits(known, axis=1, bitorder="little")
        self._token, self._pair = token_table(bits[0], common), bits[1]

    def familiarity(self, features: Features) -> NDArray[np.float64]:
        """Return how familiar each text of a batch is, 0 to 1, shape (n,)."""
        measured = signs(features, self._token, self._pair)
        odds = np.zeros(len(measured))
        for weights in self.weights.T:  # a matrix product would round differently in different batches
            odds += np.exp(np.minimum((measured * weights[:-1]).sum(axis=1) + weights[-1], 600))
        return 1 / (1 + odds)


def signs(features: Features, token: NDArray[np.uint8], pair: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what is weighed, shape (n, len(SIGNS)); the tables say which tokens and pairs are known."""
    pointer = features.pointer
    size = np.diff(pointer)
    right = token.take(features.single >> _SHIFT)
    left = np.full_like(right, MARK)
    left[1:] = right[:-1]
    left[pointer[:-1][size > 0]] = MARK
    left *= len(TOKENS)
    left += right
    left *= 2
    left += pair.take(features.pair >> _SHIFT)
    cell = np.repeat(np.arange(0, len(size) * CELLS, CELLS), size)
    cell += left
    out = np.empty((len(size), len(SIGNS)))
    counts = np.bincount(cell, minlength=len(size) * CELLS).reshape(-1, CELLS)
    np.divide(counts, np.sqrt(np.maximum(size, 1))[:, None], out=out[:, :CELLS])
    out[:, CELLS:] = features.cues[:, : len(FORMS)]
    out[:, _WORD_LENGTH] = np.minimum(out[:, _WORD_LENGTH], LONGEST_WORDS)
    return out


def rows(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of the tables for each hash."""
    return (hashes >> _SHIFT).view(np.int64)


def token_table(known: NDArray[np.uint8], common: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return what a token in each row is, shape (2 ** BITS,)."""
    table = known.copy()
    table[common] = COMMON
    table[_NUMBERS] = NUMBER
    table[_MARKS] = MARK
    return table


def _plain_rows(texts: Sequence[str]) -> NDArray[np.int64]:
    """Rows of tokens, outside quotations and inside."""
    features = Featuriser(compile_lexicons({}))([*texts, *(f'"{text}' for text in texts)])
    return np.unique(rows(features.single))


_NUMBERS = _plain_rows(["1" * digits for digits in range(1, 16)])
_MARKS = _plain_rows([chr(code) for code in range(33, 127) if not chr(code).isalnum()])
