"""Suggestions: doubtful, diverse, spread over articles, and ready for a labelling tool."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytaster.convert import read
from copytaster.errors import UsageError
from copytaster.suggest import FORMATS, Suggestion, doubt, hashed_words, render, select

LABELS = ("reporting", "opinion", "call-to-action")
SUGGESTIONS = [
    Suggestion("=The council met.\nTwice.", "a1", 3, (0.5, 0.3, 0.2)),
    Suggestion("Come to the hearing.", "", 0, (0.1, 0.15, 0.75)),
]


def proba(doubts):
    return np.array([[0.5 + (1 - d) / 2, 0.5 - (1 - d) / 2] for d in doubts])


def test_doubt_is_the_lead_of_the_first_label_over_the_second():
    p = [[1, 0, 0], [0.5, 0.5, 0], [0.6, 0.1, 0.3]]
    np.testing.assert_allclose(doubt(p), [0, 1, 0.7])


def test_doubt_alone_ranks_by_doubt():
    texts = [f"word{i} other{i} third{i} more{i}" for i in range(5)]
    chosen = select(texts, proba([0.1, 0.9, 0.5, 0.7, 0.3]), range(5), 3, weight=1)
    assert chosen.tolist() == [1, 3, 2]


def test_no_more_than_so_many_from_one_article():
    texts = [f"word{i} other{i} third{i} more{i}" for i in range(6)]
    chosen = select(texts, proba([0.9, 0.8, 0.7, 0.3, 0.2, 0.1]), "aaabbb", 4, per_article=2, weight=1)
    assert chosen.tolist() == [0, 1, 3, 4]


def test_near_duplicates_are_chosen_once():
    text = "the council voted on monday night to close six of the branch libraries in the county"
    chosen = select([text, text + " again", "something else entirely"], proba([0.5, 0.9, 0.1]), range(3), 3)
    assert sorted(chosen.tolist()) == [0, 2]


def test_diversity_prefers_what_is_unlike_the_chosen():
    features = [[1, 0], [1, 0.1], [0, 1]]
    texts = ["one", "two", "three"]
    p = proba([0.9, 0.8, 0.5])
    assert select(texts, p, range(3), 2, features=features).tolist() == [0, 2]
    assert select(texts, p, range(3), 2, features=features, weight=1).tolist() == [0, 1]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1), st.integers(0, 2)), max_size=20),
    st.integers(0, 8),
    st.integers(1, 3),
)
def test_what_holds_of_any_choice(rows, n, per_article):
    texts, doubts, articles = zip(*rows, strict=True) if rows else ((), (), ())
    chosen = select(texts, proba(doubts), articles, n, per_article).tolist()
    assert len(set(chosen)) == len(chosen) <= n
    assert len({texts[i] for i in chosen}) == len(chosen)
    assert all([articles[i] for i in chosen].count(a) <= per_article for a in set(articles))
    assert chosen == select(texts, proba(doubts), articles, n, per_article).tolist()


def test_hashed_words_are_unit_vectors_that_tell_wording():
    vectors = hashed_words(["The council met.", "the COUNCIL met", "a boat sank", "…"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0])
    np.testing.assert_allclose(vectors[0], vectors[1])
    assert abs(vectors[0] @ vectors[2]) < 0.5


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_read_back_by_convert(tmp_path, format):
    path = tmp_path / "x"
    path.write_bytes(render(SUGGESTIONS, LABELS, format).encode())
    examples, _ = read(path, format)
    assert [e.label for e in examples] == (["reporting", "call-to-action"] if format == "doccano" else [])


def test_prodigy_shows_the_label_as_chosen():
    task = json.loads(render(SUGGESTIONS, LABELS, "prodigy").splitlines()[1])
    assert task["accept"] == ["call-to-action"]
    assert [option["id"] for option in task["options"]] == list(LABELS)
    assert "answer" not in task


def test_label_studio_gets_a_prediction():
    task = json.loads(render(SUGGESTIONS, LABELS, "label-studio"))[0]
    assert task["data"] == {"text": SUGGESTIONS[0].text, "article": "a1", "index": 3}
    assert task["predictions"][0]["score"] == 0.5
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["reporting"]}


def test_csv_leaves_the_label_to_the_reader():
    lines = render(SUGGESTIONS, LABELS, "csv").removeprefix("\ufeff").split("\r\n")
    assert lines[0] == "text,label,suggested,confidence,article,index"
    assert lines[1] == '"\'=The council met.\nTwice.",,reporting,0.5,a1,3'


def test_unknown_format():
    with pytest.raises(UsageError, match="format 'fasttext' unknown"):
        render(SUGGESTIONS, LABELS, "fasttext")
