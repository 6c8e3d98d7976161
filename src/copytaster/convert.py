"""Labelled data to and from the formats of other tools."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from copytaster.errors import DataError, UsageError, reason
from copytaster.formats import FORMATS, Format, Source
from copytaster.labeled import UNREADABLE, Example, Fault, files, from_records, refuse
from copytaster.limited import read_limited
from copytaster.output import atomic
from copytaster.raw import MAX_BYTES

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "label-studio",
    ".txt": "fasttext",
    ".ft": "fasttext",
    ".fasttext": "fasttext",
}
_HINT = f"Name one of {', '.join(FORMATS)}."


def convert(
    in_path: str | Path, out_path: str | Path, from_format: str = "", to_format: str = ""
) -> list[str]:
    """Convert labelled data from one format to another.

    Parameters
    ----------
    in_path : str or Path
        A file, gzipped or not; a folder, too, where it holds data in our own format.
    out_path : str or Path
        The file to write, whole or not at all; gzipped if it ends with ``.gz``.
    from_format, to_format : str
        Keys of `copytaster.formats.FORMATS`. Without, the first follows from the suffix and the first line,
        see `sniff`; the second from the suffix, and is our own for ``.jsonl`` unless the first is, too.

    Returns
    -------
    list of str
        What was left out or changed, one line each.

    Raises
    ------
    DataError
        If anything is wrong with the input, all faults named, or the output cannot be written.
    UsageError
        If a format is unknown or cannot be told.
    """
    from_format = from_format or sniff(in_path)
    to_format = to_format or _target(Path(out_path), from_format)
    examples, notes = read(in_path, from_format)
    content, lost = render(examples, to_format)
    _write(Path(out_path), content)
    return notes + lost


def read(path: str | Path, format: str = "") -> tuple[list[Example], list[str]]:
    """Read labelled data in any format.

    Parameters
    ----------
    path, format
        As for `convert`.

    Returns
    -------
    examples : list of Example
        In the order of the file.
    notes : list of str
        What was left out, one line each.

    Raises
    ------
    DataError, UsageError
        As for `convert`.
    """
    tool = _format(format or sniff(path))
    faults: list[Fault] = []
    skipped: Counter[str] = Counter()
    unused: Counter[str] = Counter()

    def records() -> Iterator[tuple[str, int, object]]:
        for file in files([path], faults):
            source = Source(str(file), _content(file), faults, skipped, unused)
            try:
                for line, record in tool.parse(source):
                    yield str(file), line, record
            except csv.Error as error:
                source.fault(0, "csv", f"not CSV: {error}")

    examples, wrong = from_records(records())
    refuse(faults + wrong)
    notes = [f"left out {n} paragraph{'s' * (n != 1)}: {reason}" for reason, n in skipped.items() if n]
    if unused:
        notes.append(f"left out keys: {', '.join(f'{key} ({n})' for key, n in sorted(unused.items()))}")
    return examples, notes


def render(examples: Sequence[Example], format: str) -> tuple[str, list[str]]:
    """Give labelled data the form another tool reads.

    Parameters
    ----------
    examples : sequence of Example
        Labelled paragraphs.
    format : str
        A key of `copytaster.formats.FORMATS`.

    Returns
    -------
    content : str
        The content of a file.
    notes : list of str
        What the format cannot hold, one line each.

    Raises
    ------
    DataError
        If the format cannot tell two labels apart.
    UsageError
        If the format is unknown.
    """
    return _format(format).render(examples)


def sniff(path: str | Path) -> str:
    """Tell the format of a file by its suffix and, where several share that, by its first object.

    Parameters
    ----------
    path : str or Path
        A file or a folder.

    Returns
    -------
    str
        A key of `copytaster.formats.FORMATS`.

    Raises
    ------
    DataError
        If the file cannot be read.
    UsageError
        If the format cannot be told.
    """
    path = Path(path)
    by_suffix = "copytaster" if os.path.isdir(path) else _BY_SUFFIX.get(_suffix(path))
    if by_suffix:
        return by_suffix
    if _suffix(path) not in (".jsonl", ".ndjson"):
        raise UsageError(f"cannot tell the format of {path}", _HINT)
    first = next((line for line in _content(path).split("\n") if line.strip()), "{}")
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return "copytaster"
    if not isinstance(record, dict) or "paragraphs" in record:
        return "copytaster"
    if {"answer", "accept", "options", "_input_hash"} & record.keys():
        return "prodigy"
    return "doccano" if isinstance(record.get("label"), list) else "copytaster"


def _target(path: Path, from_format: str) -> str:
    by_suffix = _BY_SUFFIX.get(_suffix(path))
    if by_suffix:
        return by_suffix
    if _suffix(path) in (".jsonl", ".ndjson") and from_format != "copytaster":
        return "copytaster"
    raise UsageError(f"cannot tell the format {path} is to have", _HINT)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f"format {name!r} unknown", _HINT)
    return FORMATS[name]


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _content(path: Path) -> str:
    try:
        return read_limited(path, MAX_BYTES, path.suffix == ".gz").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start + 1}") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error


def _write(path: Path, content: str) -> None:
    data = content.encode()
    with atomic(path) as stream:
        stream.write(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
