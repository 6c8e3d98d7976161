"""Articles read from files, folders, globs and standard input."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from copytaster.article import Article, Paragraph, from_paragraphs, segment
from copytaster.errors import DataError, UsageError
from copytaster.raw import MAX_BYTES, Raw, each_article, marked_codec, read_raw, shown

try:
    import orjson  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    orjson = None  # type: ignore[assignment,unused-ignore]

MAX_LINES = 2_000_000
"""The most lines of an article, each of which may be a paragraph and take a hundred times its bytes."""
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def read_articles(
    inputs: Sequence[str | Path], encoding: str | None = None, *, max_bytes: int = MAX_BYTES
) -> Iterator[Article | DataError]:
    """Read articles one after the other.

    Plain text and Markdown hold one article a file, JSONL one a line: an object with ``"text"``, or with
    ``"paragraphs"``, a list of strings or of objects with ``"text"``, which are taken as they are; its
    ``"id"`` may be left out, and other keys go to `Article.extra`. Each may be gzipped, which is known by the
    first bytes.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, folders (searched through, in sorted order, for files of the known suffixes), globs, and
        ``"-"`` for standard input. What has no known suffix is JSONL if it begins with ``{``, text if not.
    encoding : str, optional
        What to decode by where the bytes are not UTF-8 and carry no byte order mark.
    max_bytes : int, default 256 MiB
        Longest article, in decompressed bytes: a whole text file, or one line of JSONL.

    Returns
    -------
    iterator of Article or DataError
        A `DataError` stands for each input, or line of JSONL, that cannot be read; the others go on.
        An empty input gives an article without paragraphs.

    Raises
    ------
    UsageError
        If no codec of that name exists.
    """
    check_encoding(encoding)
    return (
        found if isinstance(found, DataError) else parse(found, encoding)
        for found in each_article(read_raw(inputs, max_bytes))
    )


def check_encoding(encoding: str | None) -> None:
    """Raise `UsageError` if no codec of that name exists."""
    if encoding is not None:
        try:
            b"a".decode(encoding)  # empty bytes would be decoded without a look at the name
        except UnicodeError:
            pass
        except (LookupError, ValueError):
            raise UsageError(f"{shown(encoding)}: no such encoding", "Try cp1252 or latin-1") from None


def parse(raw: Raw, encoding: str | None = None) -> Article | DataError:
    """Decode an article and cut it into blocks.

    Parameters
    ----------
    raw : Raw
        What `each_article` gave.
    encoding : str, optional
        See `read_articles`.

    Returns
    -------
    Article or DataError
        The latter if it cannot be read.
    """
    try:
        if raw.kind == "html":
            return read_html(raw.data, raw.place, encoding)
        if raw.kind == "json":
            return _article(_object(raw.data, raw.place, encoding), raw.place)
        text = decode(raw.data, raw.place, encoding)
        return Article(raw.place, text, _blocks(text, raw.place), {}, raw.place)
    except DataError as fault:
        return fault


def read_html(data: bytes, place: str, encoding: str | None) -> Article:
    """Read the main text of an HTML page.

    Parameters
    ----------
    data : bytes
        The page.
    place : str
        Its printable name.
    encoding : str or None
        What to decode it by where the page does not say.

    Returns
    -------
    Article
        Offsets count in the main text, see `copytaster.webpage.extract`.

    Raises
    ------
    DataError
        If the page cannot be read, or the extra "html" is not installed.
    """
    try:
        from copytaster.webpage import extract
    except ImportError:
        raise DataError(
            f"{place}: HTML needs more than is installed", "pip install 'copytaster[html]'"
        ) from None
    text = extract(data, place, encoding)
    return Article(place, text, _blocks(text, place), {}, place)


def decode(data: bytes, place: str, encoding: str | None = None) -> str:
    """Decode by the byte order mark, else as UTF-8, else by the encoding given.

    Parameters
    ----------
    data : bytes
        Some text; its byte order mark is dropped.
    place : str
        Where it stands, for the error.
    encoding : str, optional
        A codec of Python's.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If the bytes are none of these.
    """
    codec = marked_codec(data) or ("utf-8" if encoding is None or b"\0" not in data else encoding)
    try:
        return data.decode(codec)
    except UnicodeDecodeError as fault:
        if codec == "utf-8" and encoding is not None:
            codec = encoding
        else:
            raise _undecoded(place, codec, fault.start) from None
    except UnicodeError:
        raise _undecoded(place, codec, 0) from None
    try:
        return data.decode(codec)
    except UnicodeError as fault:
        raise _undecoded(place, codec, getattr(fault, "start", 0)) from None


def _undecoded(place: str, codec: str, offset: int) -> DataError:
    hint = "If it is an older encoding, name it: --encoding cp1252" if codec == "utf-8" else ""
    return DataError(f"{place}: byte {offset:,} is not {codec.removesuffix('-sig').upper()}", hint)


def _object(data: bytes, place: str, encoding: str | None = None) -> dict[str, Any]:
    """Parse a line of JSONL."""
    if len(data) > MAX_LINES and data.count(b"{") + data.count(b"[") > MAX_LINES:
        raise _too_many(place, "objects and lists")
    value: Any = _quickly(data)
    if value is None:
        line = decode(data, place, encoding)
        try:
            value = _decode(line)
            if "\\u" in line and "\\ud" in line.lower():
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DataError(f"{place}: half of a surrogate pair") from None
        except RecursionError:
            raise DataError(f"{place}: nested too deeply") from None
        except json.JSONDecodeError as fault:
            raise DataError(f"{place}: not JSON at column {fault.colno}: {fault.msg}") from None
        except ValueError as fault:
            raise DataError(f"{place}: not JSON: {str(fault).partition(';')[0]}") from None
    if not isinstance(value, dict):
        raise DataError(f"{place}: not a JSON object")
    return value


def _quickly(data: bytes) -> dict[str, Any] | None:
    """Parse an object by orjson where that comes to what `json` comes to.

    It does so for UTF-8, strings, and whole numbers of 64 bits, and is faster; it rounds longer numbers. So
    `json` has the word wherever orjson fails, or gives what may hold a float.
    """
    if orjson is not None:
        try:
            value = orjson.loads(data)
        except ValueError:
            return None
        if isinstance(value, dict) and all(map(_is_exact, value.values())):
            return value
    return None


def _is_exact(value: Any) -> bool:
    """Tell whether a value holds no number that orjson may have rounded; deep ones are not looked through."""
    if isinstance(value, list):
        return all(type(part) is str or (type(part) is dict and _is_flat(part)) for part in value)
    return not isinstance(value, float | dict)


def _is_flat(paragraph: dict[str, Any]) -> bool:
    return all(type(value) is str for value in paragraph.values())


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is no number of JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode


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
        return Article(name, text, _blocks(text, place), value, place)
    if not isinstance(given, list):
        raise DataError(f"{place}: 'paragraphs' is not a list")
    if len(given) > MAX_LINES:
        raise _too_many(place, "paragraphs")
    paragraphs: list[str] = []
    for part in given:
        paragraph = part.get("text") if isinstance(part, dict) else part
        if not isinstance(paragraph, str):
            raise DataError(f"{place}: paragraph {len(paragraphs)} has no text that is a string")
        paragraphs.append(paragraph)
    text, blocks = from_paragraphs(paragraphs)
    return Article(name, text, blocks, value, place)


def _blocks(text: str, place: str) -> list[Paragraph]:
    """Cut a text into blocks, unless they would fill the memory."""
    if len(text) > MAX_LINES and sum(map(text.count, _BREAKS)) - text.count("\r\n") > MAX_LINES:
        raise _too_many(place, "lines")
    return segment(text)


def _too_many(place: str, what: str) -> DataError:
    return DataError(f"{place}: more than {MAX_LINES:,} {what} in one article")
