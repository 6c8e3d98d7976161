"""The labelled files of other tools: doccano, Label Studio, Prodigy, fastText and spreadsheets.

A parser yields (line, record), the record being a line of a labelled file in its single-paragraph form, see
`copytaster.labeled.read_labeled`. A renderer gives the text of a file, and names what the tool cannot hold.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from copytaster.errors import DataError
from copytaster.labeled import Example, Fault, label_order

Records = Iterator[tuple[int, object]]

META = ("article", "index", "title", "source", "kind", "topic", "variety", "split", "annotator")
"""What a labelled file says of a paragraph besides its text and label."""
_FASTTEXT = "__label__"
_FASTTEXT_SPACE = re.compile(r"[ \t\n\v\f\r\0]+")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 (spreadsheets take the wide signs as well)
_JSON_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_BROKEN = object()


@dataclass
class Source:
    """One file on its way in.

    Attributes
    ----------
    file : str
        Its name.
    content : str
        Its text.
    faults : list of Fault
        What is wrong with it.
    skipped : Counter of str
        Paragraphs left out, by reason.
    unused : Counter of str
        Keys that have no place in labelled data.
    """

    file: str
    content: str
    faults: list[Fault] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)

    def fault(self, line: int, code: str, message: str) -> None:
        """Note that something is wrong at a line."""
        self.faults.append(Fault(code, self.file, line, message))

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects of a JSONL file with their lines."""
        for number, line in enumerate(self.content.split("\n"), 1):
            if line.strip():
                yield from self._object(number, self._load(line, number))

    def tasks(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects of a JSON file, one or an array, with their lines."""
        value = self._load(self.content, 1)
        if not isinstance(value, list):
            yield from self._object(1, value)
            return
        line, at = 1, 0
        for item in value:
            start = _space_end(self.content, _space_end(self.content, at) + 1)
            line += self.content.count("\n", at, start)
            yield from self._object(line, item)
            at = _DECODER.raw_decode(self.content, start)[1]
            line += self.content.count("\n", start, at)

    def record(self, text: object, label: object, meta: Mapping[str, Any]) -> dict[str, object]:
        """Return a record with what labelled data have a place for; count the rest as unused."""
        record: dict[str, object] = {"text": text, "label": label}
        for key, value in meta.items():
            if key in META and isinstance(value, int if key == "index" else str):
                record[key] = value
            else:
                self.unused[key] += 1
        return record

    def labeled(self, line: int, text: object, labels: Sequence[object], meta: Mapping[str, Any]) -> Records:
        """Yield the record of a text with one label; skip a text with none or several."""
        if len(labels) == 1:
            yield line, self.record(text, labels[0], meta)
        else:
            self.skipped["several labels" if labels else "no label"] += 1

    def _load(self, text: str, line: int) -> object:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            self.fault(line + error.lineno - 1, "json", f"not JSON at column {error.colno}: {error.msg}")
        except (ValueError, RecursionError) as error:
            self.fault(line, "json", f"not JSON that can be read: {error}")
        return _BROKEN

    def _object(self, line: int, value: object) -> Iterator[tuple[int, dict[str, Any]]]:
        if isinstance(value, dict):
            yield line, value
        elif value is not _BROKEN:
            self.fault(line, "type", "a JSON object is expected")


@dataclass(frozen=True)
class Format:
    """How to read and write the files of one tool.

    Attributes
    ----------
    suffix : str
        What its files end with.
    parse : callable
        From a source to (line, record).
    render : callable
        From examples to the content of a file and notes on what it cannot hold.
    """

    suffix: str
    parse: Callable[[Source], Records]
    render: Callable[[Sequence[Example]], tuple[str, list[str]]]


def label_studio_config(labels: Iterable[str]) -> str:
    """Return the labelling interface, as XML, that a Label Studio project needs for our files."""
    choices = "".join(f"\n    <Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View>\n  <Text name="text" value="$text"/>\n'
        f'  <Choices name="label" toName="text" choice="single" showInLine="true">{choices}\n'
        "  </Choices>\n</View>\n"
    )


def guard(cell: str) -> str:
    """Return a cell that a spreadsheet takes for text; `unguard` gives the cell back."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Return what a cell held before `guard`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def choice(label: str) -> dict[str, Any]:
    """Return one chosen label as Label Studio writes it, for `label_studio_config`."""
    return {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}


def options(labels: Iterable[str]) -> list[dict[str, str]]:
    """Return the labels as options of Prodigy's choice interface."""
    return [{"id": label, "text": label} for label in labels]


def json_lines(records: Iterable[Mapping[str, Any]]) -> str:
    """Return records as JSONL."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def table(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as CSV for spreadsheets: guarded against formulas, with a byte order mark."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(
        [guard(str(row.get(column, "")).replace("\0", "")) for column in columns] for row in rows
    )
    return "\ufeff" + out.getvalue()


def meta(example: Example) -> dict[str, Any]:
    """Return what is known of an example besides text and label."""
    known = {key: getattr(example, key) for key in META}
    return {key: value for key, value in known.items() if value or (key == "index" and example.article)}


def _parse_own(source: Source) -> Records:
    known = {"id", "text", "label", "paragraphs", *META}
    for line, record in source.objects():
        paragraphs = record.get("paragraphs", [record])
        if isinstance(paragraphs, list):
            for paragraph in paragraphs:
                if isinstance(paragraph, dict):
                    source.skipped["no label"] += paragraph.get("label", "") is None
                    source.unused.update(paragraph.keys() - known)
        if "paragraphs" in record:
            source.unused.update(record.keys() - known)
        yield line, record


def _render_own(examples: Sequence[Example]) -> tuple[str, list[str]]:
    articles: dict[object, list[Example]] = defaultdict(list)
    for i, e in enumerate(examples):
        articles[(e.article, e.annotator) if e.article else i].append(e)
    records: list[dict[str, Any]] = []
    for members in articles.values():
        about = [{k: v for k, v in meta(e).items() if k not in ("article", "index")} for e in members]
        complete = [e.index for e in members] == list(range(len(members)))
        if members[0].article and complete and all(a == about[0] for a in about):
            paragraphs = [{"text": e.text, "label": e.label} for e in members]
            records.append({"id": members[0].article, **about[0], "paragraphs": paragraphs})
        else:
            records += [{"text": e.text, "label": e.label, **meta(e)} for e in members]
    return json_lines(records), []


def _parse_doccano(source: Source) -> Records:
    own = ("id", "text", "label", "Comments")
    for line, row in source.objects():
        labels = row.get("label", [])
        if isinstance(labels, str):
            labels = [labels] if labels else []
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            source.fault(
                line, "type", "'label' must be a list of strings, as doccano's text classification gives"
            )
        else:
            yield from source.labeled(line, row.get("text"), labels, _without(row, own))


def _render_doccano(examples: Sequence[Example]) -> tuple[str, list[str]]:
    return json_lines({"text": e.text, "label": [e.label], **meta(e)} for e in examples), []


def _parse_label_studio(source: Source) -> Records:
    for line, task in source.tasks():
        data, annotations = task.get("data"), task.get("annotations", [])
        if not isinstance(data, dict) or "text" not in data or not isinstance(annotations, list):
            source.fault(line, "key", "a task needs 'data' with a 'text', and a list of 'annotations'")
            continue
        valid = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")]
        if not valid:
            source.skipped["no label"] += 1
        for annotation in valid:
            about = _without(data, ("text",))
            if len(valid) > 1 or "annotator" not in about:
                about["annotator"] = _completed_by(annotation.get("completed_by"))
            yield from source.labeled(line, data["text"], _choices(annotation.get("result")), about)


def _render_label_studio(examples: Sequence[Example]) -> tuple[str, list[str]]:
    tasks: list[dict[str, Any]] = [
        {"id": i, "data": {"text": e.text, **meta(e)}, "annotations": [{"result": [choice(e.label)]}]}
        for i, e in enumerate(examples, 1)
    ]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", []


def _parse_prodigy(source: Source) -> Records:
    for line, task in source.objects():
        if task.get("answer") != "accept":
            source.skipped["not accepted"] += 1
            continue
        about = dict(task["meta"]) if isinstance(task.get("meta"), dict) else {}
        annotator = task.get("_annotator_id") or task.get("_session_id")
        if annotator:
            about["annotator"] = annotator
        accepted = task.get("accept")
        labels = accepted if isinstance(accepted, list) else [task["label"]] if "label" in task else []
        yield from source.labeled(line, task.get("text"), labels, about)


def _render_prodigy(examples: Sequence[Example]) -> tuple[str, list[str]]:
    choices = options(label_order(examples))
    tasks: list[dict[str, Any]] = []
    for e in examples:
        annotator = {"_annotator_id": e.annotator} if e.annotator else {}
        chosen: dict[str, Any] = {
            "options": choices,
            "accept": [e.label],
            "answer": "accept",
            "_view_id": "choice",
        }
        tasks.append({"text": e.text, "meta": _without(meta(e), ("annotator",)), **chosen, **annotator})
    return json_lines(tasks), []


def _parse_fasttext(source: Source) -> Records:
    for number, line in enumerate(source.content.split("\n"), 1):
        tokens = line.split(" ")
        labels = [token[len(_FASTTEXT) :] for token in tokens if token.startswith(_FASTTEXT)]
        if line.strip():
            text = " ".join(token for token in tokens if not token.startswith(_FASTTEXT))
            yield from source.labeled(number, text, labels, {})


def _render_fasttext(examples: Sequence[Example]) -> tuple[str, list[str]]:
    labels = {label: label.replace(" ", "_") for label in label_order(examples)}
    if len(set(labels.values())) < len(labels):
        raise DataError("two labels differ by a space or '_' alone, which fastText cannot tell apart")
    lines = []
    changed = 0
    for e in examples:
        text = _FASTTEXT_SPACE.sub(" ", e.text).strip(" ")
        text = f" {text}".replace(f" {_FASTTEXT}", " label__")[1:]
        changed += text != e.text
        lines.append(f"{_FASTTEXT}{labels[e.label]} {text}\n")
    lost = [key for key in META if any(key in meta(e) for e in examples)]
    notes = [f"fastText holds text and label alone, left out: {', '.join(lost)}"] if lost else []
    if changed:
        notes.append(
            f"fastText holds one line a text: white space or '{_FASTTEXT}' changed in {changed} texts"
        )
    renamed = [label for label, name in labels.items() if name != label]
    if renamed:
        notes.append(f"fastText holds labels without spaces, '_' put into: {', '.join(renamed)}")
    return "".join(lines), notes


def _parse_csv(source: Source) -> Records:
    content = source.content.removeprefix("\ufeff")
    header = content.partition("\n")[0]
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=max(",;\t", key=header.count))
    names = [name.strip().lower() for name in next(reader, [])]
    if not {"text", "label"} <= set(names):
        source.fault(
            1, "key", f"columns 'text' and 'label' are needed, found {', '.join(names)[:200] or 'none'}"
        )
        return
    line = reader.line_num + 1
    for cells in reader:
        if len(cells) > len(names):
            source.fault(line, "type", f"{len(cells)} cells in a row, the header has {len(names)}")
        elif any(cells):
            row: dict[str, Any] = {n: unguard(c) for n, c in zip(names, cells, strict=False) if c}
            if row.get("index", "").isdecimal():
                row["index"] = int(row["index"])
            labels = [row["label"]] if "label" in row else []
            yield from source.labeled(line, row.get("text", ""), labels, _without(row, ("text", "label")))
        line = reader.line_num + 1


def _render_csv(examples: Sequence[Example]) -> tuple[str, list[str]]:
    rows = [{"text": e.text, "label": e.label, **meta(e)} for e in examples]
    nul = sum("\0" in e.text for e in examples)
    notes = [f"a spreadsheet holds no NUL, left out of {nul} texts"] if nul else []
    return table(rows, ["text", "label", *(key for key in META if any(key in row for row in rows))]), notes


def _choices(result: object) -> list[object]:
    regions = result if isinstance(result, list) else []
    chosen: list[object] = []
    for region in regions:
        if (
            isinstance(region, dict)
            and region.get("type") == "choices"
            and isinstance(region.get("value"), dict)
        ):
            values = region["value"].get("choices")
            chosen += values if isinstance(values, list) else [values]
    return chosen


def _completed_by(user: object) -> str:
    if isinstance(user, dict):
        user = user.get("email") or user.get("id")
    return "" if user is None else str(user)


def _without(record: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in keys}


def _space_end(text: str, at: int) -> int:
    match = _JSON_SPACE.match(text, at)
    return match.end() if match else at


FORMATS = {
    "copytaster": Format(".jsonl", _parse_own, _render_own),
    "doccano": Format(".jsonl", _parse_doccano, _render_doccano),
    "label-studio": Format(".json", _parse_label_studio, _render_label_studio),
    "prodigy": Format(".jsonl", _parse_prodigy, _render_prodigy),
    "fasttext": Format(".txt", _parse_fasttext, _render_fasttext),
    "csv": Format(".csv", _parse_csv, _render_csv),
}
