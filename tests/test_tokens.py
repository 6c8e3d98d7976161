"""Tokens: what a token is, and the vectorised cutting and hashing against the slow reference."""

from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from texts import batches, paragraphs

import copytaster
from copytaster.tokens import DIGIT, MARK, WORD, fold, tokenise


def spelled(text):
    tokens = tokenise([text])
    return [bytes(tokens.raw[s:e]).decode() for s, e in zip(tokens.start, tokens.end, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n\r\0\x7f", []),
        ("Don't go.", ["Don't", "go", "."]),
        ("Don\u2019t", ["Don't"]),
        ("'tis the students' own", ["'", "tis", "the", "students", "'", "own"]),
        ("a''b", ["a", "'", "'", "b"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("7-2", ["7", "-", "2"]),
        ("B2B", ["B", "2", "B"]),
        ("$1,200", ["$", "1", ",", "200"]),
        ("\u201cYes\u201d\u2026", ['"', "Yes", '"', "."]),
        ("naïve café", ["naïve", "café"]),
        ("a\u00a0b\u200bc\ufeffd", ["a", "b", "c", "d"]),
        ("!!!", ["!", "!", "!"]),
        ("\u2022 item", ["*", "item"]),
    ],
)
def test_what_a_token_is(text, expected):
    assert spelled(text) == expected


def test_case_does_not_matter_to_a_hash_nor_value_to_a_number():
    tokens = tokenise(["Sign SIGN sign 1994 2024 94"])
    sign, shout, small, *years, short = tokens.hash.tolist()
    assert sign == shout == small
    assert years[0] == years[1] != short


@settings(max_examples=400)
@given(batches)
def test_tokens_are_those_of_the_reference(texts):
    tokens = tokenise(texts)
    assert tokens.pointer[0] == 0 and tokens.pointer[-1] == len(tokens.hash)
    assert len(tokens.pointer) == len(tokens.border) == len(texts) + 1
    for i, text in enumerate(texts):
        mine = slice(tokens.pointer[i], tokens.pointer[i + 1])
        expected = reference.tokenise(text)
        assert bytes(tokens.raw[tokens.border[i] : tokens.border[i + 1] - 1]) == reference.fold(text)
        assert (tokens.start[mine] - tokens.border[i]).tolist() == [t.start for t in expected]
        assert [
            bytes(tokens.raw[s:e]) for s, e in zip(tokens.start[mine], tokens.end[mine], strict=True)
        ] == [t.data for t in expected]
        assert tokens.kind[mine].tolist() == [t.kind for t in expected]
        assert tokens.hash[mine].tolist() == [t.hash for t in expected]


@given(paragraphs)
def test_a_mark_is_alone_and_neighbours_of_one_kind_are_apart(text):
    tokens = tokenise([text])
    assert (tokens.end > tokens.start).all()
    assert (tokens.start[1:] >= tokens.end[:-1]).all()
    assert set(tokens.kind.tolist()) <= {WORD, DIGIT, MARK}
    assert (tokens.end - tokens.start)[tokens.kind == MARK].tolist() == [1] * int((tokens.kind == MARK).sum())
    touching = (tokens.start[1:] == tokens.end[:-1]) & (tokens.kind[1:] != MARK)
    assert (tokens.kind[1:][touching] != tokens.kind[:-1][touching]).all()


@given(batches)
def test_folding_keeps_texts_apart(texts):
    assert fold(texts).split(b"\0") == [reference.fold(text) for text in texts]


def test_different_words_of_english_have_different_hashes():
    cues = Path(copytaster.__file__).with_name("cues").glob("*.txt")
    words = {w.lower() for path in cues for w in path.read_text().split() if w.isascii() and w.isalpha()}
    assert len(words) > 2000
    assert len(np.unique(tokenise([" ".join(sorted(words))]).hash)) == len(words)
