"""What is written in C against Python: the same of any text, and no harm from what does not fit.

It is compiled anew from its source, with ``CFLAGS`` where given.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import names, random_model
from texts import batches, paragraphs

from copytaster import article, hidden, tally, writers
from copytaster.annotate import Annotator, Verdicts
from copytaster.article import Article, Paragraph
from copytaster.artifact import load
from copytaster.domain import READ
from copytaster.model import MAX_CHARS, Model
from copytaster.writers import JsonlWriter, encode

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("kernel")
    command = [sys.executable, "setup.py", "build_ext", "--build-lib", folder, "--build-temp", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    modules = {}
    for path in folder.glob("copytaster/_*"):
        name = path.name.split(".")[0]
        spec = importlib.util.spec_from_file_location(f"copytaster.{name}", path)
        modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    if set(modules) != {"_kernel", "_lines", "_rows"}:
        pytest.skip(f"not compiled: {done.stderr[-500:]}")
    return modules


@pytest.fixture(scope="module", autouse=True)
def kernel(compiled):
    before = tally.kernel
    tally.kernel = hidden.kernel = compiled["_kernel"]
    yield tally.kernel
    tally.kernel = hidden.kernel = before


SHIPPED = load()
MODELS = [
    SHIPPED,
    *(random_model(names(count), seed=count, units=units) for count in (2, 3, 4, 20) for units in (0, 48)),
]


def same(model, texts):
    """Compare to the last bit, all that is read and all that comes of it."""
    counts, weights, steps, *_ = model.tally.count(texts)
    features = model.featurise(texts)
    expected = model.tally.by_numpy(texts)
    for name, found, wanted in zip(counts._fields, counts, features.counts, strict=True):
        assert np.array_equal(found, wanted), name
    assert np.array_equal(weights, expected.weights)
    assert np.array_equal(steps, expected.steps)
    found = model.tally(texts)
    assert found.forms.tobytes() == expected.forms.tobytes()
    assert found.lexical.tobytes() == expected.lexical.tobytes()
    assert found.units.tobytes() == expected.units.tobytes()
    score = model.score(found)
    assert score.tobytes() == model.score(expected).tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "kernel", None)
        assert model.score(found).tobytes() == score.tobytes()


@settings(max_examples=500)
@given(st.sampled_from(MODELS), batches)
@example(MODELS[0], ["", " ", "\0", "'", '"', "''", "a'", "'a", "a'b", "a''b", "a'b'c", "'\0'"])
@example(
    MODELS[1], ['"""', '"A? "B!', "? . ! Yes", ". . . . . Go", "( ( ( ( Go", "( ( ( ( ( Go", "Mr. A. Then. B"]
)
@example(MODELS[0], ["word" * 16_384, "x" * 9, "X" * 8, "é" * 5, "a\ud800b", "1994 19945 2b"])
def test_kernel_and_numpy_agree(model, texts):
    same(model, texts)


@given(paragraphs.filter(bool), paragraphs)
def test_long_texts_agree(text, more):
    repeated = (text * (100_000 // len(text) + 1)) + more
    same(SHIPPED, [repeated, text, repeated[: MAX_CHARS + 1], repeated[:MAX_CHARS]])
    same(SHIPPED, ["a " * (READ + 1) + text, "a " * (READ - 1) + text])


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=300), min_size=1, max_size=4))
def test_any_characters_agree(texts):
    same(SHIPPED, texts)


def test_every_byte_and_fold_agrees():
    every = [chr(code) for code in range(0x3100)] + [chr(code) for code in range(0xD000, 0x110000, 97)]
    for pattern in ("%s", "a%sb", "Go%s", "1%s1", '"%s', "é%s", "A. %sB"):
        same(SHIPPED, [pattern % character for character in every])


def test_probabilities_agree_whichever_is_in_use(monkeypatch):
    texts = ["The mayor said.", "", "Sign the petition today!", "“No,” she said."] * 300
    fast = SHIPPED.predict_proba(texts), SHIPPED.in_domain(texts)
    monkeypatch.setattr(tally, "kernel", None)
    monkeypatch.setattr(hidden, "kernel", None)
    slow = SHIPPED.predict_proba(texts), SHIPPED.in_domain(texts)
    assert [a.tobytes() for a in fast] == [a.tobytes() for a in slow]


def blocks_of(text):
    """Cut a text by Python alone."""
    before, article._compiled = article._compiled, None
    try:
        return article.segment(text)
    finally:
        article._compiled = before


def same_blocks(compiled, text):
    before, article._compiled = article._compiled, compiled["_lines"]
    try:
        found = article.segment(text)
    finally:
        article._compiled = before
    assert found == blocks_of(text), text
    assert all(type(block) is Paragraph for block in found)


RUN = "the council met on Monday and the mayor said that it would meet again "
PARTS = [
    "", RUN, RUN * 2, RUN * 4, "council", "If you ", "Photo: ", "photo", "The ", "We\u2019re ",
    "\u201cNo, ", "\u2018", "a) ", "xii) ", "1. ", "- ", "* ", "(see) ", "[ ] ", "#", "> ", "|", " | ",
    "===", "---", "***", "```", "~~~", "ookie", "Cookies ", "Sign Our PetitionThe ", "McDonald ", "PhDs ",
    "NATOwide ", "?\u201cWhat ", "3Go ", "!_", "\xdcber ", "\u0130f ", "\ufb01le ", "\u212a", "\u017fee ",
    "\xdf", "\xd7", "\u2192Go ", "x\xabGo", "\u01c5", '"_', "said.", "said!", "said?\u201d", 'said."',
    "said:", "said)", "said;", "said", "said\u2026", "said.*", "A", "a", ".", "\n", "\n\n", "\n\n", "\n\n",
    "\r\n\r\n", "\r", "\x1c", "\x85\n", "\u2028", "\n \u200b\n", "\n\t", "\x1f", "\xa0", "\ufeff", "\u5e02",
    "\ud800",
]  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
def test_lines_are_cut_as_python_cuts_them(compiled, text):
    same_blocks(compiled, text)


@given(st.lists(paragraphs, max_size=6), st.sampled_from(("\n", "\n\n", "\r\n")))
def test_any_lines_are_cut_as_python_cuts_them(compiled, lines, end):
    same_blocks(compiled, end.join(lines))


@pytest.mark.parametrize("page", sorted((ROOT / "tests" / "pages").glob("*.txt")), ids=lambda page: page.stem)
def test_pages_are_cut_as_python_cuts_them(compiled, page):
    text = page.read_text("utf-8")
    same_blocks(compiled, text)
    same_blocks(compiled, text.replace("\n\n", "\n"))
    same_blocks(compiled, text.replace("\n", "\n\n"))


def test_every_character_is_cut_as_python_cuts_it(compiled):
    for code in (*range(0x3100), *range(0xD7F0, 0x110000, 97)):
        c = chr(code)
        lines = ("T%s.@", "@%s.", "The@ %s.", "The @Go %s@", "Of @_ %s.", "Of@Go %s.")
        same_blocks(compiled, "\n\n".join(line.replace("%s", RUN).replace("@", c) for line in lines))
    for word in article.SUSPECTS:
        same_blocks(compiled, f"{word.capitalize()} {RUN}.\n\n{word.capitalize()}: {RUN}.")


@pytest.mark.parametrize("end", [".", '."', "", " here", ", now.", ": a", " (AP)"])
def test_phrases_of_a_site_are_known_as_python_knows_them(compiled, end):
    lines = [
        f"{first}{mark}{second} the pool{end}"
        for first, others in article.BEGINNINGS.items()
        for second in (*sorted(others or ())[:9], "zebra", "By")
        for mark in (" ", ", ", ": ", " - ")
    ]
    same_blocks(compiled, "\n\n".join([*lines, *map(str.capitalize, lines)]))


@pytest.mark.parametrize(
    "end", ["", " and of the sea, which nobody had asked for before the war and nobody asks for now"]
)
def test_titles_and_glued_buttons_are_known_as_python_knows_them(compiled, end):
    buttons = (*sorted(article.ENDINGS), *article.ASKS, "18", "B", "CLOUD", "(so", "e-mail", "don't", "say!")
    openers = (*sorted(article.OPENERS), "Bay", "\u201cNo", "F")
    words = (
        "News",
        "noon",
        "sign up here",
        "please",
        "credit",
        "Photo",
        "regional",
        "pay $5",
        "a -- b",
        "x/y",
    )
    lines = [f"Of {button}{opener} and sand{end}" for button in buttons for opener in openers]
    lines += [f"{word} of the {other} pool{end}" for word in (*buttons, *openers, *words) for other in words]
    same_blocks(compiled, "\n\n".join([*lines, *(line + "." for line in lines)]))


def test_only_a_text_and_what_belongs_to_it_are_scanned(compiled):
    words = (frozenset(), {}, *[frozenset()] * 4)
    good = ("A text:", 0, [], lambda line, start: (), Paragraph, words)
    scan = compiled["_lines"].scan
    assert scan(*good) == len(good[0])
    assert scan("A text:", 99, *good[2:]) == 99
    for at, wrong in enumerate((b"", -1, (), None, dict, words[:-1])):
        with pytest.raises((TypeError, ValueError)):
            scan(*good[:at], wrong, *good[at + 1 :])
    for at, wrong in enumerate((set(), frozenset(), {}, [], None, {})):
        with pytest.raises(TypeError):
            scan(*good[:5], (*words[:at], wrong, *words[at + 1 :]))
    with pytest.raises(ZeroDivisionError):
        scan(*good[:3], lambda line, start: 1 / 0, *good[4:])


@pytest.fixture(scope="module")
def written(compiled):
    """Write paragraphs by the part in C, and by Python."""

    def write(name, blocks, verdicts, labels):
        writer = JsonlWriter(labels)
        reader = Annotator(Namespace(labels=labels, manifest={}))
        articles = [Article(name, "", blocks), Article("", "", [])]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writers, "compiled", compiled["_rows"])
            found = writer.rows(articles, verdicts)
            patch.setattr(reader, "judge", lambda articles: verdicts)
            annotations = reader.annotate_all(articles)
        expected = "".join(map(writer.article, articles, annotations))
        assert found == encode(expected)

    return write


def verdicts_of(texts, labels, shares):
    """Make up what might be said of some texts."""
    n = len(texts)
    chances = np.resize(np.array([*shares, 1.0]), (n, len(labels)))
    columns = (np.arange(n) % count for count in (len(labels) + 1, 3, 2))
    return Verdicts(*columns, np.resize(chances, n), chances, chances[:, 1:], texts)


KINDS = st.sampled_from(article.KINDS)
ANY = st.one_of(paragraphs, st.text(st.characters(exclude_categories=()), max_size=300))
SHARES = st.one_of(
    st.floats(0, 1),
    st.integers(0, 20_000).map(lambda n: n / 20_000),
    st.sampled_from((-0.0, np.nan, 1.5, -2.0)),
)


@settings(max_examples=500)
@given(
    ANY, st.lists(st.tuples(KINDS, ANY)), st.lists(SHARES), st.lists(ANY, min_size=2, max_size=5, unique=True)
)
def test_rows_are_written_as_python_writes_them(written, name, given, shares, labels):
    blocks = [Paragraph(kind, i**9 - 9, i**9 + len(text), text) for i, (kind, text) in enumerate(given)]
    texts = [text for kind, text in given if kind in article.CLASSIFIED]
    written(name, blocks, verdicts_of(texts, tuple(labels), shares), tuple(labels))


def test_every_character_and_share_is_written_as_python_writes_it(written):
    codes = (*range(0x300), 0x2028, 0xD800, 0xDFFF, 0xFFFF, 0x1F600)
    texts = [text % chr(code) for code in codes for text in ("%s", "a%sb", "é%s", "“%s", "\U0001f600%s")]
    middles = np.arange(10_000) / 10_000 + 0.00005
    shares = [*middles, *np.nextafter(middles, 0), *np.nextafter(middles, 1)]
    blocks = [Paragraph("body", 0, len(text), text) for text in texts]
    for at in range(0, len(shares), 3 * len(texts)):
        written(
            "a",
            blocks,
            verdicts_of(texts, ("a", "b", "c"), shares[at : at + 3 * len(texts)]),
            ("a", "b", "c"),
        )


def test_rows_that_do_not_fit_are_refused(compiled):
    block = Paragraph("body", 0, 4, "Text")
    verdicts = verdicts_of(["Text"], ("a", "b"), [0.5])
    good = ([("name", [block])], 1, verdicts[:5], (("a", "b", ""), ("c",), ("d",)), ("e", "f"))
    write = compiled["_rows"].write
    assert write(*good).endswith(b'"text": "Text"}\n')
    many = verdicts_of(["Text"] * 2, ("a", "b"), [])
    columns = [
        (*good[2][:at], wrong, *good[2][at + 1 :]) for at in range(5) for wrong in (None, b"", many[at])
    ]
    columns += [
        (*good[2][:at], np.array([wrong]), *good[2][at + 1 :]) for at in range(3) for wrong in (-1, 3, 2**62)
    ]
    blocks = [
        (),
        ("body", 0, 4),
        ("body", 0, 4, b""),
        ("body", "", 4, ""),
        ("body", 2**70, 4, ""),
        (1, 0, 4, ""),
        None,
    ]
    cases = [
        *((2, each) for each in (*columns, (), good[2][:4], [])),
        *((0, [("name", [each])]) for each in blocks),
        *((0, each) for each in ([], [None], [()], [("name", ())], [(1, [])], [("name", [block] * 2)], None)),
        *((1, each) for each in (0, 2, -1, 2**62)),
        *((3, each) for each in ((), ("a", "b", "c"), (((1,) * 3), ("c",), ("d",)))),
        *((4, each) for each in ((), ("e",), (1, 2), ["e", "f"])),
    ]
    for at, wrong in cases:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            write(*good[:at], wrong, *good[at + 1 :])


def test_python_can_be_asked_for():
    code = (
        "from copytaster import article, tally, writers\n"
        "print(article._compiled or tally.kernel or writers.compiled)"
    )
    environment = os.environ | {"COPYTASTER_KERNEL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "None\n", done.stderr


@pytest.fixture
def call(kernel):
    """Call the kernel with one of its arrays, or of its numbers, another one."""
    model: Model = SHIPPED
    width, contrasts = len(model.lexicons.names), len(model.bias)
    units = len(model.tally._bias)
    row = sum((6, tally.TOKEN_CLASSES, contrasts))

    def run(
        text="We must sign. Sign!",
        at=None,
        array=None,
        lexicons=width,
        contrasts=contrasts,
        texts=None,
        units=units,
    ):
        texts = [text] if texts is None else texts
        rows, steps = np.zeros((len(texts), row), np.int32), np.zeros(len(texts), np.int64)
        out = np.zeros((len(texts), contrasts)), np.zeros((len(texts), units), np.float32)
        arrays = [*model.tally._arrays, rows, steps, *out]
        if at is not None:
            arrays[at] = array(arrays[at])
        kernel.tally(texts, lexicons, contrasts, units, READ, tuple(arrays))
        return rows

    return run


@pytest.mark.parametrize("at", range(17))
@pytest.mark.parametrize(
    "array",
    [
        lambda a: a[:-1],
        lambda a: a[:0],
        lambda a: np.concatenate((a, a)),
        lambda a: (a != 0).astype(np.float16),
        lambda a: a[::2],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:],
        lambda a: None,
        lambda a: b"",
    ],
)
def test_arrays_that_do_not_fit_are_refused_or_harmless(call, at, array):
    with contextlib.suppress(ValueError, TypeError, BufferError):
        call(at=at, array=array)


@pytest.mark.parametrize("at", range(11))
@pytest.mark.parametrize("value", [-1, 0, 1, 255, 2**31 - 1])
def test_tables_of_nonsense_do_no_harm(call, at, value):
    def nonsense(array):
        made = np.full_like(array, np.array(value).astype(array.dtype))
        made.flat[0] = 0
        return made

    rows = call("We must “sign” the petition. " * 9 + "Don't! 1994 naïve", at=at, array=nonsense)
    assert rows.shape == (1, rows.shape[1])


def test_numbers_that_do_not_fit_are_refused(call):
    for wrong in (
        {"lexicons": -1},
        {"lexicons": 256},
        {"contrasts": 0},
        {"contrasts": 3},
        {"lexicons": 57},
        {"units": 8},
    ):
        with pytest.raises(ValueError, match="do not fit"):
            call(**wrong)
    with pytest.raises(ValueError, match="do not fit"):
        call(at=0, array=lambda kinds: np.full(256, 1, np.uint8))


def test_only_texts_are_taken(call, kernel):
    for texts in ([b"bytes"], [None], [1], ["good", b"bad"]):
        with pytest.raises(TypeError, match="is no string"):
            call(texts=texts)
    for arguments in (
        (),
        ([],),
        (["a"], 0, 1, 0, 0, ()),
        (["a"], 0, 1, 0, 0, [1]),
        (3, 0, 1, 0, 0, (1,) * 17),
    ):
        with pytest.raises((TypeError, ValueError)):
            kernel.tally(*arguments)
