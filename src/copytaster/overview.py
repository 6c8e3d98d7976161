"""What a model is, told from its artifact alone: its manifest, and the signs it goes by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from copytaster.counts import FORMS
from copytaster.features import read_lexicons
from copytaster.naming import plain
from copytaster.terminal import one_line

if TYPE_CHECKING:
    from copytaster.model import Model

LENGTH = 50
"""Words of the paragraph in which a sign is weighed."""
_LEXICONS = Path(__file__).with_name("cues")
_DEPTH = 3
_LONGEST = 200


def strongest(model: Model, number: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the signs that speak most for each label.

    The weight of a sign is what one occurrence in a paragraph of `LENGTH` words adds to the log-odds of the
    label against the mean of the others. A model stores no vocabulary; the words looked up are those of the
    cue lexicons that ship with the package, and may share their weight with another word of the same hash.
    What hidden units make of several cues together is not among them.

    Parameters
    ----------
    model : Model
        The model.
    number : int
        Signs of each sort for each label.

    Returns
    -------
    dict
        By label, then by sort ("cues", "words"), the signs with their weights, the strongest first.
    """
    lexicons = read_lexicons(_LEXICONS).values()
    entries = list(dict.fromkeys(entry for entries in lexicons for entry in entries if entry.isalpha()))
    features = model.featurise(entries)
    hashes = features.single[features.pointer[:-1]]
    scores = model.words[model.column(hashes)] * model.scale / np.sqrt(LENGTH)
    words = dict(zip(entries, _against_the_others(scores), strict=True))
    names = model.featurise.cue_names[len(FORMS) :]
    densities = np.array([":any" not in name for name in names])
    effects = model.cues[len(FORMS) :] / np.where(densities, LENGTH, 1)[:, None]
    cues = dict(zip(map(plain, names), _against_the_others(effects), strict=True))
    return {
        label: {"cues": _highest(cues, k, number), "words": _highest(words, k, number)}
        for k, label in enumerate(model.labels)
    }


def to_json(model: Model, number: int) -> str:
    """Return the manifest, the labels in order and the strongest signs as one JSON object."""
    shown = {**model.manifest, "label_order": model.labels, "strongest": strongest(model, number)}
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def to_text(model: Model, number: int) -> str:
    """Return what `to_json` does for people, without the longer tables."""
    lines = [("labels", ", ".join(model.labels)), *_facts(model.manifest)]
    width = max(len(name) for name, _ in lines)
    blocks = [[f"{one_line(name):{width}}  {one_line(fact)}" for name, fact in lines]]
    for label, sorts in strongest(model, number).items() if number else ():
        rows = [
            f"  {weight:+.3f}  {one_line(sign)}  {'' if sort == 'words' else '(cue)'}".rstrip()
            for sort, signs in sorts.items()
            for sign, weight in signs.items()
        ]
        blocks.append([f"What speaks for {one_line(label)}", *rows])
    note = f"Weights: what one occurrence in a paragraph of {LENGTH} words adds to the log-odds of the label."
    note += " Hidden units weigh cues together besides." if model.hidden else ""
    return "\n\n".join("\n".join(block) for block in [*blocks, *([[note]] if number else [])]) + "\n"


def _against_the_others(contrasts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn contrasts to the first label, shape (n, K - 1), into contrasts to the others' mean, (n, K)."""
    scores = np.concatenate((np.zeros((len(contrasts), 1)), contrasts), axis=1)
    count = scores.shape[1]
    return np.asarray((scores * count - scores.sum(axis=1, keepdims=True)) / (count - 1))


def _highest(signs: dict[str, NDArray[np.float64]], label: int, number: int) -> dict[str, float]:
    found = sorted(signs.items(), key=lambda item: (-item[1][label], item[0]))[:number]
    return {name: round(float(row[label]), 4) for name, row in found}


def _facts(manifest: dict[str, Any], name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give each table of the manifest as one fact, its plain values in a row."""
    plain = {key: value for key, value in manifest.items() if isinstance(value, str | int | float)}
    if depth and plain:
        yield name, ", ".join(f"{_fact(key)} {_fact(value)}" for key, value in plain.items())
    elif not depth:
        yield from ((_fact(key), _fact(value)) for key, value in plain.items())
    for key, value in manifest.items():
        if isinstance(value, dict) and value and depth < _DEPTH and key not in ("intervals", "coverage"):
            yield from _facts(value, f"{name} {_fact(key)}".strip(), depth + 1)


def _fact(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
    return text[:_LONGEST].replace("_", " ")
