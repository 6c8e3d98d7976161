"""Pages of ten shapes give the paragraphs a reader sees; hostile ones a text or one clear error."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copytaster.article import Article
from copytaster.errors import DataError
from copytaster.inputs import read_articles, read_html

PAGES = Path(__file__).parent / "html"
NAMES = sorted(path.stem for path in PAGES.glob("*.html"))
SENTENCE = "The council met on Monday and voted to close the pool. "
P = f"<p>{SENTENCE * 3}</p>"


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "copytaster.webpage", None)
    with pytest.raises(DataError, match=r"page\.html: .*pip install 'copytaster\[html\]'"):
        read_html(P.encode(), "page.html", None)


try:
    from copytaster import webpage
except ImportError:
    webpage = None  # type: ignore[assignment]

needs_html = pytest.mark.skipif(webpage is None, reason="the extra 'html' is not installed")


def extract(page: str | bytes, encoding: str | None = None) -> str:
    return webpage.extract(page.encode() if isinstance(page, str) else page, "page", encoding)


def wrap(inner: str) -> str:
    return f"<html><body><article>{P}{inner}{P}</article></body></html>"


def inner(page: str) -> list[str]:
    """Return the blocks between the two of `wrap`."""
    first, *blocks, last = extract(wrap(page)).split("\n\n")
    assert first == last == (SENTENCE * 3).strip()
    return blocks


@needs_html
def test_ten_shapes():
    assert len(NAMES) == 10


@needs_html
@pytest.mark.parametrize("name", NAMES)
def test_paragraphs_of_saved_pages(name):
    expected = (PAGES / f"{name}.txt").read_text("utf-8").strip().split("\n\n")
    assert extract((PAGES / f"{name}.html").read_bytes()).split("\n\n") == expected


@needs_html
@pytest.mark.parametrize("name", NAMES)
def test_articles_of_saved_pages(name):
    (article,) = read_articles([PAGES / f"{name}.html"])
    assert isinstance(article, Article)
    assert [article.text[p.start : p.end] for p in article.paragraphs] == [p.text for p in article.paragraphs]
    lines = (PAGES / f"{name}.txt").read_text("utf-8").strip().split("\n\n")
    kinds = {p.text: p.kind for p in article.paragraphs}
    for line in lines:
        if line.startswith("# "):
            assert kinds[line[2:]] == "heading"
        elif line.startswith("- "):
            assert kinds[line] == "list-item"


@needs_html
@pytest.mark.parametrize(
    ("page", "blocks"),
    [
        ("<p>See <a href='x'>the <b>full</b> report</a>, please.</p>", ["See the full report, please."]),
        ("<p>One line here.<br><br>Another line here.</p>", ["One line here.", "Another line here."]),
        ("<p>One line here<br>Another line here.</p>", ["One line here\nAnother line here."]),
        ("<h2>A<br>heading</h2><p>Text of some length.</p>", ["# A heading", "Text of some length."]),
        ("<ul><li><p>First item.</p><p>More of it.</p></li></ul>", ["- First item.", "More of it."]),
        ("<ol><li>Outer item.<ul><li>Inner item.</ul></ol>", ["- Outer item.", "- Inner item."]),
        ("<pre>some words on a line\nand on the next\n\nand more of these</pre>",
         ["some words on a line\nand on the next", "and more of these"]),
        ("<p>Zip&nbsp;and\n  zap&#8209;zop.</p>", ["Zip and zap\u2011zop."]),
        ("<p>Before it<!-- not this --> and after.</p>", ["Before it and after."]),
        ("<p>Before it<script>not()</script> and after.</p>", ["Before it and after."]),
        ("<p hidden>Not this one.</p><p style='display: none'>Nor this one.</p>", []),
        ("<p>Bold<span> and</span> <i>italic</i>, glu<b>ed</b>.</p>", ["Bold and italic, glued."]),
        ("<p>Over&#27;\x1b[2J there &#150; so to speak &#8212; and back.</p>",
         ["Over [2J there – so to speak — and back."]),
        ("<p>Ein <x-y>unknown element</x-y> is inline.</p>", ["Ein unknown element is inline."]),
        ("Text without <b>any</b> element.", ["Text without any element."]),
    ],
)  # fmt: skip
def test_borders(page, blocks):
    assert inner(page) == blocks


@needs_html
@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b'<meta charset="windows-1252">' + "<p>“Café”</p>".encode("cp1252"), None, "“Café”"),
        (b'<meta charset="iso-8859-1">' + "<p>“Café”</p>".encode("cp1252"), None, "“Café”"),
        (
            b'<?xml version="1.0" encoding="iso-8859-1"?><html><body><p>Caf\xe9</p></body></html>',
            None,
            "Café",
        ),
        ("<p>Café</p>".encode(), None, "Café"),
        ("<meta charset=latin1><p>Café</p>".encode(), None, "Café"),
        ("\ufeff<p>Café</p>".encode("utf-16-le"), None, "Café"),
        ('<meta charset="koi8-r"><p>Совет решил</p>'.encode("koi8-r"), None, "Совет решил"),
        (b"<meta charset=utf-8><p>Caf\xe9 au lait</p>", None, "Caf\ufffd au lait"),
        (b"<p>Caf\xe9</p>", "cp1252", "Café"),
        (b"<meta charset=cp1252><p>Caf\xe9</p>", "koi8-r", "Café"),
    ],
)
def test_encodings(data, encoding, text):
    assert extract(data, encoding) == text


@needs_html
@pytest.mark.parametrize(
    "codec", ["", "idna", "punycode", "unicode_escape", "utf-7", "rot13", "hex", "no-such"]
)
def test_unknown_encoding_is_an_error(codec):
    with pytest.raises(DataError, match=r"page: byte .* is not UTF-8.*--encoding"):
        extract(f'<meta charset="{codec}">'.encode() + b"<p>Caf\xe9</p>")


HOSTILE = {
    "nothing": b"",
    "spaces": b" \n\t",
    "NUL": b"\0" * 100,
    "angles": b"<" * 100_000,
    "ampersands": b"&" * 300_000,
    "deep, some": (P + "<div>" * 1500 + SENTENCE).encode(),
    "deep, inline": (P + "<font>" * 1900 + SENTENCE).encode(),
    "open comment": (P + "<!--" + "x" * 1_000_000).encode(),
    "open script": (P + "<script>" + "x<p>" * 200_000).encode(),
    "open tag": (P + "<p " + "x" * 500_000).encode(),
    "open quote": (P + '<p x="' + "x<p>" * 200_000).encode(),
    "long style": (P + "<p style='" + "display   " * 100_000 + "'>" + SENTENCE).encode(),
    "references": b"<p>" + b"&#x202e;&#0;&#xD800;&#x1F600;&#27;&#99999999;" * 1000,
    "bidi": f"<p>\u202e{SENTENCE}\u2066\u200f</p>".encode(),
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><p>&b;&b;</p>',
    "many elements": b"<p>a</p>" * 60_000,
    "many lines": b"x<br>" * 60_000,
    "many items": b"<ul>" + b"<li>go home now dear" * 30_000,
    "many cells": b"<table>" + b"<tr><td>a b<td>c d" * 10_000,
    "nested inline": b"<p>" + b"<b>x</b>" * 60_000,
    "one word": b"<p>" + b"a" * 1_000_000,
    "one bullet": b"<p class=MsoList>" + b"1" * 1_000_000,
    "frames": b"<frameset><frame src=x></frameset>",
    "hidden body": b"<body style='display:none'>" + P.encode(),
    "svg": b"<svg><title>x</title><foreignObject><p>y</p></svg>" + P.encode(),
    "many attributes": (P + "<p " + " ".join(f"a{i}=1" for i in range(5000)) + ">" + SENTENCE).encode(),
}


@needs_html
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_give_text(name):
    text = extract(HOSTILE[name])
    assert not {"\0", "\ud800"} & set(text)
    (text + "\n").encode()


@needs_html
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<div>" * 100_000 + b"x", "nested more than 2,000 deep"),
        (b"<div>" * 100_000 + b"x" + b"</div>" * 100_000, "nested more than 2,000 deep"),
        (b"<table><tr><td>" * 100_000 + b"x", "nested more than 2,000 deep"),
        (b"<p>x" * 12_500_000, "more than 20,000,000 bytes"),
        (b"<p " + b"a=1 " * 200_000 + b">", "more than 20,000 attributes"),
        (b"<p x='>' " + b"a " * 200_000 + b">", "more than 20,000 attributes"),
        (bytes(range(256)) * 100, "not UTF-8"),
    ],
    ids=["deep", "deep and closed", "deep tables", "50 MB", "attributes", "bare attributes", "binary"],
)
def test_hostile_pages_give_one_error(data, message):
    with pytest.raises(DataError, match=f"^page: .*{message}"):
        extract(data)


@needs_html
def test_no_file_is_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    doctype = f'<!DOCTYPE x [<!ENTITY a SYSTEM "{secret.as_uri()}">]>'
    assert "secret" not in extract(f"{doctype}<html><body><p>&a; hello my friend</p></body></html>")


@needs_html
@given(
    st.lists(
        st.sampled_from(
            [
                "<div>",
                "</div>",
                "<p>",
                "<li>",
                "<ul>",
                "</ul>",
                "<h2>",
                "</h2>",
                "<br>",
                "<tr>",
                "<td>",
                "<table>",
                "</table>",
                "<pre>",
                "<!--",
                "-->",
                "<b>",
                "</p>",
                "<nav>",
                "</nav>",
                "<body>",
                "<form>",
                "&lt;",
                "<script>",
                "</script>",
                "one two three four five. ",
                "six ",
                "\n",
                "\u202e",
                "<svg>",
                "<a href=x>",
                "<p hidden>",
            ]
        )
    )
)
@settings(max_examples=150, deadline=None)  # fmt: skip
def test_any_order_of_tags(parts):
    text = extract("".join(parts))
    assert "\n\n\n" not in text and text == text.strip()


@needs_html
@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data):
    try:
        assert isinstance(extract(data), str)
    except DataError as fault:
        assert str(fault).startswith("page: ")


@needs_html
def test_nothing_is_logged(caplog, capfd):
    with caplog.at_level(logging.CRITICAL):
        extract(b"<html></html>")
        extract(b"no html at all")
    assert capfd.readouterr() == ("", "")


@needs_html
def test_falls_back_on_structure(monkeypatch):
    def fail(*args, **kwargs):
        raise TypeError

    monkeypatch.setattr(webpage, "bare_extraction", fail)
    text = extract(f"<nav><p>Home and news</p></nav>{P}<footer><p>Imprint and so on</p></footer>")
    assert text == (SENTENCE * 3).strip()
