"""Scores against the slow reference, probabilities, and that neither depends on how texts are batched."""

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import LEXICONS, names, random_model
from texts import batches, paragraphs

from copytaster.artifact import DEFAULT, load
from copytaster.model import BATCH, BATCH_CHARS, MAX_CHARS, softmax
from copytaster.model import batches as cut

MODELS = {count: random_model(names(count), seed=count) for count in (2, 3, 4, 5, 20)}
counts = st.sampled_from(sorted(MODELS))


@settings(max_examples=150)
@given(counts, batches)
def test_scores_are_those_of_the_reference(count, texts):
    model = MODELS[count]
    arrays = model.words, model.scale, model.cues, model.bias
    expected = [reference.score(text, LEXICONS, model.featurise.cue_names, *arrays) for text in texts]
    assert model.decision_function(texts) == pytest.approx(np.array(expected), rel=1e-5, abs=1e-5)
    assert softmax(np.array(expected)) == pytest.approx(
        np.array([reference.softmax(row) for row in expected])
    )


@given(counts, batches)
def test_probabilities_are_probabilities(count, texts):
    proba = MODELS[count].predict_proba(texts)
    assert proba.shape == (len(texts), count) and proba.dtype == np.float64
    assert (proba >= 0).all() and (proba <= 1).all()
    assert np.abs(proba.sum(axis=1) - 1).max() < 1e-12


@given(counts, batches, st.data())
@example(3, ["The vote. Then? Sign it!", "Mr", ". no", "", '"We must," she said. Call!'], None)
def test_scores_do_not_depend_on_the_batch(count, texts, data):
    model = MODELS[count]
    whole = model.decision_function(texts).tobytes()
    at = data.draw(st.integers(0, len(texts))) if data else 2
    assert whole == b"".join(model.decision_function(part).tobytes() for part in (texts[:at], texts[at:]))
    assert whole == b"".join(model.decision_function([text]).tobytes() for text in texts)
    assert model.predict_proba(texts).tobytes() == b"".join(model.predict_proba([t]).tobytes() for t in texts)


@pytest.fixture(scope="module")
def shipped():
    if not DEFAULT.exists():
        pytest.skip("no default model in this checkout")
    return load()


@pytest.mark.parametrize("name", ["predict_proba", "in_domain"])
def test_the_end_of_an_inner_batch_does_not_show(shipped, name):
    words = ["The mayor said.", 'Sign: "Please call!"', "", "We must. You must? 1994", "Mr", ". the"]
    texts = [" ".join(words[: i % 7]) + str(i) for i in range(2 * BATCH + 3)]
    answer = getattr(shipped, name)
    whole = answer(texts).tobytes()
    for at in (1, BATCH - 1, BATCH, BATCH + 1):
        assert whole == np.concatenate((answer(texts[:at]), answer(texts[at:]))).tobytes()
    assert whole == np.concatenate([answer([text]) for text in texts]).tobytes()


@given(st.lists(st.sampled_from([0, 1, 100, BATCH_CHARS // 3, BATCH_CHARS, 2 * BATCH_CHARS]), max_size=200))
def test_inner_batches_are_all_texts_in_order_and_small(sizes):
    parts = [range(len(sizes))[part] for part in cut(["x" * size for size in sizes])]
    assert [i for part in parts for i in part] == list(range(len(sizes)))
    assert all(1 <= len(part) <= BATCH for part in parts)
    assert all(sum(sizes[i] for i in part[:-1]) < BATCH_CHARS for part in parts)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_no_text_gives_no_row(count):
    assert MODELS[count].predict_proba([]).shape == (0, count)
    assert MODELS[count].in_domain([]).shape == (0,)


@pytest.mark.parametrize("count", sorted(MODELS))
def test_sums_are_exact_for_the_largest_weights_and_longest_texts(count):
    model = random_model(names(count), bits=1, seed=1, extreme=True)
    texts = ["!" * MAX_CHARS, "a. A! " * (MAX_CHARS // 6), "", "x"] * 3
    features = model.featurise(texts)
    owner = np.repeat(np.arange(len(texts)), np.diff(features.pointer))
    sums = np.zeros((len(texts), count - 1), np.int64)
    for hashes, row in (
        (features.single, owner),
        (features.pair, owner),
        (features.opening, features.opening_owner),
    ):
        np.add.at(sums, row, model.words[(hashes >> np.uint64(63)).astype(int)].astype(np.int64))
    length = np.maximum(np.diff(features.pointer), 1)[:, None]
    plain = model.bias + sums * (model.scale / np.sqrt(length)) + features.cues.astype(float) @ model.cues
    assert model.score(model.tally(texts)) == pytest.approx(plain, rel=1e-9)


@given(paragraphs)
def test_text_after_the_limit_does_not_count(text):
    long = text.ljust(MAX_CHARS, "x")[:MAX_CHARS]
    model = MODELS[2]
    assert model.predict_proba([long + " Sign now!"]).tobytes() == model.predict_proba([long]).tobytes()


@given(st.lists(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=2), min_size=1, max_size=4))
def test_softmax_of_any_finite_contrasts_sums_to_one(rows):
    chances = softmax(np.array(rows))
    assert np.isfinite(chances).all()
    assert np.abs(chances.sum(axis=1) - 1).max() < 1e-12


@given(batches)
def test_in_domain_is_a_share(shipped, texts):
    for model in (shipped, MODELS[3]):
        share = model.in_domain(texts)
        assert share.shape == (len(texts),)
        assert ((share >= 0) & (share <= 1)).all()
