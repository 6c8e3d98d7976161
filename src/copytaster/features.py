"""Two views of one tokenisation: hashed n-grams and densities of cues.

**Words**: every token and every pair of neighbours is hashed to one of ``2**bits`` columns; what stands
inside quotation marks is hashed apart from what the writer says, and the first words of a sentence once more,
since "Sign" there is an ask and "the sign" is not. **Cues**: how much of a paragraph belongs to each lexicon
in `copytaster/cues`, in the writer's own voice, inside quotation marks and at the start of sentences, beside
signs of form such as length, capitals, question marks and addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.tokens import CLASSES, DIGIT, MARK, WORD, Tokens, join_hashes, mix, tokenise

MAX_CHARS = 65_536
"""A paragraph is judged by this many characters of its beginning."""

_QUOTED = np.uint64(0xA24BAED4963EE407)
_OPENING = np.uint64(0x9FB21C651E98DF25)

FORMS = (
    "log_tokens", "log_sentences", "sentence_length", "word_length", "capitalised", "all_capitals", "numbers",
    "quoted_share", "quotation_marks", "starts_quoted", "ends_quoted", "questions", "exclamations",
    "ends_question", "ends_exclamation", "ends_colon", "ends_open", "semicolons", "colons", "commas",
    "dashes", "brackets", "square_brackets", "money", "percent", "at_signs", "slashes", "hashes", "asterisks",
    "list_mark", "starts_number", "past_ed", "ing", "ly", "years", "single_sentence",
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


class _Index:
    """Where hashes stand in a sorted array, found by their highest bits, without a binary search."""

    BITS = 18

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._shift = np.uint64(64 - self.BITS)
        bounds = np.searchsorted(hashes >> self._shift, np.arange((1 << self.BITS) + 1, dtype=np.uint64))
        self._first = bounds[:-1].astype(np.int32)
        self._taken = bounds[:-1] < bounds[1:]
        self._hashes = np.append(hashes, np.array([2**64 - 1, 0], np.uint64))

    def find(self, wanted: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which of `wanted` are in the array, in no order, and where in it they stand."""
        slot = (wanted >> self._shift).view(np.int64)
        at = np.flatnonzero(self._taken.take(slot))
        entry = self._first.take(slot.take(at)).astype(np.int64)
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
    cues : ndarray of float32, shape (n, c)
        Columns as `Featuriser.cue_names`.
    """

    single: NDArray[np.uint64]
    pair: NDArray[np.uint64]
    opening: NDArray[np.uint64]
    opening_owner: NDArray[np.int64]
    pointer: NDArray[np.int64]
    cues: NDArray[np.float32]


_INSIDE, _AT_OPENING = 1, 2
"""Where an entry stands: within quotation marks, or in the writer's voice at the start of a sentence."""


class Featuriser:
    """Turns texts into `Features`.

    Parameters
    ----------
    lexicons : Lexicons
    """

    def __init__(self, lexicons: Lexicons) -> None:
        self.lexicons = lexicons
        self._index = _Index(lexicons.hashes)
        ends = np.cumsum(lexicons.fan, dtype=np.int64)
        self._offset = ends - lexicons.fan
        self._column = lexicons.column.astype(np.int64)
        self._last = np.zeros(len(lexicons.column), bool)
        self._last[ends - 1] = True
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
        cues = np.empty((len(texts), len(self.cue_names)), np.float32)
        cues[:, : len(FORMS)] = forms(tokens, shape)
        self._lexical(tokens, shape, out=cues[:, len(FORMS) :])
        return Features(single, pair, openings.hash, shape.owner[openings.token], tokens.pointer, cues)

    def matches(self, tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Where lexicon entries stand: the token each ends at, its number of tokens, its index."""
        count = len(tokens.hash)
        at, entry = self._index.find(_phrase_hashes(tokens).ravel())
        size = 1 + (at >= count) + (at >= 2 * count)
        return at - (size - 1) * count, size, entry

    def _lexical(self, tokens: Tokens, shape: Structure, out: NDArray[np.float32]) -> None:
        """Write how much of each text belongs to each lexicon: own voice, any, quoted, at openings."""
        n, width = len(tokens.pointer) - 1, len(self.lexicons.names)
        end, size, entry = self.matches(tokens)
        opening = np.where(shape.opening.take(end - size + 1), _AT_OPENING, 0)
        block = np.where(shape.quoted.take(end), _INSIDE, opening)
        row = (block * n + shape.owner.take(end)) * width
        member = self._offset.take(entry)
        cells = [row[:0]]
        while len(member):
            cells.append(row + self._column.take(member))
            more = np.flatnonzero(~self._last.take(member))
            member, row = member.take(more) + 1, row.take(more)
        count = np.bincount(np.concatenate(cells), minlength=3 * n * width).astype(np.float32)
        own, inside, at_opening = count.reshape(3, n, width)
        own += at_opening
        length = np.maximum(np.diff(tokens.pointer), 1).astype(np.float32)[:, None]
        parts = (np.sqrt(own / length), own > 0, np.sqrt(inside / length), np.minimum(at_opening, 3))
        for at, part in enumerate(parts):
            out[:, at * width : (at + 1) * width] = part


_MARKS = ';:,-([$%@/#*"?!'
_MANNERS = 16
_NUMBER, _YEAR, _OTHER, _FIRST_MARK = range(_MANNERS, _MANNERS + 4)
_CLASSES = _FIRST_MARK + len(_MARKS)
_ED, _NG, _LY, _CAPITALISED, _ALL_CAPITALS = 1, 2, 3, 4, 8
"""Classes of tokens. Words are in the first 16, the sums of an ending and of how they are written."""


def _classes_of_bytes() -> NDArray[np.uint8]:
    """Class of a token, as far as its first byte tells."""
    table = np.array([(0, 0, _NUMBER, _OTHER)[kind] for kind in CLASSES], np.uint8)
    table[[ord(mark) for mark in _MARKS]] = range(_FIRST_MARK, _CLASSES)
    return table


def _mark(mark: str) -> int:
    return _FIRST_MARK + _MARKS.index(mark)


def _one_of(marks: str) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[[ord(mark) for mark in marks]] = True
    return table


_CLASS_OF_BYTE = _classes_of_bytes()
_CLOSING, _LISTING = _one_of('!").:?\0'), _one_of("*-")
_WORDS = np.arange(_MANNERS)
_TOKENS_IN, _WORDS_IN, _SENTENCES_IN = range(3)
_SHARES = {
    "capitalised": (_WORDS[_WORDS & _CAPITALISED > 0], _WORDS_IN),
    "all_capitals": (_WORDS[_WORDS & _ALL_CAPITALS > 0], _WORDS_IN),
    "past_ed": (_WORDS[_WORDS & 3 == _ED], _WORDS_IN),
    "ing": (_WORDS[_WORDS & 3 == _NG], _WORDS_IN),
    "ly": (_WORDS[_WORDS & 3 == _LY], _WORDS_IN),
    "numbers": ([_NUMBER, _YEAR], _TOKENS_IN),
    "commas": (_mark(","), _TOKENS_IN),
    "dashes": (_mark("-"), _TOKENS_IN),
    "slashes": (_mark("/"), _TOKENS_IN),
    "years": (_YEAR, _SENTENCES_IN),
    "questions": (_mark("?"), _SENTENCES_IN),
    "exclamations": (_mark("!"), _SENTENCES_IN),
    "semicolons": (_mark(";"), _SENTENCES_IN),
    "colons": (_mark(":"), _SENTENCES_IN),
    "brackets": (_mark("("), _SENTENCES_IN),
    "square_brackets": (_mark("["), _SENTENCES_IN),
    "money": (_mark("$"), _SENTENCES_IN),
    "percent": (_mark("%"), _SENTENCES_IN),
}
"""Signs that are the root of a share: the classes counted, and what they are a share of."""
_CAPPED = {"quotation_marks": (_mark('"'), 6, 2), "asterisks": (_mark("*"), 4, 2),
           "at_signs": (_mark("@"), 2, 1), "hashes": (_mark("#"), 2, 1)}  # fmt: skip
"""Signs that are a count: the class counted, the most that matters, and the unit."""
_MEMBERS = np.zeros((len(_SHARES), _CLASSES))
for _column, (_members, _) in enumerate(_SHARES.values()):
    _MEMBERS[_column, _members] = 1
_WHOLE = [whole for _, whole in _SHARES.values()]
_SHARE_COLUMNS, _CAPPED_COLUMNS = ([FORMS.index(name) for name in some] for some in (_SHARES, _CAPPED))
_CAPPED_CLASS, _MOST, _UNIT = np.array(list(_CAPPED.values())).T[:, :, None]


def forms(tokens: Tokens, shape: Structure) -> NDArray[np.float32]:
    """Signs of form, shape (n, len(FORMS)), in the order of `FORMS`.

    Every token falls into one class, and one count of the classes in each text serves most signs.
    """
    n = len(tokens.pointer) - 1
    out = np.zeros((len(FORMS), n), np.float32)
    if not len(tokens.hash):
        return out.T
    run = np.zeros(len(tokens.hash) + 1, np.int64)

    def total(values: NDArray[Any]) -> NDArray[np.int64]:
        np.cumsum(values, out=run[1:])
        return np.diff(run[tokens.pointer])

    first = tokens.raw.take(tokens.start)
    last, before_last = tokens.raw.take(tokens.end - 1), tokens.raw.take(tokens.end - 2)
    length = tokens.end - tokens.start
    word = tokens.kind == WORD
    manner = _CAPITALISED * (shape.capital & ~shape.opening).view(np.uint8)
    manner += _ALL_CAPITALS * (shape.capital & (length > 1) & (last >= 65) & (last <= 90)).view(np.uint8)
    long = word & (length > 4)
    for ending, (one, other) in ((_ED, b"ed"), (_NG, b"ng"), (_LY, b"ly")):
        manner += ending * (long & (before_last == one) & (last == other)).view(np.uint8)
    classes = _CLASS_OF_BYTE.take(first)
    classes += manner
    classes += ((length == 4) & ((first == 49) | (first == 50))).view(np.uint8)
    np.putmask(classes, shape.quoted & ((first == 63) | (first == 33)), _OTHER)
    cells = classes.astype(np.int64) * n + shape.owner
    counts = np.bincount(cells, minlength=n * _CLASSES).reshape(_CLASSES, n).astype(np.float64)

    size = np.diff(tokens.pointer)
    some = size > 0
    tokens_in = np.maximum(size, 1)
    words_in = np.maximum(counts[:_MANNERS].sum(axis=0), 1)
    sentences = np.maximum(total(shape.opening), 1)
    wholes = np.stack((tokens_in, words_in, sentences))
    out[_SHARE_COLUMNS] = np.sqrt(_MEMBERS @ counts / wholes[_WHOLE])
    out[_CAPPED_COLUMNS] = np.minimum(counts[_CAPPED_CLASS[:, 0]], _MOST) / _UNIT
    head = np.minimum(tokens.pointer[:-1], len(first) - 1)
    lead = np.where(some, first[head], 0)
    close = np.where(some, first[tokens.pointer[1:] - 1], 0)
    columns = {
        "log_tokens": np.log1p(size),
        "log_sentences": np.log(sentences),
        "sentence_length": np.log1p(size / sentences),
        "word_length": total(length * word) / words_in / 5,
        "quoted_share": total(shape.quoted) / tokens_in,
        "starts_quoted": lead == 34,
        "ends_quoted": close == 34,
        "ends_question": close == 63,
        "ends_exclamation": close == 33,
        "ends_colon": close == 58,
        "ends_open": ~_CLOSING[close],
        "list_mark": _LISTING[lead],
        "starts_number": (lead >= 48) & (lead <= 57),
        "single_sentence": some & (sentences == 1),
    }
    for name, values in columns.items():
        out[FORMS.index(name)] = values
    return out.T
