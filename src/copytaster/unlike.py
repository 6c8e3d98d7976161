"""Texts unlike any article, to learn the border of a model's domain from: made, never collected.

Shuffled words of the training texts; the Python sources of this package, without comments; tables and records
made by rule; filler in a kind of Latin; and sentences in many languages and pieces of code written for this
project (`copytaster/foreign`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from textwrap import dedent

FOLDER = Path(__file__).with_name("foreign")

_MODULES = (
    "agreement", "article", "duplicates", "features", "figure", "gate", "labeled", "metrics", "model",
    "report", "tokens",
)  # fmt: skip
_DOCUMENTATION = re.compile(r'^[ \t]*[rR]?"""(?s:.*?)"""', re.MULTILINE)


def languages() -> dict[str, list[str]]:
    """Return sentences by language: one file a language, one sentence a line."""
    return {
        path.stem: _lines(path) for path in sorted(FOLDER.glob("*.txt")) if path.stem not in ("code", "latin")
    }


def foreign(sentences: Sequence[str], random: Random) -> list[str]:
    """Return the sentences of one language, and as many paragraphs of two to four of them."""
    return [
        *sentences,
        *(" ".join(random.sample(sentences, min(random.randint(2, 4), len(sentences)))) for _ in sentences),
    ]


def code(random: Random, count: int = 400) -> list[str]:
    """Return pieces of source code."""
    pieces = []
    for name in _MODULES:
        pieces += _python(name)
    pieces = random.sample(pieces, min(count, len(pieces)))
    lines = [line for piece in pieces for line in piece.splitlines() if len(line) > 20]
    written = "\n".join(_lines(FOLDER / "code.txt", blank=True)).split("\n\n")
    return [*pieces, *random.sample(lines, min(count // 4, len(lines))), *written * 2]


def tables(random: Random, count: int = 360) -> list[str]:
    """Return tables, records, and lists of numbers and of codes."""
    makers = (_bars, _separated, _aligned, _records, _prices, _codes)
    return [makers[i % len(makers)](random) for i in range(count)]


def filler(random: Random, count: int = 200) -> list[str]:
    """Return lorem ipsum."""
    words = " ".join(_lines(FOLDER / "latin.txt")).split()
    out = []
    for _ in range(count):
        sentences = []
        for _ in range(random.randint(1, 6)):
            some = random.choices(words, k=random.randint(5, 16))
            if len(some) > 9:
                some[len(some) // 2] += ","
            sentences.append(" ".join(some).capitalize() + ".")
        out.append(" ".join(sentences))
    return out


def salad(texts: Sequence[str], random: Random, count: int = 2000) -> list[str]:
    """Return texts with their words shuffled, every other one with words of several texts."""
    out: list[str] = []
    for i in range(min(count, 2 * len(texts))):
        words = random.choice(texts).split()
        if i % 2:
            size = random.randint(10, 60)
            words = [word for text in random.choices(texts, k=12) for word in text.split()]
            words = random.sample(words, min(size, len(words)))
        random.shuffle(words)
        if len(words) > 7:
            out.append(" ".join(words))
    return out


def pieces(texts: Sequence[str], random: Random) -> list[str]:
    """Return runs of words of every other text, in several dresses: *not* unlike them."""
    dresses = (*(_plain, _plain, _with_address, _as_item) * 3, _in_capitals)
    out: list[str] = []
    for text in texts[::2]:
        words = text.split() or [""]
        at, size = random.randrange(len(words)), random.choice((4, 10, 20))
        out.append(random.choice(dresses)(words[at : at + random.randint(1, size)], random))
    return out


def _plain(words: list[str], random: Random) -> str:
    return " ".join(words)


def _in_capitals(words: list[str], random: Random) -> str:
    return " ".join(words).upper()


def _with_address(words: list[str], random: Random) -> str:
    name = "".join(letter for letter in random.choice(words).lower() if letter.isalnum())
    path = "-".join(word.lower() for word in words if word.isalpha())[:40]
    address = random.choice(
        (f"{name}@{name}.org", f"{name}.org", f"https://www.{name}.org/{len(path)}/{path}")
    )
    return " ".join((*words, random.choice(("at", "to", "", ":")), address))


def _as_item(words: list[str], random: Random) -> str:
    mark, bold = random.choice(("-", "*", "1.", "2.", "3.")), random.randint(0, 4)
    lead = [f"**{' '.join(words[:bold])}**"] if words[:bold] else []
    return " ".join((mark, *lead, *words[bold:]))


def _lines(path: Path, blank: bool = False) -> list[str]:
    return [
        line
        for line in path.read_text("utf-8").splitlines()
        if (blank or line) and not line.startswith("# W")
    ]


def _python(name: str) -> list[str]:
    """Return the functions of a module here, their beginning without documentation and comments."""
    source = Path(__file__).with_name(name + ".py").read_text("utf-8")
    source = _DOCUMENTATION.sub("", source)
    lines = [line for line in source.splitlines() if line.strip() and "#" not in line]
    starts = [at for at, line in enumerate(lines) if line.lstrip().startswith("def ")]
    return [dedent("\n".join(lines[at : min(end, at + 20)])) for at, end in pairwise([*starts, len(lines)])]


_HEADS = (
    "Name", "Town", "Year", "Total", "Price", "Change", "Date", "Points", "Share", "Region", "Code",
    "Count", "Rank", "Votes", "Hours", "Rate", "Size", "Class", "Won", "Lost", "Time", "Age", "Score",
    "Team",
)  # fmt: skip
_CELLS = (
    "North", "South", "East", "West", "Miller", "Okoro", "Lindqvist", "Hansen", "Total", "yes", "no",
    "n/a", "Chapel", "Mill Lane", "Group A", "Group B", "Reds", "Blues", "Monday", "Friday", "adult",
    "child", "open", "closed",
)  # fmt: skip
_UNITS = ("kg", "mm", "cm", "m", "km", "l", "ml", "s", "min", "h", "mph", "pts", "V", "GB")


_NUMBERS: tuple[Callable[[Random], str], ...] = (
    lambda random: f"{random.randint(0, 99)}",
    lambda random: f"{random.randint(1000, 99999):,}",
    lambda random: f"{random.uniform(0, 100):.1f}%",
    lambda random: f"${random.uniform(1, 900):.2f}",
    lambda random: f"{random.randint(1990, 2030)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
    lambda random: f"{random.uniform(0, 200):.{random.randint(1, 4)}f}",
    lambda random: f"{random.randint(0, 23):02}:{random.randint(0, 59):02}",
    lambda random: f"{random.uniform(0, 99):.{random.randint(0, 1)}f} {random.choice(_UNITS)}",
    lambda random: f"{random.uniform(-9, 9):+.2f}",
)


def _number(random: Random) -> str:
    return random.choice(_NUMBERS)(random)


def _cell(random: Random) -> str:
    if random.random() < 0.6:
        return random.choice(_CELLS)
    letters = "".join(random.choices(ascii_uppercase, k=random.randint(1, 4)))
    return letters + random.choice(("", "", str(random.randint(1, 999)), f"-{random.randint(1, 9)}"))


def _rows(random: Random) -> list[list[str]]:
    width = random.randint(3, 7)
    numbers = [i > 0 and random.random() < 0.75 for i in range(width)]
    body = [
        [_number(random) if number else _cell(random) for number in numbers]
        for _ in range(random.randint(2, 8))
    ]
    return [random.sample(_HEADS, width), *body]


def _bars(random: Random) -> str:
    head, *body = _rows(random)
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    return "\n".join(lines)


def _separated(random: Random) -> str:
    mark = random.choice(",;\t")
    return "\n".join(mark.join(row) for row in _rows(random)[random.randint(0, 1) :])


def _aligned(random: Random) -> str:
    wide = random.choice((0, 10))
    gap = "  " if wide else " "
    return "\n".join(
        gap.join(cell.ljust(wide) for cell in row) for row in _rows(random)[random.randint(0, 1) :]
    )


def _records(random: Random) -> str:
    head, *body = _rows(random)
    return json.dumps(
        [dict(zip(head, row, strict=True)) for row in body[:3]], indent=random.choice((None, 1))
    )


def _codes(random: Random) -> str:
    letters = ascii_lowercase + digits
    codes = ["".join(random.choices(letters, k=random.randint(3, 12))) for _ in range(random.randint(1, 30))]
    return " ".join(codes * random.randint(1, 10))


def _prices(random: Random) -> str:
    ranked = random.random() < 0.3
    lines = []
    for number in range(1, random.randint(4, 9)):
        rank = [f"{number}.", _number(random)] if ranked else []
        name = random.sample(_CELLS, 2)
        lines.append(" ".join((*rank, *name, random.choice((".....", "-", ":", "")), _number(random))))
    return "\n".join(lines)
