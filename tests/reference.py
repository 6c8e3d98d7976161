"""What tokens.py, features.py and model.py compute, said slowly: one text, one token at a time, plain Python.

Nothing here is imported from the modules it stands beside, so that a slip there shows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

ALL = 2**64 - 1
LONGEST = 65_536

PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-",
    "\u2026": ".", "\u2022": "*", "\u200b": " ", "\u200d": " ", "\u00a0": " ", "\ufeff": " ", "\0": " ",
}  # fmt: skip

SPACE, WORD, DIGIT, MARK = range(4)


def kind_of(byte: int) -> int:
    if byte >= 128 or chr(byte) in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        return WORD
    if chr(byte) in "0123456789":
        return DIGIT
    if byte <= 32 or byte == 127:
        return SPACE
    return MARK


class Token(NamedTuple):
    start: int
    data: bytes
    kind: int
    quoted: bool = False
    opening: bool = False

    @property
    def hash(self) -> int:
        return token_hash(self.data, self.kind)

    @property
    def capital(self) -> bool:
        return chr(self.data[0]) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def is_mark(self, *marks: str) -> bool:
        return self.kind == MARK and chr(self.data[0]) in marks


def mix(value: int) -> int:
    value ^= value >> 32
    value = value * 0xFF51AFD7ED558CCD & ALL
    return value ^ value >> 29


def join(left: int, right: int) -> int:
    return mix(left * 0x9E3779B97F4A7C15 + right & ALL)


def token_hash(data: bytes, kind: int) -> int:
    low = data.lower()
    if kind == DIGIT:
        value = 0x30
    else:
        value = int.from_bytes(low[:8], "little")
        if len(low) > 8:
            value += int.from_bytes(low[-8:], "little") * 0xC2B2AE3D27D4EB4F
    value += len(low) << 56
    return mix(value * 0x9E3779B97F4A7C15 & ALL)


def fold(text: str) -> bytes:
    return "".join(PLAIN.get(c, c) for c in text).encode("utf-8", "surrogatepass")


def cut(text: str) -> list[Token]:
    """Tokens without their structure."""
    data = fold(text)
    kinds = [kind_of(byte) for byte in data]
    inside = [
        0 < i < len(data) - 1 and data[i] == ord("'") and kinds[i - 1] == kinds[i + 1] == WORD
        for i in range(len(data))
    ]
    kinds = [WORD if inside[i] else kinds[i] for i in range(len(data))]
    tokens = []
    i = 0
    while i < len(data):
        end = i + 1
        while end < len(data) and kinds[end] == kinds[i] != MARK:
            end += 1
        if kinds[i] != SPACE:
            tokens.append(Token(i, data[i:end], kinds[i]))
        i = end
    return tokens


def tokenise(text: str) -> list[Token]:
    """Tokens, each with whether it is quoted and whether it opens a sentence."""
    plain = cut(text)
    tokens = []
    quoted = False
    for i, token in enumerate(plain):
        if token.is_mark('"'):
            quoted = not quoted
        tokens.append(token._replace(quoted=quoted, opening=opens(plain, i)))
    return tokens


def ends_sentence(tokens: list[Token], i: int) -> bool:
    """A full stop after a short capitalised word ("Mr.", "U.S.") does not."""
    if tokens[i].is_mark(".") and i and tokens[i - 1].capital and len(tokens[i - 1].data) <= 3:
        return False
    return tokens[i].is_mark(".", "!", "?", ":")


def opens(tokens: list[Token], i: int) -> bool:
    """Say whether a token is the first of a sentence.

    Marks may stand before it: at most four after the paragraph's beginning, at most three after the end of a
    sentence, and then it has a capital or is a number.
    """
    if tokens[i].kind == MARK:
        return False
    marks = 0
    while marks < i and tokens[i - marks - 1].kind == MARK and not ends_sentence(tokens, i - marks - 1):
        marks += 1
    if marks == i:
        return marks <= 4
    return (
        marks <= 3 and ends_sentence(tokens, i - marks - 1) and (tokens[i].capital or tokens[i].kind == DIGIT)
    )


class Ngrams(NamedTuple):
    single: list[int]
    pair: list[int]
    opening: list[int]


def ngrams(tokens: list[Token]) -> Ngrams:
    single = [token.hash ^ (0xA24BAED4963EE407 if token.quoted else 0) for token in tokens]
    pair = [join(tokens[i - 1].hash if i else 0, single[i]) for i in range(len(tokens))]
    opening = []
    for i, token in enumerate(tokens):
        if token.opening:
            opening.append(mix(single[i] ^ 0x9FB21C651E98DF25))
            if i + 1 < len(tokens):
                opening.append(mix(pair[i + 1] ^ 0x9FB21C651E98DF25))
    return Ngrams(single, pair, opening)


def forms(tokens: list[Token]) -> dict[str, float]:
    if not tokens:
        return {}
    words = [token for token in tokens if token.kind == WORD]
    numbers = [token for token in tokens if token.kind == DIGIT]
    n_tokens, n_words = len(tokens), max(len(words), 1)
    n_sentences = max(sum(token.opening for token in tokens), 1)
    first, last = tokens[0], tokens[-1]

    def marks(mark: str) -> int:
        return sum(token.is_mark(mark) for token in tokens)

    def own_marks(mark: str) -> int:
        return sum(token.is_mark(mark) and not token.quoted for token in tokens)

    def share(part: int, whole: int) -> float:
        return math.sqrt(part / whole)

    def endings(ending: bytes) -> float:
        return share(sum(len(word.data) > 4 and word.data.endswith(ending) for word in words), n_words)

    return {
        "log_tokens": math.log(1 + n_tokens),
        "log_sentences": math.log(n_sentences),
        "sentence_length": math.log(1 + n_tokens / n_sentences),
        "word_length": sum(len(word.data) for word in words) / n_words / 5,
        "capitalised": share(sum(word.capital and not word.opening for word in words), n_words),
        "all_capitals": share(
            sum(
                word.capital and len(word.data) > 1 and word.data[-1:] in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                for word in words
            ),
            n_words,
        ),
        "numbers": share(len(numbers), n_tokens),
        "quoted_share": sum(token.quoted for token in tokens) / n_tokens,
        "quotation_marks": min(marks('"'), 6) / 2,
        "starts_quoted": first.is_mark('"'),
        "ends_quoted": last.is_mark('"'),
        "questions": share(own_marks("?"), n_sentences),
        "exclamations": share(own_marks("!"), n_sentences),
        "ends_question": last.is_mark("?"),
        "ends_exclamation": last.is_mark("!"),
        "ends_colon": last.is_mark(":"),
        "ends_open": not last.is_mark("!", '"', ")", ".", ":", "?"),
        "semicolons": share(marks(";"), n_sentences),
        "colons": share(marks(":"), n_sentences),
        "commas": share(marks(","), n_tokens),
        "dashes": share(marks("-"), n_tokens),
        "brackets": share(marks("("), n_sentences),
        "square_brackets": share(marks("["), n_sentences),
        "money": share(marks("$"), n_sentences),
        "percent": share(marks("%"), n_sentences),
        "at_signs": min(marks("@"), 2),
        "slashes": share(marks("/"), n_tokens),
        "hashes": min(marks("#"), 2),
        "asterisks": min(marks("*"), 4) / 2,
        "list_mark": first.is_mark("*", "-"),
        "starts_number": first.kind == DIGIT,
        "past_ed": endings(b"ed"),
        "ing": endings(b"ng"),
        "ly": endings(b"ly"),
        "years": share(sum(len(n.data) == 4 and n.data[:1] in b"12" for n in numbers), n_sentences),
        "single_sentence": n_sentences == 1,
    }


def lexical(tokens: list[Token], lexicons: dict[str, list[str]]) -> dict[str, float]:
    """How much of the tokens belongs to each lexicon; two tokens are the same if their hashes are."""
    phrases = {name: {tuple(t.hash for t in cut(entry)) for entry in some} for name, some in lexicons.items()}
    out = {}
    length = max(len(tokens), 1)
    for name, wanted in phrases.items():
        own = inside = opening = 0
        for end in range(len(tokens)):
            for start in range(max(end - 2, 0), end + 1):
                if tuple(token.hash for token in tokens[start : end + 1]) in wanted:
                    if tokens[end].quoted:
                        inside += 1
                    else:
                        own += 1
                        opening += tokens[start].opening
        out[name] = math.sqrt(own / length)
        out[f"{name}:any"] = float(own > 0)
        out[f"{name}:quoted"] = math.sqrt(inside / length)
        out[f"{name}:opening"] = min(opening, 3)
    return out


def score(text, lexicons, cue_names, words, scale, cues, bias) -> list[float]:
    """Contrasts of one paragraph to the first label, from the arrays of a model."""
    tokens = tokenise(text[:LONGEST])
    some = ngrams(tokens)
    measured = {**forms(tokens), **lexical(tokens, lexicons)}
    drop = 64 - int(math.log2(len(words)))
    contrasts = []
    for k in range(len(bias)):
        total = sum(int(words[h >> drop][k]) for h in (*some.single, *some.pair, *some.opening))
        on_words = scale[k] * total / math.sqrt(max(len(tokens), 1))
        on_cues = sum(
            measured.get(name, 0) * float(weight[k]) for name, weight in zip(cue_names, cues, strict=True)
        )
        contrasts.append(float(bias[k]) + on_words + on_cues)
    return contrasts


def softmax(contrasts: list[float]) -> list[float]:
    top = max(0.0, *contrasts)
    powers = [math.exp(c - top) for c in (0.0, *contrasts)]
    return [power / sum(powers) for power in powers]
