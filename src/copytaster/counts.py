"""What is counted in a text, and the cues made of the counts.

Signs of form come of the class that each token has; lexical cues of the entries of each lexicon that stand in
the writer's own voice, inside quotation marks and at the start of sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.tokens import CLASSES, WORD, Tokens

if TYPE_CHECKING:
    from copytaster.features import Structure

FORMS = (
    "log_tokens", "log_sentences", "sentence_length", "word_length", "capitalised", "all_capitals", "numbers",
    "quoted_share", "quotation_marks", "starts_quoted", "ends_quoted", "questions", "exclamations",
    "ends_question", "ends_exclamation", "ends_colon", "ends_open", "semicolons", "colons", "commas",
    "dashes", "brackets", "square_brackets", "money", "percent", "at_signs", "slashes", "hashes", "asterisks",
    "list_mark", "starts_number", "past_ed", "ing", "ly", "years", "single_sentence",
)  # fmt: skip
"""Signs of form, in the order of their columns."""


class Counts(NamedTuple):
    """Whole numbers of a batch of `n` texts.

    Attributes
    ----------
    tokens, openings, letters, quoted : ndarray of int, shape (n,)
        Tokens, sentences begun, bytes of words, tokens inside quotation marks.
    lead, close : ndarray of int, shape (n,)
        The first byte of the first token and of the last; 0 without any.
    classes : ndarray of int, shape (n, TOKEN_CLASSES)
        Tokens of each class.
    """

    tokens: NDArray[Any]
    openings: NDArray[Any]
    letters: NDArray[Any]
    quoted: NDArray[Any]
    lead: NDArray[Any]
    close: NDArray[Any]
    classes: NDArray[Any]


PLACES = 3
OWN, INSIDE, AT_OPENING = range(PLACES)
"""In the writer's voice; within quotation marks; in the writer's voice at the start of a sentence."""
CUES_OF_LEXICON = 4
MOST_OPENINGS = 3
"""Entries at the start of sentences that matter."""


_MARKS = ';:,-([$%@/#*"?!'
_MANNERS = 16
_NUMBER, _YEAR, _OTHER, _FIRST_MARK = range(_MANNERS, _MANNERS + 4)
TOKEN_CLASSES = _FIRST_MARK + len(_MARKS)
_ED, _NG, _LY, _CAPITALISED, _ALL_CAPITALS = 1, 2, 3, 4, 8
"""Classes of tokens. Words are in the first 16, the sums of an ending and of how they are written."""


def _classes_of_bytes() -> NDArray[np.uint8]:
    """Class of a token, as far as its first byte tells."""
    table = np.array([(0, 0, _NUMBER, _OTHER)[kind] for kind in CLASSES], np.uint8)
    table[[ord(mark) for mark in _MARKS]] = range(_FIRST_MARK, TOKEN_CLASSES)
    return table


def _mark(mark: str) -> int:
    return _FIRST_MARK + _MARKS.index(mark)


def _one_of(marks: str) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[[ord(mark) for mark in marks]] = True
    return table


CLASS_OF_BYTE = _classes_of_bytes()
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
_WHOLE = [whole for _, whole in _SHARES.values()]
_SHARE_COLUMNS, _CAPPED_COLUMNS = ([FORMS.index(name) for name in some] for some in (_SHARES, _CAPPED))
_CAPPED_CLASS, _MOST, _UNIT = np.array(list(_CAPPED.values())).T[:, :, None]


def count(tokens: Tokens, shape: Structure) -> Counts:
    """Count what `Counts` says."""
    n = len(tokens.pointer) - 1
    if not len(tokens.hash):
        none = np.zeros(n, np.int64)
        return Counts(none, none, none, none, none, none, np.zeros((n, TOKEN_CLASSES), np.int64))
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
    classes = CLASS_OF_BYTE.take(first)
    classes += manner
    classes += ((length == 4) & ((first == 49) | (first == 50))).view(np.uint8)
    np.putmask(classes, shape.quoted & ((first == 63) | (first == 33)), _OTHER)
    cells = shape.owner * TOKEN_CLASSES + classes

    size = np.diff(tokens.pointer)
    head = np.minimum(tokens.pointer[:-1], len(first) - 1)
    return Counts(
        size,
        total(shape.opening),
        total(length * word),
        total(shape.quoted),
        np.where(size > 0, first[head], 0),
        np.where(size > 0, first[tokens.pointer[1:] - 1], 0),
        np.bincount(cells, minlength=n * TOKEN_CLASSES).reshape(n, TOKEN_CLASSES),
    )


def cues(counts: Counts, lexical: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cues of a batch, shape (n, c), in the order of `Featuriser.cue_names`.

    Parameters
    ----------
    counts : Counts
    lexical : ndarray of int, shape (n, PLACES, w)
        Entries of each of `w` lexicons that stand in each place: ``OWN``, ``INSIDE`` or ``AT_OPENING``.
    """
    n, _, width = lexical.shape
    out = np.empty((n, len(FORMS) + CUES_OF_LEXICON * width), np.float32)
    out[:, : len(FORMS)] = forms(counts).T
    own, inside, at_opening = lexical.transpose(1, 0, 2).astype(np.float32)
    own += at_opening
    length = np.maximum(counts.tokens, 1).astype(np.float32)[:, None]
    parts = (np.sqrt(own / length), own > 0, np.sqrt(inside / length), np.minimum(at_opening, MOST_OPENINGS))
    for at, part in enumerate(parts):
        out[:, len(FORMS) + at * width : len(FORMS) + (at + 1) * width] = part
    return out


def forms(counts: Counts) -> NDArray[np.float32]:
    """Return the signs of form, shape (len(FORMS), n); all zero for a text without tokens."""
    size, lead, close = counts.tokens, counts.lead, counts.close
    classes = counts.classes.T.astype(np.float64)
    some = size > 0
    tokens_in = np.maximum(size, 1)
    words_in = np.maximum(classes[:_MANNERS].sum(axis=0), 1)
    sentences = np.maximum(counts.openings, 1)
    wholes = np.stack((tokens_in, words_in, sentences))
    out = np.zeros((len(FORMS), len(size)), np.float32)
    parts = [
        classes[part] if isinstance(part, int) else classes[part].sum(axis=0) for part, _ in _SHARES.values()
    ]
    out[_SHARE_COLUMNS] = np.sqrt(parts / wholes[_WHOLE])
    out[_CAPPED_COLUMNS] = np.minimum(classes[_CAPPED_CLASS[:, 0]], _MOST) / _UNIT
    columns = {
        "log_tokens": np.log1p(size),
        "log_sentences": np.log(sentences),
        "sentence_length": np.log1p(size / sentences),
        "word_length": counts.letters / words_in / 5,
        "quoted_share": counts.quoted / tokens_in,
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
    return out
