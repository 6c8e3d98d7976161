"""Cues in plain words, for the people who read why a paragraph got its label."""

from __future__ import annotations

FORMS = {
    "log_tokens": "its length",
    "log_sentences": "the number of its sentences",
    "sentence_length": "the length of its sentences",
    "word_length": "the length of its words",
    "capitalised": "names and other capitalised words",
    "all_capitals": "words in capitals",
    "numbers": "numbers",
    "quoted_share": "how much of it is quoted",
    "quotation_marks": "quotation marks",
    "starts_quoted": "it opens with a quotation",
    "ends_quoted": "it closes with a quotation",
    "questions": "questions",
    "exclamations": "exclamations",
    "ends_question": "it ends in a question",
    "ends_exclamation": "it ends in an exclamation",
    "ends_colon": "it ends in a colon",
    "ends_open": "it ends without a full stop",
    "semicolons": "semicolons",
    "colons": "colons",
    "commas": "commas",
    "dashes": "dashes",
    "brackets": "brackets",
    "square_brackets": "square brackets",
    "money": "sums of money",
    "percent": "percentages",
    "at_signs": "e-mail addresses or handles",
    "slashes": "web addresses or slashes",
    "hashes": "hashtags",
    "asterisks": "asterisks or bold words",
    "list_mark": "a bullet in front",
    "starts_number": "a number in front",
    "past_ed": "past forms in -ed",
    "ing": "words in -ing",
    "ly": "adverbs in -ly",
    "years": "years",
    "single_sentence": "a single sentence",
}
"""The signs of form, see `copytaster.features.FORMS`."""

LEXICONS = {
    "accident_and_crime": "accidents and crime",
    "action_objects": "things to sign or give",
    "action_phrases": "phrases that ask the reader to act",
    "action_verbs_civic": "asks of a citizen",
    "action_verbs_service": "asks such as 'click' and 'visit'",
    "analysis_nouns": "nouns of interpretation",
    "argument_connectives": "links of an argument",
    "attribution_phrases": "attribution to a source",
    "background": "background and explanation",
    "belief_verbs": "verbs of belief",
    "blame": "words of blame",
    "blame_nouns": "names for wrongs",
    "blame_phrases": "phrases of reproach",
    "boosters": "words of certainty",
    "causal": "cause and consequence",
    "comparison_superlative": "comparison",
    "conditional": "conditions",
    "contrast": "contrast",
    "criticism_terms": "terms of reviews",
    "deadlines": "deadlines for the reader",
    "event_logistics": "when and where to attend",
    "first_person_plural": "'we' and 'our'",
    "first_person_singular": "'I' and 'my'",
    "function_words": "common English words",
    "giving": "donations and subscriptions",
    "hedges": "hedges",
    "institutions": "public bodies and offices",
    "intensifiers": "intensifiers",
    "judgement_frames": "openings of a verdict",
    "law_and_vote": "courts and votes",
    "loaded_speech_verbs": "loaded verbs of saying",
    "loaded_verbs": "loaded verbs",
    "modals_obligation": "what ought to be done",
    "modals_possibility": "what can or will be",
    "moral_terms": "moral words",
    "narrative": "narrative",
    "negation": "negation",
    "partisan_terms": "partisan terms",
    "past_irregular": "past forms of verbs",
    "please_polite": "'please' and thanks",
    "praise": "words of praise",
    "prescriptions": "prescriptions",
    "questions": "openings of questions",
    "quote_verbs_colour": "coloured verbs of quotation",
    "religion_terms": "words of religion",
    "reporting_verbs_past": "'said' and other reporting verbs",
    "reporting_verbs_present": "'says' and other reporting verbs",
    "rhetorical": "turns of rhetoric",
    "science": "science and data",
    "second_person": "'you' and 'your'",
    "sources": "sources that are named",
    "sport_and_market": "results and prices",
    "tech_howto": "technical instructions",
    "testimony": "testimony",
    "third_person": "'he' and 'they'",
    "time_of_events": "the time of events",
    "urgency": "urgency",
    "weekdays_months": "dates",
}
"""The lexicons in ``copytaster/cues``."""

PLACES = {
    "": "",
    "any": ", at least one",
    "quoted": ", in quotation",
    "opening": ", at the start of a sentence",
}
"""Where the entries of a lexicon stand, see `copytaster.features.Featuriser`."""

UNIVERSAL = frozenset(("log_tokens", "log_sentences", "sentence_length", "word_length", "function_words"))
"""What every paragraph has more or less of: it weighs, but to name it says little."""

NEIGHBOURS = "the paragraphs around it"


def plain(name: str) -> str:
    """Say in plain words what a cue is.

    Parameters
    ----------
    name : str
        As in `copytaster.features.Featuriser.cue_names`, or "neighbours".

    Returns
    -------
    str
        A name that is not in the tables, of a lexicon of an older model, is given with spaces.

    Examples
    --------
    >>> plain("log_tokens"), plain("praise:opening")
    ('its length', 'words of praise, at the start of a sentence')
    """
    if name in FORMS:
        return FORMS[name]
    if name == "neighbours":
        return NEIGHBOURS
    lexicon, _, place = name.partition(":")
    return LEXICONS.get(lexicon, lexicon.replace("_", " ")) + PLACES.get(place, f", {place}")
