"""Text on a terminal: nothing an article holds reaches it as a command, and lines fit its width."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from typing import TextIO

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters, bidirectional and invisible ones, and halves of surrogate pairs."""
UNSAFE_IN_LINES = re.compile(f"(?![\t\n\r]){UNSAFE.pattern}")
"""The same but for tabs and line ends."""
_PIECE = 1 << 16
_PALETTE = ("36", "33", "35", "32", "34", "31")
_EIGHTHS = " ▏▎▍▌▋▊▉"


def visible(text: str) -> str:
    r"""Escape what a terminal would obey or hide, so that it is seen instead.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        Printable text; an escape character has become ``\x1b``, an undecodable byte of a file name ``\xff``.
    """
    return text if text.isprintable() else UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def visible_lines(text: str) -> str:
    r"""Escape what `visible` does, but for line ends and tabs, as JSON would: ``\u001b`` for an escape.

    JSON says the same after as before.
    """
    return UNSAFE_IN_LINES.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def one_line(text: str) -> str:
    """Fold white space to single spaces and escape what is unsafe."""
    if len(text) <= _PIECE:
        return visible(" ".join(text.split()))
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]  # words take ten times their room
    folded = [" ".join(piece.split()) for piece in pieces]
    for i in range(1, len(pieces)):
        if (pieces[i - 1][-1].isspace() or pieces[i][0].isspace()) and folded[i]:
            folded[i] = " " + folded[i]
    return visible("".join(folded).strip())


def columns(text: str) -> int:
    """Return the number of terminal columns of a text: wide characters count two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """Break words into lines of at most `width` columns (at least 2); a word longer than a line is cut."""
    lines, line, used = [], "", 0
    for word in text.split(" "):
        for piece, size in _pieces(word, width):
            if line and used + 1 + size > width:
                lines.append(line)
                line, used = "", 0
            line = f"{line} {piece}" if line else piece
            used += size + (used > 0)
    return [*lines, line]


def _pieces(word: str, width: int) -> list[tuple[str, int]]:
    if len(word) * 2 <= width:
        return [(word, columns(word))]
    pieces, start, used = [], 0, 0
    for i, size in enumerate(map(_columns, word)):
        if used + size > width:
            pieces.append((word[start:i], used))
            start, used = i, 0
        used += size
    return [*pieces, (word[start:], used)]


def bar(share: float, width: int = 8) -> str:
    """Draw a share in 0 ... 1 as a bar of `width` columns."""
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip().ljust(width)


def has_colour(stream: TextIO) -> bool:
    """Say whether to colour what is written to a stream: a terminal, and neither NO_COLOR nor TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *codes: str) -> str:
    """Wrap a text in SGR codes."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text


def colour_of(index: int) -> str:
    """Return the SGR code of a label by its index: cyan, yellow, magenta, apart to colour-blind eyes."""
    return _PALETTE[index % len(_PALETTE)]


class Meter:
    """A line on a terminal that says how far a run has got; silent elsewhere and for the first second.

    Parameters
    ----------
    stream : TextIO or None
        The terminal, if it is one.
    total : int
        Bytes to come; 0 if unknown.
    """

    def __init__(self, stream: TextIO | None, total: int = 0) -> None:
        self._stream, self._total = stream, total
        self._began, self._before = time.monotonic(), 0
        self._due = self._began + 1 if stream is not None and stream.isatty() else float("inf")
        self._shown = False

    def start(self, size: int) -> None:
        """Say how many bytes an earlier run has done, which count for nothing in the rate."""
        self._began, self._before = time.monotonic(), size

    def show(self, articles: int, size: int) -> None:
        """Say how many articles and bytes are done, how fast, and how long the rest will take."""
        now = time.monotonic()
        if self._stream is None or now < self._due:
            return
        self._due, self._shown = now + 0.2, True
        rate = (size - self._before) / (now - self._began)
        left = f", {_duration((self._total - size) / rate)} left" if rate and self._total > size else ""
        share = f"{bar(size / self._total, 20)} {size / self._total:4.0%}  " if self._total > size else ""
        self._stream.write(f"\r\x1b[K{share}{articles:,} articles, {rate / 1e6:.1f} MB/s{left}")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away, so that another may stand there."""
        if self._stream is not None and self._shown:
            self._shown = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
