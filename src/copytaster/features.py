"""Two views of one tokenisation: hashed n-grams and densities of cues.

**Words**: every token and every pair of neighbours is hashed to one of ``2**bits`` columns; what stands inside
quotation marks is hashed apart from what the writer says, and the first words of a sentence once more, since
"Sign" there is an ask and "the sign" is not. **Cues**: how much of a paragraph belongs to each lexicon in
`copytaster/cues`, in the writer's own voice, inside quotation marks and at the start of sentences, beside signs of
form such as length, capitals, question marks and addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.tokens import DIGIT, MARK, WORD, Tokens, join_hashes, mix, tokenise

MAX_CHARS = 65_536
"""A paragraph is judged by this many characters of its beginning."""

_QUOTED = np.uint64(0xA24BAED4963EE407)
_OPENING = np.uint64(0x9FB21C651E98DF25)
_LAST_BIT = np.uint64(63)

FORMS = (
    "log_tokens", "log_sentences", "sentence_length", "word_length", "capitalised", "all_capitals", "numbers",
    "quoted_share", "quotation_marks", "starts_quoted", "ends_quoted", "questions", "exclamations", "ends_question",
    "ends_exclamation", "ends_colon", "ends_open", "semicolons", "colons", "commas", "dashes", "brackets",
    "square_brackets", "money", "percent", "at_signs", "slashes", "hashes", "asterisks", "list_mark", "starts_number",
    "past_ed", "ing", "ly", "years", "single_sentence",
)  # fmt: skip
"""Signs of form, in the order of their columns."""


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


def _phrase_hashes(tokens: Tokens) -> tuple[NDArray[np.uint64], ...]:
    """Hashes of the one-, two- and three-token phrases that *end* at each token (those over a border are void)."""
    single = tokens.hash
    pair = np.zeros_like(single)
    triple = np.zeros_like(single)
    if len(single) > 1:
        pair[1:] = join_hashes(single[:-1], single[1:])
    if len(single) > 2:
        triple[2:] = join_hashes(pair[1:-1], single[2:])
    return single, pair ^ _SALTS[1], triple ^ _SALTS[2]


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
    by_length = np.stack(_phrase_hashes(tokens))
    hashes = by_length[lengths - 1, tokens.pointer[1:] - 1]
    cells = np.unique(np.rec.fromarrays((hashes, np.array([column for _, column in pairs], np.uint8))))
    unique, fan = np.unique(cells.f0, return_counts=True)
    return Lexicons(names, unique, fan.astype(np.uint8), np.ascontiguousarray(cells.f1))


def read_lexicons(folder: Path) -> dict[str, list[str]]:
    """Read ``*.txt`` lexicons: one entry a line, lines starting with ``#`` are notes."""
    return {
        path.stem: [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        for path in sorted(folder.glob("*.txt"))
    }


class _Slots:
    """Membership of hashes in a sorted set, by direct look-up instead of binary search.

    Each level is a table with one slot for every value of some bits of the hash; an entry whose slot is taken goes
    to the next level, which looks at other bits.
    """

    BITS = 16

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.hashes = np.append(hashes, np.uint64(0))
        self.levels: list[tuple[np.uint64, NDArray[np.int32]]] = []
        rest = np.arange(len(hashes))
        for left in map(np.uint64, range(0, 64, 11)):
            if not len(rest):
                return
            slots = (hashes[rest] << left) >> np.uint64(48)
            table = np.full(1 << self.BITS, -1, np.int32)
            table[slots[::-1]] = rest[::-1]
            self.levels.append((left, table))
            rest = rest[table[slots] != rest]
        if len(rest):
            raise ValueError("lexicon entries are too many or too alike")

    def find(self, wanted: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Index of each hash in the set, -1 where it is not in it."""
        found = np.full(len(wanted), -1, np.int32)
        for left, table in self.levels:
            entry = table.take((wanted << left) >> np.uint64(48))
            hit = np.flatnonzero(entry >= 0)
            hit = hit[self.hashes.take(entry[hit]) == wanted[hit]]
            found[hit] = entry[hit]
        return found


class Structure(NamedTuple):
    """What the tokens of a batch are to the paragraph they stand in (arrays of length ``t``)."""

    owner: NDArray[np.int64]
    quoted: NDArray[np.bool_]
    opening: NDArray[np.bool_]
    capital: NDArray[np.bool_]


def structure(tokens: Tokens) -> Structure:
    """Find quotations (by the parity of double quotation marks) and the first words of sentences."""
    count = len(tokens.hash)
    owner = np.repeat(np.arange(len(tokens.pointer) - 1), np.diff(tokens.pointer))
    first = tokens.raw.take(tokens.start)
    mark = tokens.kind == MARK
    quote = mark & (first == 34)
    marks_before = np.concatenate(([0], np.cumsum(quote)))
    quoted = ((marks_before[1:] - marks_before[tokens.pointer[:-1]][owner]) & 1).astype(bool)
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
    cues : ndarray of float32, shape (n, c)
        Columns as `Featuriser.cue_names`.
    """

    single: NDArray[np.uint64]
    pair: NDArray[np.uint64]
    opening: NDArray[np.uint64]
    opening_owner: NDArray[np.int64]
    pointer: NDArray[np.int64]
    cues: NDArray[np.float32]


class Featuriser:
    """Turns texts into `Features`.

    Parameters
    ----------
    lexicons : Lexicons
    """

    def __init__(self, lexicons: Lexicons) -> None:
        self.lexicons = lexicons
        self._slots = _Slots(lexicons.hashes)
        self._fan = lexicons.fan.astype(np.int64)
        self._offset = np.cumsum(self._fan) - self._fan
        self._column = lexicons.column.astype(np.int64)
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
        cues = np.concatenate((forms(tokens, shape), self._lexical(tokens, shape)), axis=1)
        return Features(single, pair, openings.hash, shape.owner[openings.token], tokens.pointer, cues)

    def matches(self, tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Where lexicon entries stand: the token each ends at, its number of tokens, its index in the lexicons."""
        ends, sizes, entries = [], [], []
        position = np.arange(len(tokens.hash)) - tokens.pointer[:-1][
            np.repeat(np.arange(len(tokens.pointer) - 1), np.diff(tokens.pointer))
        ]
        for size, hashes in enumerate(_phrase_hashes(tokens), 1):
            entry = self._slots.find(hashes)
            at = np.flatnonzero((entry >= 0) & (position >= size - 1))
            ends.append(at)
            sizes.append(np.full(len(at), size))
            entries.append(entry[at].astype(np.int64))
        return np.concatenate(ends), np.concatenate(sizes), np.concatenate(entries)

    def _lexical(self, tokens: Tokens, shape: Structure) -> NDArray[np.float32]:
        n, width = len(tokens.pointer) - 1, len(self.lexicons.names)
        end, size, entry = self.matches(tokens)
        fan = self._fan[entry]
        total = int(fan.sum())
        run = np.arange(total) - np.repeat(np.cumsum(fan) - fan, fan)
        column = self._column[np.repeat(self._offset[entry], fan) + run]
        cell = shape.owner[np.repeat(end, fan)] * width + column
        quoted = np.repeat(shape.quoted[end], fan)
        opening = np.repeat(shape.opening[end - size + 1], fan)

        def count(cells: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.bincount(cells, minlength=n * width).reshape(n, width)

        own, inside = count(cell[~quoted]), count(cell[quoted])
        length = np.maximum(np.diff(tokens.pointer), 1)[:, None]
        return np.concatenate(
            (
                np.sqrt(own / length),
                own > 0,
                np.sqrt(inside / length),
                np.minimum(count(cell[opening & ~quoted]), 3),
            ),
            axis=1,
        ).astype(np.float32)


def forms(tokens: Tokens, shape: Structure) -> NDArray[np.float32]:
    """Signs of form, shape (n, len(FORMS)), in the order of `FORMS`."""
    n = len(tokens.pointer) - 1
    out = np.zeros((n, len(FORMS)), np.float32)
    if not len(tokens.hash):
        return out
    first = tokens.raw.take(tokens.start)
    length = (tokens.end - tokens.start).astype(np.float64)
    word, mark = tokens.kind == WORD, tokens.kind == MARK
    before = np.concatenate(([0], np.empty(len(first), np.int64)))

    def count(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        np.cumsum(flags, out=before[1:])
        return before[tokens.pointer[1:]] - before[tokens.pointer[:-1]]

    size = np.diff(tokens.pointer)
    some = size > 0
    tokens_in = np.maximum(size, 1)
    words = count(word)
    words_in = np.maximum(words, 1)
    sentences = np.maximum(count(shape.opening), 1)
    letters = np.bincount(shape.owner, np.where(word, length, 0), minlength=n)
    head = np.minimum(tokens.pointer[:-1], len(first) - 1)
    tail = np.maximum(tokens.pointer[1:] - 1, 0)
    last, before_last = tokens.raw.take(tokens.end - 1), tokens.raw.take(np.maximum(tokens.end - 2, 0))
    lead, close = np.where(some, first[head], 0), np.where(some, first[tail], 0)
    wide = word & (length > 4)
    upper_last = (last >= 65) & (last <= 90)
    number = tokens.kind == DIGIT
    columns = {
        "log_tokens": np.log1p(size),
        "log_sentences": np.log(sentences),
        "sentence_length": np.log1p(size / sentences),
        "word_length": letters / words_in / 5,
        "capitalised": np.sqrt(count(word & shape.capital & ~shape.opening) / words_in),
        "all_capitals": np.sqrt(count(word & shape.capital & upper_last & (length > 1)) / words_in),
        "numbers": np.sqrt(count(number) / tokens_in),
        "quoted_share": count(shape.quoted) / tokens_in,
        "quotation_marks": np.minimum(count(mark & (first == 34)), 6) / 2,
        "starts_quoted": lead == 34,
        "ends_quoted": close == 34,
        "questions": np.sqrt(count(mark & (first == 63) & ~shape.quoted) / sentences),
        "exclamations": np.sqrt(count(mark & (first == 33) & ~shape.quoted) / sentences),
        "ends_question": close == 63,
        "ends_exclamation": close == 33,
        "ends_colon": close == 58,
        "ends_open": some & ~np.isin(close, (33, 34, 41, 46, 58, 63)),
        "semicolons": np.sqrt(count(mark & (first == 59)) / sentences),
        "colons": np.sqrt(count(mark & (first == 58)) / sentences),
        "commas": np.sqrt(count(mark & (first == 44)) / tokens_in),
        "dashes": np.sqrt(count(mark & (first == 45)) / tokens_in),
        "brackets": np.sqrt(count(mark & (first == 40)) / sentences),
        "square_brackets": np.sqrt(count(mark & (first == 91)) / sentences),
        "money": np.sqrt(count(mark & (first == 36)) / sentences),
        "percent": np.sqrt(count(mark & (first == 37)) / sentences),
        "at_signs": np.minimum(count(mark & (first == 64)), 2),
        "slashes": np.sqrt(count(mark & (first == 47)) / tokens_in),
        "hashes": np.minimum(count(mark & (first == 35)), 2),
        "asterisks": np.minimum(count(mark & (first == 42)), 4) / 2,
        "list_mark": np.isin(lead, (42, 45)),
        "starts_number": some & (tokens.kind[head] == DIGIT),
        "past_ed": np.sqrt(count(wide & (last == 100) & (before_last == 101)) / words_in),
        "ing": np.sqrt(count(wide & (last == 103) & (before_last == 110)) / words_in),
        "ly": np.sqrt(count(wide & (last == 121) & (before_last == 108)) / words_in),
        "years": np.sqrt(count(number & (length == 4) & ((first == 49) | (first == 50))) / sentences),
        "single_sentence": some & (sentences == 1),
    }
    for column, name in enumerate(FORMS):
        out[:, column] = columns[name]
    return out
