"""What the neighbours of a paragraph in its article say about it.

The contrasts of a paragraph (log-odds to the first label) are moved towards the mean of those around it, and
a paragraph that ends in a colon towards what follows it. A paragraph without neighbours stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 6
"""Classified paragraphs looked at on either side."""
CLIP = 4.0
"""Neighbours count with contrasts cut to this range, so that one sure one does not decide alone."""


_AFTER = " \t\r\n*_"
"""What may stand after the colon that a text ends in."""
_LAST = frozenset(":" + _AFTER)


class Context(NamedTuple):
    """How much neighbours count.

    Attributes
    ----------
    neighbours : float
        Weight of the mean of the contrasts around a paragraph.
    lead_in : float
        Weight of the next paragraph's contrasts where this one ends in a colon.
    """

    neighbours: float = 0.0
    lead_in: float = 0.0

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Context:
        """Read the weights a manifest states; a manifest without them means none."""
        stated = manifest.get("context") or {}
        return cls(*(float(stated.get(name, 0.0)) for name in cls._fields))


def surroundings(
    contrasts: NDArray[np.float64], owner: NDArray[np.int64], leads: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what stands around each paragraph.

    Parameters
    ----------
    contrasts : ndarray of float, shape (n, K - 1)
        Paragraphs of articles one after another.
    owner : ndarray of int, shape (n,)
        The article of each.
    leads : ndarray of bool, shape (n,)
        Whether it ends in a colon.

    Returns
    -------
    mean, following : ndarray of float, shape (n, K - 1)
        The mean of the clipped contrasts of up to `WINDOW` neighbours on either side, zero without any; and
        those of the next paragraph where this one leads in to it, else zero. Neither depends on other
        articles.
    """
    clipped = np.clip(contrasts, -CLIP, CLIP)
    total = np.zeros_like(clipped)
    count = np.zeros(len(clipped))
    for step in range(1, min(WINDOW, len(clipped) - 1) + 1):
        same = owner[step:] == owner[:-step]
        total[step:] += np.where(same[:, None], clipped[:-step], 0.0)
        total[:-step] += np.where(same[:, None], clipped[step:], 0.0)
        count[step:] += same
        count[:-step] += same
    following = np.zeros_like(clipped)
    if len(clipped) > 1:
        led = leads[:-1] & (owner[1:] == owner[:-1])
        following[:-1][led] = clipped[1:][led]
    return total / np.maximum(count, 1)[:, None], following


def revise(
    contrasts: NDArray[np.float64], owner: NDArray[np.int64], texts: Sequence[str], context: Context
) -> NDArray[np.float64]:
    """Return the contrasts of paragraphs in the light of their neighbours, shape (n, K - 1)."""
    if not any(context) or len(contrasts) < 2:
        return contrasts
    mean, following = surroundings(contrasts, owner, leads_in(texts))
    return contrasts + context.neighbours * mean + context.lead_in * following


def leads_in(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each text ends in a colon."""
    return np.array([text[-1:] in _LAST and text.rstrip(_AFTER).endswith(":") for text in texts], bool)
