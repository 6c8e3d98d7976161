"""Finds paragraphs that are the same, or nearly the same, in time linear in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Groups = NDArray[np.intp]

THRESHOLD = 0.6
_SHINGLE = 3
_BANDS, _ROWS = 24, 3
_WORD = re.compile(r"[^\W_]+")
_SIGNS = re.compile(r"[^\w\s]{32,}")  # normalising takes quadratic time in a run of combining marks


def fold(text: str) -> str:
    """Reduce a text to what a reader would call its wording.

    Letters lose case and compatibility forms (NFKC), and everything between words becomes one space.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Words of letters and digits, separated by single spaces.
    """
    normal = text if text.isascii() else unicodedata.normalize("NFKC", _SIGNS.sub(" ", text))
    return " ".join(_WORD.findall(normal.casefold()))


class Components:
    """Disjoint sets over ``n`` items (union by lowest index, path halving)."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, item: int) -> int:
        """Return the lowest item of the set that holds `item`."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    def join(self, a: int, b: int) -> None:
        """Make one set of the sets that hold `a` and `b`."""
        a, b = self.find(a), self.find(b)
        self._parent[max(a, b)] = min(a, b)

    def groups(self) -> Groups:
        """Return the lowest member of each item's set, shape (n,)."""
        return np.array([self.find(item) for item in range(len(self._parent))], dtype=np.intp)


def exact_groups(texts: Iterable[str]) -> Groups:
    """Group texts of the same wording.

    Parameters
    ----------
    texts : iterable of str
        ``n`` texts.

    Returns
    -------
    ndarray of int, shape (n,)
        For each text the position of the first text with the same folded wording (see `fold`). A text
        without any word is only ever equal to itself.
    """
    first: dict[str, int] = {}
    folded = (fold(text) for text in texts)
    return np.array([first.setdefault(f, i) if f else i for i, f in enumerate(folded)], dtype=np.intp)


def near_groups(texts: Sequence[str], threshold: float = THRESHOLD) -> Groups:
    """Group texts that share most of their wording.

    Two texts are near duplicates when the Jaccard similarity of their sets of three-word shingles is at
    least `threshold`; groups are the connected components. Candidates come from MinHash signatures cut
    into bands, and each is then compared exactly, so that no pair below the threshold is
    ever joined; of pairs at a similarity of 0.6 about one in 350 is missed, above 0.7 none in practice.

    Parameters
    ----------
    texts : sequence of str
        ``n`` texts.
    threshold : float
        Least similarity of near duplicates, in (0, 1].

    Returns
    -------
    ndarray of int, shape (n,)
        For each text the position of the first text of its group; texts of equal wording always share one.

    References
    ----------
    A. Broder, "On the resemblance and containment of documents", SEQUENCES 1997.
    J. Leskovec, A. Rajaraman, J. Ullman, "Mining of Massive Datasets", chapter 3.
    """
    folded = [fold(text) for text in texts]
    first: dict[str, int] = {}
    group = Components(len(folded))
    for i, f in enumerate(folded):
        if f:
            group.join(i, first.setdefault(f, i))
    members = list(first.values())
    if not members:
        return group.groups()
    shingles, starts = _shingles([folded[i] for i in members])
    ends = np.append(starts[1:], len(shingles))
    for a, b in _candidates(shingles, starts):
        if group.find(members[a]) != group.find(members[b]):
            left, right = (set(shingles[starts[i] : ends[i]].tolist()) for i in (a, b))
            if len(left & right) >= threshold * len(left | right):
                group.join(members[a], members[b])
    return group.groups()


def _shingles(folded: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Hashes of each text's three-word shingles (a shorter text is one) and where each text's start."""
    numbers: dict[str, int] = {}
    lengths = np.array([text.count(" ") + 1 for text in folded], dtype=np.intp)
    words = chain.from_iterable(map(str.split, folded))
    ids = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.uint64)
    padded = np.concatenate([_mix(ids + np.uint64(1)), np.zeros(_SHINGLE - 1, np.uint64)])
    owner = np.repeat(np.arange(len(folded)), lengths)
    position = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    hashes = np.zeros(len(ids), np.uint64)
    for offset in range(_SHINGLE):
        inside = position + offset < lengths[owner]
        word = np.where(inside, padded[offset : offset + len(ids)], np.uint64(0))
        hashes = _mix(hashes ^ word)
    counts = np.maximum(lengths - _SHINGLE + 1, 1)
    kept = position < counts[owner]
    return hashes[kept], np.cumsum(counts) - counts


def _candidates(shingles: NDArray[np.uint64], starts: NDArray[np.intp]) -> Iterable[tuple[int, int]]:
    """Pairs (first text of a bucket, another text of it), bucket by bucket in each band."""
    rng = np.random.default_rng(0)
    for _ in range(_BANDS):
        band = np.zeros(len(starts), np.uint64)
        for key in rng.integers(0, 2**64, _ROWS, np.uint64):
            band = _mix(band ^ np.minimum.reduceat(_mix(shingles ^ key), starts))
        _, first, bucket = np.unique(band, return_index=True, return_inverse=True)
        leader = first[bucket]
        follower = np.flatnonzero(leader != np.arange(len(leader)))
        yield from zip(leader[follower].tolist(), follower.tolist(), strict=True)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers one to one (the finalizer of SplitMix64, Steele and others 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
