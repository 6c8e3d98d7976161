"""The careful reader's transformer, run by onnxruntime with 8-bit arithmetic.

Weights are whole numbers of 7 bits and a scale for each output, activations of 8 bits and a scale for each
token: their products add up exactly, and no sum overflows on any processor. What a text comes to therefore
depends on nothing but the text: a token is scaled by itself, and lengths are padded to multiples of `STEP`,
whatever the batch.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from copytaster.adapter import HIDDEN, LAYERS, Weights
from copytaster.onnx import MICROSOFT, Graph

STEP = 8
"""Lengths are padded to a multiple of this many tokens."""
BATCH = 4
"""Texts read at a time."""
HEADS = 12
EPSILON = 1e-12
_UINT8, _FLOAT = 2, 1


class Transformer:
    """A transformer that turns tokens into one vector a text.

    Parameters
    ----------
    weights : dict of str to ndarray
        By their names in the base model.
    """

    def __init__(self, weights: Weights) -> None:
        positions, types = (
            weights[f"embeddings.{name}_embeddings.weight"] for name in ("position", "token_type")
        )
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = positions + types[0]
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph(weights), options, ["CPUExecutionProvider"])

    def __call__(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return the mean vector of the tokens of each text, shape (n, HIDDEN)."""
        vectors = np.empty((len(texts), HIDDEN))

        def read(rows: list[int]) -> None:
            length = -(-len(texts[rows[0]]) // STEP) * STEP
            tokens = np.zeros((len(rows), length), np.int64)
            mask = np.zeros((len(rows), length), np.int32)
            for row, i in enumerate(rows):
                tokens[row, : len(texts[i])] = texts[i]
                mask[row, : len(texts[i])] = 1
            given = {"x": self._words[tokens] + self._positions[:length], "mask": mask}
            for i, found in zip(rows, self._session.run(None, given)[0], strict=True):
                vectors[i] = found[: len(texts[i])].mean(axis=0, dtype=np.float64)

        groups = list(batches([len(text) for text in texts]))
        with ThreadPoolExecutor(
            _threads()
        ) as threads:  # a batch each; within one they would wait for another
            deque(threads.map(read, reversed(groups)), maxlen=0)
        return vectors


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group texts whose padded lengths are the same, shortest first, at most `BATCH` at a time."""
    group: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -(-lengths[i] // STEP)):
        if group and (len(group) == BATCH or -(-lengths[i] // STEP) != -(-lengths[group[0]] // STEP)):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _threads() -> int:
    """Return one for a worker process, which has others beside it, and else the number of processors."""
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def graph(weights: Weights) -> bytes:
    """Return the ONNX model that turns embedded tokens and their mask into vectors, (n, length, HIDDEN)."""
    g = Graph()

    def constant(name: str) -> str:
        return g.constant(weights[name])

    def quantised(x: str) -> tuple[str, str]:
        most = g.add("ReduceMax", g.add("Abs", x), g.constant(np.array([-1])), keepdims=1)
        scale = g.add(
            "Max", g.add("Mul", most, g.constant(np.float32(1 / 127))), g.constant(np.float32(1e-9))
        )
        shifted = g.add("Add", g.add("Round", g.add("Div", x, scale)), g.constant(np.float32(128)))
        return g.add("Cast", shifted, to=_UINT8), scale

    def linear(x: tuple[str, str], name: str) -> str:
        weight = weights[name + ".weight"]
        unit = np.maximum(np.abs(weight).max(axis=1), 1e-9) / 63
        whole = g.constant(np.rint(weight / unit[:, None]).astype(np.int8).T)
        product = g.add("MatMulInteger", x[0], whole, g.constant(np.uint8(128)))
        scaled = g.add("Mul", g.add("Cast", product, to=_FLOAT), x[1])
        return g.add("Mul", scaled, g.constant(unit.astype(np.float32)))

    def normal(x: str, y: str, name: str) -> str:
        norm = (constant(f"{name}.LayerNorm.{part}") for part in ("weight", "bias"))
        bias = constant(f"{name}.dense.bias")
        return g.add("SkipLayerNormalization", x, y, *norm, bias, domain=MICROSOFT, epsilon=EPSILON)

    first = (constant(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias"))
    x = g.add("LayerNormalization", "x", *first, axis=-1, epsilon=EPSILON)
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        whole = quantised(x)
        heads = [
            g.add("Add", linear(whole, name), constant(name + ".bias"))
            for name in (f"{layer}.attention.self.{part}" for part in ("query", "key", "value"))
        ]
        mixed = g.add("MultiHeadAttention", *heads, "", "mask", domain=MICROSOFT, num_heads=HEADS)
        x = normal(
            x, linear(quantised(mixed), f"{layer}.attention.output.dense"), f"{layer}.attention.output"
        )
        inner = linear(quantised(x), f"{layer}.intermediate.dense")
        inner = g.add("BiasGelu", inner, constant(f"{layer}.intermediate.dense.bias"), domain=MICROSOFT)
        x = normal(x, linear(quantised(inner), f"{layer}.output.dense"), f"{layer}.output")
    return g.model({"x": ("float32", ("n", "length", HIDDEN)), "mask": ("int32", ("n", "length"))}, x)
