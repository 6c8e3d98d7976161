"""The model: a multinomial logistic regression on both views, and why it says what it says.

One label (the first) is the reference; every other has a contrast to it. The score of a contrast is

    bias + scale * (sum of the n-gram weights) / sqrt(tokens) + cues . weights

and what the units of a hidden layer over the cues add (`copytaster.hidden`), where there is one; the
probabilities are the softmax of the contrasts (Hastie, Tibshirani, Friedman, *The Elements of Statistical
Learning*, section 4.4). N-gram weights are small integers, so their sums are exact: the result
does not depend on how texts are cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import FORMS
from copytaster.domain import Domain
from copytaster.features import MAX_CHARS, Featuriser, Lexicons
from copytaster.hidden import Hidden
from copytaster.tally import Tallier, Tally

if TYPE_CHECKING:
    from copytaster.artifact import Section
    from copytaster.explain import Explanation

BATCH, BATCH_CHARS = 2048, 400_000
"""Paragraphs scored at a time, and about how many characters: so many that calls of numpy cost little."""


class Model:
    """Weights that turn paragraphs into probabilities.

    Parameters
    ----------
    labels : tuple of str
        ``K`` labels, 2 to 20; the first is the reference.
    lexicons : Lexicons
        Compiled cue lexicons.
    words : ndarray of int8, shape (2 ** bits, K - 1)
        N-gram weights by the highest `bits` bits of their hash, in units of `scale`.
    scale : ndarray of float64, shape (K - 1,)
    cues : ndarray of float64, shape (c, K - 1)
        Weights of the cue columns.
    bias : ndarray of float64, shape (K - 1,)
    manifest : dict
        What the model is and where it comes from; JSON.
    domain : Domain, optional
        Tells texts unlike the training texts; without, every text is taken for familiar.
    hidden : Hidden, optional
        What cues mean together.

    Attributes
    ----------
    careful : Section or None
        The careful reader's part of the artifact, where it has one.
    """

    careful: Section | None = None

    def __init__(
        self,
        labels: tuple[str, ...],
        lexicons: Lexicons,
        words: NDArray[np.int8],
        scale: NDArray[np.float64],
        cues: NDArray[np.float64],
        bias: NDArray[np.float64],
        manifest: dict[str, Any],
        domain: Domain | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        self.labels = labels
        self.words = words
        self.scale = scale
        self.cues = cues
        self.bias = bias
        self.manifest = manifest
        self.domain = domain
        self.hidden = hidden
        self.featurise = Featuriser(lexicons)
        forms, lexical = np.split(cues, [len(FORMS)])
        self._forms = np.ascontiguousarray(forms.T)
        self._shift = np.uint64(64 - (len(words) - 1).bit_length())
        self.tally = Tallier(self.featurise, words, lexical, domain, hidden)

    @property
    def lexicons(self) -> Lexicons:
        """The compiled lexicons."""
        return self.featurise.lexicons

    def decision_function(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the contrasts of each paragraph to the first label, shape (n, K - 1)."""
        out = np.empty((len(texts), len(self.bias)))
        for part in batches(texts):
            out[part] = self.score(self.tally(texts[part]))
        return out

    def in_domain(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how much each text looks like what the model knows, 0 to 1, shape (n,)."""
        return self.assess(texts)[1]

    def assess(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what `decision_function` and `in_domain` do, for the price of one."""
        contrasts, familiar = np.empty((len(texts), len(self.bias))), np.ones(len(texts))
        for part in batches(texts):
            tally = self.tally(texts[part])
            contrasts[part] = self.score(tally)
            if self.domain:
                familiar[part] = self.domain.judge(tally.tokens, tally.steps, tally.forms)
        return contrasts, familiar

    def score(self, tally: Tally) -> NDArray[np.float64]:
        """Return the contrasts of a batch, shape (n, K - 1)."""
        per = self.scale / np.sqrt(np.maximum(tally.tokens, 1))[:, None]
        scores: NDArray[np.float64] = self.bias + tally.weights * per + tally.lexical
        forms = tally.forms.T.astype(np.float64, order="C")
        for at, weights in enumerate(self._forms):  # a matrix product would round by the size of the batch
            scores[:, at] += np.einsum("ij,j->i", forms, weights)
        if self.hidden:
            scores += self.hidden.contrasts(tally.units, tally.forms)
        return scores

    def column(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of `words` for each n-gram hash."""
        return (hashes >> self._shift).view(np.int64)

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each label for each paragraph.

        Parameters
        ----------
        texts : sequence of str
            ``n`` paragraphs; of each the first `MAX_CHARS` characters are read.

        Returns
        -------
        ndarray of float64, shape (n, K)
            Rows sum to 1; columns in the order of `labels`.

        Examples
        --------
        >>> from copytaster.artifact import load
        >>> model = load()
        >>> chances = model.predict_proba(["Sign the petition and call your senator today!"])
        >>> model.labels[chances[0].argmax()]
        'call-to-action'
        """
        return softmax(self.decision_function(texts))

    def explain(self, text: str, shift: NDArray[np.float64] | None = None) -> Explanation:
        """Return the evidence for a paragraph's label, neighbours having added `shift` to its contrasts."""
        from copytaster.explain import explain

        return explain(self, text, shift)


def batches(texts: Sequence[str]) -> Iterator[slice]:
    """Cut texts, in order, into batches of at most `BATCH` that end at `BATCH_CHARS` characters."""
    reached = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start, before = 0, 0
    while start < len(texts):
        end = int(reached.searchsorted(before + BATCH_CHARS)) + 1
        end = min(end, start + BATCH, len(texts))
        yield slice(start, end)
        start, before = end, reached[end - 1]


def softmax(contrasts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn contrasts to the first label, shape (n, K - 1), into probabilities, shape (n, K)."""
    full = np.concatenate((np.zeros((len(contrasts), 1)), contrasts), axis=1)
    full -= full.max(axis=1, keepdims=True)
    np.exp(full, out=full)
    full /= full.sum(axis=1, keepdims=True)
    return full


__all__ = ["BATCH", "MAX_CHARS", "Model", "softmax"]
