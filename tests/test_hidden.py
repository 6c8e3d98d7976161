"""The hidden layer: what it learns, and that it is stored and explained like the rest."""

import json
from hashlib import sha256

import numpy as np
import pytest
from models import random_model

from copytaster import artifact, hidden
from copytaster.artifact import load, save
from copytaster.errors import ArtifactError, UsageError
from copytaster.explain import explain
from copytaster.fit import Config, fit
from copytaster.hidden import STEP
from copytaster.labeled import Example
from copytaster.sklearn import ParagraphClassifier

TEXTS = ["Please sign the petition, the mayor said.", "“You must sign,” they said. We must!", "", "12 km"]


def exclusive(count=400):
    """Return texts of two pairs of cues, of which one of the first and one of the second make an ask."""
    random = np.random.default_rng(0)
    examples = []
    for number in range(count):
        one, other = random.integers(0, 2, 2).tolist()
        text = f"The {('please', 'yesterday')[one]} {('council', 'shameful')[other]} water."
        label = "call-to-action" if one != other else "reporting"
        examples.append(Example(text, label, f"a{number}"))
    return examples


def right(model, examples):
    chances = model.predict_proba([example.text for example in examples])
    return np.mean(
        [model.labels[k] == e.label for k, e in zip(chances.argmax(axis=1), examples, strict=True)]
    )


def test_units_learn_what_no_sum_over_cues_can_say():
    examples = exclusive()
    config = {"word_weight": 1e-6, "iterations": 60}
    assert right(fit(examples, config=Config(**config)), examples) < 0.8
    assert right(fit(examples * 8, config=Config(**config, hidden=32)), examples) == 1


def test_the_estimator_has_them_too():
    examples = exclusive() * 8
    texts, labels = [example.text for example in examples], [example.label for example in examples]
    config = {"bits": 10, "word_weight": 1e-6, "iterations": 60}
    assert ParagraphClassifier(**config).fit(texts, labels).score(texts, labels) < 0.8
    assert ParagraphClassifier(**config, hidden=32).fit(texts, labels).score(texts, labels) == 1
    with pytest.raises(ValueError, match="hidden is a multiple of 16"):
        ParagraphClassifier(hidden=5).fit(texts, labels)


def test_fit_is_the_same_each_time():
    examples = exclusive(80)
    one, other = (fit(examples, seed=3, config=Config(hidden=STEP)) for _ in range(2))
    for name in ("inner", "bias", "outer"):
        assert getattr(one.hidden, name).tobytes() == getattr(other.hidden, name).tobytes()


@pytest.mark.parametrize("units", [-16, 8, 2048])
def test_odd_numbers_of_units_are_refused(units):
    with pytest.raises(UsageError, match="hidden must be a multiple of 16"):
        Config(hidden=units)


def test_it_is_stored_to_the_last_bit(tmp_path):
    model = random_model(units=48)
    save(model, tmp_path / "a.copytaster")
    found = load(tmp_path / "a.copytaster")
    assert found.decision_function(TEXTS).tobytes() == model.decision_function(TEXTS).tobytes()
    assert not np.array_equal(model.decision_function(TEXTS), random_model().decision_function(TEXTS))


def test_arrays_may_stand_anywhere_in_the_file(tmp_path):
    model = random_model(units=48)
    data = artifact.dump(model)
    size = int.from_bytes(data[16:24], "little")
    header = json.loads(data[64 : 64 + size])
    body = data[64 + size :] + b"\0" + model.hidden.outer.astype("<f8").tobytes()
    header["arrays"]["hidden_outer"]["offset"] = len(data) - 64 - size + 1
    text = json.dumps(header).encode()
    rest = text + b" " * (-len(text) % 64) + body
    front = data[:16] + np.array([len(rest) - len(body), 64 + len(rest)], "<u8").tobytes()
    path = tmp_path / "a.copytaster"
    path.write_bytes(front + sha256(front + rest).digest() + rest)
    assert load(path).decision_function(TEXTS).tobytes() == model.decision_function(TEXTS).tobytes()


@pytest.mark.parametrize("units", [8, 1 << 20, "48", 32, 0, None, True])
def test_a_wrong_number_of_units_is_a_damaged_model(tmp_path, monkeypatch, units):
    whole = json.dumps

    def other(value, **options):
        return whole({**value, "hidden": units} if "hidden" in value else value, **options)

    monkeypatch.setattr(artifact.json, "dumps", other)
    data = artifact.dump(random_model(units=48))
    monkeypatch.undo()
    path = tmp_path / "a.copytaster"
    path.write_bytes(data)
    with pytest.raises(ArtifactError):
        load(path)


@pytest.mark.parametrize("text", TEXTS)
def test_parts_and_bias_sum_to_the_log_odds(text):
    model = random_model(units=48)
    found = explain(model, text)
    total = found.bias + sum(part.contribution for part in found.parts)
    assert total == pytest.approx(found.log_odds, abs=1e-4)


def test_arrays_that_do_not_fit_are_refused():
    if hidden.kernel is None:
        pytest.skip("not compiled")
    layer = random_model(units=32).hidden
    shapes = (
        ((36, 2), np.float32),
        ((36, 32), np.float32),
        ((32, 2), float),
        ((2, 32), np.float32),
        ((2, 2), float),
    )
    good = [np.zeros(shape, kind) for shape, kind in shapes]
    hidden.kernel.layer(32, 2, tuple(good))
    assert layer.inner.shape[1] == 32
    for at in range(len(good)):
        for wrong in (good[at][:-1], good[at][:0], good[at].astype(np.int16), None, b"", good[at].T[::2]):
            with pytest.raises((ValueError, TypeError, BufferError)):
                hidden.kernel.layer(32, 2, (*good[:at], wrong, *good[at + 1 :]))
    for units, contrasts in ((0, 2), (16, 2), (8, 2), (32, 1), (32, 0), (-32, 2), (1 << 20, 2)):
        with pytest.raises(ValueError, match="do not fit"):
            hidden.kernel.layer(units, contrasts, tuple(good))
