"""The careful reader: a small transformer, slower and better, for paragraphs that the fast reader doubts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from copytaster import minilm
from copytaster.adapter import Adapter
from copytaster.errors import ArtifactError
from copytaster.model import Model
from copytaster.transformer import Transformer

if TYPE_CHECKING:
    from copytaster.explain import Explanation
    from copytaster.occlusion import Occlusion


class Careful:
    """Base model and adapter, ready for paragraphs.

    Parameters
    ----------
    adapter : Adapter
        What the artifact holds.
    labels : tuple of str
        The labels, of which the first is the reference.
    manifest : dict
        What the artifact's manifest says of this reader: its "reread_below", and "fast", the weight of what
        the fast reader has found, by default 0.
    """

    def __init__(self, adapter: Adapter, labels: tuple[str, ...], manifest: dict[str, Any]) -> None:
        self.labels = labels
        self.reread_below = float(manifest.get("reread_below", 0.0))
        self.fast = float(manifest.get("fast", 0.0))
        self._adapter = adapter
        self._base = minilm.read_weights()
        self._head = adapter.head.astype(np.float64)
        self._tokenizer = Tokenizer.from_str(minilm.read_tokenizer())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(minilm.TOKENS)

    @cached_property
    def _transformer(self) -> Transformer:
        transformer = Transformer(self._adapter.apply(self._base))
        del self._base
        return transformer

    def contrasts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the contrasts of each paragraph to the first label, shape (n, K - 1).

        They do not depend on what other paragraphs are read with it.
        """
        return np.asarray(np.einsum("ij,kj->ik", self.vectors(texts), self._head[:, :-1])) + self._head[:, -1]

    def joined(self, texts: Sequence[str], fast: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the contrasts of each paragraph, shape (n, K - 1), to which those of the fast reader add.

        The two err in part on different paragraphs, and those of the fast reader are there already.
        """
        return self.contrasts(texts) + self.fast * fast

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return what the head weighs, shape (n, HIDDEN)."""
        clean = [text[: minilm.CHARS].encode("utf-8", "replace").decode() for text in texts]
        return self._transformer([found.ids for found in self._tokenizer.encode_batch_fast(clean)])

    def explain(self, text: str, label: int, model: Model, fast: Explanation) -> Occlusion:
        """Return the evidence for the label of that number, that of the fast reader's model among it."""
        from copytaster.occlusion import occlude

        def read(texts: Sequence[str]) -> NDArray[np.float64]:
            return self.joined(texts, model.decision_function(texts))

        return occlude(read, self.labels[label], label, text, fast)


def load(model: Model) -> Careful:
    """Make the careful reader of an artifact.

    Raises
    ------
    ArtifactError
        If the artifact has none, it is damaged, or the base model is not the one that it adapts.
    ImportError
        If the extra is not installed.
    """
    if model.careful is None:
        raise ArtifactError("the model has no careful reader", "Use --reader fast, or another --model")
    if model.careful.base != minilm.WEIGHTS:
        raise ArtifactError(
            "the model's careful reader adapts a base model that this release does not know",
            "Use --reader fast, or another --model",
        )
    try:
        adapter = Adapter.from_bytes(model.careful.read(), model.careful.rank, len(model.labels) - 1)
        return Careful(adapter, model.labels, model.manifest.get("careful") or {})
    except (ValueError, TypeError, OverflowError) as fault:
        raise ArtifactError(f"the careful reader's part is damaged: {fault}") from None
