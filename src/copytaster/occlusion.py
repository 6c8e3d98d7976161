"""Why the careful reader chose a label: the words without which it would be less sure.

Each copy of the paragraph lacks a word, or in a long one a run of words; the copies are read, and what the
probability of the label loses is the word's weight (Zeiler and Fergus, *Visualizing and Understanding
Convolutional Networks*, 2014, section 4.2). Weights do not add up, unlike the fast reader's terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from copytaster.minilm import CHARS, TOKENS
from copytaster.model import softmax

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from copytaster.explain import Explanation

COPIES = 64
"""Most copies read of a paragraph."""
_SHOWN, _NAMED = 8, 4
_LEAST = 0.01
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Removal:
    """A word or a run of words.

    Attributes
    ----------
    text : str
        As written.
    loss : float
        What the probability of the label loses without it, in -1 ... 1.
    span : (int, int)
        Where it stands, in characters of the paragraph.
    """

    text: str
    loss: float
    span: tuple[int, int]


@dataclass(frozen=True)
class Occlusion:
    """The evidence for a label of the careful reader.

    Attributes
    ----------
    label : str
    probability : float
        Of the label, for the paragraph by itself.
    removals : tuple of Removal
        Those that change the probability most first.
    fast : Explanation
        What the fast reader went by.
    """

    label: str
    probability: float
    removals: tuple[Removal, ...]
    fast: Explanation

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "reader": "careful",
            "label": self.label,
            "probability": round(self.probability, 6),
            "removals": [
                {"text": r.text, "loss": round(r.loss, 6), "span": list(r.span)} for r in self.removals
            ],
            "fast": self.fast.to_dict(),
            "sentence": str(self),
        }

    def __str__(self) -> str:
        """Return one sentence for people."""
        named = [f"'{r.text}' (-{r.loss:.2f})" for r in self.removals if r.loss >= _LEAST][:_NAMED]
        words = f"less sure without {', '.join(named)}" if named else "no single word decides"
        return f"careful reader: {self.label}, {words}; fast reader: {self.fast}"


def occlude(
    read: Callable[[Sequence[str]], NDArray[np.float64]], name: str, label: int, text: str, fast: Explanation
) -> Occlusion:
    """Read a paragraph without each of its words.

    Parameters
    ----------
    read : callable
        Gives the contrasts of texts, shape (n, K - 1).
    name : str
        The label.
    label : int
        Its number.
    text : str
        Of it, as many characters as the reader cuts into tokens are looked at.
    fast : Explanation
        What the fast reader went by.
    """
    text = text[:CHARS]
    words = [match.span() for match in _WORD.finditer(text)][:TOKENS]
    run = -(-len(words) // COPIES) or 1
    spans = [(words[i][0], words[min(i + run, len(words)) - 1][1]) for i in range(0, len(words), run)]
    chances = softmax(read([text, *(text[:start] + text[end:] for start, end in spans)]))
    losses = (chances[0, label] - chances[1:, label]).tolist()
    order = sorted(range(len(spans)), key=lambda i: (-abs(losses[i]), i))[:_SHOWN]
    removals = tuple(Removal(" ".join(text[slice(*spans[i])].split()), losses[i], spans[i]) for i in order)
    return Occlusion(name, float(chances[0, label]), removals, fast)
