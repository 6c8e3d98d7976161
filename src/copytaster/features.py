"""Two views of one tokenisation: hashed n-grams and densities of cues.

**Words**: every token and every pair of neighbours is hashed to one of ``2**bits`` columns; what stands
inside quotation marks is hashed apart from what the writer says, and the first words of a sentence once more,
since "Sign" there is an ask and "the sign" is not. **Cues**: how much of a paragraph belongs to each lexicon
in `copytaster/cues`, in the writer's own voice, inside quotation marks and at the start of sentences, beside
signs of form such as length, capitals, question marks and addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import AT_OPENING, FORMS, INSIDE, OWN, PLACES, Counts, count, cues
from copytaster.tokens import DIGIT, MARK, Tokens, join_hashes, mix, tokenise

MAX_CHARS = 65_536
"""A paragraph is judged by this many characters of its beginning."""

_QUOTED = np.uint64(0xA24BAED4963EE407)
_OPENING = np.uint64(0x9FB21C651E98DF25)


class Lexicons(NamedTuple):
    """Cue lexicons compiled for looking up token hashes.

    Attributes
    ----------
    names : tuple of str
        One a lexicon, in column order.
    hashes : ndarray of uint64, shape (e,)
        Sorted hashes of entries of one, two or three tokens, each salted by its number of tokens.
    fan : ndarray of uint8, shape (e,)
        How many lexicons an entry belongs to.
    column : ndarray of uint8, shape (fan.sum(),)
        Which ones, entry after entry.
    """

    names: tuple[str, ...]
    hashes: NDArray[np.uint64]
    fan: NDArray[np.uint8]
    column: NDArray[np.uint8]


_SALTS = (np.uint64(0), np.uint64(0x632BE59BD9B4E019), np.uint64(0xE220A8397B1DCDAF))


def _phrase_hashes(tokens: Tokens) -> NDArray[np.uint64]:
    """Hashes of the phrases of one to three tokens that end at each token, shape (3, t); 0 over a border."""
    out = np.zeros((3, len(tokens.hash)), np.uint64)
    single, pair, triple = out
    single[:] = tokens.hash
    pair[1:] = join_hashes(single[:-1], single[1:])
    triple[2:] = join_hashes(pair[1:-1], single[2:]) ^ _SALTS[2]
    pair ^= _SALTS[1]
    first = tokens.pointer[:-1][np.diff(tokens.pointer) > 0]
    pair[first] = triple[first] = 0
    triple[first[first + 1 < len(single)] + 1] = 0
    return out


def compile_lexicons(lexicons: Mapping[str, Sequence[str]]) -> Lexicons:
    """Hash the entries of lexicons.

    Parameters
    ----------
    lexicons : mapping of str to sequence of str
        Name and entries; an entry has one to three tokens, longer ones are a `ValueError`.
    """
    names = tuple(lexicons)
    pairs = [(entry, column) for column, name in enumerate(names) for entry in lexicons[name]]
    if not pairs:
        return Lexicons(names, np.empty(0, np.uint64), np.empty(0, np.uint8), np.empty(0, np.uint8))
    tokens = tokenise([entry for entry, _ in pairs])
    lengths = np.diff(tokens.pointer)
    if lengths.min() < 1 or lengths.max() > 3:
        odd = pairs[int(np.flatnonzero((lengths < 1) | (lengths > 3))[0])][0]
        raise ValueError(f"a lexicon entry has one to three tokens, not {odd!r}")
    hashes = _phrase_hashes(tokens)[lengths - 1, tokens.pointer[1:] - 1]
    cells = sorted(set(zip(hashes.tolist(), (column for _, column in pairs), strict=True)))
    unique, fan = np.unique(np.array([cell for cell, _ in cells], np.uint64), return_counts=True)
    return Lexicons(names, unique, fan.astype(np.uint8), np.array([column for _, column in cells], np.uint8))


def read_lexicons(folder: Path) -> dict[str, list[str]]:
    """Read ``*.txt`` lexicons: one entry a line, lines starting with ``#`` are notes."""
    return {
        path.stem: [
            line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")
        ]
        for path in sorted(folder.glob("*.txt"))
    }


class Index:
    """Where hashes stand in a sorted array, found by their highest bits, without a binary search.

    Attributes
    ----------
    first : ndarray of int32, shape (2 ** BITS + 1,)
        Where the hashes with given highest bits begin; those with the next ones follow.
    taken : ndarray of bool, shape (2 ** BITS,)
        Whether there is any.
    """

    BITS = 18

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._shift = np.uint64(64 - self.BITS)
        number = np.bincount((hashes >> self._shift).astype(np.int64), minlength=1 << self.BITS)
        self.taken = number > 0
        self.first = np.zeros(len(number) + 1, np.int32)
        np.cumsum(number, out=self.first[1:])
        self._hashes = np.append(hashes, ~hashes[-1:])  # what ends the search shares no bits with the last

    def find(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which of `wanted` are in the array, in no order, and where in it they stand."""
        slot = (wanted >> self._shift).view(np.int64)
        at = np.flatnonzero(self.taken.take(slot))
        entry = self.first.take(slot.take(at)).astype(np.int64)
        places, entries = [], []
        while len(at):
            hit = self._hashes.take(entry) == wanted.take(at)
            right, wrong = np.flatnonzero(hit), np.flatnonzero(~hit)
            places.append(at.take(right))
            entries.append(entry.take(right))
            at, entry = at.take(wrong), entry.take(wrong) + 1
            same = np.flatnonzero(self._hashes.take(entry) >> self._shift == wanted.take(at) >> self._shift)
            at, entry = at.take(same), entry.take(same)
        return np.concatenate(places or [at]), np.concatenate(entries or [entry])


class Structure(NamedTuple):
    """What the tokens of a batch are to the paragraph they stand in (arrays of length ``t``)."""

    owner: NDArray[np.int64]
    quoted: NDArray[np.bool_]
    opening: NDArray[np.bool_]
    capital: NDArray[np.bool_]


def structure(tokens: Tokens) -> Structure:
    """Find quotations (by the parity of double quotation marks) and the first words of sentences."""
    count = len(tokens.hash)
    size = np.diff(tokens.pointer)
    owner = np.repeat(np.arange(len(size)), size)
    first = tokens.raw.take(tokens.start)
    mark = tokens.kind == MARK
    marks = np.zeros(count + 1, np.int64)
    np.cumsum(mark & (first == 34), out=marks[1:])
    quoted = ((marks[1:] - np.repeat(marks[tokens.pointer[:-1]], size)) & 1).astype(bool)
    capital = (first >= 65) & (first <= 90)

    starts = np.zeros(count + 1, bool)
    starts[tokens.pointer[:-1]] = True
    starts = starts[:count]
    ends = mark & ((first == 46) | (first == 33) | (first == 63) | (first == 58))
    short = (tokens.end - tokens.start <= 3) & capital
    if count > 1:
        ends[1:] &= ~(short[:-1] & (first[1:] == 46) & ~starts[1:])
    transparent = mark & ~ends
    opening = starts.copy()
    for _ in range(4):
        opening[1:] |= (opening[:-1] & transparent[:-1]) | ends[:-1]
    opening &= ~mark & (capital | (tokens.kind == DIGIT) | starts | _after_start(starts, transparent))
    return Structure(owner, quoted, opening, capital)


def _after_start(starts: NDArray[np.bool_], transparent: NDArray[np.bool_]) -> NDArray[np.bool_]:
    after = starts.copy()
    for _ in range(4):
        after[1:] |= after[:-1] & transparent[:-1]
    return after


class Ngrams(NamedTuple):
    """Hashes of the n-gram features of a batch, in three runs, and the token each one ends at."""

    hash: NDArray[np.uint64]
    token: NDArray[np.int64]


def ngrams(tokens: Tokens, shape: Structure) -> tuple[NDArray[np.uint64], NDArray[np.uint64], Ngrams]:
    """Hash every token, every pair and every sentence opening.

    Returns
    -------
    single, pair : ndarray of uint64, shape (t,)
        The pair at a paragraph's first token is the token with the border before it.
    openings : Ngrams
        The first token of each sentence and its first two, hashed apart.
    """
    single = tokens.hash ^ (shape.quoted * _QUOTED)
    before = np.zeros_like(single)
    before[1:] = tokens.hash[:-1]
    filled = tokens.pointer[:-1][np.diff(tokens.pointer) > 0]
    before[filled] = 0
    pair = join_hashes(before, single)
    at = np.flatnonzero(shape.opening)
    following = at[(at + 1 < len(single))] + 1
    following = following[shape.owner[following] == shape.owner[following - 1]]
    openings = Ngrams(
        mix(np.concatenate((single[at], pair[following])) ^ _OPENING), np.concatenate((at, following))
    )
    return single, pair, openings


class Features(NamedTuple):
    """Both views of a batch of `n` texts.

    Attributes
    ----------
    single, pair : ndarray of uint64, shape (t,)
        Hashes of tokens and pairs, in order; tokens of text ``i`` are ``pointer[i]:pointer[i + 1]``.
    opening : ndarray of uint64, shape (o,)
    opening_owner : ndarray of int64, shape (o,)
        The text an opening belongs to.
    pointer : ndarray of int64, shape (n + 1,)
    counts : Counts
    lexical : ndarray of int64, shape (n, PLACES, w)
        See `copytaster.counts.cues`.
    cues : ndarray of float32, shape (n, c)
        Columns as `Featuriser.cue_names`.
    """

    single: NDArray[np.uint64]
    pair: NDArray[np.uint64]
    opening: NDArray[np.uint64]
    opening_owner: NDArray[np.int64]
    pointer: NDArray[np.int64]
    counts: Counts
    lexical: NDArray[np.int64]
    cues: NDArray[np.float32]


class Featuriser:
    """Turns texts into `Features`.

    Parameters
    ----------
    lexicons : Lexicons
    """

    def __init__(self, lexicons: Lexicons) -> None:
        self.lexicons = lexicons
        self.offset = np.append(0, np.cumsum(lexicons.fan, dtype=np.int64))
        names = lexicons.names
        self.cue_names: tuple[str, ...] = (
            *FORMS,
            *(f"{name}" for name in names),
            *(f"{name}:any" for name in names),
            *(f"{name}:quoted" for name in names),
            *(f"{name}:opening" for name in names),
        )

    def __call__(self, texts: Sequence[str]) -> Features:
        """Featurise at least one text."""
        texts = [text if len(text) <= MAX_CHARS else text[:MAX_CHARS] for text in texts]
        tokens = tokenise(texts)
        shape = structure(tokens)
        single, pair, openings = ngrams(tokens, shape)
        counts, lexical = count(tokens, shape), self._lexical(tokens, shape)
        owner = shape.owner[openings.token]
        return Features(
            single, pair, openings.hash, owner, tokens.pointer, counts, lexical, cues(counts, lexical)
        )

    @cached_property
    def index(self) -> Index:
        """Where the entries of the lexicons stand."""
        return Index(self.lexicons.hashes)

    def matches(self, tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Where lexicon entries stand: the token each ends at, its number of tokens, its index."""
        count = len(tokens.hash)
        at, entry = self.index.find(_phrase_hashes(tokens).ravel())
        size = 1 + (at >= count) + (at >= 2 * count)
        return at - (size - 1) * count, size, entry

    def _lexical(self, tokens: Tokens, shape: Structure) -> NDArray[np.int64]:
        """Count the entries of each lexicon by where they stand, shape (n, PLACES, w)."""
        n, width = len(tokens.pointer) - 1, len(self.lexicons.names)
        end, size, entry = self.matches(tokens)
        opening = np.where(shape.opening.take(end - size + 1), AT_OPENING, OWN)
        place = np.where(shape.quoted.take(end), INSIDE, opening)
        row = (shape.owner.take(end) * PLACES + place) * width
        fan = self.lexicons.fan.take(entry).astype(np.int64)
        before = np.cumsum(fan) - fan
        member = np.repeat(self.offset.take(entry) - before, fan) + np.arange(fan.sum())
        cells = np.repeat(row, fan) + self.lexicons.column.take(member)
        return np.bincount(cells, minlength=n * PLACES * width).reshape(n, PLACES, width)
