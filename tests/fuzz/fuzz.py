"""Coverage-guided fuzzing of everything that reads bytes of unknown hands: make fuzz

    python tests/fuzz/fuzz.py [options of libFuzzer] [CORPUS]...

The first byte of an input chooses what reads the rest. A finding is written to a file named crash-…; give
that file as the only argument to see it again.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["copytaster"]):
    from copytaster import artifact
    from copytaster.annotate import load
    from copytaster.article import segment
    from copytaster.errors import DataError
    from copytaster.inputs import read_articles
    from copytaster.labeled import scan
    from copytaster.writers import make

SEEDS = Path(__file__).with_name("seeds")
FOLDER = Path(tempfile.mkdtemp(prefix="copytaster-fuzz-"))
READER = load()


def fuzz_text(data: bytes) -> None:
    """Every character is accounted for, in order."""
    text = data.decode("utf-8", "surrogateescape")
    end = 0
    for paragraph in segment(text):
        assert end <= paragraph.start <= paragraph.end
        assert text[paragraph.start : paragraph.end] == paragraph.text
        end = paragraph.end


def fuzz_file(data: bytes, name: str) -> None:
    """An input gives articles or `DataError`, and what it gives can be labelled and written."""
    path = FOLDER / name
    path.write_bytes(data)
    for found in read_articles([path], max_bytes=1 << 20):
        if not isinstance(found, DataError):
            annotations = READER.annotate_all([found])[0]
            for format in ("text", "jsonl", "csv"):
                make(format, READER.labels).article(found, annotations).encode("utf-8", "backslashreplace")


def fuzz_labeled(data: bytes) -> None:
    """A labelled file gives examples and faults."""
    path = FOLDER / "labeled.jsonl"
    path.write_bytes(data)
    scan([path])


def fuzz_artifact(data: bytes) -> None:
    """An artifact is a model or a fault, also where the checksum is right."""
    with suppress(artifact._Fault):
        artifact.parse(data)


TARGETS = (
    fuzz_text,
    lambda data: fuzz_file(data, "article.txt"),
    lambda data: fuzz_file(data, "articles.jsonl"),
    lambda data: fuzz_file(data, "unknown"),
    fuzz_labeled,
    fuzz_artifact,
)


def fuzz(data: bytes) -> None:
    """Hand the input to the target that its first byte chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
