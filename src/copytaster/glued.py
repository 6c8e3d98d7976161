"""Where a button or a heading ends that a page has run together with its paragraph.

``"Sign Our PetitionThe recent talks…"`` lost the border between two elements, ``"### Conclusion While the
talks…"`` the line break after a heading. Names such as LinkedIn, McDonald or PhDs hold a capital in mid-word
too, so a border needs three signs: what stands before it is a button or label on its own, what follows opens
a sentence, and it lies near the front of the line.
"""

# ruff: noqa: RUF001 - the quotation marks are those found on pages

from __future__ import annotations

import re

from copytaster.kinds import LAST_WORDS, MINOR, SHARE, is_ask, is_ended, is_furniture, is_stock, word_set

REACH = 80  # characters: no button or heading run together with its paragraph is longer

# A capital right after a small letter or a closing mark, or the last of a run of capitals. The capital comes
# first in the pattern because the search for one is fast.
SEAM = re.compile(
    r"[A-ZÀ-Þ“\"‘«](?:(?<=[a-zß-ÿ0-9!?…)\]»→].)|(?<=[A-Z]{4})(?=[a-z]))(?:(?<=[A-ZÀ-Þ])|(?=\w))"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOKEN = re.compile(r"\S+")

_SECTIONS = word_set("""
    conclusion introduction background summary overview context analysis history methodology methods results
    discussion recommendations takeaways appendix
""")
# Words that open a sentence; no name or brand ends in one of the first group.
OPENERS = word_set("""
    The This That These Those There They Their When While Where What Why Who How After Although Before
    Because Since For From With Without And But Yet You Your Our He She We His Her Many Most Some Every Each
    All During Despite Until Under Last Next
""")
_SHORT_OPENERS = word_set("A An As At By If In It Its On To My No Not")
# No name or brand begins with one of these closing words of a button.
_BUTTON_ENDS = word_set("""
    petition petitions now today here us more pledge newsletter updates alerts name action campaign donation
    involved fund free form week month year friends story article email letter member membership tickets
    place march rally hearing meeting group team list
""")
ENDINGS = _BUTTON_ENDS | LAST_WORDS
"""Last words of what a page may have run together with the sentence that follows, but for requests."""


def button_end(text: str, start: int = 0) -> tuple[int, str]:
    """Find the end of a button or label that is run together with what follows.

    Parameters
    ----------
    text : str
        A block.
    start : int
        Where to begin.

    Returns
    -------
    border : int
        Index of the first character of what follows; ``start`` if nothing is run together.
    kind : {"body", "heading", "furniture"}
        What stands before it: a request is ``body``.
    """
    for seam in SEAM.finditer(text, start, start + REACH):
        border = seam.start()
        if border == start or len(text) - border < 20:
            continue
        label = _CAMEL.sub(" ", text[start:border])
        words = label.casefold().split()
        following = text[border : border + REACH].split(None, 1)[0]
        opens = following[0] in '“"‘«' or following.rstrip(",:") in OPENERS
        if not opens and words[-1] not in _BUTTON_ENDS and not is_stock(label):
            continue
        if is_furniture(label) and not label[-1].isdigit():
            shared = _CAMEL.split(following, maxsplit=1)[0].casefold() in SHARE
            kind, certain = "furniture", len(words) > 1 and is_stock(label) and not shared
        elif is_ask(label) and len(words) <= 10:
            kind, certain = "body", words[-1] in _BUTTON_ENDS
        elif words[0] in _SECTIONS and len(words) == 1:
            kind, certain = "heading", False
        else:
            continue
        if certain or opens:
            return border, kind
    return start, "body"


def heading_end(text: str) -> int:
    """Find the end of a marked heading that has its paragraph on the same line.

    Parameters
    ----------
    text : str
        The line without its marks.

    Returns
    -------
    int
        Index of the first character of the paragraph; 0 if the line is all heading or cannot be parted.
    """
    if len(text) <= REACH and not is_ended(text):
        return 0
    tokens = list(_TOKEN.finditer(text, 0, 2 * REACH))
    words = [token.group() for token in tokens]
    if len(words) > 2 and words[0].strip(":*").casefold() in _SECTIONS and words[1][0].isupper():
        return tokens[1].start()
    for k in range(1, len(words) - 2):
        if tokens[k].start() > REACH:
            break
        if words[k - 1].endswith(":") and words[k][0].isupper() and len(text) > REACH:
            return tokens[k].start()
        asks = words[k][0].isupper() and is_ask(" ".join(words[k : k + 2]))
        if asks or words[k] in OPENERS or words[k] in _SHORT_OPENERS:
            weighty = next((w for w in words[k + 1 :] if w not in MINOR), "")
            if weighty[:1].islower() or weighty[:1].isdigit():
                return tokens[k].start()
    return 0
