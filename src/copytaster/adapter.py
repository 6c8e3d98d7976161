"""What makes a public base model the careful reader: how its weights differ, in a few megabytes.

A weight matrix differs by a product of two thin matrices plus, for what is left, its sign times one magnitude
a row (after Hu et al., *LoRA*, 2021, and Liu et al., *BitDelta*, 2024). Biases and normalisations differ
entry by entry. The head that turns a paragraph's vector into contrasts is stored whole, calibrated.

In an artifact the arrays stand one after another, little-endian, in the order of `Adapter`; the rank says how
long each is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HIDDEN, INNER, LAYERS = 384, 1536, 6
RANK = 32
"""Columns of the thin matrices, where training says nothing else."""
MAX_RANK = 128

_DENSE = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "intermediate.dense": (INNER, HIDDEN),
    "output.dense": (HIDDEN, INNER),
}
_NORMS = ("attention.output.LayerNorm", "output.LayerNorm")
MATRICES = {
    f"encoder.layer.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in _DENSE.items()
}
VECTORS = {
    f"encoder.layer.{i}.{name}": size
    for i in range(LAYERS)
    for name, size in {
        **{f"{dense}.bias": shape[0] for dense, shape in _DENSE.items()},
        **{f"{norm}.{part}": HIDDEN for norm in _NORMS for part in ("weight", "bias")},
    }.items()
}
Weights = dict[str, NDArray[np.float32]]


class Adapter(NamedTuple):
    """Arrays of all matrices, one after another in the order of `MATRICES`.

    Attributes
    ----------
    left, right : ndarray of int8
        The thin matrices, shapes (out, rank) and (rank, in) each.
    scale : ndarray of float32
        Of each component of each matrix.
    signs : ndarray of uint8
        A bit an entry of each matrix, set where the rest is positive.
    magnitude : ndarray of float16
        Of the rest, a row.
    vectors : ndarray of float16
        Differences of biases and normalisations, in the order of `VECTORS`.
    head : ndarray of float32, shape (K - 1, HIDDEN + 1)
        Weights and bias of each contrast.
    """

    left: NDArray[np.int8]
    right: NDArray[np.int8]
    scale: NDArray[np.float32]
    signs: NDArray[np.uint8]
    magnitude: NDArray[np.float16]
    vectors: NDArray[np.float16]
    head: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Return the arrays as they stand in an artifact."""
        return b"".join(
            np.ascontiguousarray(array, kind).tobytes() for array, kind in zip(self, _TYPES, strict=True)
        )

    @classmethod
    def from_bytes(cls, data: bytes, rank: int, contrasts: int) -> Adapter:
        """Read what `to_bytes` gave; a `ValueError` if it cannot be that."""
        if len(data) != size_of(rank, contrasts):
            raise ValueError("it has the wrong length")
        arrays, at = [], 0
        for kind, count in zip(_TYPES, _counts(rank, contrasts), strict=True):
            array = np.frombuffer(data, kind, count, at)
            if array.dtype.kind == "f" and not (np.abs(array) <= _MAX_WEIGHT).all():
                raise ValueError("it holds numbers that are no weights")
            arrays.append(array)
            at += array.nbytes
        arrays[-1] = arrays[-1].reshape(contrasts, HIDDEN + 1)
        return cls._make(arrays)

    def apply(self, base: Mapping[str, NDArray[np.float32]]) -> Weights:
        """Return the weights of the careful reader, but for its head."""
        rank = len(self.scale) // len(MATRICES)
        weights = {name: array for name, array in base.items() if name.startswith("embeddings.")}
        left, right, scale, signs, magnitude, vectors = (_Cursor(array) for array in self[:-1])
        for name, (rows, columns) in MATRICES.items():
            thin = left.take(rows, rank).astype(np.float64) * scale.take(rank)
            rest = np.unpackbits(signs.take(rows * columns // 8)).reshape(rows, columns) * 2.0 - 1.0
            change = thin @ right.take(rank, columns) + rest * magnitude.take(rows, 1)
            weights[name] = (base[name] + change).astype(np.float32)
        for name, size in VECTORS.items():
            weights[name] = base[name] + vectors.take(size).astype(np.float32)
        return weights


_TYPES = ("<i1", "<i1", "<f4", "u1", "<f2", "<f2", "<f4")
_MAX_WEIGHT = 1e4


def _counts(rank: int, contrasts: int) -> tuple[int, ...]:
    rows, columns = (sum(shape[axis] for shape in MATRICES.values()) for axis in (0, 1))
    entries = sum(rows * columns for rows, columns in MATRICES.values())
    factors = (rows * rank, columns * rank, len(MATRICES) * rank)
    return (*factors, entries // 8, rows, sum(VECTORS.values()), contrasts * (HIDDEN + 1))


def size_of(rank: int, contrasts: int) -> int:
    """Return the bytes of an adapter."""
    sizes = (np.dtype(kind).itemsize for kind in _TYPES)
    return sum(count * size for count, size in zip(_counts(rank, contrasts), sizes, strict=True))


class _Cursor:
    """Takes one array after another from a long one."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self._at = array, 0

    def take(self, *shape: int) -> NDArray[Any]:
        start, self._at = self._at, self._at + int(np.prod(shape))
        return self._array[start : self._at].reshape(shape)


def compress(
    base: Mapping[str, NDArray[np.float32]],
    tuned: Mapping[str, NDArray[np.float32]],
    head: NDArray[np.float32],
    rank: int = RANK,
) -> Adapter:
    """Return the adapter that comes near fine-tuned weights.

    Parameters
    ----------
    base, tuned : mapping of str to ndarray of float32
        Weights by name; the embeddings are taken to be the same.
    head : ndarray of float, shape (K - 1, HIDDEN + 1)
        Weights and bias of each contrast.
    rank : int
        Components kept of each difference.
    """
    parts: list[list[NDArray[Any]]] = [[] for _ in range(5)]
    for name in MATRICES:
        change = tuned[name].astype(np.float64) - base[name]
        u, strength, v = np.linalg.svd(change, full_matrices=False)
        u, v, strength = u[:, :rank], v[:rank], strength[:rank]
        most = np.abs(u).max(axis=0), np.abs(v).max(axis=1)
        left = np.rint(u / most[0] * 127).astype(np.int8)
        right = np.rint(v / most[1][:, None] * 127).astype(np.int8)
        scale = (strength * most[0] * most[1] / 127**2).astype(np.float32)
        rest = change - (left * scale.astype(np.float64)) @ right
        magnitude = np.abs(rest).mean(axis=1).astype(np.float16)
        for found, array in zip(parts, (left, right, scale, np.packbits(rest > 0), magnitude), strict=True):
            found.append(array.ravel())
    vectors = np.concatenate([tuned[name] - base[name] for name in VECTORS]).astype(np.float16)
    arrays = [np.concatenate(found) for found in parts]
    return Adapter._make([*arrays, vectors, head.astype(np.float32)])
