"""The outputs: each read back by a reader of its format, with the most hostile texts there are."""

import json
import re
import unicodedata
from html import unescape
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from markdown_it import MarkdownIt

from copytaster.compare import compare
from copytaster.errors import DataError
from copytaster.gate import check_gates, read_gates
from copytaster.labeled import Example
from copytaster.metrics import evaluate_examples
from copytaster.report import (
    FORMATS,
    one_line,
    read_report,
    to_github,
    to_json,
    to_junit,
    to_markdown,
    to_text,
)

LABELS = ("reporting", "opinion", "call-to-action")
HOSTILE = [
    "a\x1b[31mred\x1b[0m\x00\x07\x85\u2028b",
    "\u202eright to left\u202c\u200b\ufeff",
    "\ud800 lone \udfff",
    "]]> <!-- <script>alert(1)</script> & &amp; &#64; <b>",
    "::error file=x::injected\r\n::stop-commands::x",
    "##[error]no ##vso[task.complete]no ##teamcity[x]",
    "| a | b |\n| --- | --- |\n``` `x` ~~y~~ **z** _w_ [l](http://x.test) ![i](x) $m$ \\",
    "https://x.test www.x.test mailto:a@x.test @someone #12 x/y#3 </details>",
    "%0A%25,:=;\"'",
    "\ufffe\uffff\U0001fffe\U000e0041",
    "🦄 ünï",
    "x" * 5_000,
]
MARKDOWN = MarkdownIt("gfm-like")


def make_report(labels=LABELS, texts=HOSTILE, **options):
    rng = np.random.default_rng(0)
    examples = [
        Example(
            texts[i % len(texts)] + str(i),
            labels[rng.integers(len(labels))],
            article=texts[i % len(texts)],
            source=texts[i % len(texts)],
            file=texts[(i // 2) % len(texts)] + ".jsonl",
            line=i + 1,
        )
        for i in range(120)
    ]
    proba = rng.dirichlet(np.ones(len(labels)), size=len(examples))
    report = evaluate_examples(examples, labels, proba, **{"draws": 50} | options)
    report["data_digest"] = "d"
    return report


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A report with everything a report may have."""
    path = tmp_path_factory.mktemp("gates") / "gates.toml"
    path.write_text(
        "data_digest = 'e'\nmacro_f1 = 0.9\nn = 1\n[slice.source.\"<b>|`\"]\nn = 1\n", encoding="utf-8"
    )
    report = make_report(by=["source", "length"])
    report["comparison"] = compare(report, make_report(), name=HOSTILE[3], draws=50)
    report["gates"] = check_gates(report, read_gates(path))
    report["model"] = HOSTILE[2]
    return report


@pytest.fixture(scope="module")
def hostile_labels():
    return make_report([*HOSTILE, "", "\x00"], by=["source"])


@pytest.fixture(params=["full", "hostile_labels", "plain"])
def any_report(request):
    return make_report(draws=0) if request.param == "plain" else request.getfixturevalue(request.param)


@pytest.fixture(params=["full", "hostile_labels"])
def report(request):
    return request.getfixturevalue(request.param)


def hidden(text):
    return [
        c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\u200b"
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_a_hidden_character_through(report, name):
    output = FORMATS[name](report)
    assert hidden(output) == []
    assert output.encode("utf-8")
    assert output.endswith("\n")


@given(st.text(st.characters(), max_size=80), st.integers(1, 60))
def test_one_line_is_one_harmless_line(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert hidden(line) == []
    assert not line.startswith("::")
    assert "##[" not in line
    assert one_line(line, limit) == line


def test_one_line_leaves_plain_copy_alone():
    for text in ("It rained: 3.5 mm, 40% more.", "été 北京 🦄", "a::b", "##", "# [x]"):
        assert one_line(text) == text
    assert one_line(" a\r\n\tb\xa0c ") == "a b c"
    assert one_line("abcdef", 4) == "abc…"


def test_json_keeps_the_schema(any_report):
    schema = json.loads(files("copytaster").joinpath("report.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    validator(schema).validate(json.loads(to_json(any_report)))


def test_the_schema_describes_every_key(full):
    schema = json.loads(files("copytaster").joinpath("report.schema.json").read_text(encoding="utf-8"))

    def resolve(part):
        return schema["$defs"][part["$ref"].split("/")[-1]] if "$ref" in part else part

    def undescribed(value, part, path):
        part = resolve(part)
        parts = [part, *map(resolve, part.get("allOf", []) + part.get("anyOf", []))]
        if isinstance(value, dict):
            known = {key: sub for p in parts for key, sub in p.get("properties", {}).items()}
            rest = [p["additionalProperties"] for p in parts if "additionalProperties" in p]
            for key, item in value.items():
                if key in known or rest:
                    yield from undescribed(item, known.get(key, *rest), f"{path}.{key}")
                else:
                    yield f"{path}.{key}"
        elif isinstance(value, list) and value:
            items = [p["items"] for p in parts if "items" in p]
            yield from undescribed(value[-1], *items, path) if items else [path]

    assert list(undescribed(json.loads(to_json(full)), schema, "")) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"accuracy": 1.2},
        {"accuracy": None},
        {"labels": {"a": {}}},
        {"confusion": [[-1]]},
        {"predictions": [["x", 0, 0, 0, 1]]},
        {"gates": [{}]},
    ],
)
def test_the_schema_tells_a_damaged_report(full, damage):
    schema = json.loads(files("copytaster").joinpath("report.schema.json").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(to_json(full)) | damage, schema)


def test_json_is_strict_ascii_and_keeps_the_design(full):
    output = to_json(full)
    assert output.isascii()
    assert not re.search(r"\\ud[89ab]..(?!\\ud[c-f])", output)

    def refuse(constant):
        raise AssertionError(constant)

    report = json.loads(output, parse_constant=refuse)
    keys = {"n", "accuracy", "macro_f1", "labels", "confusion", "intervals", "calibration"}
    assert keys <= report.keys()
    assert report["labels"].keys() == set(LABELS)
    assert report["macro_f1"] == pytest.approx(full["macro_f1"], abs=1e-6)
    lines = output.splitlines()
    assert len(lines) == 2 + len(report) + sum(len(report[k]) + 1 for k in ("errors", "predictions", "gates"))


def test_a_report_reads_back(tmp_path, full):
    path = tmp_path / "report.json"
    path.write_text(to_json(full), encoding="utf-8")
    report = read_report(path)
    assert report["label_order"] == list(LABELS)
    assert len(report["predictions"]) == 120


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": []}',
        b'{"version": 2, "label_order": ["a", "b"], "predictions": [["k", 0, 0, 1, 0.5, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "a"], "predictions": [["k", 0, 0, 1, 0.5, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": [["k", 0, 0, 2, 0.5, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": [["k", 0, 0, 1, NaN, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": [["k", 0, 0, 1, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": [["k", 0, true, 1, 0.5, 0.5]]}',
        b'{"version": 1, "label_order": ["a", "b"], "predictions": [3]}',
    ],
)
def test_what_is_no_report_is_a_data_error(tmp_path, content):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"report\.json"):
        read_report(path)


def test_a_missing_report_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_text_shows_every_part(full):
    text = to_text(full)
    for part in (
        "Gates",
        "Against the baseline",
        "Scores",
        "Confusion",
        "Calibration",
        "Coverage",
        "By source",
    ):
        assert re.search(rf"^{part}$", text, re.MULTILINE)
    assert "2 of 4 gates failed." not in text
    assert "3 of 4 gates failed." in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert max(map(len, text.splitlines())) < 1_200


def test_text_names_an_absent_label():
    examples = [Example(f"t{i}", LABELS[i % 2], article=str(i)) for i in range(30)]
    proba = [[0.6, 0.3, 0.1] if i % 2 == 0 else [0.1, 0.8, 0.1] for i in range(30)]
    text = to_text(evaluate_examples(examples, LABELS, proba, by=["article"]))
    assert re.search(r"call-to-action +- +- +- +absent", text)
    assert "No paragraph is labelled call-to-action" in text


def test_many_slices_are_cut_short():
    report = make_report(texts=[f"s{i:02}" for i in range(60)], by=["source"])
    text = to_text(report)
    assert "The 30 largest; 30 more in the JSON report." in text
    assert len(report["slices"]["source"]) == 60


def test_markdown_renders_to_nothing_but_tables_and_folds(report):
    page = MARKDOWN.render(to_markdown(report))
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    assert tags <= {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert page.count("<details>") == page.count("</details>") > 2
    assert not re.search(r"(?<!\w)[@#]\w", unescape(re.sub(r"<[^>]+>", " ", page)))
    for table in page.split("<table>")[1:]:
        rows = table.split("</table>")[0].split("<tr>")[1:]
        assert len({len(re.findall("<t[hd]", row)) for row in rows}) == 1


def test_markdown_shows_the_text_itself(full):
    page = MARKDOWN.render(to_markdown(full))
    cells = {unescape(cell).replace("\u200b", "") for cell in re.findall(r"<td>(.*?)</td>", page)}
    for mistake in full["errors"]:
        assert one_line(mistake["text"], 100) in cells


def test_markdown_fits_a_pull_request_comment():
    report = make_report(
        [f"a label {'|' * 200} {i}" for i in range(20)], by=["source", "article", "length", "file"]
    )
    assert len(to_markdown(report)) < 65_536


@pytest.mark.parametrize("gated", [True, False])
def test_github_annotations(full, gated):
    report = full if gated else {key: value for key, value in full.items() if key != "gates"}
    lines = to_github(report).splitlines()
    command = re.compile(r"::(error|warning|notice) ((?:\w+=[^:,\r\n]*)(?:,\w+=[^:,\r\n]*)*)::([^\r\n]+)")
    commands = [command.fullmatch(line) for line in lines]
    assert all(commands)
    levels = [found[1] for found in commands]
    assert levels == (["notice", *["error"] * 13] if gated else ["notice", *["warning"] * 10])
    assert all(re.search(r"(^|,)line=\d+", found[2]) for found in commands[1:])


def test_github_escapes_what_the_runner_decodes():
    examples = [Example("100% x\n::error::y", "opinion", file="a,b:c%d.jsonl", line=3)]
    line = to_github(evaluate_examples(examples, LABELS, [[1, 0, 0]])).splitlines()[1]
    place = "file=a%2Cb%3Ac%25d.jsonl,line=3,title=Mistake"
    message = "labelled opinion, predicted reporting (1.000)%0A100%25 x ::error::y"
    assert line == f"::warning {place}::{message}"


def test_junit_has_a_case_for_each_gate(full):
    suite = next(iter(JUnitXml.fromstring(to_junit(full).encode())))
    cases = list(suite)
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 3, 0, 0)
    assert [bool(case.result) for case in cases] == [not check["passed"] for check in full["gates"]]
    assert cases[1].result[0].message == full["gates"][1]["message"]
    assert {p.name: p.value for p in suite.properties()}["macro_f1"].startswith("0.")


def test_junit_without_gates_has_one_case(hostile_labels):
    suite = next(iter(JUnitXml.fromstring(to_junit(hostile_labels).encode())))
    assert [case.is_passed for case in suite] == [True]
