"""A hidden layer over the cues: what they mean together, which a sum over single ones cannot say.

Its units are rectified sums of cues, and add to the contrasts of a paragraph:

    max(0, bias + cues . inner) . outer

(Goodfellow, Bengio, Courville, *Deep Learning*, chapter 6). Which units are above zero depends on the text;
those given, the contrasts are a sum over cues as before, so that each has its share in them. Sums are made in
32 bits, cue after cue in one order, so they are the same in whatever batch, by the kernel and without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import CUES_OF_LEXICON, FORMS
from copytaster.extras import import_compiled

kernel = import_compiled("_kernel")
STEP = 16
"""The number of units is a multiple of this, since the kernel takes so many at once."""
MOST = 1024


class Hidden(NamedTuple):
    """Weights of the layer, of `u` units.

    Attributes
    ----------
    inner : ndarray of float32, shape (c, u)
        Rows as `Featuriser.cue_names`.
    bias : ndarray of float32, shape (u,)
    outer : ndarray of float64, shape (u, K - 1)
    """

    inner: NDArray[np.float32]
    bias: NDArray[np.float32]
    outer: NDArray[np.float64]

    @property
    def lexical(self) -> NDArray[np.float32]:
        """The rows of `inner` for lexical cues, shape (4, w, u)."""
        return self.inner[len(FORMS) :].reshape(CUES_OF_LEXICON, -1, len(self.bias))

    def add_lexical(self, cues: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sums of the lexical cues of texts and the bias, shape (n, u), lexicon by lexicon."""
        sums = np.tile(self.bias, (len(cues), 1))
        width = self.lexical.shape[1]
        for lexicon in range(width):
            for at in range(len(FORMS) + lexicon, cues.shape[1], width):
                sums += cues[:, at, None] * self.inner[at]
        return sums

    def contrasts(self, sums: NDArray[np.float32], forms: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what the units add to the contrasts, shape (n, K - 1).

        Parameters
        ----------
        sums : ndarray of float32, shape (n, u)
            Of lexical cues and the bias.
        forms : ndarray of float32, shape (len(FORMS), n)
        """
        out = np.zeros((len(sums), self.outer.shape[1]))
        if kernel:
            arrays = np.ascontiguousarray(forms), self.inner[: len(FORMS)], self.outer, sums, out
            kernel.layer(len(self.bias), self.outer.shape[1], arrays)
            return out
        sums = sums.copy()
        for form, weights in zip(forms, self.inner, strict=False):
            sums += form[:, None] * weights
        for unit, weights in zip(np.maximum(sums, 0).T, self.outer, strict=True):
            out += unit[:, None] * weights
        return out

    def opened(self, cues: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each cue of one text weighs by its active units, shape (c, K - 1), and their bias."""
        sums = self.bias + cues @ self.inner
        active = (sums > 0)[:, None] * self.outer
        return self.inner.astype(np.float64) @ active, self.bias.astype(np.float64) @ active
