"""Why a paragraph got its label: the terms of the model's own sum, for the label against the runner-up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import FORMS
from copytaster.features import MAX_CHARS, ngrams, structure
from copytaster.model import softmax
from copytaster.naming import UNIVERSAL, plain
from copytaster.tokens import Tokens, fold, tokenise

if TYPE_CHECKING:
    from copytaster.model import Model

Span = tuple[int, int]

_SHOWN = 12
_WORDS, _CUES = 4, 3
"""How many parts are listed, and how many n-grams and cues the sentence names."""
_EDGES = "#^ .,;:!?()[]{}*_/-\\\"'\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2022"
"""What an n-gram loses at its ends where the sentence names it."""


@dataclass(frozen=True)
class Part:
    """One term of the sum.

    Attributes
    ----------
    view : str
        "cue", "ngram" or "context".
    name : str
        Of the cue, or the n-gram as written; "^" before an n-gram that opens a sentence. "neighbours" for
        what the paragraphs around it add.
    contribution : float
        To the log-odds of the label against the runner-up.
    spans : tuple of (int, int)
        Where it stands, in characters of the paragraph; empty for a sign of form.
    """

    view: str
    name: str
    contribution: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Explanation:
    """The exact additive evidence for a label.

    Attributes
    ----------
    label, against : str
        The predicted label and the runner-up.
    log_odds : float
        ``log(p(label) / p(against))``.
    bias : float
        The part of it that no word of the paragraph has.
    parts : tuple of Part
        Strongest first; with `bias` they sum to `log_odds`.
    """

    label: str
    against: str
    log_odds: float
    bias: float
    parts: tuple[Part, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the strongest parts, and what the others, and rounding, add up to."""
        log_odds, bias = round(self.log_odds, 6), round(self.bias, 6)
        listed: list[dict[str, Any]] = [
            {
                "view": p.view,
                "name": p.name,
                "contribution": round(p.contribution, 6),
                "spans": [*map(list, p.spans)],
            }
            for p in self.parts[:_SHOWN]
        ]
        return {
            "label": self.label,
            "against": self.against,
            "log_odds": log_odds,
            "bias": bias,
            "parts": listed,
            "rest": round(log_odds - bias - sum(part["contribution"] for part in listed), 6),
            "sentence": str(self),
        }

    def __str__(self) -> str:
        """Return one sentence for people."""
        words: list[str] = []
        cues: list[str] = []
        for part in self.parts:
            name = part.name.partition(":")[0]
            if part.contribution <= 0 or (part.view == "cue" and name in UNIVERSAL):
                continue
            if part.view != "ngram":
                cues.append(plain(name))
            elif word := part.name.strip(_EDGES):
                words.append(word)
        quoted = [f"'{word}'" for word in _whole(words)]
        named = (quoted, list(dict.fromkeys(cues))[:_CUES])
        evidence = "; ".join(", ".join(some) for some in named if some)
        return f"{self.label} rather than {self.against}: {evidence or 'nothing in particular'}"


def explain(model: Model, text: str, shift: NDArray[np.float64] | None = None) -> Explanation:
    """Take apart the score of one paragraph.

    Parameters
    ----------
    model : Model
    text : str
    shift : ndarray of float, shape (K - 1,), optional
        What its neighbours have added to its contrasts.

    Returns
    -------
    Explanation
    """
    text = text[:MAX_CHARS]
    contrasts = model.decision_function([text]) + (0 if shift is None else shift)
    scores = np.append(0.0, contrasts)
    best = int(softmax(contrasts).argmax())
    second = int(np.where(np.arange(len(scores)) == best, -np.inf, scores).argmax())
    contrast = _contrast(best, second, len(model.bias))
    tokens = tokenise([text])
    shape = structure(tokens)
    places = _places(text)
    spans = [(places[s], places[e - 1] + 1) for s, e in zip(tokens.start, tokens.end, strict=True)]

    scale = contrast * model.scale / np.sqrt(max(len(spans), 1))
    single, pair, openings = ngrams(tokens, shape)
    sums: defaultdict[str, float] = defaultdict(float)
    where: defaultdict[str, list[Span]] = defaultdict(list)

    def weigh(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
        return np.asarray(model.words[model.column(hashes)] @ scale)

    def add(name: str, weight: float, span: Span) -> None:
        sums[name] += weight
        where[name].append(span)

    def over(first: int, last: int) -> Span:
        return spans[first][0], spans[last][1]

    for i, weight in enumerate(weigh(single)):
        add(text[slice(*spans[i])].lower(), weight, spans[i])
    for i, weight in enumerate(weigh(pair)):
        span = over(max(i - 1, 0), i)
        add(_squeeze(text[slice(*span)]) if i else "^" + text[slice(*span)].lower(), weight, span)
    singles = int(shape.opening.sum())
    for j, weight in enumerate(weigh(openings.hash)):
        i = int(openings.token[j])
        span = over(i - (j >= singles), i)
        add("^" + _squeeze(text[slice(*span)]), weight, span)

    parts = [Part("ngram", name, float(value), tuple(where[name])) for name, value in sums.items()]
    lexical = _lexical_spans(model, tokens, spans)
    cues = model.featurise([text]).cues[0]
    opened, offset = model.hidden.opened(cues) if model.hidden else (0, 0)
    on_cues = cues * ((model.cues + opened) @ contrast)
    for name, value in zip(model.featurise.cue_names, on_cues, strict=True):
        if value:
            at = () if name in FORMS else tuple(lexical.get(name.split(":")[0], ()))
            parts.append(Part("cue", name, float(value), at))
    if shift is not None and shift.any():
        parts.append(Part("context", "neighbours", float(shift @ contrast), ()))
    parts.sort(key=lambda part: (-abs(part.contribution), part.view, part.name))
    bias = float((model.bias + offset) @ contrast)
    log_odds = float(scores[best] - scores[second])
    return Explanation(model.labels[best], model.labels[second], log_odds, bias, tuple(parts))


def _contrast(best: int, second: int, count: int) -> NDArray[np.float64]:
    """Return what to multiply contrasts to the first label with, to get `best` against `second`."""
    both = np.zeros(count + 1)
    both[best], both[second] = 1, -1
    return both[1:]


def _whole(words: Iterable[str]) -> list[str]:
    """Take the first n-grams, and where one is part of another, the longer of them in its place."""
    taken: list[str] = []
    for word in words:
        if any(f" {word} " in f" {other} " for other in taken):
            continue
        parts = [other for other in taken if f" {other} " in f" {word} "]
        if parts:
            taken[taken.index(parts[0])] = word
            taken = [other for other in taken if other not in parts]
        elif len(taken) < _WORDS:
            taken.append(word)
        else:
            break
    return taken


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())


@lru_cache(4096)
def _width(character: str) -> int:
    return len(fold([character]))


def _places(text: str) -> list[int]:
    """Return the character each folded byte comes from."""
    return [i for i, character in enumerate(text) for _ in range(_width(character))]


def _lexical_spans(model: Model, tokens: Tokens, spans: list[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    lexicons = model.lexicons
    offset = model.featurise.offset
    for end, size, entry in zip(*model.featurise.matches(tokens), strict=True):
        for k in range(int(lexicons.fan[entry])):
            name = lexicons.names[int(lexicons.column[offset[entry] + k])]
            found.setdefault(name, []).append((spans[end - size + 1][0], spans[end][1]))
    return {name: sorted(set(at)) for name, at in found.items()}


__all__ = ["Explanation", "Part", "explain"]
