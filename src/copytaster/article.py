"""An article and its blocks: where each one begins and ends."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from copytaster.extras import import_compiled
from copytaster.glued import ENDINGS, OPENERS, REACH, SEAM, button_end, heading_end
from copytaster.kinds import (
    ASKS,
    BEGINNINGS,
    LONG,
    QUOTE_MARKS,
    SENTENCE_ENDS,
    SHARE,
    SHORT,
    SUSPECTS,
    is_ask,
    is_ended,
    is_item,
    is_running,
    is_title,
    kind_of,
    odd_kind,
)

_compiled = import_compiled("_lines")
_WORDS = (SUSPECTS, BEGINNINGS, SHARE, frozenset(map(str.lower, OPENERS)), ENDINGS, ASKS)
"""By which a line may be more than a plain sentence or item; `_alone` then looks at it."""

KINDS = ("body", "list-item", "heading", "furniture")
CLASSIFIED = ("body", "list-item")


class Paragraph(NamedTuple):
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


BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\ufeff"
)

_NARROWEST = 40  # characters: a shorter line breaks off for other reasons than the end of a column

_BULLET = re.compile(r"[-*+•‣◦▪●○■☐]|\d{1,3}[.)]|\(?[a-z]\)|\[[ xX]?\]")
_HASHES = re.compile(rf"#+(?:\s[{re.escape(BLANK)}]*|$)")
_FENCES = frozenset(("```", "~~~"))
_ENCLOSING = _FENCES | {"---"}
_KEY = re.compile(r"[\w-]+:")


def segment(text: str) -> list[Paragraph]:
    """Cut plain or Markdown text into blocks.

    A block is a line, or several lines where the text is wrapped to a column, quoted with ``>``, a table or a
    fence of code. A button or heading run together with its paragraph is parted from it.

    Parameters
    ----------
    text : str
        Any text; nothing in it can make this fail, and the time grows in line with its length.

    Returns
    -------
    list of Paragraph
        In order, without overlap; between blocks stand only white space, invisible characters and Markdown
        heading marks and rules.

    Examples
    --------
    >>> blocks = segment("# Ferry row\\nSign The PetitionThe ferry was cut on Monday.")
    >>> [(block.kind, block.text) for block in blocks]
    [('heading', 'Ferry row'), ('body', 'Sign The Petition'), ('body', 'The ferry was cut on Monday.')]
    """
    blocks: list[Paragraph] = []
    start = _scan(text, 0, blocks)
    if start < len(text):
        _go_on(text, start, blocks)
    return _in_context(blocks, text)


def _scan(text: str, start: int, blocks: list[Paragraph]) -> int:
    """Append the blocks of lines that stand by themselves; return where one begins that may not.

    Without the part in C, that is at once.
    """
    if not _compiled:
        return start
    reached: int = _compiled.scan(text, start, blocks, _alone, Paragraph, _WORDS)
    return reached


def _alone(line: str, start: int) -> Sequence[Paragraph]:
    """Make the blocks of a line that belongs together with no other."""
    if SEAM.search(line, 0, REACH) and not is_item(line):
        return list(_blocks(line, start, ""))
    return (Paragraph(kind_of(line), start, start + len(line), line),)


def _go_on(text: str, start: int, blocks: list[Paragraph]) -> None:
    """Append the blocks from the line on that begins at ``start``."""
    raws = text.splitlines(keepends=True)
    lines = [raw.strip(BLANK) for raw in raws]
    offsets = [0, *accumulate(map(len, raws))]
    enclosed = _enclosed(lines) if any(mark in text for mark in _ENCLOSING) else {}
    behind = max(enclosed.values(), default=-1)
    column = _column(lines)
    new = tuple.__new__  # a fraction of the time that Paragraph(...) takes

    def alone(i: int) -> bool:
        """Tell whether a line neither bears marks nor has a line after it, so that it is a block."""
        return (
            (i + 1 == len(lines) or not lines[i + 1])
            and lines[i][0] not in "#>|"
            and lines[i][-1] not in "#=-*_"
            and i not in enclosed
        )

    i = bisect_left(offsets, start)
    while i < len(lines):
        line = lines[i]
        if not line:
            i += 1
            continue
        start = offsets[i]
        if not raws[i].startswith(line):
            start += raws[i].index(line)
        running = is_running(line)
        if running and len(line) > LONG:
            parted = SEAM.search(line, 0, REACH) and button_end(line)[0]
        else:
            parted = not alone(i) or (SEAM.search(line, 0, REACH) and not is_item(line))
        if not parted:
            kind = "body" if running else odd_kind(line)
            blocks.append(new(Paragraph, (kind, start, start + len(line), line)))
            i += 1
            continue
        if i in enclosed:
            j, kind = enclosed[i] + 1, "furniture"
        else:
            j, kind = _extent(raws, lines, i, column)
        if kind != "rule":
            end = offsets[j - 1] + raws[j - 1].index(lines[j - 1]) + len(lines[j - 1])
            blocks.extend(_blocks(text[start:end], start, kind))
        i = j
        if i > behind:
            i = bisect_left(offsets, _scan(text, offsets[i], blocks))


def from_paragraphs(paragraphs: Iterable[str]) -> tuple[str, list[Paragraph]]:
    """Take blocks whose borders are already known.

    Parameters
    ----------
    paragraphs : iterable of str
        The blocks in order; none of them is split, joined or left out.

    Returns
    -------
    text : str
        The strings joined by blank lines.
    blocks : list of Paragraph
        One for each string, in the same order, of the kind its own text speaks for; blank ones are furniture.
    """
    given = list(paragraphs)
    blocks = []
    position = 0
    for raw in given:
        block = raw.strip(BLANK)
        start = position + raw.index(block)
        marks = _HASHES.match(block)
        if marks:
            start += marks.end()
            block = block[marks.end() :]
        kind = "heading" if marks and block and not _is_passage(block) else kind_of(block)
        blocks.append(Paragraph(kind, start, start + len(block), block))
        position += len(raw) + 2
    return "\n\n".join(given), blocks


def _enclosed(lines: list[str]) -> dict[int, int]:
    """Map the first line of front matter and of each fence of code to its last.

    A fence that is never closed is a line like any other.
    """
    pairs: dict[int, int] = {}
    closing: dict[str, int] = {}
    for i in range(len(lines) - 1, -1, -1):
        mark = lines[i][:3]
        if mark in _FENCES:
            if mark in closing:
                pairs[i] = closing[mark]
            if not lines[i].strip(mark[0]):
                closing[mark] = i
    top = next((i for i, line in enumerate(lines) if line), 0)
    if lines[top] == "---":
        end = top + 1
        while end < len(lines) and (not lines[end] or _KEY.match(lines[end]) or lines[end].startswith("- ")):
            end += 1
        if end < len(lines) and lines[end] == "---" and any(lines[top + 1 : end]):
            first = next(i for i in range(top + 1, end) if lines[i])
            last = next(i for i in range(end - 1, top, -1) if lines[i])
            pairs[first] = last
    return pairs


def _column(lines: list[str]) -> float:
    """Find the width a text is wrapped to: infinite where lines seldom break off in mid-sentence.

    One such break may be chance; it does not tell the width.
    """
    breaks = wraps = width = 0
    for line, following in pairwise(lines):
        if following and _NARROWEST <= len(line) <= LONG:
            breaks += 1
            if _is_unfinished(line, following):
                wraps += 1
                width = max(width, len(line))
    if not wraps or wraps * 4 < breaks:
        return math.inf
    return width if wraps > 1 else LONG


def _extent(raws: list[str], lines: list[str], i: int, column: float) -> tuple[int, str]:
    """Find the line after the block that begins on line ``i``, and its kind where marks tell it."""
    line = lines[i]
    following = lines[i + 1] if i + 1 < len(lines) else ""
    if _is_rule(line):
        return i + 1, "rule"
    if _HASHES.match(line):
        return i + 1, "marked"
    if line[0] == ">":
        return _quote_end(lines, i), ""
    if line[0] == "|" or ("|" in line and "|" in following and not following.strip("|:- \t")):
        return next((j for j in range(i + 1, len(lines)) if "|" not in lines[j]), len(lines)), "furniture"
    item = is_item(line)
    j = i + 1
    if _BULLET.fullmatch(line) and following and not _opens_block(following):
        item, j = True, i + 2
    elif (
        not item
        and len(line) <= SHORT
        and _is_underline(following)
        and (following[0] == "=" or not is_ended(line))
    ):
        return j, "heading"
    while j < len(lines) and lines[j] and _runs_on(raws, lines, j, item, column):
        j += 1
    return j, ""


def _is_rule(line: str) -> bool:
    return not line.strip("#") or not line.strip("=") or (len(line) > 2 and not line.strip("-*_= \t"))


def _is_underline(line: str) -> bool:
    return bool(line) and (not line.strip("=") or (len(line) > 2 and not line.strip("-")))


def _opens_block(line: str) -> bool:
    if line[:4].isalpha():
        return False
    marked = line[0] in ">|" or line[:3] in _FENCES or _HASHES.match(line) or _BULLET.fullmatch(line)
    return bool(marked) or is_item(line) or _is_rule(line)


def _is_unfinished(line: str, following: str) -> bool:
    """Tell whether a sentence goes on in the next line: it opens with a word without capitals."""
    if line[-1] in SENTENCE_ENDS or not following[0].isalpha() or following[0].isupper():
        return False
    word = following.split(None, 1)[0]
    return "." not in word[:-1] and word == word.casefold()


def _runs_on(raws: list[str], lines: list[str], j: int, item: bool, column: float) -> bool:
    """Tell whether line ``j`` goes on with the block before it."""
    previous, line = lines[j - 1], lines[j]
    first_word = line.find(" ") if " " in line else len(line)
    full = len(previous) + 1 + first_word > column and len(previous) <= LONG
    if _opens_block(line):
        return full and not item and is_item(line) and previous[-1] not in SENTENCE_ENDS + ":;"
    indented = raws[j][0] in " \t"
    if item and indented:
        return True
    if len(line) > LONG and not line.startswith("http"):
        return False
    if indented and raws[j - 1][0] not in " \t":
        return False
    unfinished = _NARROWEST <= len(previous) <= LONG and column < math.inf and _is_unfinished(previous, line)
    return full or unfinished


def _quote_end(lines: list[str], i: int) -> int:
    """Find the line after the quoted paragraph that begins on line ``i``; empty quote marks lead it."""
    depth = 0
    while i < len(lines) and lines[i].startswith(">"):
        words = lines[i].lstrip(QUOTE_MARKS)
        marks = lines[i].count(">", 0, len(lines[i]) - len(words))
        if depth and (not words or marks != depth or len(lines[i - 1]) > LONG or _opens_block(words)):
            break
        depth = marks if words else 0
        i += 1
    return i


def _is_passage(block: str) -> bool:
    """Tell whether what is marked as a heading is a paragraph in truth."""
    return len(block) > SHORT or (len(block) > LONG and is_ended(block))


def _blocks(text: str, start: int, kind: str) -> Iterator[Paragraph]:
    """Part what is run together in one block."""
    border = 0
    if kind == "marked":
        marks = _HASHES.match(text)
        assert marks
        start += marks.end()
        text = text[marks.end() :]
        bare = text.rstrip("#")
        if bare[-1:].isspace():
            text = bare.rstrip(BLANK)
        border = heading_end(text)
        kind = "" if _is_passage(text) and not border else "heading"
    elif not kind and not is_item(text):
        end, part = button_end(text)
        while end > border:
            label = text[border:end].rstrip(BLANK)
            yield Paragraph(part, start + border, start + border + len(label), label)
            border = end
            end, part = button_end(text, border)
    if border and kind:
        heading = text[:border].rstrip(BLANK)
        yield Paragraph("heading", start, start + len(heading), heading)
        kind = ""
    rest = text[border:]
    if rest:
        yield Paragraph(kind or kind_of(rest), start + border, start + border + len(rest), rest)


def _in_context(blocks: list[Paragraph], text: str) -> list[Paragraph]:
    """Settle the kinds that neighbours decide: the title on top, the items of a list without marks."""
    if len(blocks) > 1:
        title, following = blocks[:2]
        asks = title.text[-1] in "?!" and len(title.text) <= SHORT and following.kind not in CLASSIFIED
        if title.kind == "body" and (is_title(title.text) or (asks and not is_ask(title.text))):
            blocks[0] = title._replace(kind="heading")
    introduced = [
        i for i, (kind, _, _, line) in enumerate(blocks, 1) if line[-1] == ":" and kind != "furniture"
    ]
    for i in introduced:
        if i < len(blocks) and blocks[i].kind != "list-item":
            j = i
            while j < len(blocks) and _is_bare_item(blocks[j], text):
                j += 1
            if j > i + 1:
                blocks[i:j] = [item._replace(kind="list-item") for item in blocks[i:j]]
    return blocks


def _is_bare_item(block: Paragraph, text: str) -> bool:
    """Tell whether a block is a short line neither marked nor closed, as items without marks are."""
    if len(block.text) > LONG or is_ended(block.text) or block.text.endswith(":"):
        return False
    if block.kind == "furniture" and not block.text[0].islower():
        return False
    return not text[max(0, block.start - 8) : block.start].rstrip(BLANK).endswith("#")
