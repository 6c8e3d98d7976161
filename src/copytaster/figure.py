"""Draw a report as one self-contained SVG: the confusion matrix beside the reliability curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from copytaster.metrics import Report
from copytaster.report import one_line

INK, MUTED, GRID, PAPER = "#1f2933", "#66727f", "#e1e6ec", "#ffffff"
PALE, DEEP = (240, 245, 251), (23, 78, 140)
LEFT, TOP = 28, 104
PLOT, STRIP = 300, 48
ROOMY = 56
"""Least side of a cell that holds a count and a share."""
LONGEST_LABEL = 24
CHARACTER = 6.8
"""Width of a character, in pixels, near enough for any sans-serif at 12 pixels."""


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _tag(name: str, content: str = "", /, **attributes: str | float) -> str:
    written = "".join(
        f' {key.replace("_", "-")}="{escape(value if isinstance(value, str) else _number(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>"


def _text(x: float, y: float, words: str, anchor: str = "start", /, **attributes: str | float) -> str:
    return _tag("text", escape(words), x=x, y=y, text_anchor=anchor, **attributes)


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, /, **attributes: str | float) -> str:
    return _tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **attributes)


def _shade(share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(PALE, DEEP, strict=True))


def _cell(x: float, y: float, side: float, count: int, share: float, hint: str) -> Iterator[str]:
    title = _tag("title", escape(hint))
    yield _tag("rect", title, x=x + 1, y=y + 1, width=side - 2, height=side - 2, rx=3, fill=_shade(share))
    ink = PAPER if share > 0.5 else INK if count else MUTED
    x, y = x + side / 2, y + side / 2
    if side < ROOMY:
        size = min(11, 1.5 * side / len(str(count)))
        yield _text(x, y + 0.35 * size, str(count), "middle", fill=ink, font_size=size)
    else:
        yield _text(x, y - 1, f"{count:,}", "middle", fill=ink, font_size=15)
        yield _text(x, y + 15, f"{share:.0%}", "middle", fill=ink, font_size=11)


def _confusion(
    names: Sequence[str], counts: Sequence[Sequence[int]], left: float, side: float
) -> Iterator[str]:
    bottom = TOP + side * len(names)
    slanted = max(map(len, names)) * CHARACTER > side
    for i, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = sum(row)
        middle = (i + 0.5) * side
        yield _text(left - 8, TOP + middle + 4, name, "end")
        if slanted:
            x, y = left + middle + 4, bottom + 12
            yield _text(x, y, name, "end", transform=f"rotate(-40 {_number(x)} {_number(y)})")
        else:
            yield _text(left + middle, bottom + 18, name, "middle")
        for j, count in enumerate(row):
            hint = f"labelled {name}, predicted {names[j]}: {count:,} of {total:,}"
            share = count / total if total else 0.0
            yield from _cell(left + j * side, TOP + i * side, side, count, share, hint)


def _reliability(report: Report, left: float) -> Iterator[str]:
    bottom = TOP + PLOT
    base = bottom + 12 + STRIP
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + PLOT * tick, bottom - PLOT * tick
        yield _line(x, TOP, x, bottom, GRID)
        yield _line(left, y, left + PLOT, y, GRID)
        yield _text(left - 8, y + 4, f"{tick:g}", "end", fill=MUTED)
        yield _text(x, base + 17, f"{tick:g}", "middle", fill=MUTED)
    yield _line(left, bottom, left + PLOT, TOP, MUTED, stroke_dasharray="4 4")
    yield _line(left, base, left + PLOT, base, GRID)
    blue = _shade(1)
    points = []
    most = max(row["n"] for row in report["calibration"]["reliability"])
    for row in report["calibration"]["reliability"]:
        x, y = left + PLOT * row["confidence"], bottom - PLOT * row["accuracy"]
        points.append(f"{_number(x)},{_number(y)}")
        height = STRIP * row["n"] / most
        bar_left, bar_width = left + PLOT * row["low"], PLOT * (row["high"] - row["low"])
        title = _tag("title", f"{row['n']:,} paragraphs")
        yield _tag(
            "rect",
            title,
            x=bar_left + 1,
            y=base - height,
            width=bar_width - 2,
            height=height,
            fill=_shade(0.3),
        )
        if row["interval"]:
            low, high = (bottom - PLOT * bound for bound in row["interval"])
            yield _line(x, low, x, high, blue, stroke_width=1.5, stroke_opacity=0.45)
    yield _tag("polyline", points=" ".join(points), fill="none", stroke=blue, stroke_width=1.5)
    for point, row in zip(points, report["calibration"]["reliability"], strict=True):
        x, y = map(float, point.split(","))
        title = _tag("title", f"confidence {row['confidence']:.3f}, accuracy {row['accuracy']:.3f}")
        yield _tag("circle", title, cx=x, cy=y, r=4, fill=blue, stroke=PAPER, stroke_width=1.5)


def to_svg(report: Report) -> str:
    """Draw the confusion matrix and the reliability curve.

    Cells are shaded by their share of the row. The curve shows the accuracy of paragraphs by their confidence
    with 95 % intervals, against the dashed line of perfect calibration; the bars below, how many there are.

    Parameters
    ----------
    report : Report
        What `evaluate` returned.

    Returns
    -------
    str
        A whole SVG document, without scripts, links or fonts of its own.
    """
    names = [one_line(label, LONGEST_LABEL) or "?" for label in report["label_order"]]
    longest = CHARACTER * max(map(len, names))
    side = min(100.0, max(26.0, PLOT / len(names)))
    matrix = LEFT + longest + 16
    curve = matrix + max(side * len(names), PLOT) + 72
    width = curve + PLOT + LEFT
    slant = longest * 0.64 + 8 if longest > side else 0.0
    height = max(TOP + side * len(names) + 44 + slant, TOP + PLOT + STRIP + 66)
    f1, n = report["macro_f1"], report["n"]
    error = report["calibration"]["error"]
    heading = f"Macro F1 {f1:.3f} on {n:,} paragraphs of {report['articles']:,} articles"
    elements = [
        _tag("title", heading),
        _tag("rect", width="100%", height="100%", rx=8, fill=PAPER),
        _text(LEFT, 40, heading, font_size=17, font_weight="600", fill=INK),
        _text(matrix, TOP - 28, "Confusion", font_size=13, font_weight="600", fill=INK),
        _text(matrix, TOP - 11, "row: labelled, column: predicted, % of row", fill=MUTED),
        *_confusion(names, report["confusion"], matrix, side),
        _text(curve, TOP - 28, "Reliability", font_size=13, font_weight="600", fill=INK),
        _text(curve, TOP - 11, f"accuracy by confidence, calibration error {error:.3f}", fill=MUTED),
        *_reliability(report, curve),
        _text(
            curve + PLOT / 2, TOP + PLOT + STRIP + 46, "confidence; bars: paragraphs", "middle", fill=MUTED
        ),
    ]
    return (
        _tag(
            "svg",
            "\n" + "\n".join(elements) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {_number(width)} {_number(height)}",
            width=width,
            height=height,
            role="img",
            font_family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif",
            font_size=12,
            fill=INK,
        )
        + "\n"
    )
