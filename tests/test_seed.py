"""The page the product was made for, as it is: a news item, a glued button, two essays, a list of actions."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from copytaster.annotate import load

PAGES = sorted((Path(__file__).resolve().parents[2] / "shared" / "seed").glob("*.txt"))

pytestmark = pytest.mark.skipif(not PAGES, reason="the page may not be redistributed and is not at hand")

NEWS, ESSAYS, ACTIONS = ["reporting"] * 10, ["opinion"] * 11, ["call-to-action"] * 9
GOLD = [*NEWS, "call-to-action", *ESSAYS, *ACTIONS, "opinion"]


def test_page() -> None:
    text = PAGES[0].read_bytes().decode("utf-8")
    blocks = load().annotate(text)
    assert all(text[b.start : b.end] == b.text for b in blocks)
    gaps = [
        text[a:b]
        for a, b in zip([0, *(b.end for b in blocks)], [*(b.start for b in blocks), len(text)], strict=True)
    ]
    assert not "".join(gaps).strip(" \n#")
    silent = [b.text for b in blocks if b.label is None]
    starts = (
        "President Donald Trump And",
        "rare.us --",
        "Categories:",
        "Videos by",
        "Donald Trump And Putin Meet",
    )
    for at, start in enumerate(
        (*starts, "Share via", "Facebook Twitter", "Actions We Can Take", "Conclusion")
    ):
        assert silent[at].startswith(start)
    assert len(silent) == 9
    labels = [b.label for b in blocks if b.label]
    assert len(labels) == len(GOLD)
    assert sum(found != gold for found, gold in zip(labels, GOLD, strict=True)) <= 2
    assert labels[10] == "call-to-action"
    assert [b.text for b in blocks if b.label][10] == "Sign Our Petition"
    assert [label for label, _ in groupby(labels[-9:-1])] == ["call-to-action"]
