"""How far annotators agree beyond chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from copytaster.labeled import Example, label_order

MISSING = -1


@dataclass(frozen=True, slots=True)
class Pair:
    """Agreement of two annotators on the paragraphs both labelled.

    Attributes
    ----------
    annotators : tuple of str
        Their names.
    n : int
        Paragraphs both labelled.
    observed : float
        Share of them with the same label, in [0, 1]; NaN for none.
    kappa : float
        Cohen's kappa, see `cohen_kappa`.
    """

    annotators: tuple[str, str]
    n: int
    observed: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of all annotators.

    Attributes
    ----------
    n : int
        Paragraphs that at least two annotators labelled.
    alpha : float
        Krippendorff's alpha, see `krippendorff_alpha`.
    pairs : tuple of Pair
        Every two annotators who share a paragraph.
    """

    n: int
    alpha: float
    pairs: tuple[Pair, ...]


def agreement(examples: Iterable[Example]) -> Agreement | None:
    """Measure the agreement of the annotators named in labelled data.

    The unit is a text within an article; an example without an annotator counts as one of an annotator "".

    Parameters
    ----------
    examples : iterable of Example
        Labelled paragraphs; the same paragraph occurs once for each of its annotators.

    Returns
    -------
    Agreement or None
        None if no paragraph has two annotators.
    """
    names, ratings = ratings_table(examples)
    shared = (ratings != MISSING).sum(axis=1) >= 2
    if not shared.any():
        return None
    pairs = []
    for a, b in combinations(range(len(names)), 2):
        both = (ratings[:, a] != MISSING) & (ratings[:, b] != MISSING)
        if both.any():
            one, other = ratings[both, a], ratings[both, b]
            observed = float(np.mean(one == other))
            pairs.append(Pair((names[a], names[b]), int(both.sum()), observed, cohen_kappa(one, other)))
    return Agreement(int(shared.sum()), krippendorff_alpha(ratings), tuple(pairs))


def ratings_table(examples: Iterable[Example]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Arrange labels by paragraph and annotator.

    Parameters
    ----------
    examples : iterable of Example
        Labelled paragraphs.

    Returns
    -------
    annotators : tuple of str
        Names, sorted.
    ratings : ndarray of int, shape (units, annotators)
        Positions in `label_order`, `MISSING` where an annotator gave no label; of two labels by one annotator
        the first counts.
    """
    examples = list(examples)
    names = sorted({e.annotator for e in examples})
    columns = {name: i for i, name in enumerate(names)}
    codes = {label: i for i, label in enumerate(label_order(examples))}
    units: dict[tuple[str, str], int] = {}
    rows = [units.setdefault((e.article, e.text), len(units)) for e in examples]
    ratings = np.full((len(units), len(names)), MISSING, np.intp)
    for row, e in zip(reversed(rows), reversed(examples), strict=True):
        ratings[row, columns[e.annotator]] = codes[e.label]
    return tuple(names), ratings


def cohen_kappa(one: ArrayLike, other: ArrayLike) -> float:
    """Compute Cohen's kappa of two annotators.

    Parameters
    ----------
    one, other : array_like of int, shape (n,)
        Labels of the same paragraphs by two annotators.

    Returns
    -------
    float
        1 for perfect agreement, 0 for what chance gives, less for worse; NaN where chance alone gives perfect
        agreement (both use one and the same label only) or `n` is 0.

    References
    ----------
    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement,
    1960.
    """
    a, b = np.asarray(one), np.asarray(other)
    if not len(a):
        return float("nan")
    labels = np.union1d(a, b)
    if len(labels) == 1:
        return float("nan")
    expected = sum(float(np.mean(a == label)) * float(np.mean(b == label)) for label in labels)
    return (float(np.mean(a == b)) - expected) / (1 - expected)


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Compute Krippendorff's alpha for nominal labels, any number of annotators and missing labels.

    Parameters
    ----------
    ratings : array_like of int, shape (units, annotators)
        Labels, 0 or more; `MISSING` for none.

    Returns
    -------
    float
        1 for perfect agreement, 0 for what chance gives, less for worse; NaN where no unit has two annotators
        or fewer than two labels are in use on those that have.

    References
    ----------
    K. Krippendorff, "Computing Krippendorff's alpha-reliability", University of Pennsylvania, 2011.
    """
    table = np.asarray(ratings, np.intp)
    counts = (table[:, :, None] == np.arange(table.max(initial=0) + 1)).sum(axis=1)
    pairable = counts[counts.sum(axis=1) >= 2].astype(float)
    totals = pairable.sum(axis=0)
    n = totals.sum()
    expected = n**2 - (totals**2).sum()
    if expected == 0:
        return float("nan")
    sizes = pairable.sum(axis=1, keepdims=True)
    agreeing = (pairable * (pairable - 1) / (sizes - 1)).sum()
    return float(1 - (n - 1) * (n - agreeing) / expected)
