"""Measure a model on labelled paragraphs: scores, calibration and coverage, each with an interval.

Every figure is a function of sums over paragraphs. The sums are kept per article, so a bootstrap that
resamples articles is one matrix product, and the same code gives the figures of the sample and of every draw.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from copytaster.errors import DataError, UsageError

if TYPE_CHECKING:
    from copytaster.annotate import Reading
    from copytaster.labeled import Example

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Key = tuple[str, ...]
"""Where a figure stands in the report, such as ``("labels", "opinion", "recall")``."""
Interval = list[float]

BINS = 10
COVERAGES = (50, 70, 90, 100)
LEVEL = 0.95
FEW_ARTICLES = 20
"""Below it intervals are too narrow: with 10 simulated articles they held the truth in 81 to 91 % of samples,
with 20 in 89 to 93 %, with 50 and 200 in 92 to 96 % (of 300; the calibration error's in 86 to 90 %)."""
LONGEST_TEXT = 500
NO_VALUE = "(none)"
FIELDS = ("source", "kind", "topic", "variety", "length", "split", "annotator", "article", "file")
LENGTHS = (20, 60, 120)
LEAST_ARTICLES = 5
"""Below it the bootstrap of a share alone is not trusted."""
_BIASED: Key = ("calibration", "error")


class Scores(TypedDict):
    """The scores of one label; None where no paragraph bears the label."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    articles: int


class Bin(TypedDict):
    """One row of the reliability table: paragraphs whose confidence lies in [low, high)."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    interval: Interval | None


class Calibration(TypedDict):
    """How far stated confidence and observed accuracy lie apart."""

    method: str
    error: float
    brier: float
    log_loss: float
    reliability: list[Bin]


class Coverage(TypedDict):
    """Accuracy among the paragraphs whose confidence reaches `threshold`."""

    coverage: float
    threshold: float
    n: int
    accuracy: float
    interval: Interval | None


class Measures(TypedDict):
    """Everything that is measured on one set of paragraphs."""

    n: int
    articles: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    label_order: list[str]
    labels: dict[str, Scores]
    absent: list[str]
    confusion: list[list[int]]
    intervals: dict[str, Any]
    calibration: Calibration
    coverage: list[Coverage]
    notes: list[str]


class Mistake(TypedDict):
    """A paragraph the model got wrong, and where it stands."""

    article: str
    file: str
    line: int
    text: str
    gold: str
    predicted: str
    confidence: float


class Report(Measures, total=False):
    """The measures of a whole evaluation and what may be added to them.

    ``predictions`` holds one row a paragraph, ``[key, article, gold, predicted, probability, ...]``: the
    `text_key` of its text, the article's number, the indices of two labels in ``label_order``, and the
    probabilities in that order.
    """

    version: int
    model: str
    data_digest: str
    slices: dict[str, dict[str, Measures]]
    errors: list[Mistake]
    predictions: list[list[Any]]
    comparison: Any
    gates: Any
    rereading: dict[str, int]


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over paragraphs; the last axis holds labels, bins or coverages, any axes before it are draws.

    Attributes
    ----------
    hits, gold, predicted : ndarray of shape (..., K)
        Paragraphs of each label that are right, that bear it, and that were given it.
    bin_n, bin_confidence, bin_hits : ndarray of shape (..., BINS)
        Paragraphs in each bin of confidence, the sum of their confidence, and how many are right.
    kept, kept_hits : ndarray of shape (..., T)
        Paragraphs at or above each threshold of confidence, and how many are right.
    squared, logged : ndarray of shape (..., 1)
        Sums of the squared error over labels and of the negative log-likelihood.
    """

    hits: Floats
    gold: Floats
    predicted: Floats
    bin_n: Floats
    bin_confidence: Floats
    bin_hits: Floats
    kept: Floats
    kept_hits: Floats
    squared: Floats
    logged: Floats

    @classmethod
    def of(cls, sums: Floats, n_labels: int) -> Tally:
        """Name the columns that `article_sums` made, shape (..., C)."""
        n_thresholds = (sums.shape[-1] - 3 * n_labels - 3 * BINS - 2) // 2
        widths = [n_labels] * 3 + [BINS] * 3 + [n_thresholds] * 2 + [1]
        return cls(*np.split(sums, np.cumsum(widths), axis=-1))


def article_sums(
    gold: Integers, predicted: Integers, proba: Floats, articles: Integers, thresholds: Sequence[float] = ()
) -> Floats:
    """Add up, article by article, everything a figure needs.

    Parameters
    ----------
    gold, predicted : ndarray of int, shape (n,)
        Label indices.
    proba : ndarray of shape (n, K)
        Probabilities.
    articles : ndarray of int, shape (n,)
        Article numbers from 0, none left out.
    thresholds : sequence of float
        Confidences from which a paragraph counts as kept.

    Returns
    -------
    ndarray of shape (n_articles, C)
        Columns in the order of `Tally`.
    """
    n, n_labels = proba.shape
    truth = np.eye(n_labels)[gold]
    right = (gold == predicted)[:, None]
    confidence = proba[np.arange(n), predicted][:, None]
    bins = np.eye(BINS)[np.minimum((confidence[:, 0] * BINS).astype(np.int64), BINS - 1)]
    kept = confidence >= np.asarray(thresholds, dtype=np.float64)
    likelihood = np.clip(proba[np.arange(n), gold], np.finfo(np.float64).eps, 1.0)
    squared = ((proba - truth) ** 2).sum(axis=1, keepdims=True)
    logged = -np.log(likelihood)[:, None]
    counts = np.hstack((truth * right, truth, np.eye(n_labels)[predicted]))
    columns = np.hstack((counts, bins, bins * confidence, bins * right, kept, kept & right, squared, logged))
    order = np.argsort(articles, kind="stable")
    starts = np.searchsorted(articles[order], np.arange(articles.max() + 1))
    return cast(Floats, np.add.reduceat(columns[order], starts, axis=0))


def resample(sums: Floats, draws: int, seed: int) -> Floats:
    """Bootstrap the articles: total the sums of as many articles, drawn with replacement.

    Parameters
    ----------
    sums : ndarray of shape (n_articles, C)
        What `article_sums` returned.
    draws : int
        Number of draws.
    seed : int
        Seed of the generator; the same seed gives the same draws.

    Returns
    -------
    ndarray of shape (draws, C)

    References
    ----------
    Field and Welsh (2007), Bootstrapping clustered data.
    """
    generator = np.random.default_rng(seed)
    n = len(sums)
    totals = np.empty((draws, sums.shape[1]))
    block = max(1, 4_000_000 // n)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        picks = generator.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        weights = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n)
        totals[start : start + size] = weights @ sums
    return totals


def _ratio(part: Floats, whole: Floats, empty: float = math.nan) -> Floats:
    return cast(Floats, np.divide(part, whole, out=np.full(np.shape(whole), empty), where=whole > 0))


def scores(labels: Sequence[str], hits: Floats, gold: Floats, predicted: Floats) -> dict[Key, Floats]:
    """Compute accuracy, precision, recall and F1 from counts.

    Precision is 0 for a label that is there but was never predicted, as in scikit-learn. A label that no
    paragraph bears has nan, and macro averages leave it out.

    Parameters
    ----------
    labels : sequence of str, length K
        Label names.
    hits, gold, predicted : ndarray of shape (..., K)
        See `Tally`.

    Returns
    -------
    dict of Key to ndarray of shape (...)
        Values in [0, 1] or nan.
    """
    n = gold.sum(axis=-1)
    present = gold > 0
    figures: dict[Key, Floats] = {("accuracy",): hits.sum(axis=-1) / n}
    for name, values in (
        ("precision", _ratio(hits, predicted, empty=0.0)),
        ("recall", _ratio(hits, gold, empty=0.0)),
        ("f1", _ratio(2 * hits, gold + predicted, empty=0.0)),
    ):
        figures[f"macro_{name}",] = (values * present).sum(axis=-1) / present.sum(axis=-1)
        figures[f"weighted_{name}",] = (values * gold).sum(axis=-1) / n
        known = np.where(present, values, math.nan)
        figures |= {("labels", label, name): known[..., i] for i, label in enumerate(labels)}
    return figures


def figures_of(labels: Sequence[str], tally: Tally) -> dict[Key, Floats]:
    """Compute every figure that has an interval.

    The calibration error is the expected calibration error: the mean over paragraphs of the gap between
    confidence and accuracy in their bin, with 10 bins of equal width. It leans high on small samples. The
    Brier score is the sum over labels, in [0, 2].

    Parameters
    ----------
    labels : sequence of str, length K
        Label names.
    tally : Tally
        Sums, of the sample or of many draws.

    Returns
    -------
    dict of Key to ndarray
        One value a draw; nan where the figure does not exist.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks.
    Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    n = tally.gold.sum(axis=-1)
    figures = scores(labels, tally.hits, tally.gold, tally.predicted)
    figures["calibration", "error"] = np.abs(tally.bin_hits - tally.bin_confidence).sum(axis=-1) / n
    figures["calibration", "brier"] = tally.squared[..., 0] / n
    figures["calibration", "log_loss"] = tally.logged[..., 0] / n
    for name, right, whole in (
        ("reliability", tally.bin_hits, tally.bin_n),
        ("coverage", tally.kept_hits, tally.kept),
    ):
        shares = _ratio(right, whole)
        figures |= {(name, str(i)): shares[..., i] for i in range(shares.shape[-1])}
    return figures


def _wilson(share: float, trials: float) -> tuple[float, float]:
    z = 1.959964
    centre = share * trials + z * z / 2
    spread = z * math.sqrt(share * (1 - share) * trials + z * z / 4)
    return max(0.0, (centre - spread) / (trials + z * z)), min(1.0, (centre + spread) / (trials + z * z))


def _interval(value: float, drawn: Floats, trials: float | None, n_articles: float) -> Interval | None:
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(drawn):
        return None
    ends = [value, *np.percentile(drawn, [50 - 50 * LEVEL, 50 + 50 * LEVEL]).tolist()]
    if n_articles < LEAST_ARTICLES or max(ends) - min(ends) < 1e-12:
        if trials is None:
            return None
        ends += _wilson(min(1.0, max(0.0, value)), trials)
    return [min(ends), max(ends)]


def _trials(key: Key, labels: Sequence[str], articles: Tally, n_articles: int) -> float | None:
    """Count the articles behind a share (`articles` counts nonzero sums); None for what is no share."""
    match key:
        case ("calibration", _):
            return None
        case ("labels", label, "precision"):
            return float(articles.predicted[labels.index(label)])
        case ("labels", label, _):
            return float(articles.gold[labels.index(label)])
        case ("reliability", row):
            return float(articles.bin_n[int(row)])
        case ("coverage", row):
            return float(articles.kept[int(row)])
        case ("accuracy",):
            return n_articles
    return float(articles.gold[articles.gold > 0].min())


def intervals_of(labels: Sequence[str], sums: Floats, draws: int, seed: int) -> dict[Key, Interval | None]:
    """Give every figure its 95 % interval from `resample`.

    It is the percentile interval, but for the calibration error the basic one: that error leans high, in a
    draw twice as much as in the sample, and reflecting the draws at the measured value takes the lean away.

    The interval always holds the measured value. Where there are fewer than 5 articles, or every draw gives a
    share the same value, as with a recall of 1, the bootstrap has too little to vary: Wilson's interval with
    one trial an article, which is cautious, widens it.

    Parameters
    ----------
    labels : sequence of str, length K
        Label names.
    sums : ndarray of shape (n_articles, C)
        What `article_sums` returned.
    draws : int
        Number of draws; 0 gives no intervals.
    seed : int
        Seed of the generator.

    Returns
    -------
    dict of Key to [low, high] or None
        None where the figure does not exist, or where Wilson's is needed and the figure is no share.

    References
    ----------
    Efron (1979), Bootstrap methods: another look at the jackknife.
    Davison and Hinkley (1997), Bootstrap methods and their application, chapter 5.
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    n_labels = len(labels)
    values = figures_of(labels, Tally.of(sums.sum(axis=0), n_labels))
    if not draws:
        return dict.fromkeys(values)
    drawn = figures_of(labels, Tally.of(resample(sums, draws, seed), n_labels))
    drawn[_BIASED] = np.maximum(2 * values[_BIASED] - drawn[_BIASED], 0.0)
    articles = Tally.of((sums > 0).sum(axis=0).astype(np.float64), n_labels)
    intervals = {}
    for key, value in values.items():
        trials = _trials(key, labels, articles, len(sums))
        behind = (
            trials if key[0] in ("labels", "reliability", "coverage") and trials is not None else len(sums)
        )
        intervals[key] = _interval(float(value), drawn[key], trials, behind)
    return intervals


def nest(flat: Mapping[Key, Any]) -> dict[str, Any]:
    """Turn ``{("a", "b"): x}`` into ``{"a": {"b": x}}``."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        table = nested
        for part in key[:-1]:
            table = table.setdefault(part, {})
        table[key[-1]] = value
    return nested


def number(groups: Iterable[Hashable]) -> Integers:
    """Number groups from 0 in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _notes(labels: Sequence[str], tally: Tally, articles: Tally, n_articles: int) -> list[str]:
    absent = [label for label, count in zip(labels, tally.gold, strict=True) if not count]
    rare = [label for label, count in zip(labels, articles.gold, strict=True) if 0 < count < FEW_ARTICLES]
    notes = []
    if absent:
        names = ", ".join(absent)
        notes.append(f"No paragraph is labelled {names}: no scores, and macro averages leave it out.")
    if n_articles < FEW_ARTICLES:
        notes.append(f"Only {n_articles} article(s): the intervals are too narrow.")
    elif rare:
        names = ", ".join(rare)
        notes.append(f"In fewer than {FEW_ARTICLES} articles: {names}; the intervals are too narrow.")
    return notes


def _measure(
    labels: Sequence[str], gold: Integers, proba: Floats, articles: Integers, draws: int, seed: int
) -> Measures:
    n, n_labels = proba.shape
    predicted = proba.argmax(axis=1)
    ranked = np.sort(proba.max(axis=1))[::-1]
    thresholds = [float(ranked[-(-n * coverage // 100) - 1]) for coverage in COVERAGES]
    sums = article_sums(gold, predicted, proba, articles, thresholds)
    total = Tally.of(sums.sum(axis=0), n_labels)
    touched = Tally.of((sums > 0).sum(axis=0).astype(np.float64), n_labels)
    figures = {
        key: None if np.isnan(value) else float(value) for key, value in figures_of(labels, total).items()
    }
    intervals = intervals_of(labels, sums, draws, seed)
    tables = nest(figures)
    for i, label in enumerate(labels):
        tables["labels"][label] |= {"support": int(total.gold[i]), "articles": int(touched.gold[i])}
    reliability: list[Bin] = [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "n": int(total.bin_n[i]),
            "confidence": float(total.bin_confidence[i] / total.bin_n[i]),
            "accuracy": float(total.bin_hits[i] / total.bin_n[i]),
            "interval": intervals.pop(("reliability", str(i))),
        }
        for i in range(BINS)
        if total.bin_n[i]
    ]
    coverage: list[Coverage] = [
        {
            "coverage": percent / 100,
            "threshold": thresholds[i],
            "n": int(total.kept[i]),
            "accuracy": tables["coverage"][str(i)],
            "interval": intervals.pop(("coverage", str(i))),
        }
        for i, percent in enumerate(COVERAGES)
    ]
    averages = {name: tables[name] for name in sorted(tables) if name.startswith(("macro_", "weighted_"))}
    measures: Measures = {
        "n": n,
        "articles": len(sums),
        "accuracy": tables["accuracy"],
        **averages,  # type: ignore[typeddict-item]
        "label_order": list(labels),
        "labels": tables["labels"],
        "absent": [label for i, label in enumerate(labels) if not total.gold[i]],
        "confusion": np.bincount(gold * n_labels + predicted, minlength=n_labels**2)
        .reshape(n_labels, n_labels)
        .tolist(),
        "intervals": {
            "level": LEVEL,
            "method": "bootstrap of articles: percentile; basic for the calibration error",
            "draws": draws,
            "seed": seed,
            **nest({key: value for key, value in intervals.items() if key[0] != "reliability"}),
        },
        "calibration": {
            "method": f"expected calibration error, {BINS} bins of equal width",
            **tables["calibration"],
            "reliability": reliability,
        },
        "coverage": coverage,
        "notes": _notes(labels, total, touched, len(sums)),
    }
    return measures


def evaluate(
    labels: Sequence[str],
    y_true: ArrayLike,
    proba: ArrayLike,
    groups: Sequence[Hashable],
    slices: Mapping[str, Sequence[str]] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Report:
    """Measure predictions against labels.

    Parameters
    ----------
    labels : sequence of str, length K
        Names of the labels, in the order of the columns of `proba`.
    y_true : array-like of int, shape (n,)
        Index of each paragraph's label.
    proba : array-like of shape (n, K)
        Probabilities; the prediction is the largest, the first of equals.
    groups : sequence of hashable, length n
        The article of each paragraph; articles are what the bootstrap resamples.
    slices : mapping of str to sequence of str, length n, optional
        For each field, such as ``"source"``, the value of every paragraph. Each value gets its own measures.
    draws : int
        Bootstrap draws; 0 gives no intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Report
        A dictionary fit for JSON: no nan, no numpy types.

    Raises
    ------
    DataError
        If there is no paragraph.
    ValueError
        If the shapes do not fit together, a label is named twice, or a probability lies outside [0, 1].
    """
    gold = np.asarray(y_true, dtype=np.int64)
    probabilities = np.asarray(proba, dtype=np.float64)
    if not gold.size:
        raise DataError("There is no labelled paragraph to evaluate on")
    if probabilities.shape != (len(gold), len(labels)) or len(groups) != len(gold):
        raise ValueError("y_true, proba, groups and labels do not fit together")
    if len(set(labels)) != len(labels) or gold.min() < 0 or gold.max() >= len(labels):
        raise ValueError("labels must differ and y_true must hold their indices")
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-9)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    report: Report = {
        "version": 1,
        **_measure(labels, gold, probabilities, number(groups), draws, seed),  # type: ignore[typeddict-item]
    }
    articles = np.array(number(groups))
    if slices:
        report["slices"] = {}
    for field, values in (slices or {}).items():
        codes = number(values)
        names = list(dict.fromkeys(values))
        report["slices"][field] = {
            names[code]: _measure(
                labels,
                gold[codes == code],
                probabilities[codes == code],
                number(articles[codes == code].tolist()),
                draws,
                seed,
            )
            for code in sorted(range(len(names)), key=lambda code: names[code])
        }
    return report


def text_key(text: str) -> str:
    """Name a text by the first 16 hexadecimal digits of the SHA-1 of its words, joined by single spaces."""
    words = " ".join(text.split())
    return hashlib.sha1(words.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:16]


def length_band(text: str) -> str:
    """Name the band of length a text falls into, in words: ``"1-20 words"`` to ``"over 120 words"``."""
    n_words = len(text.split(maxsplit=LENGTHS[-1] + 1))
    low = 1
    for high in LENGTHS:
        if n_words <= high:
            return f"{low}-{high} words"
        low = high + 1
    return f"over {LENGTHS[-1]} words"


def slice_values(examples: Sequence[Example], fields: Iterable[str]) -> dict[str, list[str]]:
    """Give the value of every example in each field, for the `slices` of `evaluate`.

    Parameters
    ----------
    examples : sequence of Example
        Labelled paragraphs.
    fields : iterable of str
        Names out of `FIELDS`. An empty value is ``"(none)"``, a length a `length_band`.

    Returns
    -------
    dict of str to list of str

    Raises
    ------
    UsageError
        If there is no such field.
    """
    fields = list(fields)
    for field in fields:
        if field not in FIELDS:
            raise UsageError(
                f"There is no field {field!r} to break a report down by", f"Take {', '.join(FIELDS)}"
            )
    return {
        field: [
            length_band(example.text) if field == "length" else str(getattr(example, field)) or NO_VALUE
            for example in examples
        ]
        for field in fields
    }


def evaluate_examples(
    examples: Sequence[Example],
    labels: Sequence[str],
    proba: ArrayLike,
    by: Iterable[str] = (),
    errors: int = 10,
    draws: int = 2000,
    seed: int = 0,
) -> Report:
    """Measure predictions on labelled paragraphs, with the worst errors and what a later comparison needs.

    Parameters
    ----------
    examples : sequence of Example, length n
        Labelled paragraphs. One without an article counts as an article of its own.
    labels : sequence of str, length K
        The model's labels, in the order of the columns of `proba`.
    proba : array-like of shape (n, K)
        Probabilities.
    by : iterable of str
        Fields to break the measures down by; see `slice_values`.
    errors : int
        How many of the most confident mistakes to list.
    draws, seed : int
        See `evaluate`.

    Returns
    -------
    Report
        With ``errors`` and ``predictions``.

    Raises
    ------
    DataError
        If there is no example, or one bears a label the model does not know.
    UsageError
        If `by` names what is no field.
    """
    index = {label: i for i, label in enumerate(labels)}
    for example in examples:
        if example.label not in index:
            raise DataError(
                f"{example.file}:{example.line}: the model does not know the label {example.label!r}",
                f"It knows {', '.join(labels)}",
            )
    gold = np.array([index[example.label] for example in examples], dtype=np.int64)
    probabilities = np.asarray(proba, dtype=np.float64)
    groups: list[Hashable] = [
        example.article or (example.file, example.line, example.index) for example in examples
    ]
    report = evaluate(labels, gold, probabilities, groups, slice_values(examples, by), draws, seed)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != gold)
    report["errors"] = [
        {
            "article": examples[i].article,
            "file": examples[i].file,
            "line": int(examples[i].line),
            "text": examples[i].text[:LONGEST_TEXT] + "…" * (len(examples[i].text) > LONGEST_TEXT),
            "gold": examples[i].label,
            "predicted": labels[predicted[i]],
            "confidence": float(confidence[i]),
        }
        for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:errors].tolist()
    ]
    columns = (number(groups), gold, predicted)
    report["predictions"] = [
        [text_key(example.text), *indices, *row]
        for example, indices, row in zip(
            examples, np.column_stack(columns).tolist(), probabilities.tolist(), strict=True
        )
    ]
    return report


def rereading(
    examples: Sequence[Example], labels: Sequence[str], first: Floats, reading: Reading
) -> dict[str, int]:
    """Count what the careful reader was asked and what came of it.

    Parameters
    ----------
    examples : sequence of Example
    labels : sequence of str
    first : ndarray of float, shape (n, K)
        Probabilities of the fast reader alone.
    reading : Reading
        Of both readers.

    Returns
    -------
    dict
        How many paragraphs there are ("n"), were "asked" about, got another label ("changed"), and of those
        a right one in place of a wrong one ("righted"), or the reverse ("wronged").
    """
    gold = np.array([example.label for example in examples])
    before, after = (np.array(labels)[chances.argmax(axis=1)] for chances in (first, reading.probabilities))
    changed = before != after
    counts = {
        "n": len(gold),
        "asked": reading.careful.sum(),
        "changed": changed.sum(),
        "righted": (changed & (after == gold)).sum(),
        "wronged": (changed & (before == gold)).sum(),
    }
    return {name: int(count) for name, count in counts.items()}
