"""Write a report as text, JSON, Markdown, GitHub annotations or JUnit XML, and read a JSON report back.

Texts, labels and names come from articles and files of unknown hands: each format escapes them, and none lets
a control character through.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from copytaster.errors import DataError, reason
from copytaster.limited import read_limited
from copytaster.metrics import Interval, Measures, Report
from copytaster.raw import MAX_BYTES

MOST_ROWS = 30
LONGEST_NAME = 40
LONGEST_PLACE = 80
LONGEST_EXCERPT = 100
LONGEST_CELL = 300
LONGEST_LINE = 1000
DIGITS = 6
SCORES = ("precision", "recall", "f1")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_COMMAND = re.compile(r"^:(?=:)|##(?=\w*\[)")
_MARKUP = re.compile(r"[*\\[\]_`|~]")
_LINK = re.compile(r"[#$@]|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\.", re.IGNORECASE)


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """Fold a text of unknown origin to one harmless line.

    White space folds to single spaces; control, format and surrogate characters go; what a build log would
    take for a command (``::error``, ``##[group]``) is broken up.

    Parameters
    ----------
    text : str
        Anything.
    limit : int
        Longest result, in characters; a longer one ends in "…".

    Returns
    -------
    str
    """
    folded = " ".join(_HIDDEN.sub("", text[: 4 * limit]).split())
    folded = _COMMAND.sub(r"\g<0> ", folded)
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


def _markdown(text: str, limit: int = LONGEST_LINE) -> str:
    """Escape for GitHub Markdown.

    A mention or an issue number would be found in the finished page too, so a zero-width space breaks it.
    """
    escaped = _MARKUP.sub(r"\\\g<0>", one_line(text, limit))
    escaped = html.escape(escaped, quote=False)
    return _LINK.sub(lambda found: f"&#{ord(found[0])};" + "&#8203;" * (found[0] in "@#"), escaped)


@dataclass(frozen=True, slots=True)
class _Section:
    """A table with sentences above it; its first `left` columns are words, the others figures."""

    title: str
    lines: Sequence[str] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left: int = 1


def _figure(value: float | None, interval: Interval | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else "")


def _change(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"


def _headline(report: Report) -> str:
    f1 = _figure(report["macro_f1"], report["intervals"]["macro_f1"])
    accuracy = _figure(report["accuracy"], report["intervals"]["accuracy"])
    return (
        f"Macro F1 {f1}, accuracy {accuracy}; {report['n']:,} paragraphs of {report['articles']:,} articles."
    )


def _gates(report: Report) -> _Section:
    checks = report["gates"]
    failed = sum(not check["passed"] for check in checks)
    line = f"{failed} of {len(checks)} gates failed." if failed else f"All {len(checks)} gates passed."
    rows = [("passed" if check["passed"] else "FAILED", check["message"]) for check in checks]
    return _Section("Gates", [line], ("", "gate"), rows, left=2)


def _comparison(report: Report) -> _Section:
    comparison = report["comparison"]
    other = one_line(comparison["baseline"], LONGEST_NAME) or "the baseline"
    verdict = {"better": f"Better than {other}.", "worse": f"Worse than {other}."}
    lines = [
        verdict.get(comparison["verdict"], f"Cannot tell it from {other}."),
        f"{comparison['n']:,} paragraphs read by both; {comparison['fixed']:,} mistakes fixed, "
        f"{comparison['broken']:,} new ones.",
    ]
    differences = comparison["differences"]
    figures = {"macro F1": differences["macro_f1"], "accuracy": differences["accuracy"]}
    figures |= {
        f"{one_line(label, LONGEST_NAME)} F1": differences["labels"][label]["f1"]
        for label in report["label_order"]
    }
    figures["calibration error"] = differences["calibration"]["error"]
    rows = []
    for name, figure in figures.items():
        if figure is not None:
            low, high = figure["interval"]
            change = f"{_change(figure['difference'])} ({_change(low)} to {_change(high)})"
            then, now = _figure(figure["baseline"]), _figure(figure["value"])
            p_value = f"{figure['p_value']:.3f}" if figure["p_value"] >= 0.001 else "<0.001"
            rows.append((name, then, now, change, p_value, figure["verdict"]))
    return _Section("Against the baseline", lines, ("", "then", "now", "change", "p", "verdict"), rows)


def _rereading(report: Report) -> _Section:
    counts = report["rereading"]

    def row(name: str, key: str, whole: str) -> tuple[str, ...]:
        part = counts[key]
        return name, f"{part:,}", f"{part / counts[whole]:.1%}" if counts[whole] else "-"

    rows = [
        row("asked, of all paragraphs", "asked", "n"),
        row("another label, of those", "changed", "asked"),
        row("right now and wrong before, of those", "righted", "changed"),
        row("wrong now and right before, of those", "wronged", "changed"),
    ]
    return _Section("What the careful reader did", [], ("", "paragraphs", "share"), rows)


def _scores(report: Report) -> _Section:
    intervals = report["intervals"]
    figures = cast(dict[str, Any], report)
    rows = []
    for label in report["label_order"]:
        scores, bounds = figures["labels"][label], intervals["labels"][label]
        cells = [_figure(scores[score], bounds[score]) for score in SCORES]
        support = f"{scores['support']:,}" if scores["support"] else "absent"
        rows.append((one_line(label, LONGEST_NAME), *cells, support))
    for average in ("macro", "weighted"):
        keys = [f"{average}_{score}" for score in SCORES]
        rows.append((f"{average} average", *(_figure(figures[key], intervals[key]) for key in keys), ""))
    draws = f"In brackets: 95 % intervals, {intervals['draws']:,} bootstrap draws of articles."
    lines = [*([draws] if intervals["draws"] else []), *report["notes"]]
    return _Section("Scores", lines, ("label", "precision", "recall", "F1", "paragraphs"), rows)


def _confusion(report: Report) -> _Section:
    labels = [one_line(label, LONGEST_NAME) for label in report["label_order"]]
    rows = [(label, *(f"{n:,}" for n in row)) for label, row in zip(labels, report["confusion"], strict=True)]
    return _Section("Confusion", ["Rows: as labelled. Columns: as predicted."], ("", *labels), rows)


def _calibration(report: Report) -> _Section:
    calibration, intervals = report["calibration"], report["intervals"]["calibration"]
    error = _figure(calibration["error"], intervals["error"])
    brier = _figure(calibration["brier"], intervals["brier"])
    log_loss = _figure(calibration["log_loss"], intervals["log_loss"])
    rows = [
        (
            f"{row['low']:.1f}-{row['high']:.1f}",
            _figure(row["confidence"]),
            _figure(row["accuracy"], row["interval"]),
            f"{row['n']:,}",
        )
        for row in calibration["reliability"]
    ]
    lines = [f"Error {error}, Brier score {brier}, log loss {log_loss}.", f"({calibration['method']})"]
    return _Section("Calibration", lines, ("confidence", "mean", "accuracy", "paragraphs"), rows)


def _coverage(report: Report) -> _Section:
    rows = [
        (
            f"{row['coverage']:.0%}",
            _figure(row["threshold"]),
            _figure(row["accuracy"], row["interval"]),
            f"{row['n']:,}",
        )
        for row in report["coverage"]
    ]
    line = "Accuracy where the least confident paragraphs are left unsure."
    return _Section("Coverage", [line], ("kept", "least confidence", "accuracy", "paragraphs"), rows)


def _slices(name: str, slices: dict[str, Measures]) -> _Section:
    largest = sorted(slices.items(), key=lambda item: -item[1]["n"])
    rows = [
        (
            one_line(value, LONGEST_NAME),
            _figure(part["accuracy"], part["intervals"]["accuracy"]),
            _figure(part["macro_f1"], part["intervals"]["macro_f1"]),
            ", ".join(part["absent"]),
            f"{part['n']:,}",
            f"{part['articles']:,}",
        )
        for value, part in largest[:MOST_ROWS]
    ]
    left_out = len(slices) - len(rows)
    lines = [f"The {MOST_ROWS} largest; {left_out:,} more in the JSON report."] if left_out else []
    header = (name, "accuracy", "macro F1", "absent labels", "paragraphs", "articles")
    return _Section(f"By {name}", lines, header, rows)


def _mistakes(report: Report) -> _Section:
    rows = [
        (
            f"{mistake['confidence']:.3f}",
            one_line(mistake["gold"], LONGEST_NAME),
            one_line(mistake["predicted"], LONGEST_NAME),
            f"{one_line(mistake['file'], LONGEST_PLACE)}:{mistake['line']}",
            one_line(mistake["text"], LONGEST_EXCERPT),
        )
        for mistake in report["errors"]
    ]
    header = ("confidence", "labelled", "predicted", "place", "text")
    return _Section("Most confident mistakes", [], header, rows, left=5)


def _sections(report: Report) -> Iterator[_Section]:
    if "gates" in report:
        yield _gates(report)
    if "comparison" in report:
        yield _comparison(report)
    if "rereading" in report:
        yield _rereading(report)
    yield _scores(report)
    yield _confusion(report)
    yield _calibration(report)
    yield _coverage(report)
    for name, slices in report.get("slices", {}).items():
        yield _slices(name, slices)
    if report.get("errors"):
        yield _mistakes(report)


def to_text(report: Report) -> str:
    """Write a report for the terminal: plain text, aligned, without colour."""
    blocks = [[_headline(report)]]
    for section in _sections(report):
        rows = [[one_line(cell, LONGEST_CELL) for cell in row] for row in (section.header, *section.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        block = [section.title, *("  " + one_line(line) for line in section.lines)]
        for row in rows:
            cells = [
                cell.ljust(width) if i < section.left else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            block.append(("  " + "  ".join(cells)).rstrip())
        blocks.append(block)
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def to_markdown(report: Report) -> str:
    """Write a report as GitHub Markdown, for a pull-request comment or ``$GITHUB_STEP_SUMMARY``.

    Gates, comparison and scores stand open, the rest folds away.
    """
    blocks = ["## Evaluation", _markdown(_headline(report))]
    for section in _sections(report):
        rows = [[_markdown(cell, LONGEST_CELL) for cell in row] for row in (section.header, *section.rows)]
        rule = ["---" if i < section.left else "--:" for i in range(len(section.header))]
        table = "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
        title = _markdown(section.title)
        body = [*map(_markdown, section.lines), table]
        if section.title in ("Gates", "Against the baseline", "Scores"):
            blocks += [f"### {title}", *body]
        else:
            blocks += [f"<details><summary>{title}</summary>", *body, "</details>"]
    return "\n\n".join(blocks) + "\n"


def _annotation(level: str, *message: str, **properties: str | int) -> str:
    def escape(text: str) -> str:
        return one_line(text).replace("%", "%25")

    named = ",".join(
        f"{name}={escape(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
        if value
    )
    return f"::{level} {named}::{'%0A'.join(map(escape, message))}"


def to_github(report: Report) -> str:
    """Write a report as GitHub workflow commands, which annotate files.

    A failed gate is an error at its line of the gate file. The most confident mistakes are errors at their
    lines of the labelled files if a gate failed, else warnings. GitHub shows ten of a level a step.
    """
    lines = [_annotation("notice", _headline(report), title="Evaluation")]
    failed = [check for check in report.get("gates", []) if not check["passed"]]
    lines += [
        _annotation("error", check["message"], file=check["file"], line=check["line"], title="Gate failed")
        for check in failed
    ]
    for mistake in report.get("errors", []):
        labels = f"labelled {mistake['gold']}, predicted {mistake['predicted']} ({mistake['confidence']:.3f})"
        place: dict[str, str | int] = {"file": mistake["file"], "line": mistake["line"]}
        text = one_line(mistake["text"], LONGEST_EXCERPT)
        lines.append(_annotation("error" if failed else "warning", labels, text, **place, title="Mistake"))
    return "\n".join(lines) + "\n"


def to_junit(report: Report) -> str:
    """Write a report as JUnit XML: a test case a gate, the overall figures as properties, the text as output.

    Without gates there is one case, which passes.
    """
    checks = report.get("gates") or []
    failed = str(sum(not check["passed"] for check in checks))
    counts = {"tests": str(len(checks) or 1), "failures": failed, "errors": "0", "time": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": "copytaster evaluate", **counts, "skipped": "0"}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in report.items():
        if isinstance(value, int | float):
            ElementTree.SubElement(properties, "property", {"name": name, "value": f"{value:.{DIGITS}g}"})
    for check in checks:
        name = one_line(f"{check['gate']}: {check['required']}")
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "copytaster.evaluate", "name": name, "time": "0"}
        )
        if not check["passed"]:
            message = one_line(check["message"])
            failure = ElementTree.SubElement(case, "failure", {"type": "gate", "message": message})
            failure.text = one_line(f"{check['file']}:{check['line']}: {check['message']}")
    if not checks:
        ElementTree.SubElement(
            suite, "testcase", {"classname": "copytaster.evaluate", "name": "evaluate", "time": "0"}
        )
    ElementTree.SubElement(suite, "system-out").text = to_text(report)
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _storable(value: Any) -> Any:
    """Round floats and replace lone surrogates, which no strict JSON reader takes."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def to_json(report: Report) -> str:
    """Write a report as strict JSON in ASCII, each key, mistake, gate and prediction on a line.

    ``report.schema.json`` beside this module describes it.
    """
    lines = []
    for key, value in _storable(report).items():
        if key in ("errors", "predictions", "gates") and value:
            text = "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in value) + "\n]"
        else:
            text = json.dumps(value, allow_nan=False)
        lines.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": to_text,
    "json": to_json,
    "markdown": to_markdown,
    "github": to_github,
    "junit": to_junit,
}


def read_report(path: str | Path) -> Report:
    """Read a JSON report that `to_json` wrote, as far as a comparison needs it.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        If it cannot be read, or its labels and predictions are not those of a report.
    """
    try:
        report = json.loads(read_limited(path, MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as a JSON report: {reason(error)}") from None
    if not (isinstance(report, dict) and report.get("version") == 1 and _is_sound(report)):
        raise DataError(f"{path} holds no report with predictions", "Make it with evaluate -f json")
    return cast(Report, report)


def _is_sound(report: dict[str, Any]) -> bool:
    labels, rows = report.get("label_order"), report.get("predictions")
    if not (isinstance(labels, list) and isinstance(rows, list) and labels and rows):
        return False
    if not all(isinstance(label, str) for label in labels) or len(set(labels)) != len(labels):
        return False
    indices = range(len(labels))

    def is_row(row: Any) -> bool:
        if not isinstance(row, list) or len(row) != 4 + len(labels):
            return False
        key, article, gold, predicted, *probabilities = row
        return (
            isinstance(key, str)
            and all(type(number) is int for number in (article, gold, predicted))
            and gold in indices
            and predicted in indices
            and all(type(p) in (int, float) and math.isfinite(p) and 0 <= p <= 1 for p in probabilities)
        )

    return all(map(is_row, rows))
