"""The model artifact: one file of a JSON header and plain arrays, checked to the last byte before it is used.

Layout, all integers little-endian:

    offset  size  what
    0       12    ``b"copytaster\\r\\n"``
    12      4     format version
    16      8     length of the JSON header
    24      8     length of the whole file
    32      32    SHA-256 of everything after it
    64            JSON header, padded with spaces to a multiple of 64
    ...           arrays, each at a multiple of 64

The header names every array with its type, shape and place. Nothing in the file is executed or unpickled, and
what a file claims of itself is checked before memory is set aside for it.

Where the header has an entry ``hidden``, it is the number of units of a hidden layer, whose arrays are
there too. Where it has an entry ``careful``, a section follows: the adapter of the careful reader, with its
length and SHA-256 in that entry. Neither the length nor the checksum above counts it, so that a file
without it is what it always was, and the fast reader does not read it.

A format version is read for ever. Within one, signs of form may be added, never taken away or changed in
meaning: a file's weights find their columns by name, a sign it does not weigh counts for nothing, one that
this release does not measure is a fault. How texts are cut and hashed, and the four columns of each lexicon,
stay as they are; to change them takes a new version.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copytaster.context import Context
from copytaster.counts import FORMS
from copytaster.domain import CLASSES, PAIR_BITS, SIGNS, TOKEN_BITS, Domain
from copytaster.errors import ArtifactError
from copytaster.features import Lexicons
from copytaster.hidden import MOST, STEP, Hidden
from copytaster.model import Model

VERSION = 1
SUFFIX = ".copytaster"
DEFAULT = Path(__file__).with_name("default" + SUFFIX)
MAX_BYTES = 32 * 2**20
"""Largest artifact."""
MAX_SECTION = 32 * 2**20
"""Largest section of the careful reader."""
MAX_HEADER = 2**20
"""Longest JSON header, in bytes."""
MAX_DEPTH = 20
"""How deep lists and objects may nest in it."""
MAX_ALIKE = 64
"""Most lexicon entries whose hashes share the 16 highest bits, by which they are looked up."""
MAX_WEIGHT = 1e6
"""Largest weight, so that no score leaves the range of numbers."""

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
_DOMAIN_TYPES = {
    "domain_words": "<u1",
    "domain_pairs": "<u1",
    "domain_order": "<i1",
    "domain_weights": "<f8",
}
"""Arrays of a model that tells texts out of its domain, all or none of them."""
_HIDDEN_TYPES = {"hidden_inner": "<f4", "hidden_bias": "<f4", "hidden_outer": "<f8"}
"""Arrays of a model with hidden units, all or none of them."""


class Section(NamedTuple):
    """The careful reader's part of an artifact, not read before it is needed.

    Attributes
    ----------
    rank : int
        See `copytaster.adapter.Adapter`.
    base : str
        SHA-256 of the weights of the base model that it adapts.
    size : int
        Bytes.
    digest : str
        Their SHA-256.
    source : bytes or str
        The bytes, or the path of the file that ends in them.
    """

    rank: int
    base: str
    size: int
    digest: str
    source: bytes | str

    def read(self) -> bytes:
        """Return the bytes, checked."""
        data = self.source
        if isinstance(data, str):
            try:
                with open(data, "rb") as stream:
                    stream.seek(-self.size, os.SEEK_END)
                    data = stream.read(self.size)
            except OSError as fault:
                raise ArtifactError(
                    f"{self.source!s}: cannot read the model: {fault.strerror}", _REMEDY
                ) from None
        if sha256(data).hexdigest() != self.digest:
            place = f"{self.source}: " if isinstance(self.source, str) else ""
            raise ArtifactError(f"{place}the careful reader's part is damaged", _REMEDY)
        return data

    @classmethod
    def of(cls, data: bytes, rank: int, base: str) -> Section:
        """Make a section of its bytes."""
        return cls(rank, base, len(data), sha256(data).hexdigest(), data)

    def entry(self) -> dict[str, Any]:
        """Return what the header says of it."""
        return {"rank": self.rank, "base": self.base, "bytes": self.size, "sha256": self.digest}


def save(model: Model, path: str | Path) -> None:
    """Write an artifact, whole or not at all.

    Parameters
    ----------
    model : Model
    path : str or Path

    Raises
    ------
    ArtifactError
        If `load` would not take it: more than `MAX_BYTES`, weights that are not finite.
    DataError
        If the file cannot be written.
    """
    from copytaster.output import atomic

    data = dump(model)
    try:
        parse(data)
    except _Fault as fault:
        raise ArtifactError(f"{os.fspath(path)}: the model cannot be stored: {fault}") from None
    with atomic(path) as stream:
        stream.write(data)


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
    if model.domain:
        domain = model.domain
        parts = (domain.words, domain.pairs, domain.order, domain.weights)
        arrays |= dict(zip(_DOMAIN_TYPES, parts, strict=True))
    if model.hidden:
        arrays |= dict(zip(_HIDDEN_TYPES, model.hidden, strict=True))
    body = bytearray()
    table = {}
    for name, array in arrays.items():
        kind = (_TYPES | _DOMAIN_TYPES | _HIDDEN_TYPES)[name]
        data = np.ascontiguousarray(array, kind)
        table[name] = {"type": kind, "shape": list(data.shape), "offset": len(body)}
        body += data.tobytes()
        body += bytes(-len(body) % _ALIGN)
    header = json.dumps(
        {
            "labels": list(model.labels),
            "lexicons": list(lexicons.names),
            "forms": list(FORMS),
            "domain": list(SIGNS) if model.domain else [],
            "arrays": table,
            "manifest": model.manifest,
            **({"hidden": len(model.hidden.bias)} if model.hidden else {}),
            **({"careful": model.careful.entry()} if model.careful else {}),
        },
        ensure_ascii=True,
        allow_nan=False,
    ).encode("ascii")
    header += b" " * (-len(header) % _ALIGN)
    rest = header + bytes(body)
    sizes = np.array([len(header), _HEAD + len(rest)], "<u8").tobytes()
    front = _MAGIC + np.array(VERSION, "<u4").tobytes() + sizes
    whole = front + sha256(front + rest).digest() + rest
    return whole + model.careful.read() if model.careful else whole


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
    place = os.fsdecode(DEFAULT if path is None else path)
    try:
        data, beyond = _read(place)
    except FileNotFoundError:
        raise ArtifactError(f"no model at {place}", "Run 'copytaster train' first, or pass --model") from None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ArtifactError(f"{place}: cannot read the model: {reason}", _REMEDY) from None
    try:
        return parse(data, beyond, place)
    except _Fault as fault:
        raise ArtifactError(f"{place}: {fault}", _REMEDY) from None


_REMEDY = "Make it anew with 'copytaster train', or pass another --model"


class _Fault(Exception):
    """What is wrong with the bytes of an artifact."""


def _read(place: str) -> tuple[bytes, int]:
    """Read a file as far as it says that its length goes, a little more than `MAX_BYTES` at most.

    Wait for no pipe and read from no device. Also return how many bytes are left, which are not read.
    """
    with open(
        place, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    ) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        data = stream.read(_HEAD)
        data += stream.read(max(0, min(int.from_bytes(data[24:32], "little"), MAX_BYTES + 1) - len(data)))
        return data, max(0, status.st_size - len(data))


def parse(data: bytes, beyond: int = 0, place: str = "") -> Model:
    """Make a model from the bytes of an artifact; `_Fault` says what is wrong with them.

    `beyond` bytes more stand in the file at `place`.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        raise _Fault("not a copytaster model")
    if len(data) < _HEAD:
        raise _Fault("the model is cut short")
    version = int.from_bytes(data[12:16], "little")
    if version != VERSION:
        raise _Fault(f"format version {version} is not known to this release, which reads version {VERSION}")
    header_size, size = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
    if min(size, len(data)) > MAX_BYTES or beyond > MAX_SECTION:
        raise _Fault(f"a model has at most {MAX_BYTES:,} bytes")
    total = len(data) + beyond
    if size > len(data) or header_size > size - _HEAD:
        raise _Fault(f"the model is cut short or has grown: {total:,} bytes, not {size:,}")
    if header_size > MAX_HEADER:
        raise _Fault(f"a header has at most {MAX_HEADER:,} bytes")
    rest = memoryview(data)[_HEAD:size]
    checksum = sha256(data[:32])
    checksum.update(rest)
    if checksum.digest() != data[32:_HEAD]:
        raise _Fault("the checksum does not match: the model is damaged")
    try:
        header = json.loads(str(rest[:header_size], "ascii"), object_pairs_hook=_object)
        _check_plain(header)
        section = _section(header, data[size:] if len(data) == total else place)
        if total != size + (section.size if section else 0):
            raise _Fault(f"the model is cut short or has grown: {total:,} bytes, not {size:,}")
        model = _build(header, rest[header_size:])
        model.careful = section
        return model
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError) as fault:
        raise _Fault(f"the header does not make sense ({type(fault).__name__})") from None


def _section(header: dict[str, Any], source: bytes | str) -> Section | None:
    """Read what the header says of the section of the careful reader, if there is one."""
    entry = header.get("careful")
    if entry is None:
        return None
    rank, base, size, digest = (entry[key] for key in ("rank", "base", "bytes", "sha256"))
    if not all(type(n) is int for n in (rank, size)) or not 0 < size <= MAX_SECTION:
        raise ValueError("no rank or length")
    if not all(isinstance(name, str) and re.fullmatch("[0-9a-f]{64}", name) for name in (base, digest)):
        raise ValueError("no checksum")
    return Section(rank, base, size, digest, source)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(made := dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return made


def _check_plain(value: object, depth: int = 0) -> None:
    """Refuse what `json` reads and others choke on: deep nesting, numbers that are not finite."""
    if depth > MAX_DEPTH or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("nested too deep, or a number that is not finite")
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            _check_plain(part, depth + 1)


def _build(header: dict[str, Any], body: memoryview) -> Model:
    labels, names, signs = (_names(header[key]) for key in ("labels", "lexicons", "forms"))
    manifest = header["manifest"]
    if not 2 <= len(labels) <= 20:
        raise _Fault("a model has 2 to 20 different labels")
    if len(names) > 255:
        raise _Fault("a model has at most 255 lexicons")
    if not set(signs) <= set(FORMS):
        raise _Fault("the model weighs signs that this release does not measure; it was made by a newer one")
    if not isinstance(manifest, dict) or not all(
        0 <= weight <= 1 for weight in Context.from_manifest(manifest)
    ):
        raise _Fault("the manifest does not make sense")
    weighed = _names(header.get("domain", []))
    if not set(weighed) <= set(SIGNS):
        raise _Fault("the model weighs signs that this release does not measure; it was made by a newer one")
    units = header.get("hidden", 0)
    if type(units) is not int or not 0 <= units <= MOST or units % STEP:
        raise _Fault(f"the number of hidden units is no multiple of {STEP} up to {MOST}")
    types = _TYPES | (_DOMAIN_TYPES if weighed else {}) | (_HIDDEN_TYPES if units else {})
    if set(header["arrays"]) != set(types):
        raise _Fault("arrays are missing or unknown")
    arrays = {name: _array(name, header["arrays"][name], types[name], body) for name in types}
    contrasts, entries = len(labels) - 1, len(arrays["lexicon_hashes"])
    buckets = len(arrays["words"])
    shapes = {
        "words": (buckets, contrasts),
        "scale": (contrasts,),
        "cues": (len(signs) + 4 * len(names), contrasts),
        "bias": (contrasts,),
        "lexicon_hashes": (entries,),
        "lexicon_fan": (entries,),
        "lexicon_column": (int(arrays["lexicon_fan"].sum(dtype=np.int64)),),
        **({"hidden_inner": (len(signs) + 4 * len(names), units)} if units else {}),
        **({"hidden_bias": (units,), "hidden_outer": (units, contrasts)} if units else {}),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise _Fault(f"array {name!r} has the shape {arrays[name].shape}, not {shape}")
        if arrays[name].dtype.kind == "f" and not (np.abs(arrays[name]) <= MAX_WEIGHT).all():
            raise _Fault(f"array {name!r} holds numbers that are no weights")
    if buckets < 2 or buckets & (buckets - 1):
        raise _Fault(f"{buckets} n-gram weights are no power of two")
    column = arrays["lexicon_column"]
    if len(column) and int(column.max()) >= len(names):
        raise _Fault("a lexicon entry belongs to no lexicon")
    hashes = arrays["lexicon_hashes"]
    if not (hashes[:-1] < hashes[1:]).all():
        raise _Fault("lexicon entries are out of order")
    if np.bincount((hashes >> np.uint64(48)).astype(np.int64), minlength=1).max() > MAX_ALIKE:
        raise _Fault("lexicon entries are too many or too alike")
    cues = _by_form(arrays["cues"], signs)
    hidden = None
    if units:
        inner, given, outer = (arrays[name] for name in _HIDDEN_TYPES)
        hidden = Hidden(*(_native(array) for array in (_by_form(inner, signs), given, outer)))
    lexicons = Lexicons(names, hashes, arrays["lexicon_fan"], column)
    domain = _domain(weighed, *(arrays[name] for name in _DOMAIN_TYPES)) if weighed else None
    weights = (arrays["words"], arrays["scale"], cues, arrays["bias"])
    return Model(labels, lexicons, *weights, manifest, domain, hidden)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as this machine and the kernel take them, wherever in the file they stood."""
    return np.require(array, array.dtype.newbyteorder("="), ("C", "A"))


def _by_form(rows: NDArray[Any], signs: tuple[str, ...]) -> NDArray[Any]:
    """Put rows of weights, of some signs of form and then of lexical cues, where they belong."""
    found = np.zeros((len(FORMS) + len(rows) - len(signs), rows.shape[1]), rows.dtype)
    found[[FORMS.index(sign) for sign in signs]] = rows[: len(signs)]
    found[len(FORMS) :] = rows[len(signs) :]
    return found


def _domain(
    weighed: tuple[str, ...],
    words: NDArray[np.uint8],
    pairs: NDArray[np.uint8],
    order: NDArray[np.int8],
    given: NDArray[np.float64],
) -> Domain:
    shapes = (words.shape, pairs.shape, order.shape)
    fits = given.ndim == 2 and len(given) == len(weighed) + 1 and given.shape[1] <= 20
    if shapes != ((1 << TOKEN_BITS - 1,), (1 << PAIR_BITS - 3,), (CLASSES**2, 2)) or not fits:
        raise _Fault("the arrays of the domain have a shape that cannot be")
    if not (np.abs(given) <= MAX_WEIGHT).all():
        raise _Fault("the arrays of the domain hold numbers that are no weights")
    weights = np.zeros((len(SIGNS) + 1, given.shape[1]))
    weights[[*(SIGNS.index(sign) for sign in weighed), -1]] = given
    return Domain(words, pairs, order, weights)


def _names(value: object) -> tuple[str, ...]:
    """Check a list of different names of printable text."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise TypeError("not a list of names")
    if len(set(value)) != len(value):
        raise _Fault("a name occurs twice in a list")
    "".join(value).encode()
    return tuple(value)


def _array(name: str, entry: dict[str, Any], type_: str, body: memoryview) -> NDArray[Any]:
    shape, offset = entry["shape"], entry["offset"]
    if entry["type"] != type_:
        raise _Fault(f"array {name!r} is not of the type {type_}")
    if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in (*shape, offset)) or len(shape) > 2:
        raise _Fault(f"array {name!r} has a shape or place that cannot be")
    kind, count = np.dtype(type_), math.prod(shape)
    if offset + count * kind.itemsize > len(body):
        raise _Fault(f"array {name!r} is not all there")
    return np.frombuffer(body, kind, count, offset).reshape(shape)
