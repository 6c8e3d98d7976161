"""Label the paragraphs of articles: the model's probabilities turned into one verdict a paragraph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
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

STATUSES = ("labelled", "unsure", "out_of_domain", "not_classified")
_OUT_OF_DOMAIN = STATUSES.index("out_of_domain")
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
    reader : str, default "fast"
        What the model is called in the output.
    """

    def __init__(
        self, model: Model, *, min_confidence: float = 0.0, explain: bool = False, reader: str = "fast"
    ) -> None:
        self.model = model
        self.min_confidence = min_confidence
        self.explain = explain
        self._context = Context.from_manifest(model.manifest)
        self.reader = reader

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
        if articles is None:
            return self.model.predict_proba(texts)
        numbers: dict[Hashable, int] = {}
        owner = np.array([numbers.setdefault(article, len(numbers)) for article in articles], np.int64)
        order = np.argsort(owner, kind="stable")
        probabilities = np.empty((len(texts), len(self.labels)))
        alone, shift, _ = self._read([texts[i] for i in order.tolist()], owner[order])
        probabilities[order] = softmax(alone + shift)
        return probabilities

    def _read(
        self, texts: Sequence[str], owner: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return the contrasts of paragraphs, article by article, what neighbours add, which are familiar."""
        contrasts, familiar = self.model.assess(texts)
        shift = revise(contrasts, owner, texts, self._context) - contrasts
        return contrasts, shift, familiar >= MIN_DOMAIN

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
        chosen = [[p.text for p in article.paragraphs if p.kind in CLASSIFIED] for article in articles]
        verdicts = self._verdicts(list(chain.from_iterable(chosen)), [len(texts) for texts in chosen])
        new = tuple.__new__  # half the time that Annotation(...) takes
        found = []
        for article in articles:
            name, annotations = article.id, []
            for i, (kind, start, end, text) in enumerate(article.paragraphs):
                verdict = next(verdicts) if kind in CLASSIFIED else (*_NO_VERDICT, text, None)
                annotations.append(new(Annotation, (name, i, start, end, kind, *verdict)))
            found.append(annotations)
        return found

    def _verdicts(self, texts: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Give what an `Annotation` says of each text, from its label on.

        Parameters
        ----------
        texts : sequence of str
            Paragraphs of one article after the other.
        sizes : sequence of int
            How many of them each article has.
        """
        alone, shift, familiar = self._read(texts, np.repeat(np.arange(len(sizes)), sizes))
        probabilities = softmax(alone + shift)
        confidence = probabilities.max(axis=1)
        status = np.where(familiar, confidence < self.min_confidence, _OUT_OF_DOMAIN)
        label = np.where(status == 0, probabilities.argmax(axis=1), len(self.labels))
        return zip(
            map((*self.labels, None).__getitem__, label.tolist()),
            map(STATUSES.__getitem__, status.tolist()),
            confidence.tolist(),
            map(dict, map(zip, repeat(self.labels), probabilities.tolist())),
            texts,
            map(self.model.explain, texts, shift) if self.explain else repeat(None, len(texts)),
            strict=True,
        )


_NO_VERDICT = (None, "not_classified", None, None)


def load(path: str | Path | None = None, *, min_confidence: float = 0.0, reader: str = "fast") -> Annotator:
    """Load a model to label paragraphs with.

    Parameters
    ----------
    path : str or Path, optional
        An artifact that ``copytaster train`` wrote; without, the one that ships with the package.
    min_confidence : float, default 0
        See `Annotator`.
    reader : {"fast", "careful", "both"}
        Which of the artifact's readers to use.

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
    if reader != "fast":
        model = import_extra("careful", f"--reader {reader}", "careful").wrap(model, reader)
    return Annotator(model, min_confidence=min_confidence, reader=reader)


_shared = lru_cache(maxsize=4)(load)


def annotate_batch(
    articles: Iterable[Mapping[str, Any]], model: str | Path | None = None, min_confidence: float = 0.0
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

    Returns
    -------
    list of dict
        One a paragraph, with the keys of ``copytaster predict -f jsonl``.

    Raises
    ------
    DataError
        If an article holds neither a string "text" nor a list of strings "paragraphs".
    """
    annotator = _shared(model, min_confidence=min_confidence)
    read = [_from_mapping(i, article) for i, article in enumerate(articles)]
    return [
        row(annotation, annotator.reader)
        for start in range(0, len(read), BATCH)
        for annotations in annotator.annotate_all(read[start : start + BATCH])
        for annotation in annotations
    ]


def row(annotation: Annotation, reader: str = "fast") -> dict[str, Any]:
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
        "reader": reader,
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
