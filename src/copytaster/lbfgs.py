"""L-BFGS: minimise a smooth convex function of many variables from its values and slopes.

Liu and Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989, with a line search
that halves its step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.floating[Any]]
FIRST = 1 / 16
"""Share of the first step, which knows no curvature."""


def minimise(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, steps: int, least: float
) -> Vector:
    """Find where a function is least.

    Parameters
    ----------
    function : callable
        Returns the value and the slope at a point. Its variables should be in units in which its curvature is
        about 1.
    start : ndarray of float32 or float64, shape (d,)
    steps : int
        Most steps.
    least : float
        A step that lowers the value by less is the last.

    Returns
    -------
    ndarray of float, shape (d,)
        The best point found.
    """
    point, (value, slope) = start, function(start)
    past: deque[tuple[Vector, Vector, float]] = deque(maxlen=5)
    for _ in range(steps):
        way = _direction(slope, past)
        descent = float(slope @ way)
        size = 1.0 if past else FIRST
        found, risen = function(moved := point + size * way)
        while found > value + 1e-4 * size * descent and size > 1e-6:
            size /= 2
            found, risen = function(moved := point + size * way)
        if not found < value:
            break
        step, bend = moved - point, risen - slope
        if (curve := float(step @ bend)) > 0:
            past.append((step, bend, curve))
        gain, point, value, slope = value - found, moved, found, risen
        if gain < least:
            break
    return point


def _direction(slope: Vector, past: deque[tuple[Vector, Vector, float]]) -> Vector:
    """Return minus the inverse curvature, as the past steps tell it, times the slope."""
    way = -slope
    shares = []
    for step, bend, curve in reversed(past):
        shares.append(float(step @ way) / curve)
        way -= shares[-1] * bend
    if past:
        _, bend, curve = past[-1]
        way *= curve / float(bend @ bend)
    for (step, bend, curve), share in zip(past, reversed(shares), strict=True):
        way += (share - float(bend @ way) / curve) * step
    return way
