"""Stand-off labels: labels of texts that may not be redistributed, joined with a local copy of those texts.

A row names a paragraph by the first 16 hex digits of the SHA-1 of its text with white space folded. The copy
is a folder of JSONL files, plain or gzipped, whose lines have a ``"text"`` and may have a ``"doc"``.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from copytaster.article import Article, from_paragraphs
from copytaster.labeled import Example, split_of

ROOT = Path(__file__).resolve().parent.parent
LABELS = ROOT / "labeled" / "standoff" / "real.tsv"
TARGETS = ROOT / "labeled" / "standoff" / "targets.tsv.gz"
CORPORA = ROOT.parent / "shared" / "real"
PACKAGED = ROOT / "build" / "passages"
"""Where `passages.py` puts what it gathers."""
PASSAGES = "package-"
"""How the names of the sources begin that it gathers from."""

GROUPS = {
    "fftf": "activism",
    "bftn": "activism",
    "5calls": "activism",
    "brdsa": "organisers",
    "twc-berlin": "organisers",
    "18f": "government",
    "digitalgov": "government",
    "babe": "news",
    "basil": "news",
    "abc-rural": "news",
    "abc-science": "news",
    "state-union": "speeches",
    f"{PASSAGES}news": "news",
    f"{PASSAGES}health": "news",
    f"{PASSAGES}commons": "speeches",
    f"{PASSAGES}conventions": "speeches",
    f"{PASSAGES}debates": "speeches",
    f"{PASSAGES}campaigns": "speeches",
    f"{PASSAGES}films": "reviews",
    f"{PASSAGES}snippets": "reviews",
}
"""Sources held out together; those of a corpus whose name has a hyphen by its first part."""


class Paragraph(NamedTuple):
    """One paragraph of the local copy."""

    text: str
    source: str
    document: str
    position: int = 0

    @property
    def article(self) -> str:
        """What its document is called."""
        return f"{self.source}/{self.document}"


class Joined(NamedTuple):
    """Labelled paragraphs with their text.

    Attributes
    ----------
    examples : list of Example
        Split by document.
    hard : ndarray of bool, shape (n,)
        Borderline for whoever labelled it.
    missing : int
        Labels whose text is not in the copy.
    """

    examples: list[Example]
    hard: np.ndarray
    missing: int


def group_of(source: str) -> str:
    """Return what a source is held out with."""
    return GROUPS.get(source, source.split("-")[0])


def key_of(text: str) -> str:
    """Return the first 16 hex digits of the SHA-1 of the white-space-folded text."""
    return hashlib.sha1(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_corpora(folder: Path) -> dict[str, Paragraph]:
    """Read every paragraph of a local copy, by its key; none if there is no such folder."""
    found: dict[str, Paragraph] = {}
    for path in sorted((*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz"))):
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as lines
        ):
            for line in lines:
                record = json.loads(line)
                text = record["text"]
                paragraph = Paragraph(
                    text, record.get("source", ""), record.get("doc", ""), record.get("i", 0)
                )
                found.setdefault(key_of(text), paragraph)
    return found


def rows(path: Path = LABELS) -> Iterator[dict[str, str]]:
    """Read the rows of a stand-off file."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


def join(corpora: dict[str, Paragraph], path: Path = LABELS) -> Joined:
    """Join stand-off labels with the copy; furniture is left out."""
    examples, hard, missing = [], [], 0
    for line, row in enumerate(rows(path), 2):
        paragraph = corpora.get(row["sha1"])
        if paragraph is None:
            missing += 1
        elif row["label"] != "furniture":
            article = f"{row['source']}/{paragraph.document}"
            examples.append(
                Example(
                    text=" ".join(paragraph.text.split()),
                    label=row["label"],
                    article=article,
                    source=row["source"],
                    kind="",
                    topic="",
                    variety="",
                    split=split_of(article),
                    file=str(path),
                    line=line,
                    index=int(row["position"]),
                    annotator="",
                    title="",
                )
            )
            hard.append(row["hard"] == "1")
    return Joined(examples, np.array(hard, bool), missing)


def documents(corpora: dict[str, Paragraph], names: Iterable[str]) -> list[Article]:
    """Return whole documents of the local copy, with what has no label there."""
    members: dict[str, list[Paragraph]] = {name: [] for name in names}
    for paragraph in corpora.values():
        if paragraph.article in members:
            members[paragraph.article].append(paragraph)
    articles = []
    for name, found in members.items():
        found.sort(key=lambda paragraph: paragraph.position)
        articles.append(Article(name, *from_paragraphs(paragraph.text for paragraph in found)))
    return articles


BORDER = re.compile(r"(?<=[.!?])([\"')\u201d\u2019]*)\s+(?=[A-Z\"'0-9(\u201c\u2018])")
"""Between two sentences; the marks that close the first are its group."""


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph that has several, those of at least four words."""
    found = [part for part in BORDER.split(text)[::2] if len(part.split()) >= 4]
    return found if len(found) > 1 else []


class Target(NamedTuple):
    """What the teacher says of a text.

    Attributes
    ----------
    text : str
        A paragraph or a sentence of one.
    chances : tuple of float
        Of reporting, opinion and call-to-action.
    source, article : str
        Where it comes from.
    """

    text: str
    chances: tuple[float, ...]
    source: str
    article: str


def read_targets(
    corpora: dict[str, Paragraph], written: Iterable[Example] = (), path: Path = TARGETS
) -> list[Target]:
    """Read the teacher's probabilities of paragraphs and sentences.

    Parameters
    ----------
    corpora : dict
        See `read_corpora`.
    written : iterable of Example
        Written paragraphs, which are always at hand.

    Returns
    -------
    list of Target
        Of texts that are at hand.
    """
    with gzip.open(path, "rt", encoding="ascii") as lines:
        known = {key: tuple(int(part) / 100 for part in parts) for key, *parts in map(str.split, lines)}
    places = [(" ".join(p.text.split()), p.source, p.article) for p in corpora.values()]
    places += [(example.text, example.source, example.article) for example in written]
    found: dict[str, Target] = {}
    for text, source, article in places:
        for part in (text, *sentences(text)):
            key = key_of(part)
            if key in known and key not in found:
                found[key] = Target(part, known[key], source, article)
    return list(found.values())
