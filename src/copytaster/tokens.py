"""Tokenise and hash a batch of texts at once, in a fixed number of numpy passes.

The texts are joined, with a NUL between them, into one array of bytes. A table gives every byte a class; a
token starts and ends where the class changes. A token of up to eight bytes *is* a 64-bit number: the eight
bytes from its start, read as a little-endian integer, with the bytes after its end masked away. Longer tokens
add the eight bytes before their end. Mixing that number (and the length) gives the token's hash, with no
vocabulary and no Python loop over tokens. `tests/reference.py` says the same slowly, one token at a time, and
a property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPACE, WORD, DIGIT, MARK = 0, 1, 2, 3

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINISHER = np.uint64(0xFF51AFD7ED558CCD)
_TAIL = np.uint64(0xC2B2AE3D27D4EB4F)
_PAD = 8


def _classes() -> bytes:
    table = bytearray([MARK] * 256)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalpha():
            table[byte] = WORD
        elif chr(byte).isdigit():
            table[byte] = DIGIT
        elif byte <= 32 or byte == 127:
            table[byte] = SPACE
    return bytes(table)


CLASSES = _classes()
_KEEP = np.array([(1 << (8 * k)) - 1 for k in range(8)] + [2**64 - 1], dtype=np.uint64)

PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-",
    "\u2026": ".", "\u2022": "*", "\u200b": " ", "\u200d": " ", "\u00a0": " ", "\ufeff": " ",
}  # fmt: skip
"""Typographic characters, and what they are read as."""


def _plain_by_prefix() -> dict[bytes, NDArray[np.uint8]]:
    """`PLAIN` in UTF-8: for all bytes but the last, what each last byte is read as; 0 if as it is."""
    tables: dict[bytes, NDArray[np.uint8]] = {}
    for character, plain in PLAIN.items():
        *prefix, last = character.encode()
        tables.setdefault(bytes(prefix), np.zeros(256, np.uint8))[last] = ord(plain)
    return tables


_PLAIN_BY_PREFIX = _plain_by_prefix()
_GONE = 0xFF
"""A byte that UTF-8 never has."""


class Tokens(NamedTuple):
    """The tokens of `n` texts, in order, `t` of them.

    Attributes
    ----------
    raw : ndarray of uint8
        The folded bytes with their capitals, texts parted by NUL, padded with eight NULs.
    start, end : ndarray of int64, shape (t,)
        Byte offsets into `raw`; `end` is exclusive.
    kind : ndarray of uint8, shape (t,)
        ``WORD``, ``DIGIT`` or ``MARK`` (one punctuation character).
    hash : ndarray of uint64, shape (t,)
        Of the lower-cased token; numbers are hashed by their shape (count of digits), not their value.
    pointer : ndarray of int64, shape (n + 1,)
        Tokens of text ``i`` are ``pointer[i]:pointer[i + 1]``.
    border : ndarray of int64, shape (n + 1,)
        Bytes of text ``i`` are ``border[i]:border[i + 1] - 1``.
    """

    raw: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.uint8]
    hash: NDArray[np.uint64]
    pointer: NDArray[np.int64]
    border: NDArray[np.int64]


def mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of 64-bit numbers (the finisher of MurmurHash3, one round)."""
    value = value ^ (value >> np.uint64(32))
    value *= _FINISHER
    value ^= value >> np.uint64(29)
    return value


def join_hashes(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash of two neighbouring hashes, in order."""
    return mix(left * _MULTIPLIER + right)


def fold(texts: Sequence[str]) -> bytes:
    """Join texts with NUL and read typographic quotes, dashes and spaces as their plain forms."""
    data = b"\0".join([text.encode("utf-8", "surrogatepass") for text in texts])
    buffer = bytearray(data)
    raw = np.frombuffer(buffer, np.uint8)
    if np.count_nonzero(raw == 0) >= len(texts) > 0:
        return fold([text.replace("\0", " ") for text in texts])
    if data.isascii():
        return data
    for prefix, plain in _PLAIN_BY_PREFIX.items():
        at = np.flatnonzero(raw == prefix[0])
        for k in range(1, len(prefix)):
            at = at[raw[at + k] == prefix[k]]
        new = plain[raw[at + len(prefix)]]
        at = at[new > 0]
        raw[at] = new[new > 0]
        for k in range(1, len(prefix) + 1):
            raw[at + k] = _GONE
    return bytes(buffer.translate(None, bytes([_GONE])))


def tokenise(texts: Sequence[str]) -> Tokens:
    """Cut texts into words, numbers and single marks, and hash them.

    A word is a run of letters, with apostrophes inside it; any byte of a non-ASCII character is a letter.

    Parameters
    ----------
    texts : sequence of str
        At least one text.
    """
    data = fold(texts) + b"\0" * _PAD
    size = len(data) - _PAD
    raw = np.frombuffer(data, np.uint8)
    kinds = np.frombuffer(bytearray(data.translate(CLASSES)), np.uint8)
    if b"'" in data:
        marks = np.flatnonzero(raw == 39)
        kinds[marks[(kinds[marks - 1] == WORD) & (kinds[marks + 1] == WORD)]] = WORD

    change = np.empty(size + 2, bool)
    change[[0, -1]] = True
    np.not_equal(kinds[1 : size + 1], kinds[:size], out=change[1:-1])
    change[1:-1] |= kinds[1 : size + 1] == MARK
    inside = kinds[: size + 1] != SPACE
    start = np.flatnonzero(change[:-1] & inside)
    end = np.flatnonzero(change[1:] & inside) + 1
    kind = kinds.take(start)

    lowered = data.lower()
    windows: NDArray[np.uint64] = np.ndarray((size + 1,), "<u8", lowered, strides=(1,)).copy()
    length = end - start
    value = windows.take(start)
    value &= _KEEP.take(length, mode="clip")
    long = np.flatnonzero(length > 8)
    value[long] += windows.take(end[long] - 8) * _TAIL
    value[kind == DIGIT] = 0x30
    value += length.view(np.uint64) << np.uint64(56)
    value *= _MULTIPLIER
    nul = np.flatnonzero(raw[:size] == 0)
    border = np.concatenate(([0], nul + 1, [size + 1]))
    pointer = np.searchsorted(start, border)
    return Tokens(raw, start, end, kind, mix(value), pointer, border)
