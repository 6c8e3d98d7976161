from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from copytaster.annotate import Annotation, Annotator
from copytaster.article import Article, segment
from copytaster.page import COLOURS, Writer, shown
from copytaster.terminal import UNSAFE

STUB = [sys.executable, str(Path(__file__).with_name("stubs.py"))]
HOSTILE = (
    "</style></p><script>alert(1)</script>\x1b[31m \u202e \x00 \u200b <img src=x onerror='alert(2)'> &amp; "
    '"> --> ]]> \udc80 {color:red} javascript:alert(3)'
)
PAGE = f"""# Ferry row

The ferry was cut on Monday, the clerk said.

The council must act now, before the winter comes.

- Sign the petition: {HOSTILE}

The mayor must perhaps think again about the ferry.

Share via: xyzzy is a word that nobody here has met.
"""
VOID = {"meta", "input"}
DRAWN = {"svg", "rect"}
anything = st.text(st.characters(), max_size=80)


class Parsed(HTMLParser):
    """A page taken apart; tags that do not match fail."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self.blocks: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert not self.open
        self.ids = [a["id"] for _, a in self.tags if "id" in a]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attributes}
        assert len(named) == len(attributes)
        self.tags.append((tag, named))
        if tag not in VOID:
            self.open.append((tag, named))
        if tag in ("p", "h2", "h3"):
            self.blocks.setdefault(named.get("class", tag).split()[0], []).append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag == "rect"
        self.tags.append((tag, {key: value or "" for key, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(tag for tag, _ in self.open), data))
        for tag, named in reversed(self.open):
            if tag in ("p", "h2", "h3"):
                self.blocks[named.get("class", tag).split()[0]][-1] += data
                break

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, within: str) -> str:
        return "".join(data for tags, data in self.texts if within in tags)


def write(*articles: tuple[Article, list[Annotation]], labels: tuple[str, ...] = stubs.LABELS) -> str:
    writer = Writer(labels)
    return writer.start() + "".join(writer.article(*each) for each in articles) + writer.end()


def annotated(text: str = PAGE, id: str = "x", **options: Any) -> tuple[Article, list[Annotation]]:
    article = Article(id, text, segment(text), options.pop("extra", {}))
    return article, Annotator(stubs.StubModel(), **options).annotate_all([article])[0]  # type: ignore[arg-type]


def check(html: str) -> Parsed:
    """Check what holds of every page."""
    page = Parsed(html)
    assert html.startswith("<!DOCTYPE html>\n") and html.endswith("</html>\n")
    assert not re.sub(r"[\t\n\r]", "", "".join(UNSAFE.findall(html)))
    assert len(set(page.ids)) == len(page.ids)
    targets = [a["href"] for _, a in page.tags if "href" in a]
    assert {target[0] for target in targets} <= {"#"}
    assert {target[1:] for target in targets} <= set(page.ids)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base"}
    keys = {key for _, attributes in page.tags for key in attributes}
    assert "style" not in keys and "src" not in keys and not any(key.startswith("on") for key in keys)
    (style,) = [data for tags, data in page.texts if tags[-1:] == ("style",)]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in style and "@import" not in style
    return page


def visible(text: str) -> str:
    return Parsed(f"<p>{shown(text)}</p>").text("p")


def test_page_says_all() -> None:
    article, annotations = annotated(min_confidence=0.5)
    page = check(write((article, annotations)))
    assert page.blocks["h2"] == ["Ferry row"]
    assert page.blocks["name"] == ["x"]
    statuses = [a.status for a in annotations]
    assert statuses == ["not_classified", "labelled", "labelled", "labelled", "unsure", "out_of_domain"]
    assert page.blocks["text"] == [visible(a.text) for a in annotations[1:]]
    words = [" ".join(tag.split()) for tag in page.blocks["tag"]]
    assert [re.sub(r" \S+%$", "", each) for each in words] == [
        "2 reporting",
        "3 opinion",
        "4 call-to-action",
        "5 unsure",
        "6 out of domain",
    ]
    confidences = [f"{a.confidence:.0%}" for a in annotations[1:]]
    assert [each.split()[-1] for each in words] == confidences
    assert page.blocks["sum"] == ["1 reporting, 1 opinion, 1 call-to-action, 1 unsure, 1 out of domain"]
    assert page.text("tbody").count("paragraphs 2") == 1
    assert not any(a.get("class") == "index" for a in page.all("table"))


def test_title_is_the_first_heading_before_any_paragraph() -> None:
    body = "The ferry was cut on Monday, the council said."
    for text, title, left in (
        (f"Home | News | Shop\n\n# Ferry row\n\n## In short\n\n{body}", "Ferry row", ["In short"]),
        (f"{body}\n\n# Ferry row\n\n{body}", "x", ["Ferry row"]),
    ):
        page = check(write(annotated(text)))
        assert (page.blocks["h2"], page.blocks["h3"]) == ([title], left)


def test_hostile_text_is_shown() -> None:
    page = check(write(annotated(id=HOSTILE, extra={"title": HOSTILE})))
    assert page.blocks["h2"] == page.blocks["name"] == [visible(HOSTILE)]
    for seen in ("<script>alert(1)</script>", r"\x1b[31m", r"\u202e", r"\x00", r"\u200b", r"\x80", "&amp;"):
        assert seen in page.text("article")


@settings(max_examples=60, deadline=None)
@given(anything, anything, anything)
def test_anything_is_shown(text: str, id: str, label: str) -> None:
    article, annotations = annotated(f"{text}\n\nThe council must act, {text}\n\n# {text}", id)
    labels = ("unsure", label + "!", "opinion")
    renamed = [a._replace(label=labels[stubs.LABELS.index(a.label)]) if a.label else a for a in annotations]
    page = check(write((article, renamed), labels=labels))
    assert page.blocks.get("text", []) == [
        visible(a.text).replace("\r\n", "\n").replace("\r", "\n")
        for a in annotations
        if a.status != "not_classified"
    ]


def test_only_the_index_needs_the_whole() -> None:
    writer = Writer(stubs.LABELS)
    parts = [writer.start(), *(writer.article(*annotated(id=f"no. {i}")) for i in range(3)), writer.end()]
    page = check("".join(parts))
    assert [part.count("</article>") for part in parts] == [0, 1, 1, 1, 0]
    assert "3 articles" in page.text("caption")
    assert [a["href"] for a in page.all("a")][-3:] == ["#a1", "#a2", "#a3"]
    assert page.text("tfoot").strip() == "all363-3"
    assert not writer.independent


def test_nothing_and_furniture_alone() -> None:
    check(write())
    page = check(write(annotated("Share via:")))
    assert page.blocks["furniture"] == ["Share via:"]
    assert page.blocks["sum"] == ["no paragraph to label"]
    article, _ = annotated()
    check(write((article, [])))


def test_more_labels_than_colours() -> None:
    labels = tuple(f"label {i}" for i in range(COLOURS + 2))
    article, annotations = annotated()
    page = check(write((article, annotations[:1]), labels=labels))
    assert len(page.all("input")) == len(labels) + 3
    for i in range(len(labels) + 3):
        assert f"body:has(#show{i}:not(:checked)) .l{i} {{ display: none; }}" in page.text("style")


class Evidence:
    def __init__(self, parts: list[tuple[str, str, float, list[list[int]]]]) -> None:
        keys = ("view", "name", "contribution", "spans")
        self.parts = [dict(zip(keys, part, strict=True)) for part in parts]

    def __str__(self) -> str:
        return "opinion rather than reporting: 'must'"

    def to_dict(self) -> dict[str, Any]:
        total = sum(part["contribution"] for part in self.parts) - 0.5
        return {
            "label": "opinion",
            "against": "reporting",
            "log_odds": total,
            "bias": -0.5,
            "parts": self.parts,
            "rest": 0.0,
        }


def test_evidence() -> None:
    article, annotations = annotated("The council must act <now>, they say.")
    text = annotations[0].text
    must, now, they = ([text.index(w), text.index(w) + len(w)] for w in ("must", "<now>", "they"))
    found = Evidence(
        [
            ("ngram", "must", 2.0, [must]),
            ("cue", "modal_verbs:any", 1.0, [must, now]),
            ("ngram", "they", -0.8, [they]),
            ("ngram", "say", 0.01, [[they[1] + 1, they[1] + 4]]),
            ("cue", "length", 0.3, []),
        ]
    )
    html = write((article, [annotations[0]._replace(evidence=found)]))
    page = check(html)
    assert re.findall("<mark.*?</mark>", html) == [
        "<mark>must</mark>",
        '<mark class="off">they</mark>',
    ]
    assert page.blocks["text"] == [text]
    assert page.blocks["why"] == [str(found)]
    assert "modal verbs, at least one+1.00" in page.text("table") and "log-odds+2.01" in page.text("table")


@settings(max_examples=60, deadline=None)
@given(anything, st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 90), st.integers(1, 20)), max_size=8))
def test_evidence_leaves_the_text_alone(text: str, spans: list[tuple[float, int, int]]) -> None:
    article, annotations = annotated(f"The council must act: {text}.")
    a = annotations[0]
    inside = [(w, min(s, len(a.text) - 1), n) for w, s, n in spans]
    parts = [("ngram", "x", w, [[s, min(s + n, len(a.text))]]) for w, s, n in inside]
    page = check(write((article, [a._replace(evidence=Evidence(parts))])))
    if a.status == "labelled":
        assert page.blocks["text"] == [visible(a.text).replace("\r\n", "\n").replace("\r", "\n")]


def test_stub_evidence_has_no_table() -> None:
    page = check(write(annotated(explain=True)))
    assert page.blocks["why"][0] == "says 'The'"


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast() -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for what else is to be seen."""
    style = Parsed(Writer(stubs.LABELS).start() + "</main></body></html>").text("style")
    roots = [
        dict(re.findall(r"--(\w+): (#\w+)", body)) for body in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    schemes = [root for root in roots if "paper" in root]
    assert len(schemes) == 3
    for scheme in schemes:
        for i in range(COLOURS):
            strong, tint = scheme[f"k{i}"], scheme[f"t{i}"]
            assert contrast(strong, tint) >= 4.5 and contrast(strong, scheme["paper"]) >= 4.5
            assert contrast(scheme["ink"], tint) >= 7
            assert contrast(scheme["soft"], tint) >= 4.5
        assert contrast(scheme["ink"], scheme["paper"]) >= 7
        assert contrast(scheme["soft"], scheme["paper"]) >= 4.5


def test_time_grows_with_the_text() -> None:
    def seconds(n: int) -> float:
        text = "must \u202e<&" * n
        parts = [("ngram", "x", 1.0, [[8 * i, 8 * i + 4] for i in range(n)])]
        given = Annotation("x", 0, 0, len(text), "body", "opinion", "labelled", 0.9, {"opinion": 0.9}, text)
        article = Article("x", text, [])
        began = time.perf_counter()
        Writer(stubs.LABELS).article(article, [given._replace(evidence=Evidence(parts))])
        return time.perf_counter() - began

    seconds(1000)
    assert min(seconds(40_000) for _ in range(3)) < 20 * min(seconds(4_000) for _ in range(3)) + 0.2


@pytest.mark.parametrize("count", [1, 3])
def test_command_line(tmp_path: Path, count: int) -> None:
    names = []
    for i in range(count):
        names.append(tmp_path / f"article {i} <b>.txt")
        names[-1].write_text(PAGE.replace("\udc80", ""), "utf-8")
    command = [*STUB, "predict", *map(str, names), "-f", "html", "--explain", "-j", "2"]
    run = subprocess.run(command, capture_output=True, check=True)
    page = check(run.stdout.decode())
    assert len(page.all("article")) == count
    assert len(page.all("table")) == count + (count > 1)
    assert page.blocks["name"] == list(map(str, names))

    output = tmp_path / "page.html"
    subprocess.run([*command, "--only", "opinion", "-o", str(output)], capture_output=True, check=True)
    page = check(output.read_text("utf-8"))
    assert len(page.blocks["text"]) == 2 * count
