"""Annotated articles as one HTML page for people: tinted paragraphs, the course of each article, an index."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import accumulate, pairwise, takewhile
from typing import Any, NamedTuple

from copytaster import __version__
from copytaster.annotate import Annotation
from copytaster.article import Article
from copytaster.naming import plain
from copytaster.terminal import UNSAFE_IN_LINES, visible
from copytaster.writers import summary

COLOURS = 6
"""Colours there are; further labels use them again."""
WIDTH = 1000
"""Length of the strip that stands for an article."""
_STATUSES = {"unsure": "unsure", "out_of_domain": "out of domain"}


class Writer:
    """One self-contained HTML page.

    It has no script: labels are shown and hidden by style alone. Its content security policy allows nothing
    but its own style sheet, by hash. What a browser would obey or hide in a text is shown instead.

    Parameters
    ----------
    labels : sequence of str
        The labels, each with a colour, an edge and a lane of its own.
    reader : str
        What gave the probabilities.
    """

    independent = False

    def __init__(self, labels: Sequence[str], reader: str = "fast") -> None:
        self._labels, self._reader = tuple(labels), reader
        self._names = [*self._labels, *_STATUSES.values(), "furniture"]
        self._place: dict[tuple[str, str | None], int] = {
            verdict: i
            for i, verdict in enumerate(
                [*(("labelled", label) for label in labels), *((status, None) for status in _STATUSES)]
            )
        }
        self._index: list[str] = []
        self._total: Counter[int] = Counter()

    def start(self) -> str:
        """Return the head of the page, and what chooses the labels to show."""
        style = self._style()
        digest = b64encode(sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        boxes = "\n".join(
            f'<label class="{self._colour(i)}"><input type="checkbox" id="show{i}" checked> '
            f"<b>{shown(name)}</b></label>"
            for i, name in enumerate(self._names)
        )
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="copytaster {__version__}">
<title>What each paragraph does</title>
<style>{style}</style>
</head>
<body>
<header class="masthead">
<h1>What each paragraph does</h1>
<p>A model has labelled every paragraph; the percentage is its confidence. It can be wrong.</p>
<p class="contents"><a href="#index">List of articles</a></p>
</header>
<form class="filter" aria-label="Labels" autocomplete="off">
<fieldset>
<legend>Show</legend>
{boxes}
</fieldset>
</form>
<main>
"""

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one article: its title, the course it takes, and its paragraphs.

        Without a title of its own, it takes the first heading that stands before any paragraph.
        """
        n = len(self._index) + 1
        blocks, title = annotations, article.extra.get("title")
        if not isinstance(title, str) or not title.strip():
            front = takewhile(lambda block: block.status == "not_classified", blocks)
            first = next((block for block in front if block.kind == "heading"), None)
            title = first.text if first else ""
            blocks = [block for block in blocks if block is not first]
        name = shown(article.id or f"Article {n}")
        heading, below = name, ""
        if title:
            heading, below = shown(title), f'<p class="name" dir="auto">{name}</p>\n'
        marks = list(self._marks(annotations))
        self._index.append(self._entry(n, heading, marks))
        self._total.update(mark.place for mark in marks)
        return (
            f'<article aria-labelledby="a{n}">\n<h2 id="a{n}" dir="auto">{heading}</h2>\n{below}'
            f'<p class="sum">{escape(summary(annotations, self._labels))}</p>\n{self._course(n, marks)}'
            f"{''.join(self._block(n, block) for block in blocks)}</article>\n"
        )

    def end(self) -> str:
        """Return the index, if there are several articles, and the foot of the page."""
        index = self._contents() if len(self._index) > 1 else ""
        by = f'<p class="by">Copytaster {__version__}, reader {shown(self._reader)}</p>'
        return f'</main>\n<footer class="end" id="index">\n{index}{by}\n</footer>\n</body>\n</html>\n'

    def _style(self) -> str:
        sheet = files("copytaster").joinpath("page.css").read_text("utf-8")
        hide = (
            f"body:has(#show{i}:not(:checked)) .l{i} {{ display: none; }}\n" for i in range(len(self._names))
        )
        return f"\n{sheet}@media screen {{\n{''.join(hide)}}}\n"

    def _colour(self, place: int) -> str:
        return f"c{place % COLOURS}" if place < len(self._labels) else "open"

    def _marks(self, annotations: Sequence[Annotation]) -> Iterator[_Mark]:
        sizes = [len(annotation.text) for annotation in annotations]
        scale = WIDTH / max(sum(sizes), 1)
        for annotation, size, after in zip(annotations, sizes, accumulate(sizes), strict=True):
            place = self._place.get((annotation.status, annotation.label))
            if place is not None:
                yield _Mark(place, annotation.paragraph + 1, (after - size) * scale, size * scale)

    def _course(self, n: int, marks: Sequence[_Mark]) -> str:
        """Draw a lane a label, from the first word on the left to the last on the right."""
        lanes: dict[int, list[_Mark]] = {i: [] for i in range(len(self._labels))}
        for mark in marks:
            lanes.setdefault(mark.place, []).append(mark)
        whole = sum(mark.width for mark in marks) or 1
        rows = []
        for place, lane in sorted(lanes.items()):
            drawn = "".join(
                f'<a href="#a{n}p{mark.number}" tabindex="-1">{_rect(mark.x, 0, mark.width, 1)}</a>'
                for mark in lane
            )
            rows.append(
                f'<tr class="{self._colour(place)}"><th scope="row">{shown(self._names[place])}</th>'
                f'<td class="strip"><svg class="lane" viewBox="0 0 {WIDTH} 1" preserveAspectRatio="none" '
                f'aria-hidden="true">{drawn}</svg><span class="hidden">{_places(lane)}</span></td>'
                f'<td class="n">{len(lane):,}</td>'
                f'<td class="n">{sum(mark.width for mark in lane) / whole:.0%}</td></tr>\n'
            )
        return (
            '<table class="course">\n<caption class="hidden">Course of the article</caption>\n'
            '<thead><tr><th scope="col">label</th><th scope="col">from beginning to end</th><th scope="col" '
            'class="n">paragraphs</th><th scope="col" class="n">of the text</th></tr></thead>\n'
            f"<tbody>\n{''.join(rows)}</tbody>\n</table>\n"
        )

    def _block(self, n: int, annotation: Annotation) -> str:
        number, text = annotation.paragraph + 1, annotation.text
        name = f"a{n}p{number}"
        place = self._place.get((annotation.status, annotation.label))
        if place is None or annotation.probabilities is None:
            if annotation.kind == "heading":
                return f'<h3 id="{name}" dir="auto">{shown(text)}</h3>\n'
            return f'<p class="furniture l{len(self._names) - 1}" id="{name}" dir="auto">{shown(text)}</p>\n'
        evidence = {} if annotation.evidence is None else annotation.evidence.to_dict()
        parts = _parts(evidence)
        confidence = annotation.confidence or 0.0
        item = " item" if annotation.kind == "list-item" else ""
        why = ""
        if evidence:
            chances = ", ".join(f"{shown(k)} {v:.1%}" for k, v in annotation.probabilities.items())
            table = _removals(evidence) if "removals" in evidence else _table(evidence) if parts else ""
            why = (
                f'<p class="why">{shown(str(annotation.evidence))}</p>\n'
                f"<details><summary>Evidence</summary><p>{chances}</p>{table}</details>\n"
            )
        return (
            f'<div class="p{item} l{place} {self._colour(place)}" id="{name}">\n<p class="tag">'
            f'<a href="#{name}" aria-label="paragraph {number}">{number}</a> '
            f"<b>{shown(self._names[place])}</b> {_percent(confidence)} {_said_by(annotation.reader)}"
            f'<svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="rail" '
            f'width="100" height="4"/><rect width="{confidence * 100:.0f}" height="4"/></svg></p>\n'
            f'<p class="text" dir="auto">{_highlighted(text, parts)}</p>\n{why}</div>\n'
        )

    def _entry(self, n: int, heading: str, marks: Sequence[_Mark]) -> str:
        counts = Counter(mark.place for mark in marks)
        runs: list[_Mark] = []
        for mark in marks:
            if runs and runs[-1].place == mark.place:
                mark = mark._replace(x=runs[-1].x, width=mark.x + mark.width - runs.pop().x)
            runs.append(mark)
        strip = "".join(_rect(m.x, m.place, m.width, 1, self._colour(m.place)) for m in runs)
        return (
            f'<tr><th scope="row" dir="auto"><a href="#a{n}">{heading}</a></th>'
            f'<td class="strip"><svg viewBox="0 0 {WIDTH} {len(self._place)}" preserveAspectRatio="none" '
            f'aria-hidden="true">{strip}</svg></td>{self._cells(counts)}</tr>\n'
        )

    def _contents(self) -> str:
        columns = "".join(
            f'<th scope="col" class="{self._colour(i)}">{shown(name)}</th>'
            for i, name in enumerate(self._names[: len(self._place)])
        )
        return (
            f'<table class="index">\n<caption>{len(self._index):,} articles</caption>\n'
            '<thead><tr><th scope="col">article</th><th scope="col" class="strip">course</th>'
            f"{columns}</tr></thead>\n<tbody>\n{''.join(self._index)}</tbody>\n"
            '<tfoot><tr><th scope="row">all</th><td class="strip"></td>'
            f"{self._cells(self._total)}</tr></tfoot>\n</table>\n"
        )

    def _cells(self, counts: Mapping[int, int]) -> str:
        return "".join(f"<td>{counts.get(i, 0) or '-'}</td>" for i in range(len(self._place)))


class _Mark(NamedTuple):
    """A paragraph in the course of its article."""

    place: int
    number: int
    x: float
    width: float


def shown(text: str) -> str:
    """Escape a text for HTML; characters that a browser would obey or hide become visible.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        HTML, fit for the content of an element.
    """
    if text.isprintable():
        return escape(text)
    return UNSAFE_IN_LINES.sub(lambda found: f"<code>{visible(found[0])}</code>", escape(text))


def _percent(share: float) -> str:
    return "&gt;99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _rect(x: float, y: float, width: float, height: float, colour: str = "") -> str:
    named = f' class="{colour}"' if colour else ""
    return f'<rect{named} x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>'


def _places(lane: Sequence[_Mark]) -> str:
    """Say which paragraphs a lane holds, such as "paragraphs 2 to 4, 7"."""
    runs: list[list[int]] = []
    for mark in lane:
        if runs and runs[-1][-1] == mark.number - 1:
            runs[-1][1:] = [mark.number]
        else:
            runs.append([mark.number])
    return "paragraphs " + ", ".join(" to ".join(map(str, run)) for run in runs) if runs else "none"


def _highlighted(text: str, parts: Iterable[Mapping[str, Any]]) -> str:
    """Mark what speaks for the label or against it, down to a quarter of the weight of the strongest."""
    change: Counter[int] = Counter()
    for part in parts:
        for start, end in part["spans"]:
            weight = part["contribution"] / len(part["spans"])
            change[start] += weight
            change[end] -= weight
    borders = sorted({0, len(text), *(at for at in change if at < len(text))})
    weights = [*accumulate(change[at] for at in borders)]
    least = max(max(map(abs, weights)) / 4, 1e-9)
    pieces = []
    for (start, end), weight in zip(pairwise(borders), weights, strict=False):
        piece = shown(text[start:end])
        if abs(weight) >= least and piece.strip():
            piece = f"<mark>{piece}</mark>" if weight > 0 else f'<mark class="off">{piece}</mark>'
        pieces.append(piece)
    return "".join(pieces)


def _parts(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what of the text to mark, and how much."""
    if "removals" in evidence:
        return [{"spans": [r["span"]], "contribution": r["loss"]} for r in evidence["removals"]]
    return list(evidence.get("parts", []))


def _said_by(reader: str) -> str:
    return "" if reader == "fast" else f"<small>{shown(reader)} reader</small> "


def _removals(evidence: Mapping[str, Any]) -> str:
    """Set out what the careful reader's probability loses without some words, then the fast reader's sum."""
    rows = "".join(
        f"<tr><th scope=\"row\">'{shown(r['text'])}'</th><td>{r['loss']:+.2f}</td></tr>"
        for r in evidence["removals"]
    )
    return (
        f'<table><thead><tr><th scope="col">left out</th><th scope="col">the careful reader\'s chance of '
        f"{shown(evidence['label'])} loses</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<p>The fast reader's evidence:</p>{_table(evidence['fast']) if 'parts' in evidence['fast'] else ''}"
    )


def _table(evidence: Mapping[str, Any]) -> str:
    """Set out the terms of the sum."""
    terms = [(shown(_term(part["view"], part["name"])), part["contribution"]) for part in evidence["parts"]]
    terms += [("all other terms", evidence["rest"]), ("before any word is read", evidence["bias"])]
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value:+.2f}</td></tr>' for name, value in terms)
    return (
        f'<table><thead><tr><th scope="col">term</th><th scope="col">for {shown(evidence["label"])} against '
        f"{shown(evidence['against'])}</th></tr></thead><tbody>{rows}</tbody>"
        f'<tfoot><tr><th scope="row">log-odds</th><td>{evidence["log_odds"]:+.2f}</td></tr></tfoot></table>'
    )


def _term(view: str, name: str) -> str:
    if view != "ngram":
        return plain(name)
    return f"'{name[1:]}', at the start of a sentence" if name[:1] == "^" and name[1:] else f"'{name}'"
