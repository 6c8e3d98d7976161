"""The stream of ``predict``: articles in, complete lines of one format out, in the order of the input."""

from __future__ import annotations

import gc
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from io import BytesIO
from time import monotonic

from copytaster import __version__
from copytaster.annotate import Annotation, Annotator, load
from copytaster.article import Article
from copytaster.errors import DataError, UsageError
from copytaster.extras import import_extra
from copytaster.inputs import parse
from copytaster.output import unwritable
from copytaster.raw import Found, each_article
from copytaster.resume import START, Position
from copytaster.writers import JsonlWriter, LineWriter, Writer, compiled, encode, make

SIZE = 256 * 1024
"""Bytes of articles handed on at a time, about."""
LINES = 10_000
"""The most lines of an article written at a time."""
SLOW = 0.05
"""Seconds without a new article after which those there are no longer wait for others."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do with each article.

    Attributes
    ----------
    model : str or None
        The artifact; None for the one that ships with the package.
    reader : str
        One of `copytaster.annotate.READERS`.
    reread_below : float or None
        See `copytaster.annotate.load`.
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
    encoding : str or None
        See `copytaster.inputs.read_articles`.
    save_text : str or None
        The folder that the text of each article is written to, under `text_name`.
    """

    model: str | None = None
    reader: str = "fast"
    reread_below: float | None = None
    format: str = "jsonl"
    min_confidence: float = 0.0
    explain: bool = False
    only: tuple[str, ...] = ()
    raw: bool = False
    terminal: tuple[int, bool] | None = None
    encoding: str | None = None
    save_text: str | None = None


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
        self.settings = settings
        self.annotator: Annotator = load(
            settings.model,
            min_confidence=settings.min_confidence,
            reader=settings.reader,
            reread_below=settings.reread_below,
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
        self._encoding = settings.encoding
        self._only = frozenset(settings.only)
        for label in settings.only:
            if label not in self.annotator.labels:
                raise UsageError(
                    f"the model has no label {label!r}", f"Its labels: {', '.join(self.annotator.labels)}"
                )

    def __call__(self, items: Iterable[Found]) -> Written:
        """Read, annotate and write some articles."""
        articles: list[Article] = []
        faults: list[DataError] = []
        for item in each_article(items):
            read = item if isinstance(item, DataError) else parse(item, self._encoding)
            if isinstance(read, DataError):
                faults.append(read)
            elif not read.paragraphs:
                faults.append(DataError(f"{read.place or read.id}: no text"))
            else:
                articles.append(read)
                if self.settings.save_text:
                    self._save_text(self.settings.save_text, read)
        plain = not (self.settings.explain or self._only)
        if compiled and plain and isinstance(self.writer, JsonlWriter):
            data = self.writer.rows(articles, self.annotator.judge(articles))
            return Written(data, tuple(faults), len(articles))
        pairs = zip(articles, self.annotator.annotate_all(articles), strict=True)
        written = BytesIO()  # grows in place, where parts and whole would stand in memory side by side
        for article, found in pairs:
            written.writelines(self._parts(article, self._chosen(found)))
        return Written(written.getvalue(), tuple(faults), len(articles))

    def _parts(self, article: Article, annotations: list[Annotation]) -> Iterator[bytes]:
        """Write an article, one of very many lines in parts, lest they all stand in memory twice."""
        step = LINES if isinstance(self.writer, LineWriter) else len(annotations)
        if len(annotations) <= step:
            yield encode(self.writer.article(article, annotations))
        else:
            for at in range(0, len(annotations), step):
                yield encode(self.writer.article(article, annotations[at : at + step]))

    def _save_text(self, folder: str, article: Article) -> None:
        path = os.path.join(folder, text_name(article.id))
        try:
            with open(path, "wb") as stream:
                stream.write(encode(article.text))
        except OSError as fault:
            raise unwritable(path, fault) from None

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of everything that decides the output of an article."""
        import hashlib
        import json

        from copytaster.artifact import dump

        state = json.dumps([__version__, asdict(self.settings)], sort_keys=True).encode()
        return hashlib.sha256(state + dump(self.annotator.model)).hexdigest()

    def _chosen(self, annotations: list[Annotation]) -> list[Annotation]:
        return [a for a in annotations if a.label in self._only] if self._only else annotations


def text_name(id: str) -> str:
    """Name the file that holds the text of an article: its id, what file names cannot hold percent-encoded.

    A name too long for a file ends in the checksum of the whole id.
    """
    from urllib.parse import quote

    name = quote(encode(id), safe=" ")
    if len(name) > 200:
        name = f"{name[:180]}~{zlib.crc32(encode(id)):08x}"
    return name + ".txt"


def batches(items: Iterable[Found], position: Position = START) -> Iterator[tuple[Position, list[Found]]]:
    """Group a stream into lists of about `SIZE` bytes, smaller at first and wherever the stream is slow.

    Parameters
    ----------
    items : iterable of Raw, Lines or DataError
        Read one list ahead.
    position : Position
        Where the stream stands.

    Yields
    ------
    (Position, list)
        The position after the list, and the list.
    """
    group: list[Found] = []
    limit = size = 0
    began = monotonic()
    for item in items:
        group.append(item)
        before, position = position, position.after(item)
        size += position.size - before.size
        now = monotonic()
        if now - began > SLOW:
            limit = 0
        began = now
        if size >= limit:
            yield position, group
            group, limit, size = [], min(SIZE, 2 * limit + 4096), 0
            began = monotonic()
    if group:
        yield position, group


def start_worker(settings: Settings, digest: str = "") -> Work:
    """Make a process ready for a long stream of articles.

    Parameters
    ----------
    settings : Settings
        What to do with them.
    digest : str
        What `Work.digest` has to be, if anything.

    Returns
    -------
    Work

    Raises
    ------
    DataError
        If the model has been replaced since the digest was taken.
    """
    work = Work(settings)
    if digest and work.digest != digest:
        raise DataError("the model was replaced while it was in use", "Run the command again")
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # articles form no cycles; to look for some takes a tenth of the time
    return work


def run_all(
    work: Work,
    items: Iterable[Found],
    position: Position = START,
    jobs: int = 1,
    scheduler: str | None = None,
    lost: Callable[[int, int], None] = lambda pid, code: None,
) -> Iterator[tuple[Position, Written]]:
    """Annotate and write a stream of articles, holding a bounded part of it.

    Parameters
    ----------
    work : Work
        What to do.
    items : iterable of Raw, Lines or DataError
        The articles.
    position : Position
        Where the stream stands.
    jobs : int
        Processes; with one, this process does the work itself.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers are to do it.
    lost : callable
        See `copytaster.pool.Pool`; Dask itself logs the loss of a worker.

    Yields
    ------
    (Position, Written)
        In the order of the stream; the lines are the same whoever does the work.

    Raises
    ------
    UsageError
        If Dask is asked for and not installed.
    """
    groups = batches(items, position)
    if jobs == 1 and not scheduler:
        for reached, group in groups:
            yield reached, work(group)
        return
    positions: deque[Position] = deque()

    def tasks() -> Iterator[list[Found]]:
        for reached, group in groups:
            positions.append(reached)
            yield group

    build = partial(start_worker, work.settings, work.digest)
    if scheduler:
        cluster = import_extra("cluster", "--backend dask", "dask")
        results: Iterator[Written] = cluster.annotate(build, tasks(), scheduler)
    else:
        from copytaster.pool import Pool

        # The runtime of the careful reader does not outlive a fork.
        built = work if work.settings.reader == "fast" else None
        results = Pool(build, jobs, lost, built).map(tasks())
    for written in results:
        yield positions.popleft(), written
