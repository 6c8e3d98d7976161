"""Conversion: round trips lose nothing the target can hold, samples read, and the real tools agree."""

import csv
import gzip
import io
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytaster.convert import convert, read, render, sniff
from copytaster.errors import DataError, UsageError
from copytaster.formats import FORMATS, guard, label_studio_config, unguard
from copytaster.labeled import Example, read_labeled

SAMPLES = Path(__file__).parent / "samples"
MET, SHOULD, COME = (
    "The council met on Monday.",
    "It should have met on Friday.",
    "Come to the hearing on Tuesday.",
)

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
examples = st.builds(
    Example,
    text=texts | st.sampled_from(["=1+1", "'=1+1", "@x", "- a", "a\nb", "a\rb", "__label__x y", " pad "]),
    label=st.sampled_from(["reporting", "opinion", "x", "ü-y"]),
    article=st.sampled_from(["", "a", "b"]),
    index=st.integers(0, 3),
    **{key: names for key in ("title", "source", "kind", "topic", "variety", "annotator")},
    split=st.sampled_from(["", "train", "test"]),
)


def facts(examples):
    return sorted((replace(e, file="", line=0) for e in examples), key=repr)


def held(e, format):
    if format == "fasttext":
        text = re.sub(r"[ \t\n\v\f\r\0]+", " ", e.text).strip(" ")
        return Example(re.sub(r"(?<![^ ])__label__", "label__", text), e.label)
    if format == "csv":
        return replace(e, text=e.text.replace("\0", ""))
    return e


@pytest.mark.parametrize("format", FORMATS)
@given(rows=st.lists(examples, max_size=5))
def test_round_trip_keeps_what_the_format_holds(tmp_path_factory, format, rows):
    rows = [e for e in rows if held(e, format).text.strip()]
    content, notes = render(rows, format)
    path = tmp_path_factory.mktemp("trip") / f"x{FORMATS[format].suffix}"
    path.write_bytes(content.encode())
    back, left_out = read(path, format)
    assert facts(back) == facts(held(e, format) for e in rows)
    assert left_out == []
    assert bool(notes) >= (facts(back) != facts(rows))


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_every_format_are_told_apart(tmp_path, format):
    path = tmp_path / f"x{FORMATS[format].suffix}"
    path.write_text(render([Example(MET, "reporting", annotator="kim")], format)[0], encoding="utf-8")
    assert sniff(path) == format


@pytest.mark.parametrize(
    ("name", "expected", "notes"),
    [
        (
            "doccano.jsonl",
            [
                ("The council met on Monday.\nIt sat for two hours.", "reporting", "a1", ""),
                (SHOULD, "opinion", "a1", ""),
                (COME, "call-to-action", "", ""),
            ],
            [
                "left out 1 paragraph: no label",
                "left out 1 paragraph: several labels",
                "left out keys: page (1)",
            ],
        ),
        (
            "label-studio.json",
            [
                (MET, "reporting", "a1", "kim@paper.example"),
                (MET, "opinion", "a1", "8"),
                (SHOULD, "opinion", "", "7"),
            ],
            ["left out 1 paragraph: no label", "left out keys: url (2)"],
        ),
        (
            "prodigy.jsonl",
            [(MET, "reporting", "a1", "council-kim"), (SHOULD, "opinion", "", "")],
            [
                "left out 2 paragraphs: not accepted",
                "left out 1 paragraph: no label",
                "left out keys: page (1)",
            ],
        ),
        (
            "fasttext.txt",
            [
                ("The council met on Monday .", "reporting", "", ""),
                (COME[:-1] + " .", "call-to-action", "", ""),
            ],
            ["left out 1 paragraph: several labels"],
        ),
        (
            "spreadsheet.csv",
            [
                ('The council met; it sat for "two" hours.', "reporting", "a1", ""),
                ("- It should have met on Friday.", "opinion", "a1", ""),
            ],
            ["left out 1 paragraph: no label", "left out keys: page (2)"],
        ),
    ],
)
def test_samples_of_the_tools(name, expected, notes):
    found, said = read(SAMPLES / name)
    assert [(e.text, e.label, e.article, e.annotator) for e in found] == expected
    assert sorted(said) == sorted(notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"text": "A", "label": ["x"]}\n{"text": ', "x.jsonl:2: not JSON"),
        ("x.jsonl", '{"text": "A", "label": ["x"]} more', "x.jsonl:1: not JSON"),
        ("x.jsonl", '{"text": "A", "label": [[0, 1, "x"]]}', "text classification"),
        ("x.jsonl", '{"label": ["x"]}', "x.jsonl:1: 'text' must be a string"),
        ("x.json", '[{"data": {"text": "A"}},\n {"data": {}}]', "x.json:2: a task needs"),
        ("x.json", '[{"data": {"text": "A"}},\n\n', "not JSON"),
        ("x.json", '[{"data": {"text": "A"}}\n,\n3]', "x.json:3: a JSON object"),
        ("x.csv", "text,labels\nA,x\n", "columns 'text' and 'label' are needed"),
        ("x.csv", "text,label\nA,x,more\n", "x.csv:2: 3 cells"),
        ("x.csv", 'text,label\n"A\nB",x\nC," "\n', "x.csv:4: label ' ' is empty"),
        ("x.csv", "", "found none"),
        ("x.txt", "__label__x \n", "x.txt:1: 'text' is empty"),
    ],
)
def test_faults_name_their_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        read(tmp_path / name)


@given(st.text(max_size=200))
def test_no_content_breaks_a_parser(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    for format in FORMATS:
        with suppress(DataError):
            read(path, format)


def test_convert_writes_articles_and_names_what_is_left_out(tmp_path):
    articles = tmp_path / "labeled"
    articles.mkdir()
    record = {"id": "a", "kind": "wire", "url": "u", "paragraphs": []}
    record["paragraphs"] = [{"text": MET, "label": "reporting"}, {"text": SHOULD, "label": "opinion"}]
    (articles / "x.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    assert convert(articles, tmp_path / "x.json") == ["left out keys: url (1)"]
    assert convert(tmp_path / "x.json", tmp_path / "x.csv.gz") == []
    assert convert(tmp_path / "x.csv.gz", tmp_path / "back.jsonl") == []
    back = json.loads((tmp_path / "back.jsonl").read_text(encoding="utf-8"))
    assert back == {key: record[key] for key in ("id", "kind", "paragraphs")}
    assert gzip.decompress((tmp_path / "x.csv.gz").read_bytes()).startswith(b"\xef\xbb\xbftext,label")
    assert convert(articles, tmp_path / "x.txt")[1] == (
        "fastText holds text and label alone, left out: article, index, kind"
    )


def test_a_paragraph_left_out_leaves_its_place(tmp_path):
    record = {
        "id": "a",
        "paragraphs": [{"text": "Credit", "label": None}, {"text": MET, "label": "reporting"}],
    }
    (tmp_path / "x.jsonl").write_text(json.dumps(record), encoding="utf-8")
    notes = convert(tmp_path / "x.jsonl", tmp_path / "y.jsonl", to_format="copytaster")
    assert notes == ["left out 1 paragraph: no label"]
    assert read_labeled([tmp_path / "y.jsonl"])[0].index == 1


def test_formats_that_cannot_be_told(tmp_path):
    (tmp_path / "x.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot tell"):
        convert(tmp_path / "x.jsonl", tmp_path / "y.jsonl")
    with pytest.raises(UsageError, match="cannot tell"):
        sniff("x.docx")
    with pytest.raises(UsageError, match="format 'excel' unknown"):
        read(tmp_path / "x.jsonl", "excel")


def test_nothing_is_written_when_the_input_is_faulty(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n,x\n", encoding="utf-8")
    with pytest.raises(DataError):
        convert(tmp_path / "x.csv", tmp_path / "y.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_fasttext_cannot_tell_a_space_from_an_underscore():
    with pytest.raises(DataError, match="two labels"):
        render([Example("A", "a b"), Example("B", "a_b")], "fasttext")
    assert render([Example("A", "a b")], "fasttext") == (
        "__label__a_b A\n",
        ["fastText holds labels without spaces, '_' put into: a b"],
    )


@given(st.text())
def test_guarded_cells_are_no_formulas(cell):
    assert unguard(guard(cell)) == cell
    assert not guard(cell).startswith(tuple("=+-@\t\r\n"))


def test_csv_is_read_by_the_standard_library():
    content, _ = render([Example('=HYPERLINK("http://x")\n"q", b', "x", article="=a")], "csv")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert rows[0]["text"] == '\'=HYPERLINK("http://x")\n"q", b'
    assert rows[0]["article"] == "'=a"


@pytest.mark.filterwarnings("ignore")
def test_label_studio_converts_our_file(tmp_path):
    converter = pytest.importorskip(
        "label_studio_sdk.converter", reason="Label Studio's converter is not installed"
    )
    rows = [
        Example(MET, "reporting", article="a"),
        Example(SHOULD, 'opinion & "more" <b>', article="a", index=1),
    ]
    (tmp_path / "x.json").write_text(render(rows, "label-studio")[0], encoding="utf-8")
    tool = converter.Converter(label_studio_config(sorted({e.label for e in rows})), str(tmp_path))
    tool.convert_to_json_min(str(tmp_path / "x.json"), str(tmp_path / "out"), is_dir=False)
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert [(r["text"], r["label"], r["article"]) for r in result] == [(e.text, e.label, "a") for e in rows]
    assert set(tool._schema["label"]["labels"]) == {e.label for e in rows}


@pytest.mark.filterwarnings("ignore")
def test_doccano_parses_our_files(tmp_path):
    parsers = pytest.importorskip("backend.data_import.pipeline.parsers", reason="doccano is not installed")
    rows = [Example(MET, "reporting", article="a"), Example(SHOULD, "opinion", article="a", index=1)]
    for format, parser in (("doccano", parsers.JSONLParser), ("fasttext", parsers.FastTextParser)):
        (tmp_path / format).write_text(render(rows, format)[0], encoding="utf-8")
        parsed = list(parser(encoding="utf-8").parse(str(tmp_path / format)))
        assert [(row["text"], row["label"]) for row in parsed] == [(e.text, [e.label]) for e in rows]


@pytest.mark.filterwarnings("ignore")
def test_fasttext_trains_on_our_file(tmp_path):
    fasttext = pytest.importorskip("fasttext", reason="fastText is not installed")
    rows = [Example(MET, "reporting"), Example(COME + " __label__no", "call-to-action")] * 5
    (tmp_path / "x.txt").write_text(render(rows, "fasttext")[0], encoding="utf-8")
    model = fasttext.train_supervised(str(tmp_path / "x.txt"), dim=2, lr=0.01, thread=1, verbose=0)
    assert set(model.labels) == {"__label__reporting", "__label__call-to-action"}
    assert "met" in model.words


@pytest.mark.filterwarnings("ignore")
def test_prodigys_loader_reads_our_file(tmp_path):
    srsly = pytest.importorskip(
        "srsly", reason="srsly, which reads JSONL for spaCy and Prodigy, is not installed"
    )
    (tmp_path / "x.jsonl").write_text(render([Example(MET, "reporting")], "prodigy")[0], encoding="utf-8")
    task = next(iter(srsly.read_jsonl(tmp_path / "x.jsonl")))
    assert (task["text"], task["accept"], task["answer"]) == (MET, ["reporting"], "accept")
    assert task["accept"][0] in [option["id"] for option in task["options"]]


def test_a_device_is_written_to_and_stays_one(tmp_path, monkeypatch):
    """As root, a rename would put a file in its place."""
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "A b c d.", "label": "x"}\n')
    monkeypatch.setattr(os, "replace", lambda *paths: pytest.fail(f"{paths} renamed"))
    convert(source, os.devnull, to_format="csv")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero on this system")
def test_what_has_no_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("copytaster.convert.MAX_BYTES", 1_000_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a" * 2_000_000))
    for path in ("/dev/zero", tmp_path / "bomb.csv.gz"):
        with pytest.raises(DataError, match=f"^{path}: cannot be read: more than 1,000,000 bytes$"):
            convert(path, tmp_path / "out.jsonl", "csv")
