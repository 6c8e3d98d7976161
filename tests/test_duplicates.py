"""Duplicates: nothing is joined that is not alike, and what is alike is found."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytaster.duplicates import exact_groups, fold, near_groups

SENTENCE = "the council voted on monday night to close six of the branch libraries in the north of the county"


def shingles(text):
    words = fold(text).split()
    return {tuple(words[i : i + 3]) for i in range(max(len(words) - 2, 1))}


def similarity(a, b):
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The  Mayor\u2019s office.", "the mayor's OFFICE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufb01sh\u00a0pie", "Fish\npie!"),
    ],
)
def test_fold_keeps_the_wording_only(one, other):
    assert fold(one) == fold(other)


def test_fold_takes_linear_time():
    started = time.perf_counter()
    assert fold("a" + "\u0301\u0316" * 500_000) == "a"
    assert time.perf_counter() - started < 2


def test_exact_groups_point_at_the_first():
    assert exact_groups(["A b", "c", "a, B.", "…", "…"]).tolist() == [0, 1, 0, 3, 4]


def test_near_groups_join_an_edited_copy():
    edited = SENTENCE.replace("monday", "tuesday")
    other = "a quite different sentence about a boat that sank in the harbour after dark"
    assert near_groups([SENTENCE, other, edited, ""]).tolist() == [0, 1, 0, 3]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=8).map(" ".join), max_size=12))
def test_near_groups_are_joined_by_near_pairs_alone(texts):
    linked = np.eye(len(texts), dtype=bool)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            linked[i, j] |= bool(fold(one) and fold(other)) and similarity(one, other) >= 0.6
    for _ in texts:
        linked = linked @ linked
    groups = near_groups(texts)
    assert all(linked[i, leader] for i, leader in enumerate(groups))
    assert (groups <= exact_groups(texts)).all()


def test_near_groups_find_what_a_pairwise_search_finds():
    rng = np.random.default_rng(7)
    words = np.array([f"w{i}" for i in range(400)])
    originals = [rng.choice(words, rng.integers(12, 60)) for _ in range(300)]
    edited = [np.where(rng.random(len(w)) < 0.06, rng.choice(words, len(w)), w) for w in originals]
    texts = [" ".join(w) for w in originals + edited]
    groups = near_groups(texts)
    alike = [i for i in range(300) if similarity(texts[i], texts[300 + i]) >= 0.6]
    assert len(alike) > 100
    assert sum(groups[i] == groups[300 + i] for i in alike) >= len(alike) - 1
    assert sum(groups[i] == groups[300 + i] for i in range(300)) <= len(alike)


def test_a_template_repeated_is_no_trouble():
    texts = [f"{SENTENCE} after a debate of {i} minutes" for i in range(10_000)]
    started = time.perf_counter()
    assert len(set(near_groups(texts).tolist())) == 1
    assert time.perf_counter() - started < 10
