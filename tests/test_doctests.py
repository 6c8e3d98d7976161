"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import copytaster
from copytaster.artifact import DEFAULT

FOLDER = Path(copytaster.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if ">>> " in path.read_text("utf-8"))


def test_the_public_parts_have_examples():
    assert {"__init__", "annotate", "article", "model", "sklearn"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name in ("__init__", "annotate", "model") and not Path(DEFAULT).exists():
        pytest.skip("the default artifact has not been trained")
    module = copytaster if name == "__init__" else import_module(f"copytaster.{name}")
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
