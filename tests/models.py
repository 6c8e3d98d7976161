"""Small models of arbitrary weights, for tests that need one but not a good one."""

import numpy as np

from copytaster.features import Featuriser, compile_lexicons
from copytaster.hidden import Hidden
from copytaster.model import Model

LEXICONS = {
    "asks": ["sign", "call", "please", "sign the petition", "call you", "you"],
    "duties": ["must", "we must", "the", "you must sign", "internationalisation"],
    "sources": ["said", "according to", "the mayor said", "1994", '"', ". the"],
}
LABELS = ("reporting", "opinion", "call-to-action")


def random_model(labels=LABELS, bits=8, seed=0, extreme=False, units=0):
    """Make a model whose weights are noise; with `extreme`, n-gram weights as large as they get."""
    random = np.random.default_rng(seed)
    contrasts = len(labels) - 1
    lexicons = compile_lexicons(LEXICONS)
    words = random.integers(-128, 128, (1 << bits, contrasts))
    if extreme:
        words = np.where(words < 0, -128, 127)
    width = len(Featuriser(lexicons).cue_names)
    shapes = (width, units), (units,), (units, contrasts)
    inner, bias, outer = (random.normal(0, 0.5, shape) for shape in shapes)
    hidden = Hidden(inner.astype(np.float32), bias.astype(np.float32), outer) if units else None
    return Model(
        tuple(labels),
        lexicons,
        words.astype(np.int8),
        random.uniform(0.001, 0.02, contrasts),
        random.normal(0, 0.5, (width, contrasts)),
        random.normal(0, 1, contrasts),
        {"created": "2000-01-01T00:00:00+00:00"},
        hidden=hidden,
    )


def names(count):
    """Return `count` labels."""
    return tuple(f"label {i}" for i in range(count))
