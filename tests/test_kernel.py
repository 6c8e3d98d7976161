"""What is written in C against Python: the same of any text, and no harm from what does not fit.

It is compiled anew from its source, with ``CFLAGS`` where given.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from json.encoder import encode_basestring
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import names, random_model
from texts import batches, paragraphs

from copytaster import tally
from copytaster.artifact import load
from copytaster.domain import READ
from copytaster.model import MAX_CHARS, Model

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
    if set(modules) != {"_kernel", "_quote"}:
        pytest.skip(f"not compiled: {done.stderr[-500:]}")
    return modules


@pytest.fixture(scope="module", autouse=True)
def kernel(compiled):
    before, tally.kernel = tally.kernel, compiled["_kernel"]
    yield tally.kernel
    tally.kernel = before


SHIPPED = load()
MODELS = [SHIPPED, *(random_model(names(count), seed=count) for count in (2, 3, 4, 20))]


def same(model, texts):
    """Compare to the last bit, all that is read and all that comes of it."""
    counts, weights, steps = model.tally.count(texts)
    features = model.featurise(texts)
    expected = model.tally.by_numpy(texts)
    for name, found, wanted in zip(counts._fields, counts, features.counts, strict=True):
        assert np.array_equal(found, wanted), name
    assert np.array_equal(weights, expected.weights)
    assert np.array_equal(steps, expected.steps)
    found = model.tally(texts)
    assert found.cues.tobytes() == expected.cues.tobytes()
    assert model.score(found).tobytes() == model.score(expected).tobytes()


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
    slow = SHIPPED.predict_proba(texts), SHIPPED.in_domain(texts)
    assert [a.tobytes() for a in fast] == [a.tobytes() for a in slow]


@settings(max_examples=300)
@given(st.one_of(paragraphs, st.text(st.characters(exclude_categories=()), max_size=300)))
def test_strings_are_quoted_as_json_does(compiled, text):
    assert compiled["_quote"].quote(text) == encode_basestring(text)


def test_every_character_is_quoted_as_json_does(compiled):
    for code in (*range(0x300), 0x2028, 0xD800, 0xDFFF, 0xFFFF, 0x1F600):
        for text in (chr(code), f"a{chr(code)}b", f"é{chr(code)}", f"“{chr(code)}", f"\U0001f600{chr(code)}"):
            assert compiled["_quote"].quote(text) == encode_basestring(text)
    for wrong in (b"bytes", None, 1):
        with pytest.raises(TypeError):
            compiled["_quote"].quote(wrong)


def test_python_can_be_asked_for():
    code = "from copytaster import tally, writers; print(tally.kernel or writers._compiled)"
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
    row = sum((6, tally.TOKEN_CLASSES, 3 * width, contrasts))

    def run(text="We must sign. Sign!", at=None, array=None, lexicons=width, contrasts=contrasts, texts=None):
        texts = [text] if texts is None else texts
        rows, steps = np.zeros((len(texts), row), np.int32), np.zeros(len(texts), np.int64)
        arrays = [*model.tally._arrays, rows, steps]
        if at is not None:
            arrays[at] = array(arrays[at])
        kernel.tally(texts, lexicons, contrasts, READ, tuple(arrays))
        return rows

    return run


@pytest.mark.parametrize("at", range(13))
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
    for wrong in ({"lexicons": -1}, {"lexicons": 256}, {"contrasts": 0}, {"contrasts": 3}, {"lexicons": 57}):
        with pytest.raises(ValueError, match="do not fit"):
            call(**wrong)
    with pytest.raises(ValueError, match="do not fit"):
        call(at=0, array=lambda kinds: np.full(256, 1, np.uint8))


def test_only_texts_are_taken(call, kernel):
    for texts in ([b"bytes"], [None], [1], ["good", b"bad"]):
        with pytest.raises(TypeError, match="is no string"):
            call(texts=texts)
    for arguments in ((), ([],), (["a"], 0, 1, 0, ()), (["a"], 0, 1, 0, [1]), (3, 0, 1, 0, (1,) * 13)):
        with pytest.raises((TypeError, ValueError)):
            kernel.tally(*arguments)
