"""Just enough of ONNX to hand a graph to a runtime: its messages, in the wire format of Protocol Buffers.

The field numbers are those of ``onnx.proto`` (https://github.com/onnx/onnx), whose package is not needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
MICROSOFT = "com.microsoft"
"""Domain of the operators that onnxruntime adds to the standard ones."""


class Graph:
    """A graph under construction: every operator gives one output, and constants are inputs like others."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, array: NDArray[Any] | np.generic) -> str:
        """Add an array and return its name."""
        name = f"c{len(self._constants)}"
        dims = b"".join(_number(1, size) for size in array.shape)
        kind = _number(2, _KINDS[array.dtype.name])
        self._constants.append(dims + kind + _text(8, name) + _field(9, array.tobytes()))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: float) -> str:
        """Add an operator and return the name of its output; an input that is left out is ""."""
        name = f"t{len(self._nodes)}"
        listed = b"".join(_text(1, given) for given in inputs) + _text(2, name) + _text(4, operator)
        settings = b"".join(_field(5, _attribute(key, value)) for key, value in attributes.items())
        self._nodes.append(listed + settings + _text(7, domain))
        return name

    def model(self, inputs: dict[str, tuple[str, tuple[str | int, ...]]], output: str) -> bytes:
        """Return the finished model.

        Parameters
        ----------
        inputs : dict
            Type and shape by name; a name stands for a size not known yet.
        output : str
            A float array.
        """
        graph = b"".join(_field(1, node) for node in self._nodes) + _text(2, "copytaster")
        graph += b"".join(_field(5, constant) for constant in self._constants)
        graph += b"".join(_field(11, _value(name, *given)) for name, given in inputs.items())
        graph += _field(12, _value(output, "float32", ()))
        standard, added = _text(1, "") + _number(2, 18), _text(1, MICROSOFT) + _number(2, 1)
        return _number(1, 8) + _field(7, graph) + _field(8, standard) + _field(8, added)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _attribute(name: str, value: float) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value & 2**64 - 1) + _number(20, 2)
    return _text(1, name) + _varint(2 << 3 | 5) + np.array(value, "<f4").tobytes() + _number(20, 1)


def _value(name: str, kind: str, shape: tuple[str | int, ...]) -> bytes:
    dims = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape)
    sizes = _field(2, b"".join(_field(1, dim) for dim in dims)) if shape else b""
    return _text(1, name) + _field(2, _field(1, _number(1, _KINDS[kind]) + sizes))
