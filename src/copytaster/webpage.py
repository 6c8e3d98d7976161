"""The main text of an HTML page, with the borders of its paragraphs.

trafilatura (Barbaresi, 2021) tells which text is the article; the page's own block elements tell where a
paragraph begins and ends, since trafilatura joins what only line breaks or table cells part, and passes over
list items and headings.
"""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lxml import etree, html
from trafilatura import bare_extraction

from copytaster.errors import DataError
from copytaster.inputs import decode

MAX_BYTES = 20_000_000
"""Larger pages are refused."""
MAX_ELEMENTS = 20_000
"""Of pages with more, all text outside navigation is taken: to look for the article would take too long."""
MAX_DEPTH = 2000

_DECLARED = re.compile(
    rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})"""
    rb"""|<\?xml\s[^>]{0,100}?encoding=["']([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"utf_8|iso8859_\d+|cp(125\d|874|932|936|949|950|866)|koi8_[ru]|gb(k|2312|18030)|big5|euc_(jp|kr)|shift_jis|mac_roman"
)
"""Codecs that a page may ask for, under Python's names."""

_HIDDEN = frozenset((
    "applet", "audio", "canvas", "embed", "frameset", "head", "iframe", "map", "math", "noscript",
    "object", "option", "script", "select", "style", "svg", "template", "textarea", "title", "video",
))  # fmt: skip
_AROUND = frozenset((
    "aside", "button", "dialog", "figcaption", "footer", "menu", "nav", "amp-ad", "amp-sidebar",
    "amp-social-share",
))  # fmt: skip
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PARTS = _HEADINGS | frozenset((
    "blockquote", "caption", "cite", "dd", "dl", "dt", "hr", "legend", "li", "ol", "p", "pre", "table",
    "tbody", "tfoot", "thead", "time", "tr", "ul",
))  # fmt: skip
_BLOCKS = _PARTS | frozenset((
    "address", "article", "aside", "body", "button", "center", "details", "dialog", "dir", "div",
    "fieldset", "figcaption", "figure", "footer", "form", "frame", "header", "hgroup", "html", "main",
    "menu", "nav", "section", "summary", "td", "th",
))  # fmt: skip
_INVISIBLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_BULLET = re.compile(r"(?:[·•§▪o]|\d{1,3}[.)])\s+")
_TAG = re.compile(r"""<[A-Za-z](?:[^>=]+|=\s*(?:"[^"]*"|'[^']*'|)){0,60000}""")
_QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LONGEST_CELL = 80
_USUAL_ATTRIBUTES, _MOST_ATTRIBUTES = 100, 20_000
_ENDED = re.compile(r"[.!?…:\"'\u2019\u201d]$")
_WORD = re.compile(r"\w+")
_REPAIRS = {
    **dict.fromkeys((*range(9), 11, *range(14, 32), 127, 0xFFFE, 0xFFFF), " "),
    **{code: bytes((code,)).decode("cp1252", "ignore") for code in range(0x80, 0xA0)},
}
"""Characters no page may hold, and those of Windows where old pages wrote ISO-8859-1."""

logging.getLogger("trafilatura").addHandler(logging.NullHandler())


def extract(data: bytes, place: str, encoding: str | None = None) -> str:
    """Return the main text of a page.

    Parameters
    ----------
    data : bytes
        The page, up to `MAX_BYTES`.
    place : str
        Its printable name, for errors.
    encoding : str, optional
        What to decode by where the page does not say and is not UTF-8.

    Returns
    -------
    str
        Paragraphs between blank lines; list items begin with ``- ``, headings with ``# ``, rows of tables of
        data are ``| a | b |``. Of links the text stays. Empty if the page has no text.

    Raises
    ------
    DataError
        If the page is too large, nested too deeply, or in no encoding that is known, or one of its tags has
        too many attributes.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"{place}: more than {MAX_BYTES:,} bytes in one page")
    text = _decode(data, place, encoding).translate(_REPAIRS)
    if not text.strip():
        return ""
    if any(_attributes(tag[0]) > _MOST_ATTRIBUTES for tag in _TAG.finditer(text)):
        raise DataError(f"{place}: more than {_MOST_ATTRIBUTES:,} attributes in one tag")
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        root = html.document_fromstring(text.encode(), parser=parser, ensure_head_body=True)
        walk = _Walk(root, place)
        blocks = list(walk)
        if walk.elements <= MAX_ELEMENTS:
            _select(blocks, _main_text(root))
    except etree.ParserError:  # no element
        return ""
    except (etree.LxmlError, AssertionError) as fault:
        raise DataError(f"{place}: cannot be read as HTML ({fault or type(fault).__name__})") from None
    return "\n\n".join(block.text for block in blocks if block.chosen)


def _attributes(tag: str) -> int:
    """Return about how many attributes a tag has; the parser takes time in their square."""
    return len(_QUOTED.sub(" ", tag).split()) if len(tag) > 2 * _MOST_ATTRIBUTES else 0


def _decode(data: bytes, place: str, encoding: str | None) -> str:
    """Decode by byte order mark, by what the page declares, as UTF-8, or by ``encoding``."""
    codec = _declared(data)
    if codec is None or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return decode(data, place, encoding)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(codec, "replace")


def _declared(data: bytes) -> str | None:
    found = _DECLARED.search(data, 0, 4096)
    if not found:
        return None
    try:
        name = codecs.lookup((found[1] or found[2]).decode()).name.replace("-", "_")
    except LookupError:
        return None
    if name in ("iso8859_1", "ascii"):
        return "cp1252"  # as browsers do
    return name if _KNOWN.fullmatch(name) else None


@dataclass(slots=True)
class _Block:
    """One block of a page.

    Attributes
    ----------
    text : str
        With its mark; line breaks within it are the page's.
    mark : str
        What ``text`` begins with: "# ", "- ", "| " or nothing.
    chosen : bool
        Whether it belongs to the main text.
    container : str
        The section it stands in: by class, where it has one, so that posts of one thread are alike.
    """

    text: str
    mark: str
    chosen: bool
    container: str


class _Walk:
    """The blocks of a page in order; iterative, since a page may be nested deeply.

    Attributes
    ----------
    elements : int
        How many elements have been passed.
    """

    def __init__(self, root: Any, place: str) -> None:
        self._root = root
        self._place = place
        self._parts: list[str] = []
        self._mark = ""
        self._containers = [""]
        self.elements = 0
        self._headings = self._around = self._verbatim = 0

    def __iter__(self) -> Iterator[_Block]:
        depth = 0
        walk = etree.iterwalk(self._root, events=("start", "end", "comment", "pi"))
        for event, element in walk:
            tag = element.tag
            if event == "start":
                depth += 1
                self.elements += 1
                if len(element.attrib) > _USUAL_ATTRIBUTES:
                    element.attrib.clear()  # each look-up goes through all of them
                if depth > MAX_DEPTH:
                    raise DataError(f"{self._place}: tags nested more than {MAX_DEPTH:,} deep")
                if tag in _BLOCKS:
                    yield from self._close()
                row = _row(element) if tag == "tr" else ""
                if row:
                    yield _Block(row, "| ", not self._around, self._containers[-1])
                if row or _is_hidden(element):
                    walk.skip_subtree()
                    continue
                self._enter(element, 1)
                self._add(element.text)
            else:
                if event == "end":
                    depth -= 1
                    if tag in _BLOCKS:
                        yield from self._close()
                    if not (_is_hidden(element) or (tag == "tr" and _row(element))):
                        self._enter(element, -1)
                self._add(element.tail)
        yield from self._close()

    def _enter(self, element: Any, step: int) -> None:
        """Keep count of what the walk is inside of."""
        tag = element.tag
        self._headings += step * (tag in _HEADINGS)
        self._around += step * (tag in _AROUND)
        self._verbatim += step * (tag == "pre")
        if tag in _BLOCKS and tag not in _PARTS:
            name = element.get("class", "")
            if step > 0:
                self._containers.append(f"{tag} {name}" if name else str(self.elements))
            else:
                self._containers.pop()
        if tag == "li":
            self._mark = "- " if step > 0 else ""
        elif tag == "br" and step > 0:
            self._parts.append("\n")
        elif tag == "p" and step > 0 and "MsoList" in element.get("class", ""):
            self._mark = "-"

    def _add(self, text: str | None) -> None:
        if text:
            text = text.translate(_REPAIRS)
            self._parts.append(text if self._verbatim else _SPACES.sub(" ", text))

    def _close(self) -> Iterator[_Block]:
        """Yield the block that ends here; an empty line parts it."""
        lines = [" ".join(line.split()) for line in "".join(self._parts).split("\n")]
        self._parts.clear()
        if self._headings:
            lines = [" ".join(filter(None, lines))]
        for filled, group in groupby(lines, bool):
            if filled:
                text = "\n".join(group)
                if self._mark == "-":
                    text, self._mark = _BULLET.sub("", text, count=1), "- "
                mark = "# " if self._headings else self._mark
                self._mark = ""
                yield _Block(mark + text, mark, not self._around, self._containers[-1])


def _is_hidden(element: Any) -> bool:
    return (
        element.tag in _HIDDEN
        or element.get("hidden") is not None
        or _INVISIBLE.search(element.get("style", "")) is not None
    )


def _row(row: Any) -> str:
    """Return the row of a table as one line if it holds data: several cells without blocks in them."""
    cells = []
    for cell in row:
        if cell.tag in ("td", "th"):
            if any(
                inner.tag in _BLOCKS or inner.tag in _HIDDEN or inner.tag == "br"
                for inner in cell.iterdescendants()
            ):
                return ""
            cells.append(" ".join("".join(cell.itertext(with_tail=False)).translate(_REPAIRS).split()))
    return f"| {' | '.join(cells)} |" if len(cells) > 1 and max(map(len, cells)) <= _LONGEST_CELL else ""


def _main_text(root: Any) -> list[str]:
    """Return the passages that trafilatura takes for the article, in its order."""
    try:
        document = bare_extraction(root, fast=True, include_comments=False)
    except Exception:  # whatever it trips over, the page's own structure is still there
        return []
    body = getattr(document, "body", None)
    return [] if body is None else [text for text in body.itertext() if not text.isspace()]


def _select(blocks: list[_Block], main: list[str]) -> None:
    """Choose the blocks whose words are in the main text, and what belongs to them.

    That is everything between the first and the last block of the main text, from the heading above it, and
    whatever shares a container with one of them; but no scraps (a name, a button, a time).
    """
    passages = {tuple(_words(text)) for text in main}
    triples = {triple for passage in passages for triple in _triples(passage)}

    def is_main(block: _Block) -> bool:
        words = _words(block.text)
        if len(words) < 4:
            return tuple(words) in passages
        found = [triple in triples for triple in _triples(words)]
        return 2 * sum(found) >= len(found)

    core = [i for i, block in enumerate(blocks) if block.chosen and is_main(block)]
    if not core:
        return
    containers = {blocks[i].container for i in core}
    first = next((i for i in range(core[0], -1, -1) if blocks[i].mark == "# "), core[0])
    wanted = set(core)
    for i, block in enumerate(blocks):
        near = first <= i <= core[-1] or block.container in containers
        block.chosen = i in wanted or (block.chosen and near and not _is_scrap(block))


def _is_scrap(block: _Block) -> bool:
    return not block.mark and len(_words(block.text)) < 4 and not _ENDED.search(block.text)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _triples(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], strict=False)


__all__ = ["MAX_BYTES", "extract"]
