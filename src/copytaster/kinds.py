"""What a block of a page is: running text, a list item, a heading, or furniture such as a share bar.

Only the habits of pages are looked at (marks, shape, stock phrases), never the topic. To lose a paragraph
costs a reader more than to keep a button, so whatever no rule speaks for is ``body``. Stock phrases are
English; marks and shapes hold for any script. Each rule reads a bounded part of a block, or all of it once.
"""
# ruff: noqa: RUF001 - the dashes and quotation marks are those found on pages

from __future__ import annotations

import re
from functools import lru_cache

SENTENCE = 60  # characters: no stock phrase is as long
LONG = 100  # characters: text wrapped to a column has no longer line
SHORT = 240  # characters: no heading, button, byline or date line is longer
QUOTE_MARKS = "> \t\r\n"
SENTENCE_ENDS = ".!?…。！？।؟۔"
_CLOSERS = "\"'”’»)]*_~` "

_ITEM = re.compile(
    r"(?:[-*+•‣◦▪●○■–☐☑✓✔✅➤►▶]\s+|•|\(?(?:[0-9]{1,2}|[a-zA-Z]|[ivx]{2,3})\)\s+|[0-9]{1,3}\.\s+|[a-z]\.\s+"
    r"|[0-9]{1,2}[.)](?=[A-Z*]))(?:\[[ xX]?\]\s*)?(?=\S)|\[[ xX]?\]\s+(?=\S)"
)


def word_set(lines: str) -> frozenset[str]:
    return frozenset(lines.split())


def _phrases(lines: str) -> frozenset[str]:
    return frozenset(phrase.strip() for phrase in re.split(r"[,\n]", lines) if phrase.strip())


# What stands alone on a page only as a label or a button of the site itself.
_STOCK = _phrases("""
    ad, ads, advert, advertisement, advertising, sponsored, sponsored content, paid content, paid post
    promoted, skip advertisement, skip ad, story continues below, story continues below advertisement
    article continues below, article continues after advertisement, article continues below advertisement
    continue reading, continue reading below, read more, read the full story, read full article, read next
    see more, show more, show less, load more, view more, view all, see all, more, learn more
    find out more, next, previous, prev, back, back to top, top, menu, home, search, close, open, expand
    collapse, skip to content, skip to main content, skip to navigation, jump to content, toggle navigation
    share, share this, share this article, share this story, share this page, share this post, share via
    share on, email this, print, print this page, print this article, save, save for later, bookmark
    copy link, link copied, listen, listen to this article, play, play video, pause, mute, unmute, watch
    watch live, gallery, comments, comment, view comments, leave a comment, leave a reply, post a comment
    add a comment, no comments, related, related articles, related stories, related posts, related topics
    related content, related news, recommended, recommended for you, recommended reading, you may also like
    you might also like, most read, most popular, most viewed, trending, trending now, popular
    popular posts, latest, latest news, latest stories, more stories, more news, top stories
    editor's picks, editors' picks, don't miss, in this story, topics, tags, categories, category
    filed under, table of contents, contents, sign in, sign out, log in, log out, login, logout, my account
    create account, forgot password, privacy policy, privacy notice, terms of use, terms of service
    terms and conditions, cookie policy, cookie settings, cookie notice, cookies, manage cookies, accept
    accept all, accept cookies, accept all cookies, reject all, decline, got it, ok, all rights reserved
    contact us, about us, about, faq, sitemap, advertise with us, newsletter, rss, loading, please wait
    image, photo, photos, video, videos, audio, getty images, image caption, image source, media caption
    file photo, view in browser, view this email in your browser, unsubscribe, manage preferences, embed
    tweet, end of story, ends, to unsubscribe
""")
_STOCK_STARTS = (
    "your browser does not support", "please enable javascript", "javascript is ", "this video can",
    "this content is not available", "skip to ", "story continues below", "article continues ",
    "advertisement ", "view this email in ", "you are receiving this", "you received this",
    "you're receiving this", "if you no longer wish", "to unsubscribe ", "to unsubscribe,",
    "to unsubscribe:", "unsubscribe", "all rights reserved",
    "pic.twitter.com/", "©", "(c) 19", "(c) 20", "copyright ",
)  # fmt: skip
SHARE = word_set("""
    facebook twitter x linkedin linked in whatsapp whats app email e-mail mail print copy link url more
    reddit pinterest telegram messenger share tweet pin flipboard bluesky threads mastodon instagram youtube
    you tube tiktok rss sms signal line wechat weibo vk xing tumblr pocket snapchat bookmark save on via by
    this to and or
""")
LAST_WORDS = SHARE.union(phrase.split()[-1] for phrase in _STOCK)
# The words of date lines, counters and time stamps.
_META = word_set("""
    january february march april may june july august september october november december jan feb mar apr
    jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues
    wed thu thur thurs fri sat sun am pm a p m noon midnight gmt utc est edt cst cdt mst mdt pst pdt bst cet
    cest ist aest eet jst hst akdt eastern central mountain pacific european atlantic daylight standard
    summer time local published updated posted modified last first edited on at of st nd rd th h hr hrs ago
    second seconds minute minutes min mins hour hours day days week weeks month months year years just now
    today yesterday read reading listen comments comment shares share views view likes like replies reply
    reactions retweets page photos images photo image
""")
_LABEL = re.compile(
    r"(?:(?:photo|photograph|video|image|picture|illustration|graphic|credit|source|caption|tag|topic|chart|map)s?"
    r"|(?:photo|image|picture|video|cover)\s+(?:credits?|by|courtesy(?:\s+of)?)|file\s+photo|categor(?:y|ies)"
    r"|filed\s+under|(?:posted|published)\s+(?:in|by)|read\s+(?:more|also|next|the\s+full\s+story)|also\s+read"
    r"|see\s+also|more\s+(?:on\s+this(?:\s+\w+)?|from)|related(?:\s+\w+)?|watch|listen|subject|from|sent|cc"
    r"|reply-to|author|editors?)\s*(?:[:|—–]|\s-\s)",
    re.IGNORECASE,
)
_CREDITED_WORK = word_set("""
    photo photograph video image picture illustration graphic word text report reporting story writing written
    edited editing posted published produced compiled translated reported interview
""")
_CREDIT = re.compile(
    rf"(?i:(?:additional\s+)?(?:{'|'.join(sorted(_CREDITED_WORK))})s?\s+by)\s+(?:[A-Z]|the author)"
)
_CAPTION_CREDIT = re.compile(
    r"(?:(?<=\s)\((?:[A-Z]\w*\s+)?(?:[Pp]hoto|[Cc]ourtesy|[Hh]andout|[A-Z][^()/]*/[A-Z])[^()]*\)"
    r"|(?:\bPhoto(?:graph)?s?|\bImage|\bPicture|\bCredit)(?:\s+by|\s+courtesy\s+of|\s*:)\s+[A-Z][^.!?]*"
    r"|\bGetty\s+Images|[a-z]/(?:AP|AFP|EPA|Reuters|Getty))\)?$"
)
_CREDITED = ("/", "Photo", "Image", "Picture", "Credit")  # one of which every other such end holds
# First words by which a line that closes as a sentence may yet be a credit, a label or a notice of the site.
SUSPECTS = word_set("""
    photo photos photograph photographs video videos image images picture pictures illustration
    illustrations graphic graphics credit credits source sources caption captions tag tags topic topics
    chart charts map maps file cover category categories filed posted published read also see more related
    watch listen subject from sent author editor editors additional reporting writing written edited editing
    produced compiled translated reported interview interviews your you you're please copyright
    advertisement article story if all
""")


def _beginnings() -> dict[str, frozenset[str] | None]:
    """Map the first word of each phrase above to the words that may follow, None where any may.

    A sentence of two words or more that begins in no such way is surely not furniture.
    """
    found: dict[str, set[str]] = {first: set() for first in (*SUSPECTS, "cc")}
    for phrase in (*_STOCK, *_STOCK_STARTS):
        first, *others = phrase.split()
        found.setdefault(first, set()).update(word.strip(",:") for word in others[:1])
    for first in _CREDITED_WORK:
        for form in (first, first + "s"):
            found.setdefault(form, set()).update(("by", "credit", "credits", "courtesy", "in"))
    labels = "file photo, cover by credit courtesy, filed under, read more also next the, also read, see also"
    for label in (*labels.split(", "), "cover credits", "more on from"):
        first, *others = label.split()
        found.setdefault(first, set()).update(others)
    counted = SHARE | _META
    for first in counted:
        found.setdefault(first, set()).update(counted)
    any_word = ["advertisement", "copyright", "related", "additional"]
    any_word += ["unsubscribe", "unsubscribed", "unsubscribes", "unsubscriber", "unsubscribers"]
    return {**{first: frozenset(second) for first, second in found.items()}, **dict.fromkeys(any_word)}


BEGINNINGS = _beginnings()
_COOKIES = re.compile(
    r"\b(?:uses?|using|use\s+of|accept(?:\s+all)?|store|set)\s+(?:\w+\s+){0,3}cookies?\b"
    r"|\bcookie\s+(?:policy|settings|preferences|notice)",
    re.IGNORECASE,
)
_SITE_VOICE = re.compile(
    r"\b(?:we|our|this\s+(?:site|website|page)|by\s+continuing|your\s+(?:browser|privacy))\b", re.IGNORECASE
)
_HANDLE = re.compile(r"[—–-]{1,2}\s[^()]*\(@\w+\)|[^@.!?]{1,60}\(@\w{1,30}\)[^.!?]*$")
_MARKUP = re.compile(
    r"(?:!\[[^\]]*\]\([^)]*\)\s*)+|(?:<[^<>]*>\s*)+|<!--.*-->|\{[{%].*[}%]\}"
    r"|\[[^\]]+\]:\s*(?:https?:|www\.|<|/).*|\[\s*/?[a-z_]+(?:\s[^\]]*)?\]",
    re.DOTALL,
)
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()]*\)")
_ROW = re.compile(r"[|·•›»]|\s/\s|\s{3,}|\t")
_ROW_SIGNS = ("/", "|", "   ", "·", "•", "›", "»")
_DASH = re.compile(r"\s(?:--|–|—|-)\s")
_DASHED_NAME = re.compile(r"(?:—|–|--)\s*[^\W\d_]")
# The next ones begin with a set of characters, for which the search is fast.
_CONTACT = re.compile(  # web and mail, phone and postal code, postal addresses
    r"[:.@w](?:(?<=http:)//|(?<=https:)//|(?<=\w\.)(?:org|com|net|gov|edu|info|eu|uk)\b|(?<=\w@)\w|(?<=w)ww\.)"
    r"|[\d+B](?:(?<=\d)(?:\d\d[-. )]{1,2}\d{3,4}|(?<=\b\d)\d{4}\b"
    r"|\w?\s+(?:[A-Z]\w*\.?\s+){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Boulevard|Blvd|Square)\b)"
    r"|(?<=\+)\d\d|(?<=\bB)ox\s+\d)"
)
_CLOCK = re.compile(r"\d(?:(?:[:.]\d\d)?\s?[ap]\.?m\b|(?<=\b\d)\d?:\d\d\b)", re.IGNORECASE)
_NOON = re.compile(r"\bnoon\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_ALNUM = re.compile(r"[^\W_]")
_ENDED = re.compile(rf"[{SENTENCE_ENDS}][^\w{SENTENCE_ENDS}]*$")
_SENTENCE_INSIDE = re.compile(r"[.!?](?:(?<=[!?])|(?<=[a-z]{4}\.))[\"”’)]?\s+[A-Z(“\"]")
_LEAD = re.compile(r"\W*")
_FIRST_OF_SOME = re.compile(r"[a-z]+(?=[ ,])")

# Verbs that open a request. The first group opens little else; the second are nouns and headline words
# too, and need a next word that shows somebody is asked; the third take the person to be addressed.
_ASK = word_set("sign donate subscribe join register rsvp enrol enroll apply please contribute")
_ASK_TO = word_set("""
    call phone ring email e-mail text write contact support help vote give send follow share take get make
    become add order book buy purchase visit attend come act chip pledge fund tweet post click pay submit
    volunteer download host organise organize boycott report spread forward reserve renew start stand meet
    bring invite print show learn read find see explore notify
""")
_ASK_WHOM = word_set("tell urge ask")
ASKS = _ASK | _ASK_TO | _ASK_WHOM | {"by"}
"""First words of requests, and of bylines."""
_ASKED = word_set("""
    a an the our your my his her their this these those us me them it now today here in up out at more
    action involved part
""")
_REQUEST_INSIDE = re.compile(
    r"\b(?:please|join us|let us know|sign up|register (?:via|at|here|by|now|below)|donate|subscribe"
    r"|(?:click|tickets) here)\b",
    re.IGNORECASE,
)
# Every such request holds one. No "i" is in them, which has capitals of other languages.
_REQUEST = ("please", "n us", "us know", "gn up", "reg", "donate", "subscr", "k here", "s here")
_FIGURE = re.compile(r"[\d.@/]")  # every contact holds one
_LETTER = word_set(
    "dear hi hello hey yours sincerely regards cheers thanks thank best warmly solidarity faithfully"
)
_QUESTION = word_set("what how why who where when which")
MINOR = word_set("""
    a an the and or but nor for of in on at to by from with as is are was be it its vs via per into over
    than de la le les du des der die das und el los y e i o
""")


def is_running(text: str) -> bool:
    """Tell by a few looks that a long line is running text; most lines of most articles are."""
    return (
        len(text) > SENTENCE
        and (text[0].isupper() or text[0] in '"“‘')
        and text[-1] in '.!?"”:'
        and text[:20].split(None, 1)[0].rstrip(":").casefold() not in SUSPECTS
        and ")" not in text[:3]
        and text.find("ookie", 0, SHORT) < 0
    )


def is_ended(text: str) -> bool:
    """Tell whether a text closes as a sentence does."""
    last = text[-1:]
    return last in SENTENCE_ENDS if last.isalnum() else _ENDED.search(text[-40:]) is not None


def is_item(text: str) -> bool:
    """Tell whether a block opens with the mark of a list item."""
    return not text[:4].isalpha() and _ITEM.match(text) is not None


def is_ask(text: str) -> bool:
    """Tell whether a short line is a button or a bare request: "Sign the petition", "Call 555 0100"."""
    front = text[:LONG] if text[:1].isalpha() else _LEAD.sub("", text[:LONG], count=1)
    words = front.split(None, 2)
    first = words[0].strip("*_.,!:)]").casefold() if words else ""
    second = words[1].strip("*_.,!:").casefold() if len(words) > 1 else ""
    if first in _ASK:
        return second != "of"
    if first in _ASK_WHOM:
        return second not in ("", "for", "of")
    if first in _ASK_TO:
        return (
            second in _ASKED
            or second[:1].isdigit()
            or (second == "to" and first in ("write", "give", "come"))
        )
    return False


def is_titled(text: str) -> bool:
    """Tell whether a line is set like a title: capitals on the last and nearly all its weighty words."""
    words = _WORD.findall(text)
    if not words or not words[-1][0].isupper():
        return False
    weighty = [w for w in words if w.casefold() not in MINOR]
    return len(weighty) > 1 and sum(w[0].isupper() for w in weighty) >= 0.8 * len(weighty)


def _folded(text: str) -> str:
    return text.casefold().replace("’", "'").strip(SENTENCE_ENDS + ":,→←›‹↑↓-–— ")


def is_stock(text: str) -> bool:
    """Tell whether a line is a phrase that stands alone on a page only as a label or button of the site."""
    folded = _folded(text)
    return folded in _STOCK or SHARE.issuperset(_WORD.findall(folded))


@lru_cache(maxsize=4096)
def is_furniture(text: str) -> bool:
    """Tell whether a line of at most a few hundred characters belongs to the page, not to the article."""
    plain = (_LINK.sub(r"\1", text) if "](" in text else text).strip(_CLOSERS + "[(")
    folded = _folded(plain)
    if _may_be_phrase(folded) and (
        folded in _STOCK or folded.startswith(_STOCK_STARTS) or _LABEL.match(plain) or _CREDIT.match(plain)
    ):
        return True
    if "@" in text and _HANDLE.match(text):
        return True
    if text[0] in "![<{" and _MARKUP.fullmatch(text):
        return True
    if len(text) > SHORT:
        return False
    first = _WORD.search(folded)
    if first is None or first[0] in SHARE or first[0] in _META:
        words = _WORD.findall(folded)
        if SHARE.issuperset(words) or (_META.issuperset(words) and any(c.isdigit() for c in folded)):
            return True
    if is_ended(text):
        return False
    parts = [part for part in _ROW.split(plain) if part.strip()] if _may_be_row(plain) else []
    if len(parts) > 1 and all(len(part.split()) <= 5 for part in parts) and not _CONTACT.search(plain):
        return True
    if _DASHED_NAME.match(plain) or (first and first[0] == "by" and is_titled(plain[3:])):
        return True
    dated = _DASH.split(plain)[-1] if "-" in plain or "–" in plain or "—" in plain else plain
    if (
        dated != plain
        and any(c.isdigit() for c in dated)
        and _META.issuperset(_WORD.findall(dated.casefold()))
    ):
        return True
    if not plain.endswith(","):
        return False
    words = _WORD.findall(folded)
    return len(words) <= 5 and not _LETTER.isdisjoint(words)


def _may_be_phrase(folded: str) -> bool:
    """Tell by its first word whether a text may begin as a phrase of the site does."""
    first = _FIRST_OF_SOME.match(folded)
    return first is None or first[0] in BEGINNINGS


def _may_be_row(text: str) -> bool:
    """Tell whether a text holds what parts the cells of a row; no white space is printable but a blank."""
    return not text.isprintable() or any(sign in text for sign in _ROW_SIGNS)


def kind_of(text: str) -> str:
    """Find what kind of block a text is.

    Parameters
    ----------
    text : str
        One block as it stands, without white space around it; it may span lines.

    Returns
    -------
    {"body", "list-item", "heading", "furniture"}
    """
    return "body" if is_running(text) else odd_kind(text)


def odd_kind(text: str) -> str:
    """Find what `kind_of` does for a text that is not `is_running`."""
    quoted = text.startswith(">")
    if quoted:
        text = text.lstrip(QUOTE_MARKS)
    if not _ALNUM.search(text) or text.startswith(("|", "```", "~~~")):
        return "furniture"
    item = None if text[:4].isalpha() else _ITEM.match(text)
    if item:
        words = _WORD.findall(text[item.end() :].casefold()) if len(text) < SENTENCE else []
        return "furniture" if words and SHARE.issuperset(words) else "list-item"
    if len(text) > 2 * SHORT:
        return "body"
    cookies = "ookie" in text and _COOKIES.search(text) and _SITE_VOICE.search(text)
    ended = is_ended(text)
    if cookies or (not ended and _is_credited(text)) or is_furniture(text):
        return "furniture"
    if quoted:
        return "heading" if text.startswith("#") else "body"
    if len(text) > SHORT or ended or is_ask(text):
        return "body"
    return _unended(text, LONG)


def _is_credited(text: str) -> bool:
    """Tell whether a text closes as captions do; to look for the words first saves most searches."""
    start = max(0, len(text) - LONG)
    likely = text[-1] == ")" or any(word in text[start:] for word in _CREDITED)
    return likely and _CAPTION_CREDIT.search(text, start) is not None


def is_title(text: str) -> bool:
    """Tell whether a line could stand on top of an article: a title may be longer than other headings."""
    return (
        len(text) <= SHORT and not is_ended(text) and not is_ask(text) and _unended(text, SHORT) == "heading"
    )


def _unended(text: str, longest: int) -> str:
    """Decide on a line that neither asks nor closes as a sentence."""
    words = text.split()
    opening = words[0].casefold()
    last = text.rstrip(_CLOSERS)[-1:]
    if len(text) > longest and len(words) > 4 and last != ":" and not is_titled(text):
        return "body"
    if last in (",", ";") or _SENTENCE_INSIDE.search(text) or (text[0] in '"“«' and not is_titled(text)):
        return "body"
    if (
        opening not in _QUESTION
        and (opening.startswith("here") or _asks_inside(text))
        and not is_titled(text)
    ):
        return "body"
    if last == ":":
        return "heading" if opening in _QUESTION or len(words) <= 3 or is_titled(text) else "body"
    if (_FIGURE.search(text) and _CONTACT.search(text)) or _tells_time(text):
        return "body"
    if text[0].islower():
        return "body" if len(words) > 4 else "furniture"
    return "heading" if len(text) <= longest or is_titled(text) else "body"


def _tells_time(text: str) -> bool:
    return bool(_CLOCK.search(text) or ("noon" in text.lower() and _NOON.search(text)))


def _asks_inside(text: str) -> bool:
    folded = text.casefold()
    return any(part in folded for part in _REQUEST) and _REQUEST_INSIDE.search(text) is not None
