"""Articles as they are found, undecoded: what one process finds, another can read."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from copytaster.errors import DataError, reason

MAX_BYTES = 256 << 20
TEXT = (".txt", ".text", ".md", ".markdown")
LINES = (".jsonl", ".ndjson")
HTML = (".html", ".htm")

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_GZIP = b"\x1f\x8b"
_FIRST, _PIECE = 1 << 11, 1 << 16
# A line this many times longer than an article may be is taken for a gzip bomb; its end is not looked for.
_BOMB = 16


class Raw(NamedTuple):
    """One article as it was found.

    Attributes
    ----------
    kind : str
        "text", "json" (one line of JSONL) or "html".
    place : str
        ``"file"`` or ``"file:line"``, fit for printing.
    data : bytes
        Its bytes.
    """

    kind: str
    place: str
    data: bytes


class Lines(NamedTuple):
    """Complete lines of a file of JSONL, blank ones among them; each of the others is an article.

    Attributes
    ----------
    name : str
        The file, fit for printing.
    first : int
        Number of the first line, from 1.
    data : bytes
        Of the last line of a file, the end may be missing.
    """

    name: str
    first: int
    data: bytes

    def cut(self, size: int) -> tuple[Lines, Lines]:
        """Return the first bytes, and the others."""
        head = self.data[:size]
        rest = Lines(self.name, self.first + head.count(b"\n"), self.data[size:])
        return self._replace(data=head), rest

    def articles(self) -> Iterator[Raw]:
        """Yield the articles."""
        for number, line in enumerate(self.data.split(b"\n"), self.first):
            if line and not line.isspace():
                yield Raw("json", f"{self.name}:{number}", line)


Found = Raw | Lines | DataError


def each_article(found: Iterable[Found]) -> Iterator[Raw | DataError]:
    """Take lines apart."""
    for item in found:
        if isinstance(item, Lines):
            yield from item.articles()
        else:
            yield item


def read_raw(inputs: Sequence[str | Path], max_bytes: int = MAX_BYTES) -> Iterator[Found]:
    """Find articles, one or a few lines of them at a time, as they come.

    Parameters
    ----------
    inputs, max_bytes
        See `copytaster.inputs.read_articles`.

    Yields
    ------
    Raw, Lines or DataError
        The latter for each input, or line of JSONL, that cannot be had.
    """
    for given in inputs:
        if given == "-" and sys.stdin is None:
            yield DataError("<stdin>: it is closed")
        elif given == "-":
            yield from _read_stream(cast(BinaryIO, sys.stdin.buffer), "<stdin>", "", max_bytes)
        else:
            for path in _expand(str(given)):
                yield from [path] if isinstance(path, DataError) else _read_file(path, max_bytes)


def shown(name: str) -> str:
    """Escape whatever a terminal would not show as itself, undecodable bytes of a file name included."""
    if name.isprintable():
        return name or "''"
    return "".join(c if c.isprintable() else _escape(c) for c in name)


def marked_codec(data: bytes) -> str | None:
    """Name the codec that a byte order mark at the front of some bytes tells of."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _expand(given: str) -> Iterator[str | DataError]:
    """Turn one input into the paths of its files."""
    if os.path.isdir(given):
        yield from _walk(given)
    elif os.path.lexists(given) or not glob.has_magic(given):
        yield given
    else:
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            yield DataError(f"{shown(given)}: no file matches")
        for match in matches:
            yield from _walk(match) if os.path.isdir(match) else [match]


def _walk(folder: str) -> Iterator[str | DataError]:
    """Search a folder, in sorted order, for files of the known suffixes; hidden ones are passed over."""
    faults: list[OSError] = []
    linked: set[str] = set()  # folders that links lead to: two links a folder would double the paths at each
    empty = True
    for here, folders, files in os.walk(folder, onerror=faults.append, followlinks=True):
        real = os.path.join(os.path.realpath(here), "")
        for name in sorted(folders):
            path = os.path.join(here, name)
            if name.startswith("."):
                folders.remove(name)
            elif os.path.islink(path):
                target = os.path.join(os.path.realpath(path), "")
                back = real.startswith(target)
                if back or target in linked:
                    folders.remove(name)
                    where = "back to a folder above it" if back else "where another link has led already"
                    yield DataError(f"{shown(path)}: this link leads {where}")
                linked.add(target)
        folders.sort()
        for name in sorted(files):
            if not name.startswith(".") and _suffix(name) in TEXT + LINES + HTML:
                empty = False
                yield os.path.join(here, name)
        while faults:
            empty = False
            yield _fault(faults.pop())
    for fault in faults:
        empty = False
        yield _fault(fault)
    if empty:
        known = " ".join(TEXT + LINES + HTML)
        yield DataError(f"{shown(folder)}: no article in this folder", f"Known: {known}, each also with .gz")


def _fault(fault: OSError, name: str = "") -> DataError:
    return DataError(f"{name or shown(str(fault.filename))}: {reason(fault)}")


def _suffix(path: str) -> str:
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


def _read_file(path: str, max_bytes: int) -> Iterator[Found]:
    name = shown(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            yield DataError(f"{name}: not a regular file", "Pipe it in and name the input '-'")
            return
        stream = open(path, "rb")  # noqa: SIM115 - closed below, after faults of opening are told from others
    except OSError as fault:
        yield _fault(fault, name)
        return
    except ValueError as fault:  # a NUL in the name
        yield DataError(f"{name}: {fault}")
        return
    with stream:
        yield from _read_stream(stream, name, _suffix(path), max_bytes)


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes have been read, with those put back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = cast(io.BufferedReader, rest)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._rest.read1(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _peek(stream: BinaryIO) -> tuple[bytes, io.BufferedReader]:
    """Read the first line that is not blank, without waiting for more, and put it back."""
    head = b""
    blank = True
    while (blank or len(head) < 4) and len(head) < _PIECE and (line := stream.readline(_PIECE)):
        head += line
        blank = line.isspace()
    return head, io.BufferedReader(_Rejoined(head, stream), _PIECE)


def _read_stream(stream: BinaryIO, name: str, suffix: str, max_bytes: int) -> Iterator[Found]:
    codec = None
    try:
        head, buffered = _peek(stream)
        if head.startswith(_GZIP):
            head, buffered = _peek(cast(BinaryIO, gzip.GzipFile(fileobj=buffered)))
        codec = marked_codec(head)
        kind = _kind(suffix, head.decode(codec or "latin-1", "ignore"))
        if kind == "json":
            yield from _read_lines(buffered, name, codec, max_bytes)
            return
        pieces = []
        left = max_bytes + 1
        while left and (piece := buffered.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
        yield Raw(kind, name, b"".join(pieces)) if left else _too_long(name, max_bytes)
    except UnicodeError:
        yield DataError(f"{name}: not {codec} to its end")
    except (OSError, EOFError, zlib.error) as fault:
        yield DataError(f"{name}: cannot be read to its end ({reason(fault)})")


def _kind(suffix: str, head: str) -> str:
    """Tell what a file holds by its suffix, or else by its first characters."""
    for kind, suffixes in (("json", LINES), ("text", TEXT), ("html", HTML)):
        if suffix in suffixes:
            return kind
    head = head.lstrip().casefold()
    return (
        "json" if head.startswith("{") else "html" if head.startswith(("<!doctype html", "<html")) else "text"
    )


def _read_lines(
    stream: io.BufferedReader, name: str, codec: str | None, max_bytes: int
) -> Iterator[Lines | Raw | DataError]:
    """Give what there is up to the last end of a line, little at first, and keep what follows it."""
    source = stream
    if codec and codec != "utf-8-sig":
        source = io.BufferedReader(_Recoded(stream, codec), _PIECE)
    number, empty, size = 1, True, _FIRST
    held = bytearray()
    while piece := source.read1(min(size, max_bytes - len(held)) or 1):
        size = min(2 * size, _PIECE)
        if len(held) == max_bytes:
            length = max_bytes + len(piece)
            while piece and not piece.endswith(b"\n") and length <= _BOMB * max_bytes:
                piece = source.readline(_PIECE)
                length += len(piece)
            yield _too_long(f"{name}:{number}", max_bytes)
            if length > _BOMB * max_bytes:
                return
            number, empty, held = number + 1, False, bytearray()
            continue
        end = piece.rfind(b"\n") + 1
        if end:
            lines = Lines(name, number, _without_mark(b"".join((held, memoryview(piece)[:end])), number))
            number += lines.data.count(b"\n")
            empty = empty and lines.data.isspace()
            held = bytearray()
            yield lines
            del lines
        held += memoryview(piece)[end:]
    if held:
        last = _without_mark(bytes(held), number)
        held = bytearray()
        empty = empty and last.isspace()
        yield Lines(name, number, last)
    if empty:
        yield Raw("text", name, b"")


def _without_mark(lines: bytes, number: int) -> bytes:
    return lines.removeprefix(codecs.BOM_UTF8) if number == 1 else lines


class _Recoded(io.RawIOBase):
    """A stream in UTF-16 or UTF-32, in UTF-8."""

    def __init__(self, stream: io.BufferedReader, codec: str) -> None:
        self._stream = io.TextIOWrapper(stream, codec, newline="\n")
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._stream.readline(_PIECE).encode())
        data = self._rest[: len(buffer)]
        self._rest = self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _too_long(place: str, max_bytes: int) -> DataError:
    return DataError(f"{place}: more than {max_bytes:,} bytes in one article")
