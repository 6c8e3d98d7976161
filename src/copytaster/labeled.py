"""Labelled paragraphs: reading them, splitting them, and a digest that says which data a figure is about."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copytaster.duplicates import Components, fold, near_groups
from copytaster.errors import DataError, reason

SPLITS = ("train", "test")
SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
MAX_CHARS = 20_000
"""Longest paragraph, in characters; a longer one is a fault (most likely a whole article)."""
MAX_LINE = 64 * 2**20
"""Longest line of a labelled file, in bytes."""
MIN_WORDS = 4
"""Fewest words by which a text can tie two articles together: "Sign the petition" recurs uncopied."""
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file, gzipped or not, may raise."""
_FIRST = ("reporting", "opinion", "call-to-action")
_ARTICLE_KEYS = ("title", "source", "kind", "topic", "variety", "split", "annotator")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled paragraph. Texts are "" where the file does not say.

    Attributes
    ----------
    text : str
        The paragraph, never blank, at most `MAX_CHARS` characters.
    label : str
        Its label.
    article : str
        Id of the article; "" for a paragraph that stands alone.
    source, kind, topic, variety : str
        What the article is: where it is from, its genre, its subject, its variety of English.
    split : str
        "train", "test" or "".
    file : str
        The file it was read from.
    line : int
        Its line there, from 1.
    index : int
        Its place in the article, from 0; unlabelled paragraphs count.
    annotator : str
        Who gave the label.
    title : str
        The article's title.
    """

    text: str
    label: str
    article: str = ""
    source: str = ""
    kind: str = ""
    topic: str = ""
    variety: str = ""
    split: str = ""
    file: str = ""
    line: int = 0
    index: int = 0
    annotator: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a labelled file.

    Attributes
    ----------
    code : str
        "file", "encoding", "json", "csv", "key", "type", "label", "empty-text", "long-text", "split" or
        "duplicate-id".
    file : str
        The file.
    line : int
        The line, from 1; 0 for the file as a whole.
    message : str
        What is wrong.
    hint : str
        What may have been meant, or "".
    """

    code: str
    file: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" + (f". {self.hint}" if self.hint else "")


def read_labeled(
    paths: Iterable[str | Path], labels: Sequence[str] = (), max_chars: int = MAX_CHARS
) -> list[Example]:
    """Read labelled files, all or nothing.

    A file holds one JSON object a line: an article ``{"id", "paragraphs": [{"text", "label"}, ...]}`` with
    optional "title", "source", "kind", "topic", "variety", "split" and "annotator" (the last also on a
    paragraph), or one paragraph ``{"text", "label"}`` with an optional "article", "index" (its place there,
    from 0; else the order of the lines) and the same others. A paragraph whose label is null is not an
    example but counts in the order of its article. Other keys are left alone.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, gzipped or not, and folders. Of a folder, the ``.jsonl`` and ``.ndjson`` files in it and in its
        immediate subfolders are read, in the order of their names. A file named twice is read once.
    labels : sequence of str
        The labels allowed; without any, all are.
    max_chars : int
        Longest paragraph, in characters.

    Returns
    -------
    list of Example
        In the order of the files.

    Raises
    ------
    DataError
        If anything is wrong; names the first ten faults, each with file and line, and counts the others.
    """
    examples, faults = scan(paths, labels, max_chars)
    refuse(faults)
    return examples


def scan(
    paths: Iterable[str | Path], labels: Sequence[str] = (), max_chars: int = MAX_CHARS
) -> tuple[list[Example], list[Fault]]:
    """Read labelled files as far as they can be read.

    Parameters
    ----------
    paths, labels, max_chars
        As for `read_labeled`.

    Returns
    -------
    examples : list of Example
        Every paragraph without a fault.
    faults : list of Fault
        In the order of the files.
    """
    reader = _Reader(labels, max_chars)
    for path in files(paths, reader.faults):
        reader.read(path)
    return reader.examples, reader.faults


def from_records(
    records: Iterable[tuple[str, int, object]], max_chars: int = MAX_CHARS
) -> tuple[list[Example], list[Fault]]:
    """Check records that come from elsewhere as the lines of a labelled file are checked.

    Parameters
    ----------
    records : iterable of (str, int, object)
        File, line and value, the value as a line of a labelled file would hold it.
    max_chars : int
        Longest paragraph, in characters.

    Returns
    -------
    examples : list of Example
        Every paragraph without a fault.
    faults : list of Fault
        In the order of the records.
    """
    reader = _Reader((), max_chars)
    for file, line, record in records:
        reader.place(file, line)
        reader.read_record(record)
    return reader.examples, reader.faults


def refuse(faults: Sequence[Fault]) -> None:
    """Raise one `DataError` that names the first ten faults and counts the others, if there are any."""
    if faults:
        shown = [str(fault) for fault in faults[:10]]
        more = [f"and {len(faults) - 10} more"] if len(faults) > 10 else []
        raise DataError("\n".join(shown + more))


def label_order(examples: Iterable[Example]) -> tuple[str, ...]:
    """Return the labels in use, those of the shipped codebook first, the others by first appearance."""
    found = dict.fromkeys(example.label for example in examples)
    return tuple(sorted(found, key=lambda label: _FIRST.index(label) if label in _FIRST else len(_FIRST)))


def digest(examples: Iterable[Example]) -> str:
    """Return a SHA-256 that changes with the data and not with the way it is filed.

    Parameters
    ----------
    examples : iterable of Example
        Labelled paragraphs.

    Returns
    -------
    str
        64 hexadecimal digits over everything but file and line; the order of the articles does not matter,
        the order within an article does.
    """
    articles: dict[str, list[bytes]] = {}
    for i, e in enumerate(examples):
        row = (e.article, e.text, e.label, e.source, e.kind, e.topic, e.variety, e.split, e.annotator)
        articles.setdefault(e.article or f"\0{i}", []).append(json.dumps(row).encode())
    parts = sorted(hashlib.sha256(b"\n".join(rows)).digest() for rows in articles.values())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def split_of(article: str) -> str:
    """Return the split an article belongs to by its id alone: one in five is "test", for ever."""
    number = int.from_bytes(hashlib.sha256(article.encode()).digest()[:8], "big")
    return "train" if number % 5 else "test"


def select(examples: Iterable[Example], split: str) -> list[Example]:
    """Return the examples of one split; those that name none belong to "train"."""
    return [example for example in examples if (example.split or "train") == split]


def article_groups(examples: Iterable[Example]) -> NDArray[np.intp]:
    """Number the articles.

    Returns
    -------
    ndarray of int, shape (n,)
        Equal for paragraphs of one article, from 0 in order of appearance; a paragraph that stands alone is a
        group of its own.
    """
    numbers: dict[object, int] = {}
    keys = (example.article or i for i, example in enumerate(examples))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)


def folds(examples: Sequence[Example], k: int, seed: int) -> NDArray[np.intp]:
    """Deal paragraphs into folds that no article straddles, nor any group of near duplicates.

    Articles that share a near duplicate of at least `MIN_WORDS` words go together. The groups are dealt, the
    large ones first, to the fold that lacks their labels most, so that folds have like sizes and shares.

    Parameters
    ----------
    examples : sequence of Example
        ``n`` labelled paragraphs.
    k : int
        Number of folds, at least 2.
    seed : int
        Decides between equals.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each paragraph, in 0 ... k-1; none is empty.

    Raises
    ------
    DataError
        If there are fewer groups than folds.
    """
    together = Components(len(examples))
    tied = [i for i, e in enumerate(examples) if len(fold(e.text).split()) >= MIN_WORDS]
    for i, leader in zip(tied, near_groups([examples[i].text for i in tied]).tolist(), strict=True):
        together.join(i, tied[leader])
    leaders: dict[int, int] = {}
    for i, number in enumerate(article_groups(examples).tolist()):
        together.join(i, leaders.setdefault(number, i))
    _, group = np.unique(together.groups(), return_inverse=True)
    _, label = np.unique([e.label for e in examples], return_inverse=True)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < k:
        raise DataError(f"{k} folds need at least {k} unrelated articles, and there are {n_groups}")
    counts = np.zeros((n_groups, int(label.max()) + 1))
    np.add.at(counts, (group, label), 1)
    weights = counts / counts.sum(axis=0)
    shuffled = np.random.default_rng(seed).permutation(n_groups)
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    held = np.zeros((k, weights.shape[1]))
    fold_of = np.empty(n_groups, np.intp)
    for rank, g in enumerate(order):
        fold_of[g] = rank if rank < k else int(np.argmin(held @ weights[g]))
        held[fold_of[g]] += weights[g]
    return fold_of[group]


class _Reader:
    """Collects examples and faults over several files."""

    def __init__(self, labels: Sequence[str], max_chars: int) -> None:
        self.examples: list[Example] = []
        self.faults: list[Fault] = []
        self._labels = tuple(labels)
        self._max_chars = max_chars
        self._ids: dict[tuple[str, str], str] = {}
        self._next_index: dict[tuple[str, str], int] = {}
        self._file, self._line = "", 0

    def place(self, file: str, line: int) -> None:
        self._file, self._line = file, line

    def read(self, path: Path) -> None:
        self.place(str(path), 0)
        try:
            for number, line in lines(path):
                self.place(str(path), number)
                self._read_line(line)
        except UNREADABLE as error:
            self._fault("file", f"cannot be read: {reason(error)}")

    def _fault(self, code: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(code, self._file, self._line, message, hint))

    def _read_line(self, line: bytes) -> None:
        if len(line) > MAX_LINE:
            self._fault("json", f"line longer than {MAX_LINE} bytes")
            return
        try:
            record = json.loads(line.decode(), object_pairs_hook=_object)
        except UnicodeDecodeError as error:
            self._fault("encoding", f"not UTF-8 at byte {error.start + 1} of the line")
        except json.JSONDecodeError as error:
            self._fault("json", f"not JSON at column {error.colno}: {error.msg}")
        except (ValueError, RecursionError) as error:
            self._fault("json", f"not JSON that can be read: {str(error).partition(';')[0]}")
        else:
            self.read_record(record)

    def read_record(self, record: object) -> None:
        if not isinstance(record, dict):
            self._fault("type", f"a JSON object is expected, found {_kind(record)}")
        elif "paragraphs" in record:
            self._read_article(record)
        else:
            self._read_paragraph(record)

    def _read_article(self, record: dict[str, Any]) -> None:
        article = self._string(record, "id", required=True)
        about = {key: self._string(record, key) for key in _ARTICLE_KEYS}
        self._check_split(about["split"])
        if article:
            here, key = f"{self._file}:{self._line}", (article, about["annotator"])
            earlier = self._ids.setdefault(key, here)
            if earlier != here:
                self._fault("duplicate-id", f"article id {_quoted(article)} is already used at {earlier}")
        paragraphs = record["paragraphs"]
        if not isinstance(paragraphs, list):
            self._fault("type", f"'paragraphs' must be a list, found {_kind(paragraphs)}")
            return
        if not paragraphs:
            self._fault("key", "'paragraphs' is empty")
        for index, paragraph in enumerate(paragraphs):
            where = f"paragraph {index + 1}: "
            if not isinstance(paragraph, dict):
                self._fault("type", f"{where}a JSON object is expected, found {_kind(paragraph)}")
                continue
            annotator = self._string(paragraph, "annotator", where) or about["annotator"]
            self._add(paragraph, where, article, {**about, "annotator": annotator}, index)

    def _read_paragraph(self, record: dict[str, Any]) -> None:
        article = self._string(record, "article")
        about = {key: self._string(record, key) for key in _ARTICLE_KEYS}
        self._check_split(about["split"])
        key = (article, about["annotator"])
        index = record.get("index", self._next_index.get(key, 0) if article else 0)
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            self._fault("type", "'index' must be a whole number from 0")
            index = 0
        self._next_index[key] = index + 1
        self._add(record, "", article, about, index)

    def _add(
        self, record: dict[str, Any], where: str, article: str, about: dict[str, str], index: int
    ) -> None:
        faults = len(self.faults)
        text = self._string(record, "text", where, required=True)
        label = "" if record.get("label", "") is None else self._string(record, "label", where, required=True)
        if isinstance(record.get("text"), str):
            if not text.strip():
                self._fault("empty-text", f"{where}'text' is empty")
            elif len(text) > self._max_chars:
                self._fault("long-text", f"{where}'text' has {len(text)} characters, over {self._max_chars}")
        if isinstance(record.get("label"), str):
            if label != label.strip() or not label.isprintable() or not label:
                self._fault("label", f"{where}label {_quoted(label)} is empty or has stray white space")
            elif self._labels and label not in self._labels:
                hint = _did_you_mean(label, self._labels)
                self._fault("label", f"{where}label {_quoted(label)} unknown", hint)
        if label and len(self.faults) == faults:
            place = {"file": self._file, "line": self._line, "index": index}
            self.examples.append(Example(text, label, article, **about, **place))  # type: ignore[arg-type]

    def _string(self, record: dict[str, Any], key: str, where: str = "", required: bool = False) -> str:
        value = record.get(key)
        if key not in record:
            if required:
                self._fault("key", f"{where}'{key}' is missing", _did_you_mean(key, list(record)))
        elif isinstance(value, str):
            if value.isascii() or _encodable(value):
                return value
            self._fault("encoding", f"{where}'{key}' holds half a surrogate pair")
        elif value is not None or required:
            self._fault("type", f"{where}'{key}' must be a string, found {_kind(value)}")
        return ""

    def _check_split(self, split: str) -> None:
        if split and split not in SPLITS:
            self._fault("split", f"split {_quoted(split)} unknown, 'train' or 'test' is expected")


def files(paths: Iterable[str | Path], faults: list[Fault]) -> Iterator[Path]:
    """Yield the files that `read_labeled` reads for some paths; a folder without any is a fault."""
    seen: set[str] = set()
    for path in map(Path, [paths] if isinstance(paths, (str, Path)) else paths):
        found = [path]
        if os.path.isdir(path):
            inside = [*path.glob("*"), *path.glob("*/*")]
            found = sorted(p for p in inside if p.name.endswith(SUFFIXES) and p.is_file())
            if not found:
                faults.append(Fault("file", str(path), 0, "folder holds no .jsonl file"))
        for file in found:
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank, numbered from 1, gunzipped and without a byte order mark.

    The first line longer than `MAX_LINE` is cut there and ends the file.

    Raises
    ------
    OSError, EOFError, zlib.error
        See `UNREADABLE`.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        number, line = 1, file.readline(MAX_LINE + 1).removeprefix(b"\xef\xbb\xbf")
        while line:
            if line.strip():
                yield number, line
            if len(line) > MAX_LINE:
                return
            number, line = number + 1, file.readline(MAX_LINE + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(made := dict(pairs)) != len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"the key {_quoted(twice)} occurs twice in an object")
    return made


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:59] + "…")


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word[:60], [k for k in known if len(k) <= 60], 1)
    return f"Did you mean {close[0]!r}?" if close else ""
