from __future__ import annotations

import subprocess
import sys

import pytest
import stubs
from hypothesis import given, settings
from hypothesis import strategies as st

import copytaster
from copytaster.annotate import Annotation, Annotator, annotate_batch, load, row
from copytaster.article import CLASSIFIED, Article, segment
from copytaster.errors import DataError, UsageError

PAGE = """# Ferry row

The ferry was cut on Monday, the council said, after a vote of seven to two in the town hall.

The council must restore it before the winter, and it must do so without charging islanders a penny more.

Please sign the petition and send it to the clerk of the council before Friday at five in the afternoon.

This paragraph is perhaps one thing and perhaps another thing, and nobody can tell which of them it is.

Ja xyzzy en dit is een alinea in een taal die het model nooit heeft gezien en niet kan lezen of wegen.
"""


@pytest.fixture(autouse=True)
def _stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "copytaster.artifact", stubs.module())


def test_each_paragraph_gets_a_verdict() -> None:
    annotations = Annotator(stubs.StubModel(), min_confidence=0.5).annotate(PAGE, "ferry")
    assert [(a.kind, a.label, a.status) for a in annotations] == [
        ("heading", None, "not_classified"),
        ("body", "reporting", "labelled"),
        ("body", "opinion", "labelled"),
        ("body", "call-to-action", "labelled"),
        ("body", None, "unsure"),
        ("body", None, "out_of_domain"),
    ]
    for i, a in enumerate(annotations):
        assert (a.article, a.paragraph, PAGE[a.start : a.end]) == ("ferry", i, a.text)
        if a.kind in CLASSIFIED:
            assert a.confidence == max(a.probabilities.values())
            assert sum(a.probabilities.values()) == pytest.approx(1)
            assert tuple(a.probabilities) == stubs.LABELS
        else:
            assert a.confidence is a.probabilities is None


def test_the_batch_does_not_matter() -> None:
    annotator = Annotator(stubs.StubModel())
    articles = [Article(str(i), PAGE * (i % 3), segment(PAGE * (i % 3))) for i in range(7)]
    one_by_one = [annotator.annotate(article.text, article.id) for article in articles]
    for batch in (1, 2, 100):
        found = list(annotator.annotate_articles(iter(articles), batch))
        assert [article for article, _ in found] == articles
        assert [annotations for _, annotations in found] == one_by_one


def test_more_paragraphs_than_a_batch() -> None:
    text = "\n\n".join(f"The clerk said on day {i} that the ferry would sail." for i in range(700))
    assert len(Annotator(stubs.StubModel()).annotate(text)) == 700


def test_explaining_adds_the_evidence_and_nothing_else() -> None:
    plain = Annotator(stubs.StubModel()).annotate(PAGE)
    explained = Annotator(stubs.StubModel(), explain=True).annotate(PAGE)
    assert [a._replace(evidence=None) for a in explained] == plain
    assert [bool(a.evidence) for a in explained] == [a.kind in CLASSIFIED for a in explained]


def test_rows_bear_the_names_of_the_jsonl() -> None:
    annotation = load().annotate(PAGE, "x")[1]
    keys = "id paragraph start end kind label confidence probabilities status reader text"
    assert list(row(annotation)) == keys.split()
    assert row(annotation._replace(evidence=stubs.StubExplanation("The")))["evidence"] == {"word": "The"}


def test_annotate_batch_takes_texts_and_paragraphs() -> None:
    found = annotate_batch([{"id": 7, "text": PAGE}, {"paragraphs": ["One must act.", "Sign here, please."]}])
    assert [r["id"] for r in found] == ["7"] * 6 + ["1"] * 2
    assert found[6]["text"] == "One must act."
    assert annotate_batch([]) == []


@pytest.mark.parametrize("article", [{}, {"text": 3}, {"id": "a", "paragraphs": ["x", None]}])
def test_annotate_batch_names_the_bad_article(article: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"article '[a0]'"):
        annotate_batch([article])


def test_unknown_readers() -> None:
    with pytest.raises(UsageError, match="'slow' unknown"):
        load(reader="slow")


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_any_text(text: str) -> None:
    for a in Annotator(stubs.StubModel()).annotate(text):
        assert isinstance(a, Annotation)
        assert text[a.start : a.end] == a.text


def test_the_package_is_light_and_lazy() -> None:
    code = (
        "import copytaster, sys; print(sorted({'numpy', 'click', 'copytaster.annotate'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert copytaster.load is load
    assert set(dir(copytaster)) >= {"load", "annotate_batch", "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = copytaster.nonsense
