"""From bytes to lines: time in proportion to length, whatever the shape of the text and the format."""

from __future__ import annotations

import gc
import json
import time

import pytest
from texts import SHAPES

from copytaster.predict import Settings, Work
from copytaster.raw import Raw
from copytaster.writers import FORMATS

MARKS = ("\u202e", "\x1b[31m", "\0", "\ud800", "=1+1,", '"', "\u201c", "<b>&", "é", "市", "[a](b) ", "\\u")


@pytest.fixture(scope="module", params=[*((f, False) for f in FORMATS), ("html", True)], ids=str)
def work(request: pytest.FixtureRequest) -> Work:
    format, explain = request.param
    return Work(Settings(format=format, explain=explain))


@pytest.mark.parametrize("shape", [*SHAPES, *MARKS])
def test_time_grows_in_line_with_length(work: Work, shape: str) -> None:
    """Eight times the text may take at most thirty times as long, where a quadratic would take 64 times."""

    def seconds(size: int) -> float:
        line = json.dumps({"id": "a", "text": shape * (size // len(shape))}).encode()
        gc.collect()
        began = time.process_time()
        work([Raw("json", "a:1", line)])
        return time.process_time() - began

    size = 500 if work.settings.explain else 2_000
    small = seconds(size)
    assert min(seconds(8 * size) for _ in range(2)) < 30 * max(small, 0.002)
