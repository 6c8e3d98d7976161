"""Fine-tune the base model of the careful reader with PyTorch, and read weights that are.

AdamW, a linear schedule with warm-up, label smoothing, frozen embeddings, bfloat16 arithmetic.
With one seed, one machine and one version of the libraries the result is the same each time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from copytaster import minilm
from copytaster.adapter import HIDDEN

SETTINGS = {"epochs": 4, "rate": 6e-5, "batch": 16, "smoothing": 0.05, "decay": 0.01, "warm_up": 0.06}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Net(torch.nn.Module):
    """The base model, the mean over its tokens, and a linear head."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.m = BertModel(BertConfig(hidden_size=HIDDEN, num_hidden_layers=6, intermediate_size=1536))
        self.h = torch.nn.Linear(HIDDEN, labels)
        self.dropout = torch.nn.Dropout(0.1)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.m(input_ids=tokens, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.h(self.dropout(mean))


def tokenise(texts: list[str]) -> list[list[int]]:
    """Cut texts as the careful reader does."""
    tokenizer = Tokenizer.from_str(minilm.read_tokenizer())
    tokenizer.no_padding()
    tokenizer.enable_truncation(minilm.TOKENS)
    return [found.ids for found in tokenizer.encode_batch(texts)]


def pad(items: Sequence[Sequence[int] | torch.Tensor], rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return some items, tokens or their states, as one tensor, and which of its places are theirs."""
    some = [torch.as_tensor(items[i]) for i in rows]
    filled = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(item)) for item in some], batch_first=True)
    return filled.to(DEVICE), mask.to(DEVICE)


def by_length(items: Sequence[Sized], size: int) -> list[list[int]]:
    """Return batches of items, shortest first."""
    order = sorted(range(len(items)), key=lambda i: len(items[i]))
    return [order[at : at + size] for at in range(0, len(order), size)]


def shuffled(items: Sequence[Sized], size: int, random: np.random.Generator) -> list[list[int]]:
    """Return batches of items of like length, in random order."""
    order, found = random.permutation(len(items)), []
    for at in range(0, len(order), size * 50):
        block = sorted(order[at : at + size * 50].tolist(), key=lambda i: len(items[i]))
        found += [block[i : i + size] for i in range(0, len(block), size)]
    return [found[i] for i in random.permutation(len(found))]


def train(
    texts: list[str], targets: np.ndarray, weights: np.ndarray, seed: int = 0, say=lambda line: None
) -> Net:
    """Fine-tune the base model.

    Parameters
    ----------
    texts : list of str
    targets : ndarray of float, shape (n, K)
        Probabilities of the labels: 0 and 1, or what a teacher gives.
    weights : ndarray of float, shape (n,)
        Of the texts in the loss.
    seed : int
    say : callable
        Told of progress.
    """
    torch.manual_seed(seed)
    net = Net(targets.shape[1])
    base = {name: torch.from_numpy(array.copy()) for name, array in minilm.read_weights().items()}
    net.m.load_state_dict(base, strict=False)
    net.m.embeddings.requires_grad_(False)
    body = [p for p in net.m.parameters() if p.requires_grad]
    groups = [
        {"params": body, "lr": SETTINGS["rate"]},
        {"params": net.h.parameters(), "lr": 10 * SETTINGS["rate"]},
    ]
    tune(net, groups, tokenise(texts), targets, weights, SETTINGS, seed, say)
    return net


def tune(
    net: torch.nn.Module,
    groups: list[dict[str, Any]],
    items: Sequence[Sequence[int] | torch.Tensor],
    targets: np.ndarray,
    weights: np.ndarray,
    settings: dict[str, float],
    seed: int = 0,
    say=lambda line: None,
) -> None:
    """Tune a model that takes what `pad` gives.

    Parameters
    ----------
    net : Module
    groups : list of dict
        Its parameters that are tuned and their step sizes, as an optimiser of PyTorch takes them.
    items : sequence
        One a text.
    targets, weights, seed, say
        See `train`.
    settings : dict
        As `SETTINGS`.
    """
    s = settings
    random = np.random.default_rng(seed)
    smooth = (1 - s["smoothing"]) * targets + s["smoothing"] / targets.shape[1]
    aims, shares = (torch.tensor(array, dtype=torch.float32).to(DEVICE) for array in (smooth, weights))
    net.to(DEVICE).train()
    optimiser = torch.optim.AdamW(groups, weight_decay=s["decay"])
    tuned = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    steps = s["epochs"] * math.ceil(len(items) / s["batch"])
    first = steps * s["warm_up"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / first, max(0.0, (steps - step) / (steps - first)))
    )
    for epoch in range(s["epochs"]):
        for number, rows in enumerate(shuffled(items, s["batch"], random), 1):
            with torch.autocast(DEVICE, dtype=torch.bfloat16):
                scores = net(*pad(items, rows))
            loss = torch.nn.functional.cross_entropy(scores.float(), aims[rows], reduction="none")
            optimiser.zero_grad(set_to_none=True)
            (loss * shares[rows]).mean().backward()
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimiser.step()
            schedule.step()
            if number % 100 == 0:
                say(f"{number * s['batch']:,} of {len(items):,} texts, loss {loss.mean().item():.3f}")
        say(f"epoch {epoch + 1} of {s['epochs']}")


@torch.inference_mode()
def predict(net: Net, texts: list[str], size: int = 64) -> np.ndarray:
    """Return the logits of texts, shape (n, K)."""
    net.eval()
    tokens = tokenise(texts)
    found = np.zeros((len(texts), net.h.out_features))
    for rows in by_length(tokens, size):
        found[rows] = net(*pad(tokens, rows)).float().cpu().numpy()
    return found


def to_arrays(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return a state by the names of the base model; the head is "head.weight" and "head.bias"."""
    names = {"m": "", "h": "head."}
    parted = ((name.partition("."), tensor) for name, tensor in state.items())
    return {names[part] + rest: tensor.float().cpu().numpy() for (part, _, rest), tensor in parted}


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the state of a `Net` from a file of PyTorch's, of which nothing but numbers is taken."""
    return to_arrays(torch.load(path, map_location="cpu", weights_only=True))
