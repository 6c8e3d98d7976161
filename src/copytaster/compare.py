"""Compare two evaluations of the same labelled paragraphs: better, worse, or cannot tell."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from copytaster.errors import DataError
from copytaster.metrics import (
    LEVEL,
    Floats,
    Interval,
    Key,
    Report,
    Tally,
    article_sums,
    figures_of,
    nest,
    number,
    resample,
)

HEADLINE: Key = ("macro_f1",)


class Difference(TypedDict):
    """One figure of both models; `difference` is value minus baseline, `p_value` two-sided."""

    value: float
    baseline: float
    difference: float
    interval: Interval
    p_value: float
    verdict: str


class Comparison(TypedDict):
    """A paired comparison; ``differences`` has the shape of a report's ``intervals``.

    ``n`` and ``articles`` count what both have read, ``only_here`` and ``only_baseline`` the paragraphs left
    out, ``fixed`` the baseline's mistakes that are right now, ``broken`` the reverse, ``relabelled`` the
    paragraphs whose label has changed since (the new label counts for both).
    """

    baseline: str
    metric: str
    verdict: str
    n: int
    articles: int
    only_here: int
    only_baseline: int
    fixed: int
    broken: int
    relabelled: int
    draws: int
    seed: int
    differences: dict[str, Any]


def _keys(report: Report) -> list[tuple[str, int]]:
    """Tell equal texts apart by how often they came before."""
    seen: Counter[str] = Counter()
    keys = []
    for key, *_ in report["predictions"]:
        keys.append((key, seen[key]))
        seen[key] += 1
    return keys


def _swapped(ours: Floats, theirs: Floats, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Total both models' sums after swapping the two within articles picked by coin, once a draw."""
    generator = np.random.default_rng(seed)
    gap = theirs - ours
    moved = np.empty((draws, gap.shape[1]))
    block = max(1, 4_000_000 // len(gap))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        moved[start : start + size] = generator.integers(2, size=(size, len(gap))) @ gap
    return ours.sum(axis=0) + moved, theirs.sum(axis=0) - moved


def _verdict(difference: float, interval: Interval, p_value: float, lower_is_better: bool) -> str:
    if p_value >= 1 - LEVEL or interval[0] <= 0 <= interval[1]:
        return "cannot tell"
    return "better" if (difference > 0) != lower_is_better else "worse"


def compare(report: Report, baseline: Report, name: str = "", draws: int = 2000, seed: int = 0) -> Comparison:
    """Compare a report with a baseline on the paragraphs both have read.

    Paragraphs are paired by their text. The interval of a difference comes from a bootstrap that draws
    articles with both models' predictions on them; the p-value from swapping the two models' predictions
    within articles at random. A verdict needs both: the interval without 0 and p < 0.05. The verdict of the
    whole is that on macro F1.

    Parameters
    ----------
    report : Report
        The new model's evaluation, with ``predictions``.
    baseline : Report
        The other model's, on the same paragraphs or some of them: made now with another artifact, or an
        earlier JSON report.
    name : str
        What to call the baseline.
    draws : int
        Draws of the bootstrap and of the permutation test, at least 1.
    seed : int
        Seed of both.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        If a report lacks predictions, the labels differ, or no paragraph is in both.

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 16.
    Yeh (2000), More accurate tests for the statistical significance of result differences.
    Phipson and Smyth (2010), Permutation p-values should never be zero.
    """
    for part in (report, baseline):
        if not part.get("predictions"):
            raise DataError("A report to compare holds no predictions", "Make it with evaluate -f json")
    labels = report["label_order"]
    if sorted(labels) != sorted(baseline["label_order"]):
        raise DataError(
            f"The baseline's labels are {', '.join(baseline['label_order'])}, not {', '.join(labels)}",
            "Compare models of the same labels",
        )
    ours, theirs = _keys(report), _keys(baseline)
    rows = dict(zip(theirs, baseline["predictions"], strict=True))
    pairs = [(new, rows[key]) for key, new in zip(ours, report["predictions"], strict=True) if key in rows]
    if not pairs:
        raise DataError("The baseline has read none of these paragraphs", "Evaluate both on the same file")
    order = [baseline["label_order"].index(label) for label in labels]
    place = np.argsort(order)
    new = np.array([row[1:] for row, _ in pairs], dtype=np.float64)
    old = np.array([row[1:] for _, row in pairs], dtype=np.float64)
    articles = number(new[:, 0].tolist())
    gold, predicted = new[:, 1].astype(np.int64), new[:, 2].astype(np.int64)
    old_gold, old_predicted = place[old[:, 1].astype(np.int64)], place[old[:, 2].astype(np.int64)]
    new_sums = article_sums(gold, predicted, new[:, 3:], articles)
    old_sums = article_sums(gold, old_predicted, old[:, 3:][:, order], articles)
    right, was_right = predicted == gold, old_predicted == gold
    differences = _differences(labels, new_sums, old_sums, draws, seed)
    return {
        "baseline": name,
        "metric": HEADLINE[0],
        "verdict": differences[HEADLINE]["verdict"],
        "n": len(pairs),
        "articles": len(new_sums),
        "only_here": len(ours) - len(pairs),
        "only_baseline": len(theirs) - len(pairs),
        "fixed": int((right & ~was_right).sum()),
        "broken": int((~right & was_right).sum()),
        "relabelled": int((gold != old_gold).sum()),
        "draws": draws,
        "seed": seed,
        "differences": nest(differences),
    }


def _differences(labels: list[str], new: Floats, old: Floats, draws: int, seed: int) -> dict[Key, Any]:
    def figures(sums: Floats) -> dict[Key, Floats]:
        return figures_of(labels, Tally.of(sums, len(labels)))

    width = new.shape[1]
    drawn = resample(np.hstack((new, old)), draws, seed)
    swapped_new, swapped_old = _swapped(new, old, draws, seed)
    values, baselines = figures(new.sum(axis=0)), figures(old.sum(axis=0))
    drawn_new, drawn_old = figures(drawn[:, :width]), figures(drawn[:, width:])
    null_new, null_old = figures(swapped_new), figures(swapped_old)
    differences: dict[Key, Difference | None] = {}
    for key in values:
        if key[0] in ("reliability", "coverage"):
            continue
        value, baseline = float(values[key]), float(baselines[key])
        difference = value - baseline
        if math.isnan(difference):
            differences[key] = None
            continue
        spread: NDArray[np.float64] = drawn_new[key] - drawn_old[key]
        spread = spread[~np.isnan(spread)]
        low, high = np.percentile(spread, [50 - 50 * LEVEL, 50 + 50 * LEVEL]).tolist()
        interval = [min(low, difference), max(high, difference)]
        extreme = np.abs(null_new[key] - null_old[key]) >= abs(difference) - 1e-12
        p_value = float((1 + extreme.sum()) / (1 + draws))
        differences[key] = {
            "value": value,
            "baseline": baseline,
            "difference": difference,
            "interval": interval,
            "p_value": p_value,
            "verdict": _verdict(difference, interval, p_value, key[0] == "calibration"),
        }
    return differences
