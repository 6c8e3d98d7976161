"""All that the model looks at in a text, made by numpy or by the kernel.

The kernel (`_kernel.c`) is optional: it is compiled where the package is installed with a C compiler at hand,
reads each text once, and comes to the same numbers: whole ones, and the weighted sums of lexical cues, which
both add up in the same order. What is made of them is made by numpy in either case; so the answers are the
same to the last bit. The environment variable ``COPYTASTER_KERNEL=0`` says to do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import (
    CLASS_OF_BYTE,
    CUES_OF_LEXICON,
    MOST_OPENINGS,
    TOKEN_CLASSES,
    Counts,
    forms,
)
from copytaster.domain import READ, Domain
from copytaster.extras import import_compiled
from copytaster.features import Features, Featuriser
from copytaster.hidden import Hidden
from copytaster.tokens import CLASSES

kernel = import_compiled("_kernel")
_KINDS = np.frombuffer(CLASSES, np.uint8)
_SINGLE = len(Counts._fields) - 1
"""The numbers of a text that are no table: those that stand before the classes in `Counts`."""


class Tally(NamedTuple):
    """What a batch of `n` texts comes to.

    Attributes
    ----------
    tokens : ndarray of int, shape (n,)
    weights : ndarray of int, shape (n, K - 1)
        Sums of the weights of n-grams.
    steps : ndarray of int64, shape (n,)
        See `copytaster.domain.sums`; zero without a domain.
    forms : ndarray of float32, shape (len(FORMS), n)
        Signs of form.
    lexical : ndarray of float64, shape (n, K - 1)
        Sums of lexical cues, weighted.
    units : ndarray of float32, shape (n, u)
        See `copytaster.hidden.Hidden.add_lexical`; of a model without hidden units, there are none.
    """

    tokens: NDArray[Any]
    weights: NDArray[Any]
    steps: NDArray[np.int64]
    forms: NDArray[np.float32]
    lexical: NDArray[np.float64]
    units: NDArray[np.float32]


class Tallier:
    """Makes a `Tally` of texts.

    Parameters
    ----------
    featurise : Featuriser
    words : ndarray of int8, shape (2 ** bits, K - 1)
        Weights of n-grams by the highest `bits` bits of their hash.
    lexical : ndarray of float64, shape (4 * w, K - 1)
        Weights of lexical cues, in the order of `Featuriser.cue_names`.
    domain : Domain or None
    hidden : Hidden or None
    """

    def __init__(
        self,
        featurise: Featuriser,
        words: NDArray[np.int8],
        lexical: NDArray[np.float64],
        domain: Domain | None,
        hidden: Hidden | None,
    ) -> None:
        self._featurise, self._words, self._domain, self._hidden = featurise, words, domain, hidden
        self._lexical = lexical.reshape(CUES_OF_LEXICON, -1, words.shape[1])
        self._shift = np.uint64(64 - (len(words) - 1).bit_length())

    def __call__(self, texts: Sequence[str]) -> Tally:
        """Tally at least one text, of each its first `MAX_CHARS` characters."""
        return self.by_kernel(texts) if kernel else self.by_numpy(texts)

    def by_numpy(self, texts: Sequence[str]) -> Tally:
        """Tally texts without the kernel."""
        features = self._featurise(texts)
        steps = self._domain.sums(features) if self._domain else np.zeros(len(texts), np.int64)
        no_units = np.zeros((len(texts), 0), np.float32)
        return Tally(
            features.counts.tokens,
            self._sums(features),
            steps,
            forms(features.counts),
            _weigh(features.lexical, features.counts.tokens, self._lexical),
            self._hidden.add_lexical(features.cues) if self._hidden else no_units,
        )

    def by_kernel(self, texts: Sequence[str]) -> Tally:
        """Tally texts by the kernel, which has to be there."""
        counts, weights, steps, lexical, units = self.count(texts)
        return Tally(counts.tokens, weights, steps, forms(counts), lexical, units)

    def count(
        self, texts: Sequence[str]
    ) -> tuple[Counts, NDArray[np.int32], NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
        """Return what the kernel counts, and the other parts of a `Tally` but the forms."""
        n, width, contrasts = len(texts), len(self._featurise.lexicons.names), self._words.shape[1]
        ends = np.cumsum((_SINGLE, TOKEN_CLASSES, contrasts))
        rows, steps = np.zeros((n, ends[-1]), np.int32), np.zeros(n, np.int64)
        lexical, units = np.zeros((n, contrasts)), np.tile(self._bias, (n, 1))
        arrays = (*self._arrays, rows, steps, lexical, units)
        kernel.tally(texts, width, contrasts, len(self._bias), READ, arrays)
        single, classes, weights = np.split(rows, ends[:-1], axis=1)
        return Counts._make((*single.T, classes)), weights, steps, lexical, units

    @property
    def _bias(self) -> NDArray[np.float32]:
        return self._hidden.bias if self._hidden else np.zeros(0, np.float32)

    @cached_property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        """The tables that the kernel reads."""
        lexicons, index, domain = self._featurise.lexicons, self._featurise.index, self._domain
        found = (
            (_KINDS, np.uint8),
            (CLASS_OF_BYTE, np.uint8),
            (self._words, np.int8),
            (lexicons.hashes, np.uint64),
            (index.first[::4], np.int32),
            (np.packbits(index.taken, bitorder="little"), np.uint8),
            (self._featurise.offset, np.int32),
            (lexicons.column, np.uint8),
            (domain.classes if domain else (), np.uint8),
            (domain.pairs if domain else (), np.uint8),
            (domain.counters if domain else (), np.int64),
            (self._lexical, np.float64),
            (self._hidden.lexical if self._hidden else (), np.float32),
        )
        return tuple(np.require(array, kind, ("C", "A")) for array, kind in found)

    @cached_property
    def _packed(self) -> list[NDArray[np.int64]]:
        """Two columns of weights to one of 64 bits, so that one look-up and one running sum serve both."""
        return [_pack(self._words[:, at : at + 2]) for at in range(0, self._words.shape[1], 2)]

    def _sums(self, features: Features) -> NDArray[np.int64]:
        """Return the sums of the weights of n-grams, shape (n, K - 1)."""
        pointer = features.pointer
        total = np.empty((len(pointer) - 1, 2 * len(self._packed)), np.int64)
        single, pair, opening = (
            (hashes >> self._shift).view(np.int64)
            for hashes in (features.single, features.pair, features.opening)
        )
        for at, table in enumerate(self._packed):
            run = np.zeros(len(single) + 1, np.int64)
            np.cumsum(table.take(single) + table.take(pair), out=run[1:])
            sums = run[pointer[1:]] - run[pointer[:-1]]
            np.add.at(sums, features.opening_owner, table.take(opening))
            low = sums.astype(np.int32)
            total[:, 2 * at] = low
            total[:, 2 * at + 1] = (sums - low) >> 32
        return total[:, : self._words.shape[1]]


def _weigh(
    lexical: NDArray[np.int64], tokens: NDArray[Any], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sums of lexical cues, weighted, shape (n, K - 1), added up lexicon by lexicon."""
    own, inside, at_opening = lexical.transpose(1, 2, 0)
    shares, flags = np.zeros((2, lexical.shape[0], weights.shape[2]))
    own = own + at_opening
    columns = (np.sqrt(own), own > 0, np.sqrt(inside), np.minimum(at_opening, MOST_OPENINGS))
    for at in range(lexical.shape[2]):
        share, any_share, quoted, opening = (
            column[at][:, None] * some[at] for column, some in zip(columns, weights, strict=True)
        )
        shares += share
        shares += quoted
        flags += any_share
        flags += opening
    total: NDArray[np.float64] = shares / np.sqrt(np.maximum(tokens, 1))[:, None] + flags
    return total


def _pack(columns: NDArray[np.int8]) -> NDArray[np.int64]:
    """Put one or two columns of small integers into one of 64 bits, the first in the lower half."""
    packed = columns[:, 0].astype(np.int64)
    if columns.shape[1] == 2:
        packed += columns[:, 1].astype(np.int64) << 32
    return packed
