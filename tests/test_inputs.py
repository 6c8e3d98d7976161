"""Reading articles: every form of input, and one clear error for each thing that cannot be read."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import os
import socket
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from copytaster import inputs
from copytaster.article import Article, from_paragraphs, segment
from copytaster.errors import DataError, UsageError
from copytaster.inputs import MAX_LINES, read_articles
from copytaster.raw import Raw, each_article, read_raw, shown

TEXT = "The ferry was cut on Monday.\r\nThe “crew” knew nothing."


posix = pytest.mark.skipif(os.name == "nt", reason="pipes, links and odd names are those of POSIX")


def one(path: Path | str, **options: Any) -> Article:
    (found,) = read_articles([path], **options)
    assert isinstance(found, Article), found
    return found


def error(path: Path | str, **options: Any) -> str:
    (found,) = read_articles([path], **options)
    assert isinstance(found, DataError), found
    return str(found)


def read_lines(path: Path, *lines: str | bytes, **options: Any) -> list[Article | DataError]:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return list(read_articles([path], **options))


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what standard input holds."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_text_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode())
    article = one(path)
    assert (article.id, article.place, article.text, article.extra) == (str(path), str(path), TEXT, {})
    assert article.paragraphs == segment(TEXT)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ""])
def test_known_encodings_plain_and_zipped(tmp_path: Path, codec: str, zipped: bool, suffix: str) -> None:
    line = json.dumps({"id": "a", "text": TEXT}, ensure_ascii=False) + "\n"
    data = (TEXT if suffix == ".txt" else line * 2).encode(codec)
    path = tmp_path / f"a{suffix}{'.gz' * zipped}"
    path.write_bytes(gzip.compress(data) if zipped else data)
    articles = list(read_articles([path]))
    assert [article.text for article in articles if isinstance(article, Article)] == [TEXT] * len(articles)
    assert len(articles) == (1 if suffix == ".txt" else 2)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_by_their_mark(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(("\ufeff" + TEXT).encode(codec))
    assert one(path).text == TEXT


def test_other_encodings_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("A café".encode("cp1252"))
    assert error(path) == (
        f"{path}: byte 5 is not UTF-8. If it is an older encoding, name it: --encoding cp1252"
    )
    assert one(path, encoding="cp1252").text == "A café"
    assert "byte 5 is not ASCII" in error(path, encoding="ascii")
    path.write_text("A café", "utf-8")
    assert one(path, encoding="cp1252").text == "A café"
    path.write_text("A café", "utf-16-le")
    assert one(path, encoding="utf-16-le").text == "A café"
    path.write_bytes(codecs.BOM_UTF16_LE + b"odd")
    assert "is not UTF-16" in error(path)


@pytest.mark.parametrize("encoding", ["nonsense", "hex", "a\0b", ""])
def test_unknown_encoding_is_a_usage_error_at_once(encoding: str) -> None:
    with pytest.raises(UsageError):
        read_articles([], encoding)


def test_lines_of_either_form(tmp_path: Path) -> None:
    found = read_lines(
        tmp_path / "a.jsonl",
        '{"id": "x", "text": "One.\\n\\nTwo.", "title": "T", "n": 1.5, "deep": [{"a": null}]}',
        "",
        '{"paragraphs": ["Sign Our PetitionThe council met.", {"text": "Two.", "label": "opinion"}]}',
        '  {"id": 7, "text": ""}  ',
    )
    a, b, c = (article for article in found if isinstance(article, Article))
    assert (a.id, a.place) == ("x", f"{tmp_path}/a.jsonl:1")
    assert a.extra == {"title": "T", "n": 1.5, "deep": [{"a": None}]}
    assert [p.text for p in a.paragraphs] == ["One.", "Two."]
    assert (b.id, b.place, b.extra) == (f"{tmp_path}/a.jsonl:3", f"{tmp_path}/a.jsonl:3", {})
    assert (b.text, b.paragraphs) == from_paragraphs(["Sign Our PetitionThe council met.", "Two."])
    assert (c.id, c.text, c.paragraphs) == ("7", "", [])


FAULTY = [
    ("{", "not JSON"),
    ("[1]", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ("{}", "neither a string 'text' nor a list 'paragraphs'"),
    ('{"text": 1}', "neither a string 'text' nor a list 'paragraphs'"),
    ('{"text": "a", "id": [1]}', "'id' is not a string"),
    ('{"text": "a", "id": true}', "'id' is not a string"),
    ('{"paragraphs": "a"}', "'paragraphs' is not a list"),
    ('{"paragraphs": ["a", 1]}', "paragraph 1 has no text that is a string"),
    ('{"paragraphs": [{"txt": "a"}]}', "paragraph 0 has no text that is a string"),
    ('{"text": "\\ud800"}', "half of a surrogate pair"),
    ('{"text": "a", "x": {"\\uD83D": 1}}', "half of a surrogate pair"),
    ('{"text": "a", "n": NaN}', "not JSON"),
    ('{"text": "a", "n": 1e999}', "not JSON"),
    ('{"text": "a", "n": ' + "9" * 5000 + "}", "not JSON"),
    ('{"text": "a\tb"}', "not JSON"),
    ('{"text": "a"} {}', "not JSON"),
    ('{"text": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    (b'{"text": "\xe9"}', "byte 10 is not UTF-8"),
    (b"\xff\xfe\x00\xd8{", "is not UTF-16"),
]


@pytest.mark.parametrize(("line", "message"), FAULTY, ids=range(len(FAULTY)))
def test_faulty_line_is_named_and_the_next_goes_on(tmp_path: Path, line: str | bytes, message: str) -> None:
    before, fault, after = read_lines(tmp_path / "a.jsonl", '{"text": "A."}', line, '{"text": "B."}')
    assert isinstance(before, Article)
    assert isinstance(fault, DataError)
    assert str(fault).startswith(f"{tmp_path}/a.jsonl:2: ")
    assert message in str(fault)
    assert isinstance(after, Article)
    assert after.id == f"{tmp_path}/a.jsonl:3"


def test_escaped_pair_is_a_character(tmp_path: Path) -> None:
    (article,) = read_lines(tmp_path / "a.jsonl", '{"text": "\\ud83d\\ude00", "\\u0064": "\\\\ud800"}')
    assert isinstance(article, Article)
    assert (article.text, article.extra) == ("\U0001f600", {"d": "\\ud800"})


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a", "a.md.gz"])
def test_empty_input_is_an_article_without_paragraphs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    article = one(tmp_path / name)
    assert (article.id, article.text, article.paragraphs) == (str(tmp_path / name), "", [])


def test_folder_is_searched_in_order(tmp_path: Path) -> None:
    for name in (
        "b.md",
        "a.txt",
        "sub/c.jsonl.gz",
        "sub/.hidden.txt",
        ".git/d.txt",
        "e.pdf",
        "Z.TXT",
        "sub/f.NDJSON",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = b'{"text": "A."}' if "json" in name.lower() else b"A."
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    places = [article.place for article in read_articles([tmp_path]) if isinstance(article, Article)]
    names = ["Z.TXT", "a.txt", "b.md", "sub/c.jsonl.gz:1", "sub/f.NDJSON:1"]
    assert places == [f"{tmp_path}/{name}" for name in names]


def test_glob_is_expanded_unless_a_file_has_that_name(tmp_path: Path) -> None:
    for name in ("a1.txt", "a2.txt", "a[12].txt", "b.pdf"):
        (tmp_path / name).write_text("A.")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.txt").write_text("A.")

    def names(pattern: str) -> list[str]:
        return [os.path.basename(found.place) for found in read_articles([f"{tmp_path}/{pattern}"])]  # type: ignore[union-attr]

    assert names("a[12].txt") == ["a[12].txt"]
    assert names("a?.txt") == ["a1.txt", "a2.txt"]
    assert names("**/*.txt") == ["a1.txt", "a2.txt", "a[12].txt", "c.txt"]
    assert names("dee*") == ["c.txt"]
    assert error(f"{tmp_path}/x*") == f"{tmp_path}/x*: no file matches"


@posix
def test_each_unreadable_input_is_one_error_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_text("A.")
    Path("empty").mkdir()
    os.mkfifo("pipe.txt")
    Path("loop.txt").symlink_to("loop.txt")
    reasons = {
        "missing.txt": "No such file or directory",
        "empty": "no article in this folder",
        "pipe.txt": "not a regular file",
        "socket.txt": "not a regular file",
        "/dev/zero": "not a regular file",
        "loop.txt": "symbolic links",
        "a\0b": "null",
    }
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket.txt")
        first, *faults, last = read_articles(["good.txt", *reasons, "good.txt"])
    assert isinstance(first, Article)
    assert isinstance(last, Article)
    for (path, reason), fault in zip(reasons.items(), faults, strict=True):
        assert str(fault).startswith(f"{shown(path)}: ")
        assert reason in str(fault)


@posix
def test_folder_linked_into_itself_is_an_error_and_ends(tmp_path: Path) -> None:
    inner = tmp_path / "top" / "inner"
    inner.mkdir(parents=True)
    (inner / "a.txt").write_text("A.")
    (inner / "up").symlink_to(tmp_path / "top")
    (tmp_path / "top" / "side").symlink_to(inner)
    found = list(read_articles([tmp_path / "top"]))
    assert [item.place for item in found if isinstance(item, Article)] == [
        f"{tmp_path}/top/inner/a.txt", f"{tmp_path}/top/side/a.txt"
    ]  # fmt: skip
    faults = [str(item) for item in found if isinstance(item, DataError)]
    assert len(faults) == 2
    assert all("this link leads back" in fault for fault in faults)


@posix
def test_links_do_not_multiply(tmp_path: Path) -> None:
    """Two links in each of 40 folders to the next one make a million million paths."""
    for i in range(40):
        (tmp_path / f"{i:02}").mkdir()
        for name in "ab":
            (tmp_path / f"{i:02}" / name).symlink_to(f"../{i + 1:02}")
    (tmp_path / "40").mkdir()
    (tmp_path / "40" / "x.txt").write_text("A.")
    found = list(read_articles([tmp_path]))
    assert len([item for item in found if isinstance(item, Article)]) == 2
    assert len(found) < 200
    assert "where another link has led already" in str(found[0])


def test_denied_file_and_folder_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("A.")
    (tmp_path / "shut").mkdir()
    scan = os.scandir

    def denied(path: Any) -> Any:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = list(read_articles([tmp_path]))
    assert [type(item) for item in found] == [Article, DataError]
    assert str(found[1]) == f"{tmp_path}/shut: Permission denied"

    def closed(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", closed)
    assert error(tmp_path / "a.txt") == f"{tmp_path}/a.txt: Permission denied"


@posix
def test_odd_file_names_are_shown_escaped(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/a\n\xff\x1b[31m\xe2\x80\xae.txt"
    try:
        Path(os.fsdecode(odd)).write_text("A.")
    except OSError:
        pytest.skip("this file system takes no such name")
    article = one(tmp_path)
    assert article.place == article.id == f"{tmp_path}/a\\n\\xff\\x1b[31m\\u202e.txt"
    assert error(os.fsdecode(odd) + "x").startswith(f"{tmp_path}/a\\n\\xff\\x1b[31m\\u202e.txtx: ")


def test_damaged_gzip_gives_what_it_holds_and_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = b"".join(b'{"text": "Number %d."}\n' % i for i in range(50_000))
    path.write_bytes(gzip.compress(lines)[:-5000])
    *articles, fault = read_articles([path])
    assert len(articles) > 100
    assert isinstance(fault, DataError)
    assert "cannot be read to its end" in str(fault)
    text = tmp_path / "a.txt"
    text.write_bytes(gzip.compress(lines)[:-5000])
    assert "cannot be read to its end" in error(text)
    text.write_bytes(b"\x1f\x8bnot gzip")
    assert "cannot be read to its end" in error(text)


def test_too_long_articles_are_refused_in_little_memory(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_bytes(gzip.compress(b"a" * 50_000_000))
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(
        gzip.compress(b'{"text": "A."}\n' + b" " * 5_000_000 + b'\n{"text": "B."}\n' + b"a" * 60_000_000)
    )
    tracemalloc.start()
    assert error(text, max_bytes=1_000_000) == f"{text}: more than 1,000,000 bytes in one article"
    found = list(read_articles([lines], max_bytes=1_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(item) for item in found] == [Article, DataError, Article, DataError]
    assert str(found[1]) == f"{lines}:2: more than 1,000,000 bytes in one article"
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.txt", b"x\n", "lines"),
        ("a.txt", b"\r", "lines"),
        ("a.jsonl", b"\\u2028", "lines"),
        ("a.jsonl", b'","', "paragraphs"),
        ("a.jsonl", b'",{},"', "objects and lists"),
    ],
)
def test_too_many_parts_are_refused_in_little_memory(
    tmp_path: Path, name: str, data: bytes, what: str
) -> None:
    path = tmp_path / name
    head, tail = (b"", b"") if name == "a.txt" else (b'{"paragraphs": ["', b'"]}')
    if what == "lines" and head:
        head, tail = b'{"text": "', b'"}'
    path.write_bytes(head + data * (MAX_LINES + 1) + tail)
    tracemalloc.start()
    assert error(path) == f"{path}{':1' if head else ''}: more than 2,000,000 {what} in one article"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300_000_000


def test_limit_itself_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a" * 1000)
    assert len(one(path, max_bytes=1000).text) == 1000
    assert "more than 999 bytes" in error(path, max_bytes=999)


def test_lines_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes((b'{"text": "' + b"A. " * 3000 + b'"}\n') * 2000)
    tracemalloc.start()
    assert sum(isinstance(item, Article) for item in read_articles([path])) == 2000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"A.\n{", ["A.\n{"]),
        (b' \n\n {"text": "A."}\n{"text": "B."}', ["A.", "B."]),
        (b'\xef\xbb\xbf{"text": "A."}', ["A."]),
        (gzip.compress(b'{"text": "A."}'), ["A."]),
        (gzip.compress(b"A."), ["A."]),
        ("{\"text\": \"Á.\"}\n".encode("utf-16"), ["Á."]),
        (b"", [""]),
    ],
)  # fmt: skip
def test_standard_input_is_known_by_its_first_bytes(give: Any, data: bytes, texts: list[str]) -> None:
    give(data)
    found = list(read_articles(["-"]))
    assert [item.text for item in found if isinstance(item, Article)] == texts
    assert found[0].place.startswith("<stdin>")  # type: ignore[union-attr]


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first article is there before the second has been sent."""
    out, into = os.pipe()
    with open(out, "rb") as source, open(into, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        sink.write(b'{"text": "A."}\n')
        articles = read_articles(["-"])
        assert next(articles).text == "A."  # type: ignore[union-attr]
        sink.write(b'{"text": "B."}\n')
        assert next(articles).text == "B."  # type: ignore[union-attr]


def test_html_goes_through_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "a.htm"
    page.write_bytes(b"<html>A.")
    (tmp_path / "b").write_bytes(b" <!DOCTYPE html>B.")
    calls = []

    def reader(data: bytes, place: str, encoding: str | None) -> Article:
        calls.append((data, place, encoding))
        return Article(place, "", [])

    monkeypatch.setattr(inputs, "read_html", reader)
    list(read_articles([page, tmp_path / "b"], "cp1252"))
    assert calls == [(b"<html>A.", str(page), "cp1252"), (b" <!DOCTYPE html>B.", f"{tmp_path}/b", "cp1252")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=8,
)
written = [
    json.dumps, lambda value: json.dumps(value, ensure_ascii=False, indent=0).replace("\n", " "),
    lambda value: json.dumps(value)[:-1],
]  # fmt: skip


@given(
    st.dictionaries(st.text(max_size=3) | st.just("paragraphs"), json_values, max_size=4),
    st.sampled_from(written),
)
@example({"paragraphs": -(2**63) - 1}, json.dumps)
@example({"paragraphs": [-(2**63) - 1, {"text": 2**64}]}, json.dumps)
@example({"paragraphs": [{"text": "A.", "n": 0}]}, lambda value: json.dumps(value).replace("0", "1e999"))
def test_with_and_without_orjson_the_same(value: dict[str, Any], write: Any) -> None:
    orjson = pytest.importorskip("orjson")
    line = write(value).encode()

    def outcome(module: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inputs, "orjson", module)
            try:
                return json.dumps(inputs._object(line, "a:1"))
            except DataError as fault:
                return str(fault)

    assert outcome(orjson) == outcome(None)


@pytest.mark.parametrize("module", [None, inputs.orjson])
def test_of_a_repeated_key_the_last_counts(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "orjson", module)
    found = inputs.parse(
        Raw("json", "a:1", b'{"id": "a", "text": "A.", "id": "b", "text": "B.", "x": 1, "x": 2}')
    )
    assert isinstance(found, Article)
    assert (found.id, found.text, found.extra) == ("b", "B.", {"x": 2})


@pytest.mark.parametrize(("line", "message"), FAULTY, ids=range(len(FAULTY)))
def test_faulty_lines_without_orjson(line: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "orjson", None)
    data = line if isinstance(line, bytes) else line.encode()
    fault = inputs.parse(Raw("json", "a:2", data))
    assert isinstance(fault, DataError)
    assert message in str(fault)


class Trickle(io.RawIOBase):
    """A stream that has a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = data, sizes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(self._sizes.pop(0) if self._sizes else 4, len(buffer))
        piece, self._data = self._data[:size], self._data[size:]
        buffer[: len(piece)] = piece
        return len(piece)


@given(
    st.lists(st.sampled_from([b"", b" ", b"\r", b"{}", b"{1234}", b"{123456789}"]), max_size=8),
    st.lists(st.integers(1, 9), max_size=20),
    st.integers(4, 14),
)
def test_lines_are_the_same_in_whatever_pieces_they_come(
    lines: list[bytes], sizes: list[int], longest: int
) -> None:
    data = b"{\n" + b"\n".join(lines)
    wanted = []
    for number, line in enumerate(io.BytesIO(data), 1):
        if len(line) > longest:
            wanted.append(f"<stdin>:{number}: more than {longest:,} bytes in one article")
        elif not line.isspace():
            wanted.append((f"<stdin>:{number}", line.removesuffix(b"\n")))
    with pytest.MonkeyPatch.context() as patch:
        stream = io.BufferedReader(Trickle(data, sizes), 8)
        patch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        found = list(each_article(read_raw(["-"], longest)))
    assert [str(item) if isinstance(item, DataError) else (item.place, item.data) for item in found] == wanted


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode), st.sampled_from(["text", "json"]))
def test_any_bytes_give_an_article_or_an_error(data: bytes, kind: str) -> None:
    for encoding in (None, "cp1252", "utf-16", "idna", "punycode", "utf-7"):
        found = inputs.parse(Raw(kind, "a", data), encoding)
        if isinstance(found, Article):
            assert all(found.text[p.start : p.end] == p.text for p in found.paragraphs)
            assert not any(isinstance(v, float) and not math.isfinite(v) for v in found.extra.values())
