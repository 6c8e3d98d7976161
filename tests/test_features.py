"""Both views of a paragraph against the slow reference, and each batch against its texts alone."""

from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import batches, paragraphs

import copytaster
from copytaster.features import (
    FORMS,
    MAX_CHARS,
    Featuriser,
    compile_lexicons,
    read_lexicons,
    structure,
)
from copytaster.tokens import tokenise

LEXICONS = {
    "asks": ["sign", "call", "please", "sign the petition", "call you", "you"],
    "duties": ["must", "we must", "the", "you must sign", "internationalisation"],
    "sources": ["said", "according to", "the mayor said", "1994", '"', ". the"],
    "empty": [],
    "twice": ["sign", "SIGN", "the", "naïve", "don't"],
}
featurise = Featuriser(compile_lexicons(LEXICONS))


@settings(max_examples=300)
@given(batches)
def test_structure_is_that_of_the_reference(texts):
    tokens = tokenise(texts)
    shape = structure(tokens)
    expected = [
        (i, t.quoted, t.opening, t.capital) for i, text in enumerate(texts) for t in reference.tokenise(text)
    ]
    assert list(zip(*(column.tolist() for column in shape), strict=True)) == expected


@settings(max_examples=200)
@given(batches)
def test_ngrams_are_those_of_the_reference(texts):
    features = featurise(texts)
    for i, text in enumerate(texts):
        expected = reference.ngrams(reference.tokenise(text))
        mine = slice(features.pointer[i], features.pointer[i + 1])
        assert features.single[mine].tolist() == expected.single
        assert features.pair[mine].tolist() == expected.pair
        assert sorted(features.opening[features.opening_owner == i].tolist()) == sorted(expected.opening)


@settings(max_examples=300)
@given(batches)
def test_cues_are_those_of_the_reference(texts):
    features = featurise(texts)
    assert features.cues.shape == (len(texts), len(featurise.cue_names))
    for row, text in zip(features.cues, texts, strict=True):
        tokens = reference.tokenise(text)
        expected = {**reference.forms(tokens), **reference.lexical(tokens, LEXICONS)}
        measured = dict(zip(featurise.cue_names, row.tolist(), strict=True))
        assert measured == pytest.approx(
            {name: float(expected.get(name, 0)) for name in measured}, rel=1e-6, abs=1e-12
        )


@settings(max_examples=300)
@given(batches)
@example(["", "Mr."])
@example(["Mr", ". hello"])
@example(['"', "quoted?"])
def test_no_text_sees_its_neighbours_in_a_batch(texts):
    together = featurise(texts)
    for i, text in enumerate(texts):
        alone = featurise([text])
        mine = slice(together.pointer[i], together.pointer[i + 1])
        assert np.array_equal(together.single[mine], alone.single)
        assert np.array_equal(together.pair[mine], alone.pair)
        assert np.array_equal(together.opening[together.opening_owner == i], alone.opening)
        assert together.cues[i].tobytes() == alone.cues[0].tobytes()


@given(paragraphs, paragraphs)
def test_only_the_beginning_of_a_long_paragraph_counts(text, more):
    long = (text + " and so on").ljust(MAX_CHARS, ".")
    assert featurise([long + more]).cues.tobytes() == featurise([long]).cues.tobytes()


def test_lexicon_entries_are_found_wherever_they_stand():
    names = featurise.cue_names
    row = dict(
        zip(names, featurise(["You must sign. “You must,” they said. Sign!"]).cues[0].tolist(), strict=True)
    )
    assert row["asks"] == pytest.approx((3 / 14) ** 0.5)
    assert row["asks:any"] == 1
    assert row["asks:quoted"] == pytest.approx((1 / 14) ** 0.5)
    assert row["asks:opening"] == 2
    assert row["duties"] == pytest.approx((2 / 14) ** 0.5)
    assert row["empty"] == row["empty:any"] == 0


def test_every_shipped_cue_is_found_in_its_own_entries():
    lexicons = read_lexicons(Path(copytaster.__file__).with_name("cues"))
    shipped = Featuriser(compile_lexicons(lexicons))
    assert shipped.cue_names[: len(FORMS)] == FORMS
    for name, entries in lexicons.items():
        found = shipped(entries).cues[:, shipped.cue_names.index(f"{name}:any")]
        assert found.all(), [entry for entry, hit in zip(entries, found, strict=True) if not hit]


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=4),
        max_size=6,
    )
)
def test_compiled_lexicons_list_each_entry_once_in_order(lexicons):
    compiled = compile_lexicons(lexicons)
    assert compiled.names == tuple(lexicons)
    assert (compiled.hashes[:-1] < compiled.hashes[1:]).all()
    assert len(compiled.column) == compiled.fan.sum() == sum(len(set(some)) for some in lexicons.values())


@pytest.mark.parametrize("entry", ["", "   ", "one two three four"])
def test_a_lexicon_entry_has_one_to_three_tokens(entry):
    with pytest.raises(ValueError, match="one to three tokens"):
        compile_lexicons({"a": ["fine", entry]})
