"""Fit the hidden layer to what a linear solution leaves, by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from copytaster.hidden import Hidden

BATCH = 512
EPOCHS = 10
RATE = 3e-3
"""Step size of the first step, from which it falls to zero in a straight line."""
DECAY = 0.1
DROPPED = 0.25
"""Share of the units that are left out of a step."""
FLATTEST = 0.02
"""Least standard deviation that a cue is divided by."""
_FIRST, _SECOND, _LEAST = 0.9, 0.999, 1e-8


def fit_hidden(
    cues: Sequence[sp.csr_matrix],
    contrasts: Sequence[NDArray[np.float64]],
    targets: Sequence[NDArray[np.float64]],
    units: int,
    seed: int = 0,
) -> Hidden:
    """Fit a hidden layer whose contrasts add to given ones.

    The loss is the cross-entropy, weighted; steps are by Adam (Kingma and Ba, 2015) with decoupled weight
    decay (Loshchilov and Hutter, 2019), and units are dropped at random (Srivastava et al., 2014).

    Parameters
    ----------
    cues : sequence of csr_matrix of float32, shape (n, c)
    contrasts : sequence of ndarray of float, shape (n, K - 1)
        Of the linear solution.
    targets : sequence of ndarray of float, shape (n, K)
        The weight of each label for each text.
    units : int
        A multiple of `copytaster.hidden.STEP`.
    seed : int
    """
    rows = sp.vstack(list(cues), format="csr")
    offset = np.concatenate(list(contrasts)).astype(np.float32)
    wanted = np.concatenate(list(targets)).astype(np.float32)
    middle = np.asarray(rows.mean(axis=0)).ravel()
    square = np.asarray(rows.power(2).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(square - middle**2, FLATTEST**2)).astype(np.float32)
    random = np.random.default_rng(seed)
    bound = 1 / np.sqrt(rows.shape[1])
    point = [
        random.uniform(-bound, bound, (rows.shape[1], units)).astype(np.float32),
        random.uniform(-bound, bound, units).astype(np.float32),
        np.zeros((units, wanted.shape[1]), np.float32),
    ]
    means, squares = ([np.zeros_like(part) for part in point] for _ in range(2))
    steps = EPOCHS * -(-len(wanted) // BATCH)
    number = 0
    with threadpool_limits(1):
        for _ in range(EPOCHS):
            order = random.permutation(len(wanted))
            for at in range(0, len(order), BATCH):
                some = np.sort(order[at : at + BATCH])
                given = (rows[some].toarray() - middle) / spread
                kept = (random.random((len(some), units)) >= DROPPED).astype(np.float32) / (1 - DROPPED)
                slope = _slope(point, given.astype(np.float32), kept, offset[some], wanted[some])
                rate = RATE * (1 - number / steps)
                number += 1
                for part, mean, second, change in zip(point, means, squares, slope, strict=True):
                    mean += (1 - _FIRST) * (change - mean)
                    second += (1 - _SECOND) * (change**2 - second)
                    unbiased = np.sqrt(second / (1 - _SECOND**number)) + _LEAST
                    part *= 1 - rate * DECAY
                    part -= rate / (1 - _FIRST**number) * mean / unbiased
    inner, bias, outer = point
    inner = inner / spread[:, None]
    bias = bias - middle.astype(np.float32) @ inner
    return Hidden(inner, bias, (outer[:, 1:] - outer[:, :1]).astype(np.float64))


def _slope(
    point: list[NDArray[np.float32]],
    given: NDArray[np.float32],
    kept: NDArray[np.float32],
    offset: NDArray[np.float32],
    wanted: NDArray[np.float32],
) -> list[NDArray[np.float32]]:
    """Return how the loss of a batch grows with each weight."""
    inner, bias, outer = point
    units = np.maximum(given @ inner + bias, 0) * kept
    scores = units @ outer
    scores[:, 1:] += offset
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    mass = wanted.sum(axis=1, keepdims=True)
    error = (chances * (mass / chances.sum(axis=1, keepdims=True)) - wanted) / max(float(mass.sum()), 1e-9)
    back = (error @ outer.T) * kept * (units > 0)
    return [given.T @ back, back.sum(axis=0), units.T @ error]
