"""The formats of ``predict``: text, JSONL and CSV here, HTML and JSON-LD in modules of their own."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Protocol

from copytaster.annotate import READ_BY, STATUSES, Annotation, Verdicts
from copytaster.article import Article
from copytaster.errors import UsageError
from copytaster.extras import import_compiled
from copytaster.terminal import bar, colour_of, columns, one_line, paint, visible, wrap

FORMATS = ("text", "jsonl", "csv", "html", "jsonld")
compiled = import_compiled("_rows")
quote = json.encoder.encode_basestring
"""Write a string as JSON, non-ASCII characters as they are."""
_json = json.JSONEncoder(ensure_ascii=False).encode
_MODULES = {"html": "copytaster.page", "jsonld": "copytaster.webannotation"}


class Writer(Protocol):
    """Turns annotated articles into text, one after the other.

    Attributes
    ----------
    independent : bool
        Whether the text of an article depends on nothing but the article, so that any process can write it.
    """

    independent: bool

    def start(self) -> str:
        """Return what stands before the first article."""

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one article: complete lines, or nothing."""

    def end(self) -> str:
        """Return what stands after the last article."""


def encode(text: str) -> bytes:
    """Encode as UTF-8; half of a surrogate pair, which has no UTF-8, becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


class LineWriter:
    """What writers share whose lines each depend on one paragraph alone."""

    independent = True

    def start(self) -> str:
        """Return nothing."""
        return ""

    def end(self) -> str:
        """Return nothing."""
        return ""


class JsonlWriter(LineWriter):
    """One JSON object a paragraph, on a line.

    The keys are those of `copytaster.annotate.row`; numbers between 0 and 1 have four decimals.

    Parameters
    ----------
    labels : sequence of str
        The labels, in the order of the probabilities.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        keys = [quote(label).replace("%", "%%") for label in labels]
        start = '{"id": %s, "paragraph": %d, "start": %d, "end": %d, "kind": "%s", "label": %s, '
        end = '"status": "%s", "reader": "%s", "text": %s%s}\n'
        each = ", ".join(f"{key}: %.4f" for key in keys)
        self._classified = f'{start}"confidence": %.4f, "probabilities": {{{each}}}, {end}'
        self._bare = f'{start}"confidence": null, "probabilities": null, {end}'
        self._label = {label: quote(label) for label in labels} | {None: "null"}
        self._names = (tuple(self._label.values()), STATUSES, READ_BY)
        self._keys = tuple(map(quote, labels))

    def rows(self, articles: Sequence[Article], verdicts: Verdicts) -> bytes:
        """Return the lines of several articles as the part in C, which has to be there, writes them."""
        blocks = [(article.id, article.paragraphs) for article in articles]
        written: bytes = compiled.write(blocks, len(verdicts.label), verdicts[:5], self._names, self._keys)
        return written

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one line a paragraph."""
        name, label_of, classified, bare = quote(article.id), self._label, self._classified, self._bare
        lines: list[str] = []
        for _, i, start, end, kind, label, status, confidence, chances, text, evidence, reader in annotations:
            tail = "" if evidence is None else f', "evidence": {_json(evidence.to_dict())}'
            if chances is None:
                lines.append(bare % (name, i, start, end, kind, "null", status, reader, quote(text), tail))
            else:
                verdict = (label_of[label], confidence, *chances.values(), status, reader)
                lines.append(classified % (name, i, start, end, kind, *verdict, quote(text), tail))
        return "".join(lines)


class CsvWriter(LineWriter):
    """A table for spreadsheets: a header, then one row a paragraph, as in RFC 4180.

    Parameters
    ----------
    labels : sequence of str
        The labels, each a column of probabilities.
    raw : bool, default False
        Without, a byte order mark tells spreadsheets the encoding, and a cell that one would take for a
        formula begins with an apostrophe. With, every cell is exactly what it stands for.
    explain : bool, default False
        Whether there is a column "evidence".
    """

    def __init__(self, labels: Sequence[str], *, raw: bool = False, explain: bool = False) -> None:
        self._labels, self._raw, self._explain = tuple(labels), raw, explain

    def start(self) -> str:
        """Return the header."""
        header = ["id", "paragraph", "start", "end", "kind", "label", "status", "confidence"]
        header += [*self._labels, "reader", "text", *(["evidence"] if self._explain else [])]
        return ("" if self._raw else "\ufeff") + self._table([header])

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one row a paragraph."""
        return self._table([self._row(annotation) for annotation in annotations])

    def _row(self, annotation: Annotation) -> list[str]:
        chances = annotation.probabilities
        numbers = [""] * (1 + len(self._labels))
        if chances is not None:
            numbers = [f"{number:.4f}" for number in (annotation.confidence, *chances.values())]
        evidence = [str(annotation.evidence or "")] if self._explain else []
        return [
            annotation.article,
            *map(str, annotation[1:4]),
            annotation.kind,
            annotation.label or "",
            annotation.status,
            *numbers,
            annotation.reader,
            annotation.text,
            *evidence,
        ]

    def _table(self, rows: Sequence[Sequence[str]]) -> str:
        from copytaster.formats import guard

        kept = rows if self._raw else [[guard(cell.replace("\0", "")) for cell in row] for row in rows]
        return "".join(",".join(map(_quoted, row)) + "\r\n" for row in kept)


_SPECIAL = re.compile(r'[",\r\n]')


def _quoted(cell: str) -> str:
    """Quote a cell where RFC 4180 asks for it; `csv.writer` of Python 3.10 refuses NUL."""
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell


class TextWriter(LineWriter):
    """Three columns parted by tabs: label, confidence and text, for other programs.

    A paragraph without a label has "-", or its status where it is "unsure" or "out_of_domain"; without
    probabilities its confidence is "-". White space in the text is folded, control characters are escaped.
    With evidence there is a fourth column.
    """

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one line a paragraph."""
        return "".join(map(self._line, annotations))

    def _line(self, annotation: Annotation) -> str:
        cells = [_verdict(annotation), "-", one_line(annotation.text)]
        if annotation.confidence is not None:
            cells[1] = f"{annotation.confidence:.4f}"
        if annotation.evidence is not None:
            cells.append(one_line(str(annotation.evidence)))
        return "\t".join(cells) + "\n"


class TerminalWriter:
    """Labels, bars of confidence and wrapped text, for people.

    Parameters
    ----------
    labels : sequence of str
        The labels, each of which has a colour.
    width : int
        Columns of the terminal.
    colour : bool
        Whether to use colours; nothing is told by colour alone.
    """

    independent = True

    def __init__(self, labels: Sequence[str], width: int, colour: bool) -> None:
        self._colour = {label: colour_of(i) for i, label in enumerate(labels)}
        self._margin = max(map(columns, (*labels, "out_of_domain")), default=0)
        beside = self._margin + _BESIDE
        self._below = width < beside + _LEAST
        self._indent = " " * (2 if self._below else beside)
        self._width = max(20, min(width, 120) - len(self._indent))
        self._paint = paint if colour else lambda text, *codes: text

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return one article: its name, its paragraphs, and what they come to."""
        lines = [self._paint(one_line(article.id), "1")]
        for annotation in annotations:
            lines += [*([] if annotation.kind == "furniture" else [""]), *self._paragraph(annotation)]
        total = wrap(summary(annotations, tuple(self._colour)), self._width + len(self._indent))
        return "\n".join([*lines, "", *(self._paint(line, "1") for line in total), ""]) + "\n"

    def start(self) -> str:
        """Return nothing."""
        return ""

    def end(self) -> str:
        """Return nothing."""
        return ""

    def _paragraph(self, annotation: Annotation) -> list[str]:
        codes = self._codes(annotation)
        number = self._paint(f"{annotation.paragraph + 1:{_NUMBER}}", "2")
        head, codes_of_text = self._indent[: -_NUMBER - 2], codes
        if annotation.status != "not_classified":
            verdict, confidence = _verdict(annotation), annotation.confidence or 0.0
            gauge = f"{bar(confidence)} {min(round(confidence * 100), 99):3}%"
            padding = " " * (self._margin - columns(verdict))
            head = f"{self._paint(verdict + padding, *codes)}  {self._paint(gauge, *codes)}"
            codes_of_text = ()
        lines = [self._paint(line, *codes_of_text) for line in wrap(one_line(annotation.text), self._width)]
        if annotation.evidence is not None:
            why = wrap(one_line(str(annotation.evidence)), self._width)
            lines += [self._paint(line, "2") for line in why]
        if self._below:
            above = [] if annotation.status == "not_classified" else [f"{head}{number}"]
            return [*above, *(self._indent + line for line in lines)]
        return [f"{head}{number}  {lines[0]}", *(self._indent + line for line in lines[1:])]

    def _codes(self, annotation: Annotation) -> tuple[str, ...]:
        if annotation.label is not None:
            return (self._colour[annotation.label],)
        return ("1",) if annotation.kind == "heading" else ("2",)


_NUMBER = 5
_BESIDE = 15 + _NUMBER + 2
"""Columns of a bar, a percentage, the number of a paragraph and the spaces between them."""
_LEAST = 24
"""Columns of text that there must be beside those; on a narrower terminal the text stands below them."""


def _verdict(annotation: Annotation) -> str:
    if annotation.label is not None:
        return visible(annotation.label)
    return "-" if annotation.status == "not_classified" else annotation.status


def summary(annotations: Sequence[Annotation], labels: Sequence[str]) -> str:
    """Say in a line what an article is made of, and where it turns.

    Parameters
    ----------
    annotations : sequence of Annotation
        One article's.
    labels : sequence of str
        The model's labels; they are named in this order.

    Returns
    -------
    str
        Such as ``"9 reporting, 11 opinion, 10 call-to-action; turns to opinion at paragraph 13"``. An article
        turns at the first two labelled paragraphs in a row that bear another label than it began with.
    """
    labelled = [a for a in annotations if a.label is not None]
    counts = Counter(a.label for a in labelled)
    parts = [f"{counts[label]:,} {visible(label)}" for label in labels if counts[label]]
    for status in ("unsure", "out_of_domain"):
        count = sum(a.status == status for a in annotations)
        parts += [f"{count:,} {status.replace('_', ' ')}"] if count else []
    found = ", ".join(parts) or "no paragraph to label"
    for first, second in pairwise(labelled):
        if first.label == second.label != labelled[0].label:
            return f"{found}; turns to {visible(str(first.label))} at paragraph {first.paragraph + 1}"
    return found


def make(
    format: str,
    labels: Sequence[str],
    *,
    reader: str = "fast",
    raw: bool = False,
    explain: bool = False,
    terminal: tuple[int, bool] | None = None,
) -> Writer:
    """Return the writer of a format.

    Parameters
    ----------
    format : str
        One of `FORMATS`.
    labels : sequence of str
        The model's labels.
    reader : str
        What gave the probabilities.
    raw, explain : bool
        See `CsvWriter`.
    terminal : (int, bool), optional
        Width and colour of the terminal that text goes to.

    Returns
    -------
    Writer

    Raises
    ------
    UsageError
        If the format is not there.
    """
    if format == "jsonl":
        return JsonlWriter(labels)
    if format == "csv":
        return CsvWriter(labels, raw=raw, explain=explain)
    if format == "text":
        return TerminalWriter(labels, *terminal) if terminal else TextWriter()
    try:
        module = import_module(_MODULES[format])
    except (KeyError, ImportError):
        raise UsageError(f"format {format!r} is not there", f"Name one of {', '.join(FORMATS)}") from None
    writer: Writer = module.Writer(labels, reader=reader)
    return writer
