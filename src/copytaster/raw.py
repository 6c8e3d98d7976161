"""Articles as they are found, undecoded: what one process finds, another can read."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from copytaster import inputs as reading
from copytaster.article import Article, segment
from copytaster.errors import DataError, UsageError
from copytaster.inputs import HTML, LINES, MAX_BYTES, TEXT, shown


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


def check_encoding(encoding: str | None) -> None:
    """Raise `UsageError` if no codec of that name exists."""
    if encoding is not None:
        try:
            b"".decode(encoding)
        except (LookupError, ValueError):
            raise UsageError(f"{shown(encoding)}: no such encoding", "Try cp1252 or latin-1") from None


def parse(raw: Raw, encoding: str | None = None) -> Article | DataError:
    """Decode an article and cut it into blocks.

    Parameters
    ----------
    raw : Raw
        What `read_raw` gave.
    encoding : str, optional
        See `copytaster.inputs.read_articles`.

    Returns
    -------
    Article or DataError
        The latter if it cannot be read.
    """
    try:
        if raw.kind == "html":
            return reading.read_html(raw.data, raw.place, encoding)
        text = reading._decode(raw.data, raw.place, encoding)
        if raw.kind == "json":
            return reading._article(reading._parse(text, raw.place), raw.place)
        return Article(raw.place, text, segment(text), {}, raw.place)
    except DataError as fault:
        return fault


def read_raw(inputs: Sequence[str | Path], max_bytes: int = MAX_BYTES) -> Iterator[Raw | DataError]:
    """Find articles one after the other.

    Parameters
    ----------
    inputs, max_bytes
        See `copytaster.inputs.read_articles`.

    Yields
    ------
    Raw or DataError
        The latter for each input, or line of JSONL, that cannot be had.
    """
    for given in inputs:
        if given == "-":
            yield from _read_stream(sys.stdin.buffer, "<stdin>", "", max_bytes)
            continue
        for path in reading._expand(str(given)):
            if isinstance(path, DataError):
                yield path
            else:
                yield from _read_file(path, max_bytes)


def _read_file(path: str, max_bytes: int) -> Iterator[Raw | DataError]:
    name = shown(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            yield DataError(f"{name}: not a regular file", "Pipe it in and name the input '-'")
            return
        with open(path, "rb") as stream:
            yield from _read_stream(stream, name, reading._suffix(path), max_bytes)
    except OSError as fault:
        yield DataError(f"{name}: {fault.strerror or fault}")
    except ValueError as fault:
        yield DataError(f"{name}: {fault}")


def _read_stream(stream: BinaryIO, name: str, suffix: str, max_bytes: int) -> Iterator[Raw | DataError]:
    try:
        buffered = cast(io.BufferedReader, stream)
        if buffered.peek(2).startswith(b"\x1f\x8b"):
            buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
        head = buffered.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        if suffix in LINES or (suffix not in TEXT + HTML and head.startswith(b"{")):
            yield from _read_lines(buffered, name, max_bytes)
            return
        data = buffered.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise reading._too_long(name, max_bytes)
        yield Raw("html" if suffix in HTML else "text", name, data)
    except DataError as fault:
        yield fault
    except reading._DAMAGED as fault:
        yield DataError(f"{name}: cannot be read to its end ({fault})")


def _read_lines(stream: io.BufferedReader, name: str, max_bytes: int) -> Iterator[Raw | DataError]:
    number, empty = 0, True
    while line := stream.readline(max_bytes + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > max_bytes:
            while line and not line.endswith(b"\n"):
                line = stream.readline(1 << 20)
            yield reading._too_long(place, max_bytes)
        elif not line.isspace():
            yield Raw("json", place, line)
        else:
            continue
        empty = False
    if empty:
        yield Raw("text", name, b"")
