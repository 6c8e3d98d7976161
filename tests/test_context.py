"""What neighbours say, against a reading of each paragraph by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytaster.annotate import load
from copytaster.article import Article, from_paragraphs
from copytaster.context import CLIP, WINDOW, Context, leads_in, revise, surroundings

contrasts = st.tuples(st.floats(-9, 9), st.floats(-9, 9))
sections = st.lists(st.lists(st.tuples(contrasts, st.sampled_from(["One.", "So:"])), max_size=9), max_size=5)
WEIGHTS = Context(neighbours=0.2, lead_in=0.3, following=0.1)


def laid_out(given):
    rows = [row for section in given for row in section]
    owner = np.repeat(np.arange(len(given)), [len(section) for section in given])
    return np.array([row for row, _ in rows]).reshape(-1, 2), owner, [text for _, text in rows]


@given(sections)
def test_each_paragraph_by_itself(given):
    rows, owner, texts = laid_out(given)
    found = surroundings(rows, owner, leads_in(texts))
    clipped = np.clip(rows, -CLIP, CLIP)
    for i in range(len(rows)):
        near = [j for j in range(len(rows)) if 0 < abs(i - j) <= WINDOW and owner[j] == owner[i]]
        after = [j for j in near if j > i]
        for part, members in ((found.neighbours, near), (found.following, after)):
            mean = clipped[members].mean(axis=0) if members else np.zeros(2)
            assert part[i] == pytest.approx(mean, abs=1e-12)
        led = after and texts[i].endswith(":")
        assert found.lead_in[i].tolist() == (clipped[i + 1].tolist() if led else [0, 0])


@given(sections)
def test_sections_do_not_hear_each_other(given):
    rows, owner, texts = laid_out(given)
    together = revise(rows, owner, texts, WEIGHTS)
    alone = [revise(*laid_out([section]), WEIGHTS) for section in given]
    assert together.tolist() == np.concatenate([*alone, np.empty((0, 2))]).tolist()


def test_a_paragraph_without_neighbours_stays_as_it_is():
    rows = np.array([[3.0, -1.0]])
    assert revise(rows, np.zeros(1, np.int64), ["So:"], WEIGHTS).tolist() == rows.tolist()


NEWS = [
    "The council voted 7-2 on Monday to close the pool, the clerk said.",
    "About 90 people came, police said.",
]
PLEA = ["We will see what comes of it.", "Sign the petition today!", "Write to your councillor by Friday."]


@pytest.mark.parametrize("between", ["## What you can do", "Share this story:", "Facebook Twitter WhatsApp"])
def test_headings_and_furniture_end_a_section(between):
    def read(*parts):
        articles = [Article("", *from_paragraphs(part)) for part in parts]
        return [a.probabilities for found in load().annotate_all(articles) for a in found if a.probabilities]

    assert read([*NEWS, between, *PLEA]) == read(NEWS, PLEA)
    assert read([*NEWS, *PLEA]) != read(NEWS, PLEA)
