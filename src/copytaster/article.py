"""An article and its blocks: where each paragraph begins and ends, and what kind of block it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

KINDS = ("body", "list-item", "heading", "furniture")
CLASSIFIED = ("body", "list-item")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One block of an article.

    Attributes
    ----------
    kind : {"body", "list-item", "heading", "furniture"}
        Only the kinds in ``CLASSIFIED`` are given a label.
    start, end : int
        Borders in characters of the article's text: ``article.text[start:end] == text``.
    text : str
        The block as it stands, list marker included.
    """

    kind: str
    start: int
    end: int
    text: str


@dataclass(slots=True)
class Article:
    """One article, cut into blocks.

    Attributes
    ----------
    id : str
        The identifier given with the article, else its place.
    text : str
        The whole decoded text.
    paragraphs : list of Paragraph
        In order, without overlap.
    extra : dict
        Whatever else the input said about the article.
    place : str
        ``"file"`` or ``"file:line"``, fit for printing.
    """

    id: str
    text: str
    paragraphs: list[Paragraph]
    extra: dict[str, Any] = field(default_factory=dict)
    place: str = ""


_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + _INVISIBLE
_ITEM = re.compile(r"(?:[-*+•]|\d{1,3}[.)]|[a-z]\)|\[[ xX]?\])\s+\S")
_MARKS = re.compile(r"#{1,6}\s+")


def _kind(text: str) -> str:
    if _ITEM.match(text):
        return "list-item"
    if len(text) < 100 and not text.endswith((".", "!", "?", '"', "”", "'", "’")):
        return "heading"
    return "body"


def segment(text: str) -> list[Paragraph]:
    """Cut plain or Markdown text into blocks.

    Parameters
    ----------
    text : str
        Any text; nothing in it can make this fail.

    Returns
    -------
    list of Paragraph
        In order, without overlap; between blocks stand only white space, invisible characters and Markdown
        heading marks.
    """
    paragraphs = []
    position = 0
    for raw in text.splitlines(keepends=True):
        line = raw.strip(_BLANK)
        if line:
            start = position + raw.index(line)
            marks = _MARKS.match(line)
            if marks:
                start += marks.end()
                line = line[marks.end() :]
            paragraphs.append(Paragraph("heading" if marks else _kind(line), start, start + len(line), line))
        position += len(raw)
    return paragraphs


def from_paragraphs(paragraphs: Iterable[str]) -> tuple[str, list[Paragraph]]:
    """Take blocks whose borders are already known.

    Parameters
    ----------
    paragraphs : iterable of str
        The blocks in order; none of them is split or joined.

    Returns
    -------
    text : str
        The blocks joined by blank lines.
    blocks : list of Paragraph
        One for each string, in the same order, of the kind ``segment`` would give it.
    """
    given = list(paragraphs)
    blocks = []
    position = 0
    for text in given:
        line = text.strip(_BLANK)
        start = position + text.index(line)
        blocks.append(Paragraph(_kind(line) if line else "furniture", start, start + len(line), line))
        position += len(text) + 2
    return "\n\n".join(given), blocks
