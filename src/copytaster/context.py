"""What the neighbours of a paragraph in its section say about it.

The contrasts of a paragraph (log-odds to the first label) are moved towards the mean of those around it, once
more towards the mean of those after it, and a paragraph that ends in a colon towards the next one. A heading
or furniture ends a section: what stands beyond it may be by somebody else. A paragraph without neighbours
stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 6
"""Classified paragraphs looked at on either side."""
CLIP = 2.0
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
    following : float
        Weight of the mean of the contrasts after a paragraph.
    """

    neighbours: float = 0.0
    lead_in: float = 0.0
    following: float = 0.0

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Context:
        """Read the weights a manifest states; a manifest without them means none."""
        stated = manifest.get("context") or {}
        return cls(*(float(stated.get(name, 0.0)) for name in cls._fields))


class Surroundings(NamedTuple):
    """What stands around each paragraph, as clipped contrasts of shape (n, K - 1), zero where nothing does.

    Attributes
    ----------
    neighbours : ndarray of float
        The mean of up to `WINDOW` paragraphs on either side.
    lead_in : ndarray of float
        The next paragraph where this one leads in to it.
    following : ndarray of float
        The mean of up to `WINDOW` paragraphs after it.
    """

    neighbours: NDArray[np.float64]
    lead_in: NDArray[np.float64]
    following: NDArray[np.float64]


def surroundings(
    contrasts: NDArray[np.float64], owner: NDArray[np.int64], leads: NDArray[np.bool_]
) -> Surroundings:
    """Return what stands around each paragraph; none of it depends on other sections.

    Parameters
    ----------
    contrasts : ndarray of float, shape (n, K - 1)
        Paragraphs of sections one after another.
    owner : ndarray of int, shape (n,)
        The section of each.
    leads : ndarray of bool, shape (n,)
        Whether it ends in a colon.
    """
    clipped = np.clip(contrasts, -CLIP, CLIP)
    before, after, lead_in = np.zeros((3, *clipped.shape))
    earlier, later = np.zeros((2, len(clipped), 1))
    for step in range(1, min(WINDOW, len(clipped) - 1) + 1):
        same = (owner[step:] == owner[:-step])[:, None]
        before[step:] += np.where(same, clipped[:-step], 0.0)
        after[:-step] += np.where(same, clipped[step:], 0.0)
        earlier[step:] += same
        later[:-step] += same
    led = np.flatnonzero(leads[:-1] & (owner[1:] == owner[:-1]))
    lead_in[led] = clipped[led + 1]
    around = (before + after) / np.maximum(earlier + later, 1)
    return Surroundings(around, lead_in, after / np.maximum(later, 1))


def revise(
    contrasts: NDArray[np.float64], owner: NDArray[np.int64], texts: Sequence[str], context: Context
) -> NDArray[np.float64]:
    """Return the contrasts of paragraphs in the light of their neighbours, shape (n, K - 1)."""
    if not any(context) or len(contrasts) < 2:
        return contrasts
    return weigh(contrasts, context, surroundings(contrasts, owner, leads_in(texts)))


def weigh(
    contrasts: NDArray[np.float64], weights: Iterable[float], around: Surroundings
) -> NDArray[np.float64]:
    """Return contrasts and, by the weights, what stands around them."""
    for weight, part in zip(weights, around, strict=True):
        contrasts = contrasts + weight * part
    return contrasts


def leads_in(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each text ends in a colon."""
    return np.array([text[-1:] in _LAST and text.rstrip(_AFTER).endswith(":") for text in texts], bool)
