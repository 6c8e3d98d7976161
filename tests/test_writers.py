from __future__ import annotations

import csv
import io
import json
import re
import sys
from types import SimpleNamespace

import pytest
import stubs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from copytaster import cli, terminal
from copytaster.annotate import Annotation, Annotator, row
from copytaster.article import Article, segment
from copytaster.errors import UsageError
from copytaster.terminal import UNSAFE, Meter, bar, columns, one_line, visible, visible_lines, wrap
from copytaster.writers import (
    FORMATS,
    CsvWriter,
    JsonlWriter,
    TerminalWriter,
    TextWriter,
    encode,
    make,
    summary,
)

HOSTILE = (
    "The \x1b[31mclerk\x1b]8;;http://x\x07 said\u202e so\x9b2J\tin\r\n“town”\u2028"
    "\x00 = 1+1, \udc80 that day."
)
PAGE = (
    f"# Ferry row\n\n{HOSTILE}\n\nThe council must act, perhaps.\n\n=HYPERLINK(1) is where to sign, they say."
)
SGR = re.compile(r"\x1b\[[0-9;]*m")
FORMULA = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
anything = st.text(st.characters(), max_size=200)


def annotated(text: str, id: str = "x", **options: object) -> tuple[Article, list[Annotation]]:
    article = Article(id, text, segment(text))
    return article, Annotator(stubs.StubModel(), **options).annotate_all([article])[0]  # type: ignore[arg-type]


def rounded(values: dict[str, object]) -> dict[str, object]:
    return json.loads(json.dumps(values), parse_float=lambda number: float(f"{float(number):.4f}"))


@settings(max_examples=60, deadline=None)
@given(anything, anything)
def test_jsonl_is_exact(text: str, id: str) -> None:
    article, annotations = annotated(f"{text}\n\nThe council must act now, said the clerk: {text}", id)
    data = encode(JsonlWriter(stubs.LABELS).article(article, annotations))
    lines = data.decode("utf-8").removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == [rounded(row(a)) for a in annotations]


def test_jsonl_looks_as_documented() -> None:
    article, annotations = annotated("The ferry was cut on Monday, said the clerk.")
    a = annotations[0]._replace(
        label="a%d", confidence=0.99996, probabilities={"a%d": 0.99996, 'b"': 0.00004}, reader="careful"
    )
    assert JsonlWriter(("a%d", 'b"')).article(article, [a]) == (
        '{"id": "x", "paragraph": 0, "start": 0, "end": 44, "kind": "body", "label": "a%d", '
        '"confidence": 1.0000, "probabilities": {"a%d": 1.0000, "b\\"": 0.0000}, "status": "labelled", '
        '"reader": "careful", "text": "The ferry was cut on Monday, said the clerk."}\n'
    )


@settings(max_examples=60, deadline=None)
@given(anything)
def test_csv_reads_back(text: str) -> None:
    assume(sys.version_info >= (3, 11) or "\0" not in text)  # what the reader of Python 3.10 refuses
    article, annotations = annotated(f"{text}\n\nThe council must act now, said the clerk.\n\n# {text}")
    writer = CsvWriter(stubs.LABELS, raw=True)
    rows = list(
        csv.DictReader(io.StringIO(writer.start() + writer.article(article, annotations), newline=""))
    )
    assert [r["text"] for r in rows] == [a.text for a in annotations]
    assert [r["label"] for r in rows] == [a.label or "" for a in annotations]
    assert [r["opinion"] for r in rows] == [
        f"{a.probabilities['opinion']:.4f}" if a.probabilities else "" for a in annotations
    ]


def test_raw_csv_keeps_nul() -> None:
    article, annotations = annotated("The council\0 must act now, said the clerk.")
    lines = CsvWriter(stubs.LABELS, raw=True).article(article, annotations)
    assert lines.endswith(',"The council\0 must act now, said the clerk."\r\n')


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMULA + "'"), anything)
def test_csv_holds_no_formula(first: str, text: str) -> None:
    article, annotations = annotated("The council must act now, said the clerk.", first + text)
    annotations = [a._replace(text=first + text) for a in annotations]
    writer = CsvWriter(stubs.LABELS)
    start = writer.start()
    assert start.startswith("\ufeffid,paragraph,")
    for cells in csv.reader(io.StringIO(writer.article(article, annotations), newline="")):
        assert not any(cell.startswith(tuple(FORMULA)) for cell in cells)


def test_text_has_three_stable_columns() -> None:
    page = (
        "# Ferry row\n\nThe clerk\tsaid the ferry was cut.\n\nThe council must act, perhaps.\n\nPlease sign "
        "it and send it.\n\nEen xyzzy alinea in een vreemde taal, zei men."
    )
    lines = TextWriter().article(*annotated(page, min_confidence=0.5)).splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "-", "reporting", "unsure", "call-to-action", "out_of_domain"
    ]  # fmt: skip
    assert all(re.fullmatch(r"-|[01]\.\d{4}", line.split("\t")[1]) for line in lines)
    assert all(len(line.split("\t")) == 3 for line in lines)
    explained = TextWriter().article(*annotated(page, explain=True)).splitlines()
    assert explained[1].split("\t")[3] == "says 'The'"


@settings(max_examples=60, deadline=None)
@given(anything, st.integers(1, 200), st.booleans())
def test_nothing_reaches_the_terminal_as_a_command(text: str, width: int, colour: bool) -> None:
    text = f"{HOSTILE}\n\n{text}\n\nThe council must act {text}"
    article, annotations = annotated(text, text, explain=True)
    for written in (
        TextWriter().article(article, annotations),
        TerminalWriter(stubs.LABELS, width, colour).article(article, annotations),
    ):
        plain = SGR.sub("", written) if colour else written
        assert not UNSAFE.search(plain.replace("\n", "").replace("\t", ""))


@given(anything)
def test_lines_of_json_are_made_visible_and_say_the_same(text: str) -> None:
    line = json.dumps({"text": text}, ensure_ascii=False) + "\n"
    shown = visible_lines(line)
    assert not UNSAFE.search(shown.replace("\n", ""))
    assert json.loads(shown) == {"text": text}


def test_escapes_show_what_was_there() -> None:
    assert visible("a\x1b[0m\u202e\udcff\ud800é 👩‍🚀") == "a\\x1b[0m\\u202e\\xff\\ud800é 👩‍🚀"
    assert one_line(" a\n\tb\x85c ") == "a b c"


@settings(max_examples=100, deadline=None)
@given(anything, st.integers(2, 60))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    words = one_line(text)
    lines = wrap(words, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_wrapping_is_linear() -> None:
    assert len(wrap("x" * 1_000_000, 10)) == 100_000
    assert len(wrap("x " * 200_000, 10)) <= 40_001


def test_bars() -> None:
    assert [bar(share, 2) for share in (0, 0.5, 1)] == ["  ", "█ ", "██"]
    assert columns("日本e\u0301") == 5


def test_terminal_tells_nothing_by_colour_alone() -> None:
    article, annotations = annotated(PAGE)
    coloured = TerminalWriter(stubs.LABELS, 80, True).article(article, annotations)
    plain = TerminalWriter(stubs.LABELS, 80, False).article(article, annotations)
    assert SGR.sub("", coloured) == plain
    assert "\x1b" in coloured and "opinion" in plain and "%" in plain
    assert all(columns(line) <= 80 for line in plain.splitlines())
    text = 14 + 15 + 7
    numbers = [
        line[text - 4 : text - 2].strip() for line in plain.splitlines() if line[text - 2 : text] == "  "
    ]
    assert [int(number) for number in numbers if number] == [*range(1, len(annotations) + 1)]


@pytest.mark.parametrize("width", [36, 50, 59, 60, 72, 120, 200])
def test_terminal_keeps_to_its_width(width: int) -> None:
    article, annotations = annotated(PAGE, explain=True)
    lines = TerminalWriter(stubs.LABELS, width, False).article(article, annotations).splitlines()
    assert max(map(columns, lines[1:])) <= min(width, 120)
    assert len(" ".join(lines).split()) >= sum(len(a.text.split()) for a in annotations)


def test_summary_counts_and_finds_the_turn() -> None:
    def labelled(*labels: str) -> list[Annotation]:
        base = annotated("The ferry was cut, said the clerk.")[1][0]
        return [base._replace(paragraph=i, label=label) for i, label in enumerate(labels)]

    r, o, c = stubs.LABELS
    found = summary(labelled(r, r, o, r, o, o, c, c), stubs.LABELS)
    assert found == "3 reporting, 3 opinion, 2 call-to-action; turns to opinion at paragraph 5"
    assert summary(labelled(r, r), stubs.LABELS) == "2 reporting"
    assert summary([], stubs.LABELS) == "no paragraph to label"


def test_unknown_formats() -> None:
    with pytest.raises(UsageError, match="'xml'"):
        make("xml", stubs.LABELS)
    choices = next(p for p in cli.predict.params if p.name == "format").type.choices
    assert tuple(choices) == FORMATS


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("ab \n\u2003\x1c"), max_size=40))
def test_long_texts_are_folded_in_pieces_with_the_same_result(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("copytaster.terminal._PIECE", 3)
        assert one_line(text) == " ".join(text.split())


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now))
    for stream in (None, io.StringIO()):
        meter = Meter(stream, 1)
        now += 9
        meter.show(1, 1)
        assert stream is None or not stream.getvalue()
    screen = Screen()
    meter = Meter(screen, 400_000_000)
    now += 0.5
    meter.show(1, 1_000_000)
    assert not screen.getvalue()
    now += 9.5
    meter.show(30_000, 100_000_000)
    assert screen.getvalue() == f"\r\x1b[K{'█' * 5:20}  25%  30,000 articles, 10.0 MB/s, 0:30 left"
    meter.show(30_001, 100_000_001)
    meter.clear()
    meter.clear()
    assert screen.getvalue().endswith("left\r\x1b[K")
    unknown = Meter(screen)
    now += 2
    unknown.show(1, 2_000_000)
    assert screen.getvalue().endswith("\x1b[K1 articles, 1.0 MB/s")
