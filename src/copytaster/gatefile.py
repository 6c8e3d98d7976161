"""Gate files: the floors and ceilings for a report, in TOML.

::

    data_digest = "9f2c…"                                # the labelled data the figures belong to
    tolerance = 1                                        # paragraphs a figure may fall short by; 0 without it
    macro_f1 = 0.85                                      # a number is a floor (for an error: a ceiling)
    calibration_error = {max = 0.05}
    call-to-action.recall = {min = 0.80, use = "lower"}  # the lower end of the interval reaches it
    call-to-action.support = 60

    [slice.source.wire]
    absent = ["call-to-action"]                          # labels known to be missing here
    macro_f1 = 0.70

    [baseline]
    macro_f1 = {max_drop = 0.02}
    calibration_error = {max_rise = 0.01}

``use`` chooses between the figure itself ("point", the default) and the "lower" or "upper" end of its 95 %
interval; for a drop or rise, of the interval of the difference. What cannot be measured fails: an unknown
name, an absent label, an empty slice, a changed digest, a baseline that was not given. Macro and weighted
averages fail where a label is missing that ``absent`` does not name.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from copytaster.errors import UsageError, reason
from copytaster.limited import read_limited
from copytaster.metrics import Key

SCORES = ("precision", "recall", "f1")
AVERAGES = tuple(f"{average}_{score}" for average in ("macro", "weighted") for score in SCORES)
ERRORS: dict[str, Key] = {
    "calibration_error": ("calibration", "error"),
    "brier": ("calibration", "brier"),
    "log_loss": ("calibration", "log_loss"),
}
OVERALL: dict[str, Key] = {name: (name,) for name in ("n", "articles", "accuracy", *AVERAGES)} | ERRORS
COUNTS = ("n", "articles", "support")
ENDS = {"lower": 0, "upper": 1}
_WORDS = {
    "min": "at least",
    "max": "at most",
    "max_drop": "a drop of at most",
    "max_rise": "a rise of at most",
}
MAX_BYTES = 1 << 20
"""Longest TOML file."""
_NUMBER = r"[+-]?[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9_]+)?"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound on one figure.

    Attributes
    ----------
    key : tuple of str
        Its key in the file, such as ``("slice", "source", "wire", "macro_f1")``.
    bound : str
        "min" or "max", or against a baseline "max_drop" (scores) or "max_rise" (errors).
    limit : float
        The bound, finite.
    use : str
        The figure that must keep it: "point", or the "lower" or "upper" end of the 95 % interval.
    line : int
        Its line in the file, from 1; 0 if it is not on one line.
    """

    key: Key
    bound: str
    limit: float
    use: str = "point"
    line: int = 0

    @property
    def scope(self) -> Key:
        """The tables around the metric: ``()``, ``("baseline",)`` or ``("slice", field, value)``."""
        return self.key[: {"slice": 3, "baseline": 1}.get(self.key[0], 0)]

    @property
    def metric(self) -> Key:
        """The metric within its scope: a name of `OVERALL`, or a label and a score."""
        return self.key[len(self.scope) :]

    @property
    def name(self) -> str:
        """The key as TOML writes it, and the end of the interval where one is used."""
        return _dotted(self.key) + ("" if self.use == "point" else f" ({self.use} bound)")

    @property
    def required(self) -> str:
        """The bound in words."""
        return f"{_WORDS[self.bound]} {show(self.limit)}"


@dataclass(frozen=True, slots=True)
class Gates:
    """What a gate file asks for.

    Attributes
    ----------
    file : str
        The file.
    gates : tuple of Gate
        The bounds, in the order of the file.
    data_digest : str
        Digest of the labelled data the bounds belong to; "" if not pinned.
    digest_line : int
        Its line, as in `Gate`.
    tolerance : int
        How many paragraphs a score may fall short by.
    absent : dict of Key to frozenset of str
        For each scope, the labels known to be missing there.
    """

    file: str
    gates: tuple[Gate, ...]
    data_digest: str = ""
    digest_line: int = 0
    tolerance: int = 0
    absent: Mapping[Key, frozenset[str]] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields to break the report down by, so that every slice gate can be measured."""
        return tuple(dict.fromkeys(gate.key[1] for gate in self.gates if gate.key[0] == "slice"))


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Parse TOML, with the standard library or, on Python 3.10, with the package tomli.

    Raises
    ------
    UsageError
        If the text is not TOML, or Python 3.10 has no tomli.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError:
            raise UsageError(
                "Python 3.10 reads TOML with the package tomli", "Run: pip install tomli"
            ) from None
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None


def read_text(path: Path) -> str:
    """Read a gate file; raise UsageError if that cannot be done."""
    try:
        return read_limited(path, MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from None


def _places(text: str) -> dict[Key, int]:
    """Find the line (from 0) of every value that stands on one line."""
    places: dict[Key, int] = {}
    header: Key = ()
    for i, line in enumerate(text.split("\n")):
        try:
            leaves = dict(_leaves(parse_toml(line.rstrip("\r"), "")))
        except UsageError:
            continue
        if line.lstrip().startswith("["):
            header = next(iter(leaves))
        else:
            places |= {header + leaf: i for leaf in leaves}
    return places


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, (*key, name))
    elif key:
        yield key, value


def _dotted(key: Key) -> str:
    return ".".join(part if _BARE_KEY.fullmatch(part) else f'"{part}"' for part in key)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parse_gate(key: Key, value: Any, faults: list[str]) -> Iterator[Gate]:
    gate = Gate(key, "min", 0.0)
    error = gate.metric[-1] in ERRORS
    bounds = ["min", "max"] if gate.scope != ("baseline",) else ["max_rise" if error else "max_drop"]
    plain = bounds[-1] if error or len(bounds) == 1 else "min"
    table = value if isinstance(value, dict) else {plain: value}
    use = table.get("use", "point")
    found = [bound for bound in bounds if bound in table]
    if unknown := [name for name in table if name not in (*bounds, "use")]:
        faults.append(f"{gate.name}: unknown key {unknown[0]!r}; the keys are {', '.join(bounds)} and use")
    elif not found:
        faults.append(f"{gate.name}: give {' or '.join(bounds)}")
    elif not all(_is_number(table[bound]) for bound in found):
        faults.append(f"{gate.name}: a bound must be a finite number")
    elif use not in ("point", *ENDS):
        faults.append(f'{gate.name}: use must be "point", "lower" or "upper"')
    else:
        for bound in found:
            yield Gate(key, bound, float(table[bound]), use)


def _parse_scope(table: Mapping[str, Any], scope: Key, faults: list[str]) -> Iterator[Gate]:
    for name, value in table.items():
        if isinstance(value, dict) and name not in OVERALL:
            if not value:
                faults.append(f"{_dotted((*scope, name))}: holds no gate")
            for score, bounds in value.items():
                yield from _parse_gate((*scope, name, score), bounds, faults)
        else:
            yield from _parse_gate((*scope, name), value, faults)


def _parse_absent(table: dict[str, Any], scope: Key, faults: list[str]) -> frozenset[str]:
    absent = table.pop("absent", [])
    if isinstance(absent, list) and all(isinstance(label, str) for label in absent):
        return frozenset(absent)
    faults.append(f"{'.'.join((*scope, 'absent'))}: must be a list of labels")
    return frozenset()


def _is_table_of_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def parse_gates(text: str, file: str) -> Gates:
    """Do what `read_gates` does, for the text of a file."""
    table = parse_toml(text, file)
    faults: list[str] = []
    digest, tolerance = table.pop("data_digest", ""), table.pop("tolerance", 0)
    if not isinstance(digest, str):
        faults.append("data_digest: must be a string")
    if not _is_number(tolerance) or isinstance(tolerance, float) or tolerance < 0:
        faults.append("tolerance: must be a whole number of paragraphs")
    scopes: dict[Key, dict[str, Any]] = {(): table}
    baseline, slices = table.pop("baseline", None), table.pop("slice", {})
    if isinstance(baseline, dict):
        scopes["baseline",] = baseline
    elif baseline is not None:
        faults.append("baseline: must be a table")
    if not (_is_table_of_tables(slices) and all(map(_is_table_of_tables, slices.values()))):
        faults.append("slice: must hold tables such as [slice.source.wire]")
        slices = {}
    else:
        scopes |= {("slice", name, value): slices[name][value] for name in slices for value in slices[name]}
    absent = {scope: _parse_absent(scopes[scope], scope, faults) for scope in scopes}
    places = _places(text)
    gates = [
        replace(gate, line=1 + places.get(gate.key, places.get((*gate.key, gate.bound), -1)))
        for scope in scopes
        for gate in _parse_scope(scopes[scope], scope, faults)
    ]
    empty = [scope for scope in scopes if scope and not scopes[scope]]
    empty += [("slice", name) for name, values in slices.items() if not values]
    faults += [f"{_dotted(scope)}: holds no gate" for scope in empty]
    if faults:
        raise UsageError(f"{file}: " + "\n".join(faults))
    if not gates and not digest:
        raise UsageError(f"{file} holds no gate", "Give a floor, such as macro_f1 = 0.8")
    gates.sort(key=lambda gate: gate.line)
    return Gates(file, tuple(gates), digest, 1 + places.get(("data_digest",), -1), tolerance, absent)


def read_gates(path: str | Path) -> Gates:
    """Read a gate file.

    Parameters
    ----------
    path : str or Path
        A TOML file; the module describes what it holds.

    Returns
    -------
    Gates

    Raises
    ------
    UsageError
        If the file cannot be read, is not TOML, holds no gate, or a bound is malformed; names every fault.
    """
    return parse_gates(read_text(Path(path)), str(path))


def show(number: float) -> str:
    """Write a number with at most five decimals."""
    return f"{number:.5f}".rstrip("0").rstrip(".")


def rewrite(text: str, old: Gates, new: Gates) -> str:
    """Put the bounds and the digest of `new` in the place of those of `old`, and leave all else as it is."""
    lines = text.split("\n")
    places = _places(text)
    for before, after in zip(old.gates, new.gates, strict=True):
        if before.limit != after.limit and before.line:
            start = r"=\s*" if before.key in places else rf"\b{before.bound}\s*=\s*"
            i = before.line - 1
            lines[i] = re.sub(f"({start}){_NUMBER}", rf"\g<1>{show(after.limit)}", lines[i], count=1)
    if ("data_digest",) in places:
        i = places["data_digest",]
        lines[i] = lines[i].replace(old.data_digest, new.data_digest, 1)
    return "\n".join(lines)
