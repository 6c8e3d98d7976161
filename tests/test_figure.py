"""The picture: well-formed XML of its own, whatever the labels."""

from xml.etree import ElementTree

import numpy as np
import pytest

from copytaster.figure import to_svg
from copytaster.metrics import evaluate

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ["<script>alert(1)</script>", "a\"b'c&d", "\0\x1b[31m\ud800\ufffe", "", "عنوان", "x" * 300]


def draw(labels, n=200, draws=50):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(len(labels)), size=n)
    gold = rng.integers(len(labels), size=n)
    return ElementTree.fromstring(
        to_svg(evaluate(labels, gold, proba, rng.integers(20, size=n), draws=draws))
    )


@pytest.mark.parametrize("labels", [["yes", "no"], [f"category {i}" for i in range(20)], HOSTILE])
def test_it_is_one_self_contained_document(labels):
    root = draw(labels)
    assert root.tag == SVG + "svg"
    allowed = {"svg", "title", "rect", "text", "line", "polyline", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == allowed
    names = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in names if name.startswith("on") or "href" in name]


def test_it_shows_every_count_and_bin():
    report = evaluate(("a", "b"), [0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], list("xyz"), draws=20)
    root = ElementTree.fromstring(to_svg(report))
    texts = [element.text for element in root.iter(SVG + "text")]
    assert texts[0] == "Macro F1 0.667 on 3 paragraphs of 3 articles"
    assert {"1", "0", "50%", "100%", "0%"} <= set(texts)
    assert len(root.findall(SVG + "circle")) == len(report["calibration"]["reliability"])


def test_everything_lies_within_the_picture():
    for labels in (["a", "b"], [f"a label that is long, number {i}" for i in range(20)]):
        root = draw(labels)
        width, height = float(root.get("width")), float(root.get("height"))
        for element in root.iter():
            for name, end in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(element.get(name, 0)) <= end


def test_it_needs_no_intervals():
    assert draw(["a", "b"], draws=0) is not None
