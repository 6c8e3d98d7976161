"""A model that needs no training, for tests of what surrounds one; as a script, the command line with it."""

from __future__ import annotations

import sys
import time
import types
import zlib
from collections.abc import Sequence

import numpy as np

from copytaster.errors import ArtifactError

LABELS = ("reporting", "opinion", "call-to-action")


class StubExplanation:
    def __init__(self, text: str) -> None:
        self.word = text.split()[0] if text.split() else ""

    def __str__(self) -> str:
        return f"says {self.word!r}"

    def to_dict(self) -> dict[str, str]:
        return {"word": self.word}


class StubModel:
    """Takes "must" for opinion and "sign" for an ask; "xyzzy" is foreign to it, "perhaps" makes it doubt."""

    labels = LABELS
    manifest = {"labels": list(LABELS), "digest": "stub"}  # noqa: RUF012

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        rows = []
        for text in texts:
            if "slowly" in text:
                time.sleep(0.01)
            best = 2 if "sign" in text.lower() else 1 if "must" in text else 0
            top = (
                0.45
                if "perhaps" in text
                else 0.6 + zlib.crc32(text.encode("utf-8", "replace")) % 4000 / 10001
            )
            rows.append([(1 - top) * (0.25 if (k - best) % 3 == 1 else 0.75) for k in range(3)])
            rows[-1][best] = top
        return np.array(rows).reshape(-1, 3)

    def decision_function(self, texts: Sequence[str]) -> np.ndarray:
        logs = np.log(self.predict_proba(texts))
        return logs[:, 1:] - logs[:, :1]

    def in_domain(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([0.0 if "xyzzy" in text else 1.0 for text in texts])

    def assess(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return self.decision_function(texts), self.in_domain(texts)

    def explain(self, text: str, shift: np.ndarray) -> StubExplanation:
        return StubExplanation(text)


def load(path: object = None) -> StubModel:
    if path == "missing":
        raise ArtifactError("missing: no such artifact", "Train one")
    return StubModel()


def module() -> types.ModuleType:
    stand_in = types.ModuleType("copytaster.artifact")
    stand_in.load = load  # type: ignore[attr-defined]
    stand_in.dump = lambda model: b"stub"  # type: ignore[attr-defined]
    return stand_in


if __name__ in ("__main__", "__mp_main__"):
    sys.modules["copytaster.artifact"] = module()

if __name__ == "__main__":
    from copytaster.cli import main

    main()
