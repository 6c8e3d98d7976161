"""Labelled files: every fault is named with its line, and no split ever parts an article."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copytaster.errors import DataError
from copytaster.labeled import (
    Example,
    article_groups,
    digest,
    folds,
    label_order,
    read_labeled,
    scan,
    select,
    split_of,
)

ARTICLE = {
    "id": "a1",
    "title": "Dam",
    "source": "written",
    "kind": "wire",
    "topic": "water",
    "variety": "US",
    "split": "train",
    "paragraphs": [
        {"text": "The dam broke.", "label": "reporting"},
        {"text": "Photo: A. Person", "label": None},
        {"text": "Call the mayor.", "label": "call-to-action"},
    ],
}


@pytest.fixture
def write(tmp_path):
    def write_lines(*records, name="x.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records).encode()
        path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
        return path

    return write_lines


def test_article_form(write):
    path = write(ARTICLE)
    first, last = read_labeled([path])
    about = {
        "article": "a1",
        "title": "Dam",
        "source": "written",
        "kind": "wire",
        "topic": "water",
        "variety": "US",
    }
    place = {"split": "train", "file": str(path), "line": 1}
    assert first == Example("The dam broke.", "reporting", **about, **place)
    assert (last.label, last.index) == ("call-to-action", 2)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_paragraph_form(write, name):
    path = write({"text": "A", "label": "x"}, "", {"text": "B", "label": "y", "article": "q"}, name=name)
    examples = read_labeled([str(path)])
    assert [(e.text, e.article, e.line) for e in examples] == [("A", "", 1), ("B", "q", 3)]


def test_index_is_given_or_counted(write):
    rows = [
        {"text": t, "label": "x", "article": "q", **more}
        for t, more in (("A", {}), ("B", {"index": 4}), ("C", {}))
    ]
    assert [e.index for e in read_labeled([write(*rows)])] == [0, 4, 5]


def test_folder_reads_itself_and_its_subfolders_once(write, tmp_path):
    write({"text": "A", "label": "x"}, name="b.jsonl")
    inner = write({"text": "B", "label": "x"}, name="sub/a.jsonl")
    write("not labelled data", name="README.md")
    assert [e.text for e in read_labeled([tmp_path, inner])] == ["A", "B"]
    assert [e.text for e in read_labeled(str(inner))] == ["B"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"text": "A", ', "not JSON at column"),
        ("[" * 200_000, "not JSON that can be read"),
        ('{"text": "A", "label": "x", "label": "y"}', "the key 'label' occurs twice"),
        ('{"text": "A", "label": "x", "n": ' + "9" * 5000 + "}", "value has 5000 digits"),
        ("[1]", "a JSON object is expected, found a list"),
        ({"text": "A", "lable": "x"}, "'label' is missing. Did you mean 'lable'?"),
        ({"text": 3, "label": "x"}, "'text' must be a string, found a number"),
        ({"text": " \n", "label": "x"}, "'text' is empty"),
        ({"text": "A" * 20_001, "label": "x"}, "'text' has 20001 characters"),
        ({"text": "A", "label": "opinon"}, "label 'opinon' unknown. Did you mean 'opinion'?"),
        ({"text": "A", "label": "opinion "}, "stray white space"),
        ({"text": "A", "label": "x", "split": "dev"}, "split 'dev' unknown"),
        ({"text": "A", "label": "x", "index": -1}, "'index' must be a whole number"),
        ('{"text": "\\ud800", "label": "x"}', "half a surrogate pair"),
        ({"id": "a", "paragraphs": {}}, "'paragraphs' must be a list"),
        ({"id": "a", "paragraphs": []}, "'paragraphs' is empty"),
        ({"id": "a", "paragraphs": ["A"]}, "paragraph 1: a JSON object is expected"),
        ({"paragraphs": [{"text": "A", "label": "x"}]}, "'id' is missing"),
    ],
)
def test_fault_names_its_line(write, record, message):
    path = write({"text": "Fine.", "label": "x"}, record)
    examples, faults = scan([path], labels=("x", "opinion"))
    assert examples[0].text == "Fine."
    assert f"{path}:2: " in str(faults[0])
    assert message in str(faults[0])


def test_bytes_that_are_not_utf8(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "A", "label": "x"}\n{"text": "caf\xe9", "label": "x"}\n')
    examples, faults = scan([path])
    assert (len(examples), faults[0].line, faults[0].code) == (1, 2, "encoding")


def test_all_faults_are_reported_at_once(write):
    path = write(*[{"text": "", "label": "x"}] * 13)
    with pytest.raises(DataError) as caught:
        read_labeled([path])
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"{path}:1: ")
    assert lines[-1] == "and 3 more"


def test_unreadable_files_are_faults(tmp_path, write):
    damaged = write({"text": "A", "label": "x"}, name="x.jsonl.gz")
    damaged.write_bytes(damaged.read_bytes()[:-12])
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    paths = ["none.jsonl", "x.jsonl.gz", "empty", "loop", "n" * 300, "x.jsonl.gz/x"]
    _, faults = scan([tmp_path / path for path in paths])
    assert [fault.code for fault in faults] == ["file"] * 6
    assert str(faults[0]).startswith(f"{tmp_path}/none.jsonl: cannot be read: No such file or directory")


def test_repeated_article_id_is_a_fault_unless_annotators_differ(write):
    _, faults = scan([write(ARTICLE, ARTICLE)])
    assert [fault.code for fault in faults] == ["duplicate-id"]
    assert scan([write(ARTICLE, {**ARTICLE, "annotator": "kim"})])[1] == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_line_breaks_the_reader(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("any") / "x.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    scan([path])


def test_label_order():
    assert label_order([Example("A", x) for x in ("b", "opinion", "a", "reporting", "b")]) == (
        "reporting",
        "opinion",
        "b",
        "a",
    )


def test_digest_ignores_where_articles_are_filed():
    one, two, three = (Example(t, "x", article=a) for t, a in (("A", "1"), ("B", "1"), ("C", "2")))
    assert digest([one, two, three]) == digest([three, one, two])
    assert digest([one, two, three]) != digest([two, one, three])
    assert digest([one]) == digest([Example("A", "x", article="1", file="elsewhere", line=9)])
    assert digest([one]) != digest([Example("A", "y", article="1")])


def test_split_is_fixed_by_the_id_and_takes_one_in_five():
    assert [split_of(i) for i in ("a", "b", "c", "d")] == ["test", "train", "test", "train"]
    share = np.mean([split_of(f"article {i}") == "test" for i in range(5_000)])
    assert 0.18 < share < 0.22


def test_select_counts_the_unsplit_as_train():
    examples = [Example("A", "x"), Example("B", "x", split="train"), Example("C", "x", split="test")]
    assert [e.text for e in select(examples, "train")] == ["A", "B"]
    assert [e.text for e in select(examples, "test")] == ["C"]


def _articles(n, rng):
    words = [f"word{i}" for i in range(500)]
    return [
        Example(" ".join(rng.choice(words, 12)), str(rng.choice(["x", "y", "z"], p=[0.6, 0.3, 0.1])), f"a{i}")
        for i in range(n)
        for _ in range(rng.integers(1, 12))
    ]


def test_folds_never_part_an_article_or_near_duplicates():
    examples = _articles(60, np.random.default_rng(1))
    copy = Example(examples[0].text + " more", "x", article="copied elsewhere")
    lone = Example("Sign the petition", "x", article="p1"), Example("Sign the petition", "x", article="p2")
    examples += [copy, *lone]
    fold = folds(examples, 5, seed=3)
    groups = article_groups(examples)
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    assert fold[0] == fold[-3]
    assert set(fold) == set(range(5))
    np.testing.assert_array_equal(fold, folds(examples, 5, seed=3))


def test_folds_share_the_labels_out():
    examples = _articles(150, np.random.default_rng(2))
    fold = folds(examples, 5, seed=0)
    labels = np.array([e.label for e in examples])
    for label in "xyz":
        counts = np.bincount(fold[labels == label], minlength=5)
        assert counts.min() >= 0.75 * counts.mean()


def test_too_few_articles_for_the_folds():
    with pytest.raises(DataError, match="5 folds need at least 5 unrelated articles, and there are 1"):
        folds([Example("One.", "x", article="a")] * 9, 5, seed=0)
