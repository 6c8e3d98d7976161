"""The model artifact: one file of a JSON manifest and plain arrays, checked to the last byte before it is used.

Layout, all integers little-endian:

    offset  size  what
    0       12    ``b"copytaster\\r\\n"``
    12      4     format version
    16      8     length of the JSON header
    24      8     length of the whole file
    32      32    SHA-256 of everything after it
    64            JSON header, padded with spaces to a multiple of 64
    ...           arrays, each at a multiple of 64

The header names every array with its type, shape and place. Nothing in the file is executed or unpickled.
"""

from __future__ import annotations

import json
import math
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copytaster.errors import ArtifactError
from copytaster.features import FORMS, Lexicons
from copytaster.model import Model

VERSION = 1
SUFFIX = ".copytaster"
DEFAULT = Path(__file__).with_name("default" + SUFFIX)
MAX_BYTES = 256 * 1024 * 1024

_MAGIC = b"copytaster\r\n"
_HEAD = 64
_ALIGN = 64
_TYPES = {
    "words": "<i1",
    "scale": "<f8",
    "cues": "<f8",
    "bias": "<f8",
    "lexicon_hashes": "<u8",
    "lexicon_fan": "<u1",
    "lexicon_column": "<u1",
}


def save(model: Model, path: str | Path) -> None:
    """Write an artifact, whole or not at all.

    Parameters
    ----------
    model : Model
    path : str or Path

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from copytaster.output import atomic

    with atomic(path) as stream:
        stream.write(dump(model))


def dump(model: Model) -> bytes:
    """Return the bytes of an artifact."""
    lexicons = model.lexicons
    arrays: dict[str, NDArray[Any]] = {
        "words": model.words,
        "scale": model.scale,
        "cues": model.cues,
        "bias": model.bias,
        "lexicon_hashes": lexicons.hashes,
        "lexicon_fan": lexicons.fan,
        "lexicon_column": lexicons.column,
    }
    body = bytearray()
    table = {}
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, _TYPES[name])
        table[name] = {"type": _TYPES[name], "shape": list(data.shape), "offset": len(body)}
        body += data.tobytes()
        body += bytes(-len(body) % _ALIGN)
    header = json.dumps(
        {
            "labels": list(model.labels),
            "lexicons": list(lexicons.names),
            "forms": list(FORMS),
            "arrays": table,
            "manifest": model.manifest,
        },
        ensure_ascii=True,
        allow_nan=False,
    ).encode("ascii")
    header += b" " * (-len(header) % _ALIGN)
    rest = header + bytes(body)
    sizes = np.array([len(header), _HEAD + len(rest)], "<u8").tobytes()
    front = _MAGIC + np.array(VERSION, "<u4").tobytes() + sizes
    return front + sha256(front + rest).digest() + rest


def load(path: str | Path | None = None) -> Model:
    """Read an artifact.

    Parameters
    ----------
    path : str or Path, optional
        Without, the default model that ships with the package.

    Raises
    ------
    ArtifactError
        If the file is missing, unreadable, damaged, foreign, or of a version this release does not know.
    """
    place = os.fspath(DEFAULT if path is None else path)
    try:
        with open(place, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise ArtifactError(f"{place}: {size:,} bytes are more than an artifact has", _REMEDY)
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ArtifactError(f"no model at {place}", "Run 'copytaster train' first, or pass --model") from None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ArtifactError(f"{place}: cannot read the model: {reason}", _REMEDY) from None
    try:
        return parse(data)
    except _Fault as fault:
        raise ArtifactError(f"{place}: {fault}", _REMEDY) from None


_REMEDY = "Make it anew with 'copytaster train', or pass another --model"


class _Fault(Exception):
    """What is wrong with the bytes of an artifact."""


def parse(data: bytes) -> Model:
    """Make a model from the bytes of an artifact; `_Fault` says what is wrong with them."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise _Fault("not a copytaster model")
    if len(data) < _HEAD:
        raise _Fault("the model is cut short")
    version = int.from_bytes(data[12:16], "little")
    if version != VERSION:
        raise _Fault(f"format version {version} is not known to this release, which reads version {VERSION}")
    header_size, size = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
    if size != len(data) or header_size > size - _HEAD:
        raise _Fault(f"the model is cut short or has grown: {len(data):,} bytes, not {size:,}")
    if sha256(data[:32] + data[_HEAD:]).digest() != data[32:_HEAD]:
        raise _Fault("the checksum does not match: the model is damaged")
    try:
        header = json.loads(data[_HEAD : _HEAD + header_size])
        return _build(header, memoryview(data)[_HEAD + header_size :])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as fault:
        raise _Fault(f"the header does not make sense ({type(fault).__name__})") from None


def _build(header: dict[str, Any], body: memoryview) -> Model:
    labels, names = tuple(header["labels"]), tuple(header["lexicons"])
    if not all(isinstance(name, str) for name in (*labels, *names)) or not isinstance(header["manifest"], dict):
        raise TypeError
    if not 2 <= len(labels) <= 20 or len(set(labels)) != len(labels):
        raise _Fault("a model has 2 to 20 different labels")
    if tuple(header["forms"]) != FORMS:
        raise _Fault("the model measures other signs than this release")
    if set(header["arrays"]) != set(_TYPES):
        raise _Fault("arrays are missing or unknown")
    arrays = {name: _array(name, header["arrays"][name], body) for name in _TYPES}
    contrasts, entries = len(labels) - 1, len(arrays["lexicon_hashes"])
    buckets = len(arrays["words"])
    width = len(FORMS) + 4 * len(names)
    shapes = {
        "words": (buckets, contrasts),
        "scale": (contrasts,),
        "cues": (width, contrasts),
        "bias": (contrasts,),
        "lexicon_hashes": (entries,),
        "lexicon_fan": (entries,),
        "lexicon_column": (int(arrays["lexicon_fan"].sum(dtype=np.int64)),),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise _Fault(f"array {name!r} has the shape {arrays[name].shape}, not {shape}")
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise _Fault(f"array {name!r} holds numbers that are not finite")
    if buckets < 2 or buckets & (buckets - 1):
        raise _Fault(f"{buckets} n-gram weights are no power of two")
    column = arrays["lexicon_column"]
    if len(column) and int(column.max()) >= len(names):
        raise _Fault("a lexicon entry belongs to no lexicon")
    hashes = arrays["lexicon_hashes"]
    if not (hashes[:-1] < hashes[1:]).all():
        raise _Fault("lexicon entries are out of order")
    lexicons = Lexicons(names, hashes, arrays["lexicon_fan"], column)
    return Model(
        labels, lexicons, arrays["words"], arrays["scale"], arrays["cues"], arrays["bias"], header["manifest"]
    )


def _array(name: str, entry: dict[str, Any], body: memoryview) -> NDArray[Any]:
    shape, offset = entry["shape"], entry["offset"]
    if entry["type"] != _TYPES[name]:
        raise _Fault(f"array {name!r} has the type {entry['type']!r}")
    if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in (*shape, offset)) or len(shape) > 2:
        raise _Fault(f"array {name!r} has a shape or place that cannot be")
    kind, count = np.dtype(_TYPES[name]), math.prod(shape)
    if offset + count * kind.itemsize > len(body):
        raise _Fault(f"array {name!r} is not all there")
    return np.frombuffer(body, kind, count, offset).reshape(shape)
