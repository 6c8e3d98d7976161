"""Texts for property tests: news-like fragments among anything Unicode can do."""

from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ODD = (
    *(
        "\0",
        "\x1b[31m",
        "\x7f",
        "\ud800",
        "\udfff",
        "\ud83d\ude00",
        "\U0001f600",
        "\U0001f468\u200d\U0001f469",
    ),
    *("\u202e", "\u2066", "\u200e", "\u200b", "\ufeff", "\u00a0", "e\u0301", "\u0301", "\u0130", "\u00df"),
    *("\uffff", "\U0010ffff", "\u2028", "\u0085", "\u4e2d\u6587", "\u0627\u0644", "\u0660\u0661", "\u00b2"),
    *(
        "\uff11",
        "\u2019",
        "\u2018",
        "\u201c",
        "\u201d",
        "\u2013",
        "\u2014",
        "\u2026",
        "\u2022",
        "\u2030",
        "\u1e9e",
    ),
)
NEWS = (
    *(
        "Mr.",
        "U.S.",
        "J. Doe",
        "Sign",
        "the",
        "petition",
        "said",
        "must",
        "call",
        "you",
        "according to",
        "urged",
    ),
    *(
        "Please",
        "DON'T",
        "won't",
        "we",
        "counterrevolutionaries",
        "internationalisation",
        "planned",
        "growing",
    ),
    *(
        "quickly",
        "1994",
        "2.5",
        "10,000",
        "$4",
        "7%",
        "@mayor",
        "#vote",
        "http://x.org/a",
        "[1]",
        "(see",
        ")",
    ),
    *("- ", "* ", "3. ", '"', '."', '" ', "'", ".", "!", "?", ":", ";", ",", "...", "?!", '."" Then', ") ("),
    *("\n", "\r\n", "\t", "  "),
)

_any = st.text(st.characters(exclude_categories=()), max_size=8)
_ascii = st.text(st.characters(max_codepoint=127), max_size=6)
_piece = st.one_of(st.sampled_from(NEWS), st.sampled_from(NEWS).map(" ".__add__), st.sampled_from(ODD))

paragraphs = st.lists(st.one_of(_piece, _piece, _piece, _any, _ascii), max_size=25).map("".join)
batches = st.lists(paragraphs, min_size=1, max_size=6)

SHAPES = [
    "A", "a\n", "A:\n", "#", "# ", "> ", ">\n", "> a\n>\n", "- a\n", "1.\n", "```x\n", "|\n", "a|b\n",
    "=", "-", "[", "(", "![", "<!--", " ", "\u200b", "A\u2028", "DonateThe ", "Sign Our PetitionThe ",
    "x\n---\n", "---\na: b\n", "cookies ", "the quick brown fox jumps over the lazy dog and runs\n",
]  # fmt: skip
"""What a reader that goes back and forth would stumble over, to be repeated."""
