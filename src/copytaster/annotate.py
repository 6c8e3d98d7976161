"""Label the paragraphs of articles: the model's probabilities turned into one verdict a paragraph."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from copytaster.article import CLASSIFIED, Article, from_paragraphs, segment
from copytaster.context import Context, revise
from copytaster.errors import DataError, UsageError
from copytaster.extras import import_extra
from copytaster.model import Model, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from copytaster.careful import Careful

STATUSES = ("labelled", "unsure", "out_of_domain", "not_classified")
_OUT_OF_DOMAIN = STATUSES.index("out_of_domain")
READ_BY = ("fast", "careful")
READERS = ("fast", "careful", "both")
BATCH = 64
"""Articles held at a time."""
MIN_DOMAIN = 0.5


class Annotation(NamedTuple):
    """What is said of one paragraph.

    Attributes
    ----------
    article : str
        Id of its article.
    paragraph : int
        Its place there, from 0; every block counts.
    start, end : int
        Its borders in characters of the article's text.
    kind : str
        One of `copytaster.article.KINDS`.
    label : str or None
        Its label; None unless the status is "labelled".
    status : str
        One of `STATUSES`: "labelled"; "unsure", where the highest probability lies below the least confidence
        asked for; "out_of_domain", where the text is unlike anything the model has learnt from; or
        "not_classified", for headings and furniture.
    confidence : float or None
        The highest probability, in 0 ... 1; None where the paragraph is not classified.
    probabilities : dict of str to float or None
        By label, in the order of the model's; they sum to 1.
    text : str
        The paragraph as it stands.
    evidence : object or None
        Why: the model's `Explanation`, where asked for.
    reader : str
        Who said so: "fast" or "careful".
    """

    article: str
    paragraph: int
    start: int
    end: int
    kind: str
    label: str | None
    status: str
    confidence: float | None
    probabilities: dict[str, float] | None
    text: str
    evidence: Any = None
    reader: str = "fast"


class Reading(NamedTuple):
    """What has been found out about paragraphs.

    Attributes
    ----------
    probabilities : ndarray of float, shape (n, K)
    shift : ndarray of float, shape (n, K - 1)
        What neighbours have added to the contrasts of the fast reader.
    familiar : ndarray of bool, shape (n,)
        Whether each is like what the model has learnt from.
    careful : ndarray of bool, shape (n,)
        Whether the careful reader has read it.
    """

    probabilities: NDArray[np.float64]
    shift: NDArray[np.float64]
    familiar: NDArray[np.bool_]
    careful: NDArray[np.bool_]


class Verdicts(NamedTuple):
    """What is said of the classified paragraphs of some articles, in columns, one row a paragraph.

    Attributes
    ----------
    label : ndarray of int64, shape (n,)
        Its place among the labels; their number where there is none.
    status : ndarray of int64, shape (n,)
        Its place in `STATUSES`.
    reader : ndarray of int64, shape (n,)
        Its place in `READ_BY`.
    confidence : ndarray of float, shape (n,)
    probabilities : ndarray of float, shape (n, K)
    shift : ndarray of float, shape (n, K - 1)
        See `Reading`.
    texts : list of str
    """

    label: NDArray[np.int64]
    status: NDArray[np.int64]
    reader: NDArray[np.int64]
    confidence: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    shift: NDArray[np.float64]
    texts: list[str]


class Annotator:
    """A model together with what is to be done with its probabilities.

    Parameters
    ----------
    model : Model
        Gives probabilities.
    min_confidence : float, default 0
        A paragraph whose highest probability is lower is "unsure".
    explain : bool, default False
        Whether to give the evidence for each label.
    second : Careful, optional
        The careful reader.
    reread_below : float, default 0
        It reads the paragraphs to whose label the model, in the light of their neighbours, gives a lower
        probability.
    """

    def __init__(
        self,
        model: Model,
        *,
        min_confidence: float = 0.0,
        explain: bool = False,
        second: Careful | None = None,
        reread_below: float = 0.0,
    ) -> None:
        self.model = model
        self.min_confidence = min_confidence
        self.explain = explain
        self._context = Context.from_manifest(model.manifest)
        self._second, self._reread_below = second, reread_below

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of `predict_proba`."""
        return self.model.labels

    def predict_proba(
        self, texts: Sequence[str], articles: Sequence[Hashable] | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of each label for each paragraph.

        Parameters
        ----------
        texts : sequence of str
            ``n`` paragraphs.
        articles : sequence, length n, optional
            The article of each. Paragraphs of one, which are taken to stand in order, speak for one another;
            without, each stands alone.

        Returns
        -------
        ndarray of float, shape (n, K)
            Rows sum to 1; columns in the order of `labels`.
        """
        if articles is None and self._second is None:
            return self.model.predict_proba(texts)
        return self.read(texts, articles).probabilities

    def read(self, texts: Sequence[str], articles: Sequence[Hashable] | None = None) -> Reading:
        """Return what `predict_proba` does, and what else is known of each paragraph."""
        numbers: dict[Hashable, int] = {}
        names = range(len(texts)) if articles is None else articles
        owner = np.array([numbers.setdefault(article, len(numbers)) for article in names], np.int64)
        order = np.argsort(owner, kind="stable")
        back = np.argsort(order, kind="stable")
        found = self._read([texts[i] for i in order.tolist()], owner[order])
        return Reading._make(part[back] for part in found)

    def _read(self, texts: Sequence[str], owner: NDArray[np.int64]) -> Reading:
        """Read paragraphs that stand section by section."""
        contrasts, familiar = self.model.assess(texts)
        revised = revise(contrasts, owner, texts, self._context)
        shift, probabilities = revised - contrasts, softmax(revised)
        careful = np.zeros(len(texts), bool)
        if self._second:
            careful = probabilities.max(axis=1) < self._reread_below
        if self._second and careful.any():
            again = [texts[i] for i in np.flatnonzero(careful).tolist()]
            contrasts[careful] = self._second.joined(again, contrasts[careful])
            revised = revise(contrasts, owner, texts, self._context)
            shift[~careful] = (revised - contrasts)[~careful]
            probabilities = softmax(revised)
        return Reading(probabilities, shift, familiar >= MIN_DOMAIN, careful)

    def annotate(self, text: str, id: str = "") -> list[Annotation]:
        """Cut one article into paragraphs and label them.

        Parameters
        ----------
        text : str
            Plain or Markdown text.
        id : str
            What to call the article.

        Returns
        -------
        list of Annotation
            One a block, in order.

        Examples
        --------
        >>> text = "# The pool\\n\\nThe council voted 7-2 to close the pool.\\n\\nSign the petition today!"
        >>> for annotation in load().annotate(text):
        ...     print(annotation.kind, annotation.label)
        heading None
        body reporting
        body call-to-action
        """
        return self.annotate_all([Article(id, text, segment(text))])[0]

    def annotate_articles(
        self, articles: Iterable[Article], batch: int = BATCH
    ) -> Iterator[tuple[Article, list[Annotation]]]:
        """Label the paragraphs of a stream of articles.

        Parameters
        ----------
        articles : iterable of Article
            Read as far as the next batch needs.
        batch : int
            Articles held at a time; the output does not depend on it.

        Yields
        ------
        (Article, list of Annotation)
            In the order of the articles.
        """
        stream = iter(articles)
        while group := list(islice(stream, batch)):
            yield from zip(group, self.annotate_all(group), strict=True)

    def annotate_all(self, articles: Sequence[Article]) -> list[list[Annotation]]:
        """Label the paragraphs of several articles at once.

        Parameters
        ----------
        articles : sequence of Article
            Any number.

        Returns
        -------
        list of list of Annotation
            One list an article, one annotation a block.
        """
        verdicts = self._each(self.judge(articles))
        new = tuple.__new__  # half the time that Annotation(...) takes
        found = []
        for article in articles:
            name, annotations = article.id, []
            for i, (kind, start, end, text) in enumerate(article.paragraphs):
                verdict = next(verdicts) if kind in CLASSIFIED else (*_NO_VERDICT, text, None, "fast")
                annotations.append(new(Annotation, (name, i, start, end, kind, *verdict)))
            found.append(annotations)
        return found

    def judge(self, articles: Sequence[Article]) -> Verdicts:
        """Return what `annotate_all` says of the classified paragraphs, in columns."""
        texts: list[str] = []
        owner: list[int] = []
        section = 0
        for article in articles:
            section += 1
            for kind, _, _, text in article.paragraphs:
                if kind in CLASSIFIED:
                    texts.append(text)
                    owner.append(section)
                else:
                    section += 1
        probabilities, shift, familiar, careful = self._read(texts, np.array(owner, np.int64))
        confidence = probabilities.max(axis=1)
        status = np.where(familiar, confidence < self.min_confidence, _OUT_OF_DOMAIN)
        label = np.where(status == 0, probabilities.argmax(axis=1), len(self.labels))
        label, status, reader = (column.astype(np.int64) for column in (label, status, careful))
        return Verdicts(label, status, reader, confidence, probabilities, shift, texts)

    def _each(self, verdicts: Verdicts) -> Iterator[tuple[Any, ...]]:
        """Give what an `Annotation` says of each paragraph, from its label on."""
        label, status, reader, confidence, probabilities, shift, texts = verdicts
        return zip(
            map((*self.labels, None).__getitem__, label.tolist()),
            map(STATUSES.__getitem__, status.tolist()),
            confidence.tolist(),
            map(dict, map(zip, repeat(self.labels), probabilities.tolist())),
            texts,
            map(self._why, texts, shift, reader, probabilities) if self.explain else repeat(None, len(texts)),
            map(READ_BY.__getitem__, reader.tolist()),
            strict=True,
        )

    def _why(
        self, text: str, shift: NDArray[np.float64], careful: bool, probabilities: NDArray[np.float64]
    ) -> Any:
        fast = self.model.explain(text, shift)
        if self._second is None or not careful:
            return fast
        return self._second.explain(text, int(probabilities.argmax()), self.model, fast)


_NO_VERDICT = (None, "not_classified", None, None)


def load(
    path: str | Path | None = None,
    *,
    min_confidence: float = 0.0,
    reader: str = "fast",
    reread_below: float | None = None,
) -> Annotator:
    """Load a model to label paragraphs with.

    Parameters
    ----------
    path : str or Path, optional
        An artifact that ``copytaster train`` wrote; without, the one that ships with the package.
    min_confidence : float, default 0
        See `Annotator`.
    reader : {"fast", "careful", "both"}
        Which of the artifact's readers to use; with "both", the fast one reads everything and the careful
        one what the fast one doubts.
    reread_below : float, optional
        What counts as doubt: a lower probability of the label. Without, what the artifact states.

    Returns
    -------
    Annotator

    Raises
    ------
    ArtifactError
        If there is no such artifact, or it is not one.
    UsageError
        If the reader is unknown or its extra is not installed.

    Examples
    --------
    >>> load().labels
    ('reporting', 'opinion', 'call-to-action')
    """
    from copytaster.artifact import load as load_artifact

    model = load_artifact(path)
    if reader not in READERS:
        raise UsageError(f"reader {reader!r} unknown", f"Name one of {', '.join(READERS)}")
    if reader == "fast":
        return Annotator(model, min_confidence=min_confidence)
    second: Careful = import_extra("careful", f"--reader {reader}", "careful").load(model)
    if reader == "careful":
        reread_below = math.inf
    return Annotator(
        model,
        min_confidence=min_confidence,
        second=second,
        reread_below=second.reread_below if reread_below is None else reread_below,
    )


_shared = lru_cache(maxsize=4)(load)


def annotate_batch(
    articles: Iterable[Mapping[str, Any]],
    model: str | Path | None = None,
    min_confidence: float = 0.0,
    reader: str = "fast",
) -> list[dict[str, Any]]:
    """Label the paragraphs of some articles: a plain function to map over the partitions of a cluster.

    The model is loaded once a process.

    Parameters
    ----------
    articles : iterable of mapping
        Each ``{"id": ..., "text": ...}`` or ``{"id": ..., "paragraphs": [...]}``.
    model : str or Path, optional
        An artifact that every process can read; without, the one that ships with the package.
    min_confidence : float, default 0
        See `Annotator`.
    reader : {"fast", "careful", "both"}
        See `load`.

    Returns
    -------
    list of dict
        One a paragraph, with the keys of ``copytaster predict -f jsonl``.

    Raises
    ------
    DataError
        If an article holds neither a string "text" nor a list of strings "paragraphs".
    """
    annotator = _shared(model, min_confidence=min_confidence, reader=reader)
    read = [_from_mapping(i, article) for i, article in enumerate(articles)]
    return [
        row(annotation)
        for start in range(0, len(read), BATCH)
        for annotations in annotator.annotate_all(read[start : start + BATCH])
        for annotation in annotations
    ]


def row(annotation: Annotation) -> dict[str, Any]:
    """Return an annotation under the names of ``predict -f jsonl``; probabilities are not rounded."""
    a = annotation
    found = {
        "id": a.article,
        "paragraph": a.paragraph,
        "start": a.start,
        "end": a.end,
        "kind": a.kind,
        "label": a.label,
        "confidence": a.confidence,
        "probabilities": a.probabilities,
        "status": a.status,
        "reader": a.reader,
        "text": a.text,
    }
    return found if a.evidence is None else {**found, "evidence": a.evidence.to_dict()}


def _from_mapping(index: int, article: Mapping[str, Any]) -> Article:
    name = str(article.get("id", index))
    text, strings = article.get("text"), article.get("paragraphs")
    if strings is not None:
        given = list(strings)
        if not all(isinstance(string, str) for string in given):
            raise DataError(f"article {name!r}: 'paragraphs' is not a list of strings")
        text, paragraphs = from_paragraphs(given)
        return Article(name, text, paragraphs)
    if not isinstance(text, str):
        raise DataError(f"article {name!r}: neither a string 'text' nor a list 'paragraphs'")
    return Article(name, text, segment(text))
