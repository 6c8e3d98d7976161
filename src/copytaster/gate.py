"""Hold a report to its gates, and pin the gates to a report."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from copytaster.errors import GateError, UsageError
from copytaster.gatefile import (
    AVERAGES,
    COUNTS,
    ENDS,
    ERRORS,
    OVERALL,
    SCORES,
    Gate,
    Gates,
    parse_gates,
    read_gates,
    read_text,
    rewrite,
    show,
)
from copytaster.metrics import Key, Measures, Report, scores
from copytaster.output import atomic

__all__ = ["Check", "Gates", "check_gates", "paragraphs_short", "read_gates", "update_gates"]

MOST_FLIPS = 1000
LEAST_OVERLAP = 0.5
"""Share of the paragraphs that the baseline must have read too."""
DECIMALS = 4
"""Decimals that `update_gates` writes."""
_EPSILON = 1e-9


class Check(TypedDict):
    """One gate after measuring; ``measured`` is None where there is no such figure."""

    gate: str
    file: str
    line: int
    passed: bool
    measured: float | None
    required: str
    paragraphs: int | None
    message: str


class _Missing(Exception):
    """A figure that a gate asks for does not exist."""


def _measures(report: Report, scope: Key) -> Measures:
    if scope[:1] != ("slice",):
        return report
    _, name, value = scope
    if name not in report.get("slices", {}):
        raise _Missing(f"the report is not broken down by {name}")
    if value not in report["slices"][name]:
        raise _Missing(f"no paragraph has the {name} {value!r}")
    return report["slices"][name][value]


def _look_up(tables: Any, path: Key) -> Any:
    for part in path:
        tables = tables[part]
    return tables


def _place(metric: Key) -> Key:
    """Say where a metric stands in the report."""
    return OVERALL[metric[0]] if len(metric) == 1 else ("labels", *metric)


def _require(measures: Measures, metric: Key, absent: frozenset[str]) -> None:
    """Raise `_Missing` unless the metric was measured."""
    if len(metric) == 1:
        (name,) = metric
        if name not in OVERALL:
            raise _Missing("there is no such metric")
        missing = [label for label in measures["absent"] if label not in absent]
        if name in AVERAGES and missing:
            raise _Missing(
                f"no paragraph is labelled {', '.join(missing)}; where that is right, name it in absent"
            )
        return
    label, score = metric
    if label not in measures["labels"]:
        raise _Missing(f"there is no label or metric {label!r}")
    if score not in (*SCORES, "support"):
        raise _Missing(f"there is no score {score!r}; the scores are {', '.join(SCORES)} and support")
    if label in measures["absent"]:
        raise _Missing(f"no paragraph is labelled {label}")


def _figure(report: Report, gates: Gates, gate: Gate) -> float:
    """Look up what a gate measures: a figure, an end of its interval, or how much worse it has become."""
    measures = _measures(report, gate.scope)
    _require(measures, gate.metric, gates.absent[()] | gates.absent[gate.scope])
    path = _place(gate.metric)
    if gate.scope == ("baseline",):
        return _decline(report, gate, path)
    if gate.use == "point":
        return float(_look_up(measures, path))
    if gate.metric[-1] in COUNTS:
        raise _Missing("a count has no interval")
    interval = _look_up(measures["intervals"], path)
    if interval is None:
        raise _Missing("there is no interval")
    return float(interval[ENDS[gate.use]])


def _decline(report: Report, gate: Gate, path: Key) -> float:
    comparison = report.get("comparison")
    if not comparison:
        raise _Missing("there is no baseline to compare with")
    if comparison["n"] < LEAST_OVERLAP * report["n"]:
        raise _Missing(f"the baseline shares only {comparison['n']} of {report['n']} paragraphs")
    if gate.metric[-1] in COUNTS:
        raise _Missing("a count is not compared")
    difference = _look_up(comparison["differences"], path)
    if difference is None:
        raise _Missing("it could not be compared")
    change = difference["difference"] if gate.use == "point" else difference["interval"][ENDS[gate.use]]
    return float(change if gate.bound == "max_rise" else -change)


def paragraphs_short(measures: Measures, metric: Key, target: float) -> int | None:
    """Count the mistakes that would have to turn right for a score to reach a target.

    The mistake that helps most turns first, so this is the fewest that are likely to do.

    Parameters
    ----------
    measures : Measures
        A report or the measures of a slice.
    metric : tuple of str
        "accuracy" or an average, or a label and a score.
    target : float
        The score to reach.

    Returns
    -------
    int or None
        None if even every mistake put right would not do, or it takes more than 1,000.
    """
    labels = measures["label_order"]
    confusion = np.array(measures["confusion"], dtype=np.float64)
    hits, gold, predicted = confusion.diagonal().copy(), confusion.sum(axis=1), confusion.sum(axis=0)
    np.fill_diagonal(confusion, 0)
    one = np.eye(len(labels))
    path = _place(metric)
    for flips in range(1, MOST_FLIPS + 1):
        rows, columns = np.nonzero(confusion)
        if not len(rows):
            return None
        tried = predicted + one[rows] - one[columns]
        values = scores(labels, hits + one[rows], np.broadcast_to(gold, tried.shape), tried)[path]
        best = int(values.argmax())
        if values[best] >= target - _EPSILON:
            return flips
        hits, predicted = hits + one[rows[best]], tried[best]
        confusion[rows[best], columns[best]] -= 1
    return None


def _shortfall(measures: Measures, gate: Gate, measured: float) -> int | None:
    """Say by how many paragraphs a figure misses its bound, where paragraphs can say it."""
    gap = abs(measured - gate.limit)
    name = gate.metric[-1]
    if name in ("n", "support"):
        return math.ceil(gap)
    if name == "calibration_error":
        return math.ceil(gap * measures["n"] - _EPSILON)
    if name in ERRORS or name in COUNTS or gate.bound == "max":
        return None
    value = float(_look_up(measures, _place(gate.metric)))
    return paragraphs_short(measures, gate.metric, value + gap)


def _plural(count: int) -> str:
    return f"{count:,} paragraph" + "s" * (count != 1)


def _check(report: Report, gates: Gates, gate: Gate) -> Check:
    check = Check(
        gate=gate.name,
        file=gates.file,
        line=gate.line,
        passed=False,
        measured=None,
        required=gate.required,
        paragraphs=None,
        message="",
    )
    try:
        measured = _figure(report, gates, gate)
    except _Missing as missing:
        check["message"] = f"{gate.name}: not measured, {gate.required} required; {missing}"
        return check
    check["measured"] = measured
    check["message"] = f"{gate.name}: {show(measured)} measured, {gate.required} required"
    excess = gate.limit - measured if gate.bound == "min" else measured - gate.limit
    check["passed"] = excess <= _EPSILON
    if check["passed"]:
        return check
    short = check["paragraphs"] = _shortfall(_measures(report, gate.scope), gate, measured)
    tolerable = gate.metric[-1] not in COUNTS and short is not None and short <= gates.tolerance
    check["passed"] = tolerable
    if short is not None:
        about = "" if gate.use == "point" else "about "
        check["message"] += f"; off by {about}{_plural(short)}"
    if tolerable:
        check["message"] += ", which the tolerance allows"
    return check


def check_gates(report: Report, gates: Gates) -> list[Check]:
    """Hold a report to its gates.

    Parameters
    ----------
    report : Report
        With ``data_digest`` where the gates pin one, ``slices`` by `Gates.fields`, and ``comparison`` where a
        gate needs a baseline.
    gates : Gates
        What `read_gates` returned.

    Returns
    -------
    list of Check
        One a gate, in the order of the file, the digest first. ``message`` is a line of text naming metric,
        measured, required and by how many paragraphs it is off: for a score the mistakes that would have to
        turn right (see `paragraphs_short`), for the calibration error the outcomes, for a count the missing
        paragraphs.
    """
    checks = [_check(report, gates, gate) for gate in gates.gates]
    if not gates.data_digest:
        return checks
    digest = report.get("data_digest", "")
    same = digest == gates.data_digest
    message = f"data_digest: {digest[:12] or 'none'} measured, {gates.data_digest[:12]} required"
    pinned = Check(
        gate="data_digest",
        file=gates.file,
        line=gates.digest_line,
        passed=same,
        measured=None,
        required=gates.data_digest,
        paragraphs=None,
        message=message if same else message + "; the labelled data changed, so measure and pin anew",
    )
    return [pinned, *checks]


def _pinned(gate: Gate, measured: float, passed: bool) -> float:
    scale = float(10**DECIMALS)
    if gate.bound == "min":
        rounded = math.floor(round(measured * scale, 6)) / scale
        return max(gate.limit, rounded) if passed else rounded
    rounded = math.ceil(round(measured * scale, 6)) / scale
    return min(gate.limit, rounded) if passed else rounded


def update_gates(path: str | Path, report: Report, allow_lower: bool = False) -> list[str]:
    """Pin the bounds of a gate file to what a report measured, and the digest to its data.

    Only numbers and the digest change; comments and layout stay, as do bounds against a baseline. A figure
    that passes never loosens its bound. The file is replaced in one step.

    Parameters
    ----------
    path : str or Path
        The gate file, rewritten in place.
    report : Report
        As `check_gates` wants it.
    allow_lower : bool
        Whether a floor may sink, or a ceiling rise, to what was measured.

    Returns
    -------
    list of str
        One line a change, such as ``"macro_f1: at least 0.85, was 0.8"``.

    Raises
    ------
    GateError
        If a figure was not measured, or a bound would loosen and `allow_lower` is false; nothing is written.
    UsageError
        If the file cannot be read, or a bound that changes is not on one line.
    DataError
        If the file cannot be written.
    """
    text = read_text(Path(path))
    gates = parse_gates(text, str(path))
    problems, changes, pinned = [], [], []
    for gate in gates.gates:
        pinned.append(gate)
        if gate.scope == ("baseline",):
            continue
        check = _check(report, gates, gate)
        if check["measured"] is None or not (check["passed"] or allow_lower):
            problems.append(check["message"])
            continue
        pinned[-1] = replace(gate, limit=_pinned(gate, check["measured"], check["passed"]))
        if pinned[-1] != gate:
            changes.append(f"{gate.name}: {pinned[-1].required}, was {show(gate.limit)}")
    digest = report.get("data_digest", "") if gates.data_digest else ""
    if gates.data_digest and not digest:
        problems.append("data_digest: the report has none")
    if problems:
        raise GateError(
            f"{path} is left as it is: " + "\n".join(problems), "To loosen bounds, allow lowering them"
        )
    if digest != gates.data_digest:
        changes.append(f"data_digest: {digest[:12]}, was {gates.data_digest[:12]}")
    wanted = replace(gates, gates=tuple(pinned), data_digest=digest)
    rewritten = rewrite(text, gates, wanted)
    if parse_gates(rewritten, str(path)) != wanted:
        raise UsageError(f"{path} cannot be rewritten", "Write each gate on a line of its own")
    if changes:
        with atomic(path) as stream:
            stream.write(rewritten.encode())
    return changes
