"""Agreement: published and hand-worked figures, and what holds for any labels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from copytaster.agreement import agreement, cohen_kappa, krippendorff_alpha, ratings_table
from copytaster.labeled import Example


def table(*annotators):
    return np.array([[-1 if c == "." else int(c) for c in row] for row in annotators]).T


@pytest.mark.parametrize(
    ("annotators", "alpha"),
    [
        (("0100000010", "1110010000"), 0.095),
        (("001132224330", "101112224333"), 0.692),
    ],
)
def test_alpha_of_two_annotators_as_published(annotators, alpha):
    assert krippendorff_alpha(table(*annotators)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_with_missing_labels_as_published():
    ratings = table("012210301...", "0122113014.2", ".2221231140.", "01221330140.")
    assert krippendorff_alpha(ratings) == pytest.approx(0.743, abs=5e-4)


def test_kappa_worked_by_hand():
    one = [0] * 25 + [1] * 25
    other = [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15
    assert cohen_kappa(one, other) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_kappa_is_scikit_learns(pairs):
    one, other = map(list, zip(*pairs, strict=True))
    if len({*one, *other}) == 1:
        assert math.isnan(cohen_kappa(one, other))
    else:
        assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other))


@given(st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), min_size=1, max_size=20))
def test_alpha_is_at_most_one_and_ignores_who_is_who(ratings):
    alpha = krippendorff_alpha(ratings)
    assert alpha == pytest.approx(krippendorff_alpha([row[::-1] for row in ratings]), nan_ok=True)
    assert not alpha > 1
    perfect = [[max(row)] * 3 for row in ratings]
    assert len({max(row) for row in ratings} - {-1}) < 2 or krippendorff_alpha(perfect) == pytest.approx(1)


@pytest.mark.parametrize("ratings", [[[0, 0]], [[0, -1], [-1, 1]], [[-1, -1]]])
def test_alpha_is_undefined_without_two_labels_to_compare(ratings):
    assert math.isnan(krippendorff_alpha(ratings))


def test_agreement_of_examples():
    labels = {"kim": "xxyy", "lee": "xxyx", "sam": "y"}
    examples = [
        Example(f"text {i}", label, article="a", annotator=name)
        for name, row in labels.items()
        for i, label in enumerate(row)
    ]
    names, ratings = ratings_table(examples)
    assert names == ("kim", "lee", "sam")
    assert ratings.tolist() == [[0, 0, 1], [0, 0, -1], [1, 1, -1], [1, 0, -1]]
    measured = agreement(examples)
    assert (measured.n, [pair.n for pair in measured.pairs]) == (4, [4, 1, 1])
    assert measured.pairs[0].observed == 0.75
    assert measured.pairs[0].kappa == pytest.approx(0.5)


def test_no_agreement_without_a_second_annotator():
    assert agreement([Example("A", "x"), Example("B", "y")]) is None
    assert agreement([]) is None
