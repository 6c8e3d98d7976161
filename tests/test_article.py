"""The segmenter, held to written pages, to its laws on any text, and to linear time."""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import SHAPES

from copytaster.article import BLANK, CLASSIFIED, KINDS, Paragraph, from_paragraphs, segment
from copytaster.kinds import kind_of

PAGES = sorted(Path(__file__).with_name("pages").glob("*.txt"))
LABELS = {"reporting", "opinion", "call-to-action"}


def kinds_and_texts(text: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in segment(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_is_cut_as_by_hand(page: Path) -> None:
    gold = [json.loads(line) for line in page.with_suffix(".gold.jsonl").read_text("utf-8").splitlines()]
    assert kinds_and_texts(page.read_bytes().decode()) == [(block["kind"], block["text"]) for block in gold]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_gold_is_sound(page: Path) -> None:
    gold = [json.loads(line) for line in page.with_suffix(".gold.jsonl").read_text("utf-8").splitlines()]
    assert len(gold) >= 18
    for block in gold:
        assert (block["label"] in LABELS) == (block["kind"] in CLASSIFIED), block


def test_shapes_of_a_dirty_page() -> None:
    """Title, site line, credit, unmarked heading, share bar, glued button, actions with lists inside."""
    recent = "The recent vote in Port Amity has shown how little the harbour counts. " * 4
    steps = [
        "1. **Write to the Board:** - **Who to Write**: The five. - **What to Say**: - Keep it. - Ask why.",
        "2. **Sign and Share:** - **Petition Example**: See [Ferry.example](https://ferry.example) for one.",
    ]
    page = "\n".join([
        "Ferry Board Votes To End The Night Boat: Watch The Moment It Was Decided - Amity Post",
        "amity.example -- Monday, March 3, 2031, 6:12:44 PM Central European Time",
        "Categories: Port–City Relations",
        "",
        "The board voted five to four on Monday to end the night boat. It sails for the last time in May.",
        "Videos by Amity",
        "\"We had no choice,\" said the chair. \"THE MONEY IS GONE.\"",
        "Chair And Captain Meet",
        "The captain has sailed the boat since 1999.",
        "Share via:",
        "Facebook Twitter LinkedIn More",
        "Sign Our Petition" + recent.strip(),
        "As citizens, we can act. Here is a list of ideas that we can consider:",
        "### Actions We Can Take:",
        *steps,
        "### Conclusion While the vote is a blow, our letters can still turn it.",
    ])  # fmt: skip
    assert [kind for kind, _ in kinds_and_texts(page)] == [
        "heading", "furniture", "furniture", "body", "furniture", "body", "heading", "body", "furniture",
        "furniture", "body", "body", "body", "heading", "list-item", "list-item", "heading", "body",
    ]  # fmt: skip
    texts = [text for _, text in kinds_and_texts(page)]
    assert texts[10:12] == ["Sign Our Petition", recent.strip()]
    assert texts[13:] == [
        "Actions We Can Take:", *steps,
        "Conclusion", "While the vote is a blow, our letters can still turn it.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "Join McDonald in the fight for better wages in the whole of the city.",
        "Get iPhone news before everyone else in the morning paper of record.",
        "Follow LinkedIn for more of what the mayor had to say this morning.",
        "Use MoveOn to sign the petition against the bridge over the river.",
        "Support PhDs and their families in the long strike at the college.",
        "Order it on eBay or keep it for the next generation of collectors.",
        "Give camelCase a rest, the style guide of the daily paper now says.",
        "PlayStation sales rose in the third quarter of the year, it said.",
        "NextEra Energy said on Monday that it would build a plant in town.",
        "ShareHolders United said on Monday that The Harbour Firm was sold.",
        "At 18F we ask The Public what it needs before we build anything.",
        '"Take them home", she said, and The Guard obeyed without a word.',
        "DeWitt and McAllister built the wing; The Trust sold it last year.",
    ],
)
def test_names_are_not_parted(line: str) -> None:
    assert kinds_and_texts(line) == [("body", line)]


@pytest.mark.parametrize(
    ("kind", "label", "rest"),
    [
        ("body", "Sign Our Petition", "The council met on Monday to vote."),
        ("body", "SIGN THE PETITION", "The council met on Monday to vote."),
        ("body", "Donate now!", "The council met on Monday to vote."),
        ("body", "Subscribe for $1 a week", "The council met on Monday to vote."),
        ("body", "Join our newsletter", "Mayor Jane Doe said that she would go."),
        ("furniture", "ADVERTISEMENT", "The council met on Monday to vote."),
        ("furniture", "Read More", "Mayor Jane Doe said that she would go."),
        ("furniture", "Share this article", "“It is a disgrace,” said the mayor."),
        ("furniture", "FacebookTwitterLinkedInEmail", "The council met on Monday to vote."),
    ],
)
def test_glued_labels_are_parted(kind: str, label: str, rest: str) -> None:
    assert kinds_and_texts(label + rest) == [(kind, label), ("body", rest)]


@pytest.mark.parametrize(
    ("heading", "rest"),
    [
        ("Conclusion", "While the talks between the two stall, we can act."),
        ("Conclusion", "Jane Doe said on Monday that she would resign."),
        ("How To Help", "The best way to help is to write to your council before the vote."),
        ("What You Can Do", "Write to the committee before the third of May and say what you think."),
        ("What happens next in Sonapur", "The council meets on Monday to vote on the plan once more."),
        ("Why it matters:", "The bill would cost the city four million a year for the next ten years."),
    ],
)
def test_marked_heading_is_parted_from_its_paragraph(heading: str, rest: str) -> None:
    assert kinds_and_texts(f"### {heading} {rest}") == [("heading", heading), ("body", rest)]


@pytest.mark.parametrize(
    "heading", ["The council must act now.", "Sign Our Petition", "C#", "What We Know So Far"]
)
def test_marked_heading_stays_whole(heading: str) -> None:
    assert kinds_and_texts(f"## {heading} ##") == [("heading", heading)]


ONE_LINERS = {
    "body": """
        Sign the petition
        Donate now
        Donate
        Subscribe for $1 a week
        Call the clerk on 555 0100
        👉 Sign the petition
        **Sign the petition**
        [Sign the petition](https://example.org/sign)
        Here is what you can do:
        It rained.
        Why now?
        “We will not move,” she said
        "No."
        SONAPUR, May 5 — The council met on Monday.
        https://example.org/petition
        clerk@example.org
        The hearing starts at 9 a.m. in Room 4
        By Friday the council will have voted on it.
        Find out more about the plan for the bridge
        the council then went home for the night
        市议会星期一开会讨论新桥的预算。
        Photographs of the bridge were shown to the jury on Monday.
    """,
    "heading": """
        Actions We Can Take:
        What you can do
        Call for calm after riots
        Vote on bridge delayed
        Support grows for bridge plan
        **What happens next**
        BRIDGE CLOSED
        Новости дня
    """,
    "furniture": """
        Share via:
        Facebook Twitter LinkedIn More
        Videos by Rare Bird
        Photo: Jane Doe/Sonapur Herald
        Credit: Jane Doe
        By Jane Doe, Staff Writer
        Jane Doe | Sonapur Herald
        14:32
        Updated 14:32 GMT
        12 May 2031 | 4 min read
        3 hours ago
        12 comments
        Tags: bridge, council
        Sign in
        Read more
        Read more: The bridge that never opened
        ADVERTISEMENT
        © 2031 Sonapur Herald
        Dear readers,
        Yours sincerely,
        — Jane Doe, mayor
        — Jane Doe (@jane) May 5, 2031
        Home | News | Sport | Opinion
        Crowds outside City Hall on Monday. (Jane Doe/Sonapur Herald)
        ![a bridge](a.png)
        <!-- more -->
        We use cookies to improve your visit.
        •••
        - Facebook
        [1]: https://example.org/a
    """,
    "list-item": """
        1. Call
        1) Call
        1.Contact the clerk
        - Call
        * Call
        + Call
        • Call
        •Call
        a) Call
        (b) Call
        iii) Call
        [ ] Call
        - [x] Call
        > - Call
    """,
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, line.strip()) for kind, lines in ONE_LINERS.items() for line in lines.strip().splitlines()],
)
def test_kind_of_one_line(kind: str, text: str) -> None:
    assert kind_of(text) == kind


def test_wrapped_paragraphs_are_joined_and_short_lines_are_not() -> None:
    words = "the board met again on Monday and Captain Doe of Port Amity spoke for the crew of the boat "
    wrapped = textwrap.fill("At noon " + words * 4, 66) + "."
    item = "* Bring a lamp, a flask and a friend who has never seen\n  the night boat"
    page = f"MINUTES\nHarbour House\n{wrapped}\n{wrapped}\n\n{item}\n* Bring a lamp"
    blocks = ["MINUTES", "Harbour House", wrapped, wrapped, item, "* Bring a lamp"]
    assert [block.text for block in segment(page)] == blocks


def test_items_that_lost_their_marks_follow_a_colon() -> None:
    page = "The bill would do three things:\nraise the fee for the ferry\nEnd the night boat\nSell the pier"
    assert [block.kind for block in segment(page)] == ["body", "list-item", "list-item", "list-item"]
    assert [block.kind for block in segment("It does this:\n\n## A\n\n## B")] == [
        "heading",
        "heading",
        "heading",
    ]


def test_quotes_tables_fences_and_front_matter() -> None:
    page = textwrap.dedent("""\
        ---
        title: Tides
        ---

        > one line that is quoted
        > and goes on
        >
        > another
        >> an older one

        a | b
        --- | ---
        1 | 2

        ```
        # no heading
        ```
        ~~~
        Never closed, so it is text.
        """)
    assert kinds_and_texts(page) == [
        ("furniture", "title: Tides"),
        ("body", "> one line that is quoted\n> and goes on"),
        ("body", ">\n> another"),
        ("body", ">> an older one"),
        ("furniture", "a | b\n--- | ---\n1 | 2"),
        ("furniture", "```\n# no heading\n```"),
        ("furniture", "~~~"),
        ("body", "Never closed, so it is text."),
    ]


def test_given_paragraphs_are_neither_split_nor_joined_nor_lost() -> None:
    given_ = [
        "## Why",
        " Sign Our PetitionThe council met on Monday to vote.\n",
        "",
        "- one\n- two",
        "Donate now",
    ]
    text, blocks = from_paragraphs(given_)
    assert text == "\n\n".join(given_)
    assert [block.text for block in blocks] == ["Why", given_[1].strip(), "", "- one\n- two", "Donate now"]
    assert [block.kind for block in blocks] == ["heading", "body", "furniture", "list-item", "body"]
    assert all(text[block.start : block.end] == block.text for block in blocks)


def test_nothing_gives_nothing() -> None:
    assert segment("") == segment(" \n\u200b\n\ufeff") == []
    assert from_paragraphs([]) == ("", [])


PIECES = [
    "Sign Our Petition", "The council met on Monday.", "the mayor said", "# ", "###", "> ", ">", "- ",
    "1. ", "1.", "[ ] ", "```", "~~~", "|", " | ", "---", "===", "***", "\n", "\n\n", " ", "\t", "\xa0",
    "\u200b", "\ufeff", "\u2028", "Share via:", "Photo: ", "Facebook", "14:32", "Conclusion While", ".",
    "?", ":", "“", "”", '"', "(", ")", "é", "İ", "\ud800", "\x00", "\x1b[31m", "\u202e", "市", "a" * 50,
    "Long words in a Line " * 6, "cookies ", "![a](b)", "@",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=40).map("".join)


def assert_lawful(text: str, blocks: list[Paragraph]) -> None:
    position = 0
    for block in blocks:
        assert position <= block.start < block.end
        assert text[block.start : block.end] == block.text == block.text.strip(BLANK)
        assert block.kind in KINDS
        assert not text[position : block.start].strip(BLANK + "#-*_=")
        position = block.end
    assert not text[position:].strip(BLANK + "#-*_=")


@pytest.mark.parametrize("read", [segment, lambda text: from_paragraphs([text])[1]])
def test_no_heading_begins_with_what_is_not_seen(read) -> None:
    assert [block.text for block in read("# \u202eSign Our Petition")] == ["Sign Our Petition"]


@given(texts)
@example("# \u202eSign Our Petition")
@settings(max_examples=400, deadline=None)
def test_every_character_is_accounted_for(text: str) -> None:
    assert_lawful(text, segment(text))


@given(texts)
@settings(max_examples=200, deadline=None)
def test_line_ends_make_no_difference(text: str) -> None:
    text = text.replace("\r", "")
    unix = kinds_and_texts(text)
    for end in ("\r\n", "\r"):
        other = segment(text.replace("\n", end))
        assert [(block.kind, block.text.replace(end, "\n")) for block in other] == unix


@given(st.lists(texts, max_size=8))
@settings(max_examples=100, deadline=None)
def test_given_paragraphs_keep_their_number_and_place(paragraphs: list[str]) -> None:
    text, blocks = from_paragraphs(paragraphs)
    assert len(blocks) == len(paragraphs)
    for paragraph, block in zip(paragraphs, blocks, strict=True):
        assert text[block.start : block.end] == block.text
        assert block.text in paragraph


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_in_line_with_length(shape: str) -> None:
    """Eight times the text may take at most thirty times as long, where a quadratic would take 64 times."""

    def seconds(size: int) -> float:
        text = shape * (size // len(shape))
        began = time.process_time()
        assert_ends(text, segment(text))
        return time.process_time() - began

    small = seconds(10_000)
    assert min(seconds(80_000) for _ in range(3)) < 30 * max(small, 0.002)


def assert_ends(text: str, blocks: list[Paragraph]) -> None:
    assert not blocks or text[blocks[-1].start : blocks[-1].end] == blocks[-1].text
