"""Articles from files, folders, globs and standard input; what cannot be read becomes an error in the stream."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from copytaster.article import Article, from_paragraphs, segment
from copytaster.errors import DataError, UsageError

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment,unused-ignore]

MAX_BYTES = 256 << 20
TEXT = (".txt", ".text", ".md", ".markdown")
LINES = (".jsonl", ".ndjson")
HTML = (".html", ".htm")

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_GZIP = b"\x1f\x8b"
_DAMAGED = (OSError, EOFError, zlib.error)


def read_html(data: bytes, name: str, encoding: str | None) -> Article:
    """Read the main text of an HTML page.

    Parameters
    ----------
    data : bytes
        The page.
    name : str
        Its printable name.
    encoding : str or None
        What to decode it by where the page does not say.

    Returns
    -------
    Article

    Raises
    ------
    DataError
        As long as no HTML reader is installed.
    """
    raise DataError(f"{name}: HTML needs a reader that is not installed", "pip install 'copytaster[html]'")


def read_articles(
    inputs: Sequence[str | Path], encoding: str | None = None, *, max_bytes: int = MAX_BYTES
) -> Iterator[Article | DataError]:
    """Read articles one after the other.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, folders (searched through, in sorted order, for files of the known suffixes), globs, and ``"-"``
        for standard input. Gzipped input is known by its first bytes.
    encoding : str, optional
        What to decode by where the bytes are not UTF-8 and carry no byte order mark.
    max_bytes : int, default 256 MiB
        Longest article, in decompressed bytes: a whole text file, or one line of JSONL.

    Yields
    ------
    Article or DataError
        A ``DataError`` stands for each input, or line of JSONL, that cannot be read; the others go on.
        An empty input gives an article without paragraphs.

    Raises
    ------
    UsageError
        If no codec of that name exists.
    """
    if encoding is not None:
        try:
            b"".decode(encoding)
        except (LookupError, ValueError):
            raise UsageError(f"{shown(encoding)}: no such encoding", "Try cp1252 or latin-1") from None
    return _read_all(inputs, encoding, max_bytes)


def shown(name: str) -> str:
    """Escape whatever a terminal would not show as itself, undecodable bytes of a file name included."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else _escape(c) for c in name)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _read_all(
    inputs: Sequence[str | Path], encoding: str | None, max_bytes: int
) -> Iterator[Article | DataError]:
    for given in inputs:
        if given == "-":
            yield from _read_stream(sys.stdin.buffer, "<stdin>", "", encoding, max_bytes)
            continue
        for path in _expand(str(given)):
            if isinstance(path, DataError):
                yield path
            else:
                yield from _read_file(path, encoding, max_bytes)


def _expand(given: str) -> Iterator[str | DataError]:
    """Turn one input into the paths of its files."""
    if not os.path.lexists(given) and glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            yield DataError(f"{shown(given)}: no file matches")
        for match in matches:
            yield from _walk(match) if os.path.isdir(match) else [match]
    elif os.path.isdir(given):
        yield from _walk(given)
    else:
        yield given


def _walk(folder: str) -> Iterator[str | DataError]:
    faults: list[OSError] = []
    found = False
    for here, folders, files in os.walk(folder, onerror=faults.append, followlinks=True):
        real = os.path.realpath(here)
        for name in sorted(folders):
            target = os.path.realpath(os.path.join(here, name))
            if name.startswith("."):
                folders.remove(name)
            elif (real + os.sep).startswith(target.rstrip(os.sep) + os.sep):
                folders.remove(name)
                yield DataError(f"{shown(os.path.join(here, name))}: this link leads back to a folder above it")
        folders.sort()
        for name in sorted(files):
            if not name.startswith(".") and _suffix(name) in TEXT + LINES + HTML:
                found = True
                yield os.path.join(here, name)
    for fault in faults:
        yield DataError(f"{shown(str(fault.filename))}: {fault.strerror}")
    if not found and not faults:
        yield DataError(f"{shown(folder)}: no article in this folder", f"Known: {' '.join(TEXT + LINES + HTML)}, each also .gz")


def _suffix(path: str) -> str:
    lowered = path.lower().removesuffix(".gz")
    return os.path.splitext(lowered)[1]


def _read_file(path: str, encoding: str | None, max_bytes: int) -> Iterator[Article | DataError]:
    name = shown(path)
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            yield DataError(f"{name}: not a regular file", "Pipe it in and name the input '-'")
            return
        with open(path, "rb") as stream:
            yield from _read_stream(stream, name, _suffix(path), encoding, max_bytes)
    except OSError as fault:
        yield DataError(f"{name}: {fault.strerror or fault}")
    except ValueError as fault:
        yield DataError(f"{name}: {fault}")


def _read_stream(
    stream: BinaryIO, name: str, suffix: str, encoding: str | None, max_bytes: int
) -> Iterator[Article | DataError]:
    try:
        buffered = cast(io.BufferedReader, stream)
        if buffered.peek(2).startswith(_GZIP):
            buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
        head = buffered.peek(64)
        if suffix in LINES or (suffix not in TEXT + HTML and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")):
            yield from _read_lines(buffered, name, encoding, max_bytes)
            return
        data = buffered.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise _too_long(name, max_bytes)
        if suffix in HTML:
            yield read_html(data, name, encoding)
            return
        text = _decode(data, name, encoding)
        yield Article(name, text, segment(text), {}, name)
    except DataError as fault:
        yield fault
    except _DAMAGED as fault:
        yield DataError(f"{name}: cannot be read to its end ({fault})")


def _too_long(place: str, max_bytes: int) -> DataError:
    return DataError(f"{place}: more than {max_bytes:,} bytes in one article")


def _decode(data: bytes, place: str, encoding: str | None) -> str:
    for mark, codec in _BOMS:
        if data.startswith(mark):
            break
    else:
        codec = "utf-8"
    try:
        return data.decode(codec)
    except UnicodeDecodeError as fault:
        if encoding is None or codec != "utf-8":
            raise DataError(
                f"{place}: byte {fault.start} is not {codec.removesuffix('-sig').upper()}",
                "If it is an older encoding, name it: --encoding cp1252",
            ) from None
    try:
        return data.decode(encoding)
    except UnicodeError as fault:
        raise DataError(f"{place}: not {encoding}: {fault}") from None


def _read_lines(
    stream: io.BufferedReader, name: str, encoding: str | None, max_bytes: int
) -> Iterator[Article | DataError]:
    number, empty = 0, True
    while line := stream.readline(max_bytes + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > max_bytes:
            while line and not line.endswith(b"\n"):
                line = stream.readline(1 << 20)
            yield _too_long(place, max_bytes)
        elif not line.isspace():
            try:
                yield _article(_parse(_decode(line, place, encoding), place), place)
            except DataError as fault:
                yield fault
        else:
            continue
        empty = False
    if empty:
        yield Article(name, "", [], {}, name)


def _parse(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if "\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(f"{place}: half of a surrogate pair") from None
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{place}: not JSON: {fault}") from None
    if not isinstance(value, dict):
        raise DataError(f"{place}: not a JSON object")
    return value


def _article(value: dict[str, Any], place: str) -> Article:
    name = value.pop("id", None)
    if name is None:
        name = place
    elif isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    elif not isinstance(name, str):
        raise DataError(f"{place}: 'id' is not a string")
    given = value.pop("paragraphs", None)
    text = value.pop("text", None)
    if given is None:
        if not isinstance(text, str):
            raise DataError(f"{place}: neither a string 'text' nor a list 'paragraphs'")
        return Article(name, text, segment(text), value, place)
    if not isinstance(given, list):
        raise DataError(f"{place}: 'paragraphs' is not a list")
    strings = [p.get("text") if isinstance(p, dict) else p for p in given]
    for index, string in enumerate(strings):
        if not isinstance(string, str):
            raise DataError(f"{place}: paragraph {index} is neither a string nor an object with a string 'text'")
    text, blocks = from_paragraphs(strings)
    return Article(name, text, blocks, value, place)
