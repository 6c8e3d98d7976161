"""Every cue has a plain name, and people get to read no other."""

from copytaster.annotate import load
from copytaster.features import FORMS
from copytaster.naming import FORMS as PLAIN_FORMS
from copytaster.naming import LEXICONS, PLACES, plain


def test_every_cue_has_a_plain_name() -> None:
    annotator = load()
    lexicons = annotator.model.lexicons.names
    assert set(PLAIN_FORMS) == set(FORMS)
    assert set(LEXICONS) == set(lexicons)
    assert {name.partition(":")[2] for name in annotator.model.featurise.cue_names} == set(PLACES)
    for table in (PLAIN_FORMS, LEXICONS):
        assert len(set(table.values())) == len(table)
        assert all(text and not set(text) & set("_:,") for text in table.values())


def test_an_unknown_lexicon_is_named_by_its_own_words() -> None:
    assert plain("sea_shanties:quoted") == "sea shanties, in quotation"


def test_the_sentence_names_no_cue_by_its_code() -> None:
    annotator = load()
    annotator.explain = True
    texts = (
        "Sign the petition!",
        "\u201cThe mayor said so,\u201d she added in 2020.",
        "It was shameful, we think.",
    )
    for annotation in annotator.annotate("\n\n".join(texts)):
        sentence = str(annotation.evidence)
        assert "_" not in sentence and "^" not in sentence
        assert "its length" not in sentence
        assert ": " in sentence and "nothing in particular" not in sentence
