"""The stream of ``predict``: articles in, complete lines of one format out, in the order of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from copytaster.annotate import Annotation, Annotator, load
from copytaster.article import Article
from copytaster.errors import DataError, UsageError
from copytaster.writers import Writer, make

BATCH = 64
"""Articles handed on at a time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do with each article.

    Attributes
    ----------
    model : Path or None
        The artifact; None for the one that ships with the package.
    reader : str
        One of `copytaster.annotate.READERS`.
    format : str
        One of `copytaster.writers.FORMATS`.
    min_confidence : float
        See `copytaster.annotate.Annotator`.
    explain : bool
        Whether to give the evidence for each label.
    only : tuple of str
        The labels whose paragraphs are written; without any, every paragraph is.
    raw : bool
        See `copytaster.writers.CsvWriter`.
    terminal : (int, bool) or None
        Width and colour of the terminal that text goes to.
    """

    model: Path | None = None
    reader: str = "fast"
    format: str = "jsonl"
    min_confidence: float = 0.0
    explain: bool = False
    only: tuple[str, ...] = ()
    raw: bool = False
    terminal: tuple[int, bool] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of some articles, in order.

    Attributes
    ----------
    data : bytes
        Complete lines.
    faults : tuple of DataError
        What could not be read.
    articles : int
        How many were written.
    """

    data: bytes
    faults: tuple[DataError, ...]
    articles: int


class Work:
    """A model and a writer, ready for articles.

    Parameters
    ----------
    settings : Settings
        What to do.

    Raises
    ------
    ArtifactError, UsageError
        See `copytaster.annotate.load`; also if a label in ``only`` is not the model's.
    """

    def __init__(self, settings: Settings) -> None:
        self.annotator: Annotator = load(
            settings.model, min_confidence=settings.min_confidence, reader=settings.reader
        )
        self.annotator.explain = settings.explain
        self.writer: Writer = make(
            settings.format,
            self.annotator.labels,
            reader=settings.reader,
            raw=settings.raw,
            explain=settings.explain,
            terminal=settings.terminal,
        )
        self._only = frozenset(settings.only)
        for label in settings.only:
            if label not in self.annotator.labels:
                raise UsageError(f"the model has no label {label!r}", f"Its labels: {', '.join(self.annotator.labels)}")

    def __call__(self, items: Iterable[Article | DataError]) -> Written:
        """Annotate and write some articles."""
        articles, faults = [], []
        for item in items:
            if isinstance(item, DataError):
                faults.append(item)
            elif not item.paragraphs:
                faults.append(DataError(f"{item.place or item.id}: no text"))
            else:
                articles.append(item)
        pairs = zip(articles, self.annotator.annotate_all(articles), strict=True)
        text = "".join(self.writer.article(article, self._chosen(found)) for article, found in pairs)
        return Written(encode(text), tuple(faults), len(articles))

    def _chosen(self, annotations: list[Annotation]) -> list[Annotation]:
        return [a for a in annotations if a.label in self._only] if self._only else annotations


def encode(text: str) -> bytes:
    """Encode as UTF-8; half of a surrogate pair, which has no UTF-8, becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def batches(items: Iterable[Article | DataError], size: int = BATCH) -> Iterator[list[Article | DataError]]:
    """Group a stream, holding one group at a time."""
    stream = iter(items)
    while group := list(islice(stream, size)):
        yield group
