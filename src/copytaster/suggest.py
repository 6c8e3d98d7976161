"""Which paragraphs to label next: those a model doubts, no two alike, not all from one article."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from copytaster.duplicates import fold, near_groups
from copytaster.errors import UsageError
from copytaster.formats import choice, json_lines, options, table

FORMATS = ("copytaster", "doccano", "label-studio", "prodigy", "csv")
"""What `render` can write."""
_POOL = 20
"""The most doubtful paragraphs looked at, for each one to choose."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One paragraph to label, with what a model makes of it.

    Attributes
    ----------
    text : str
        The paragraph.
    article : str
        Id of its article, or "".
    index : int
        Its place there, from 0.
    probabilities : tuple of float
        The model's, in the order of its labels.
    """

    text: str
    article: str
    index: int
    probabilities: tuple[float, ...]


def doubt(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return how little the highest probability exceeds the second.

    Parameters
    ----------
    probabilities : array_like of float, shape (n, K)
        Rows that sum to 1, K at least 2.

    Returns
    -------
    ndarray of float, shape (n,)
        From 0, certain of one label, to 1, torn between two.
    """
    highest = np.sort(np.asarray(probabilities, float), axis=1)[:, -2:]
    return np.asarray(1 - (highest[:, 1] - highest[:, 0]))


def select(
    texts: Sequence[str],
    probabilities: ArrayLike,
    articles: Sequence[Hashable],
    n: int,
    per_article: int = 3,
    features: ArrayLike | None = None,
    weight: float = 0.5,
) -> NDArray[np.intp]:
    """Choose the paragraphs worth labelling next, by maximal marginal relevance.

    Each choice maximises ``weight * doubt - (1 - weight) * similarity``, the similarity being the highest
    cosine to any paragraph chosen before. Of near duplicates only the first is considered.

    Parameters
    ----------
    texts : sequence of str
        ``N`` paragraphs.
    probabilities : array_like of float, shape (N, K)
        What a model makes of them.
    articles : sequence, length N
        The article of each.
    n : int
        How many to choose; fewer are if there are not as many.
    per_article : int
        The most to choose from one article.
    features : array_like of float, shape (N, d), optional
        What similarity is measured on; without, hashed counts of words.
    weight : float
        In [0, 1]: 1 looks at doubt alone, 0 at diversity alone.

    Returns
    -------
    ndarray of int, shape (at most n,)
        Positions in `texts`, the best first.

    References
    ----------
    J. Carbonell, J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
    producing summaries", SIGIR 1998.
    """
    if not len(texts) or n < 1:
        return np.zeros(0, np.intp)
    doubts = doubt(probabilities)
    first = np.flatnonzero(near_groups(texts) == np.arange(len(texts)))
    pool = _most_doubtful(first[np.argsort(-doubts[first], kind="stable")], articles, n, per_article)
    if features is None:
        vectors = hashed_words([texts[i] for i in pool])
    else:
        vectors = _unit(np.asarray(features, float)[pool])
    relevance = weight * doubts[pool]
    closest = np.zeros(len(pool))
    taken: Counter[Hashable] = Counter()
    chosen: list[int] = []
    for _ in range(min(n, len(pool))):
        best = int(np.argmax(relevance - (1 - weight) * closest))
        if relevance[best] == -np.inf:
            break
        chosen.append(best)
        relevance[best] = -np.inf
        closest = np.maximum(closest, vectors @ vectors[best])
        article = articles[pool[best]]
        taken[article] += 1
        if taken[article] == per_article:
            relevance[[articles[i] == article for i in pool]] = -np.inf
    return pool[chosen]


def hashed_words(texts: Sequence[str], dimensions: int = 512) -> NDArray[np.float64]:
    """Return unit vectors of hashed word counts.

    Parameters
    ----------
    texts : sequence of str
        ``n`` texts.
    dimensions : int
        Length of a vector.

    Returns
    -------
    ndarray of float, shape (n, dimensions)
        Rows of length 1, or 0 for a text without words. A word adds the square root of its count, with a
        sign, so that words that share a column cancel out on average.
    """
    vectors = np.zeros((len(texts), dimensions))
    for row, text in zip(vectors, texts, strict=True):
        for word, count in Counter(fold(text).split()).items():
            number = zlib.crc32(word.encode())
            row[(number >> 1) % dimensions] += np.sqrt(count) * (1 if number & 1 else -1)
    return _unit(vectors)


def render(suggestions: Sequence[Suggestion], labels: Sequence[str], format: str) -> str:
    """Write paragraphs to label for a labelling tool, the most probable label filled in for review.

    doccano, Label Studio (as a prediction) and Prodigy show the label as chosen. In our own format and in CSV
    it stands under "suggested", the label itself being left for a person to fill in.

    Parameters
    ----------
    suggestions : sequence of Suggestion
        What to label.
    labels : sequence of str
        The labels, in the order of the probabilities.
    format : str
        One of `FORMATS`.

    Returns
    -------
    str
        The content of a file, which `copytaster.convert` reads back once it is labelled.

    Raises
    ------
    UsageError
        If the format is unknown.
    """
    rows = [_row(suggestion, labels) for suggestion in suggestions]
    if format == "copytaster":
        return json_lines({"text": row["text"], "label": None, **row} for row in rows)
    if format == "csv":
        return table(rows, ("text", "label", "suggested", "confidence", "article", "index"))
    if format == "doccano":
        return json_lines(
            {"text": row["text"], "label": [row["suggested"]], **_less(row, "text", "suggested")}
            for row in rows
        )
    if format == "prodigy":
        choices = options(labels)
        return json_lines(
            {
                "text": row["text"],
                "options": choices,
                "accept": [row["suggested"]],
                "meta": _less(row, "text", "suggested"),
            }
            for row in rows
        )
    if format == "label-studio":
        tasks = [
            {
                "id": i,
                "data": _less(row, "suggested", "confidence"),
                "predictions": [
                    {
                        "model_version": "copytaster",
                        "score": row["confidence"],
                        "result": [choice(row["suggested"])],
                    }
                ],
            }
            for i, row in enumerate(rows, 1)
        ]
        return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"
    raise UsageError(f"format {format!r} unknown", f"Name one of {', '.join(FORMATS)}.")


def _row(suggestion: Suggestion, labels: Sequence[str]) -> dict[str, Any]:
    best = int(np.argmax(suggestion.probabilities))
    row = {
        "text": suggestion.text,
        "suggested": labels[best],
        "confidence": round(suggestion.probabilities[best], 4),
    }
    return row | ({"article": suggestion.article, "index": suggestion.index} if suggestion.article else {})


def _less(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def _most_doubtful(
    order: NDArray[np.intp], articles: Sequence[Hashable], n: int, per_article: int
) -> NDArray[np.intp]:
    """The head of the order, from as many articles as `n` choices may need."""
    pool: list[int] = []
    seen: Counter[Hashable] = Counter()
    for i in order.tolist():
        if seen[articles[i]] < _POOL * per_article:
            seen[articles[i]] += 1
            pool.append(i)
        if len(pool) == _POOL * n:
            break
    return np.array(pool, np.intp)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1))
