"""Explanations: they add up to the log-odds, and what they name stands where they say."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import names, random_model
from texts import paragraphs

from copytaster.explain import Explanation, Part
from copytaster.features import FORMS
from copytaster.model import MAX_CHARS

MODELS = {count: random_model(names(count), seed=count) for count in (2, 3, 6)}
counts = st.sampled_from(sorted(MODELS))


def flat(text):
    return "".join(text.lower().split())


@settings(max_examples=200)
@given(counts, paragraphs)
@example(3, "")
@example(2, "\u201cSign \u2014 now\u201d\u2026 the\u00a0petition")
def test_parts_and_bias_sum_to_the_log_odds(count, text):
    model = MODELS[count]
    found = model.explain(text)
    chances = dict(zip(model.labels, model.predict_proba([text])[0].tolist(), strict=True))
    best, second = sorted(chances.values(), reverse=True)[:2]
    assert chances[found.label] == best and chances[found.against] == second
    assert found.label != found.against
    assert found.log_odds == pytest.approx(np.log(best) - np.log(second), abs=1e-6)
    assert found.bias + sum(part.contribution for part in found.parts) == pytest.approx(
        found.log_odds, abs=1e-6
    )


@settings(max_examples=200)
@given(counts, paragraphs)
def test_spans_slice_back_to_the_ngram_named(count, text):
    for part in MODELS[count].explain(text).parts:
        assert all(0 <= start < end <= len(text) for start, end in part.spans)
        if part.view == "ngram":
            assert part.spans
            written = {flat(text[slice(*span)]) for span in part.spans}
            assert all(flat(part.name) in (words, f"^{words}") for words in written)
        elif part.name in FORMS:
            assert part.spans == ()


@given(counts, paragraphs)
def test_the_plain_form_is_json_that_adds_up(count, text):
    found = MODELS[count].explain(text)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    shown = sum(part["contribution"] for part in plain["parts"])
    assert plain["bias"] + shown + plain["rest"] == pytest.approx(plain["log_odds"], abs=1e-6)
    assert plain["sentence"] == json.loads(json.dumps(str(found)))
    weight = [abs(part.contribution) for part in found.parts]
    assert weight == sorted(weight, reverse=True)


def test_the_words_of_a_cue_are_named():
    text = "The mayor said: \u201cYou must sign.\u201d Please sign the petition"
    parts = {part.name: part for part in MODELS[3].explain(text).parts if part.view == "cue"}
    spans = [text[slice(*span)] for span in parts["asks"].spans]
    assert spans == ["You", "sign", "Please", "sign", "sign the petition"]
    assert [text[slice(*span)] for span in parts["sources"].spans if span[1] - span[0] > 4] == [
        "The mayor said"
    ]


def test_ngrams_and_openings_are_named_as_written():
    text = "Sign  now. We\u2019ll wait"
    found = {part.name: part.spans for part in MODELS[3].explain(text).parts if part.view == "ngram"}
    written = {name: [text[slice(*span)] for span in spans] for name, spans in found.items()}
    assert written == {
        "sign": ["Sign"],
        "now": ["now"],
        ".": ["."],
        "we\u2019ll": ["We\u2019ll"],
        "wait": ["wait"],
        "sign now": ["Sign  now"],
        "now.": ["now."],
        ". we\u2019ll": [". We\u2019ll"],
        "we\u2019ll wait": ["We\u2019ll wait"],
        "^sign": ["Sign", "Sign"],
        "^sign now": ["Sign  now"],
        "^we\u2019ll": ["We\u2019ll"],
        "^we\u2019ll wait": ["We\u2019ll wait"],
    }


def test_what_the_neighbours_add_is_a_part():
    shift = np.array([4.0, -2.0])
    text = "The mayor said you must sign."
    found = MODELS[3].explain(text, shift)
    (part,) = (part for part in found.parts if part.view == "context")
    scores = np.append(0, MODELS[3].decision_function([text])[0] + shift)
    best, second = np.sort(scores)[::-1][:2]
    assert found.label == MODELS[3].labels[scores.argmax()]
    assert found.log_odds == pytest.approx(best - second)
    assert found.bias + sum(part.contribution for part in found.parts) == pytest.approx(found.log_odds)
    assert part.spans == () and part.contribution


def test_certainty_beyond_floating_point_is_still_explained():
    model = random_model(names(3))
    model.bias[:] = 5000, -5000
    found = model.explain("Sign the petition.")
    assert np.isfinite(found.log_odds)
    assert found.bias + sum(part.contribution for part in found.parts) == pytest.approx(found.log_odds)


def test_a_very_long_paragraph_is_explained_by_its_beginning():
    found = MODELS[3].explain("!" * (2 * MAX_CHARS))
    assert max(end for part in found.parts for _, end in part.spans) == MAX_CHARS


def test_the_sentence_names_no_word_twice():
    """A pair stands for its words, in the place of the strongest of the three."""
    names = ["sign", "the", "sign the", "said", "petition", "the petition", "vote", "now"]
    parts = tuple(Part("ngram", name, 9.0 - i, ()) for i, name in enumerate(names))
    found = Explanation("ask", "news", 1.0, 0.0, parts)
    assert str(found) == "ask rather than news: 'sign the', 'said', 'the petition', 'vote'"
