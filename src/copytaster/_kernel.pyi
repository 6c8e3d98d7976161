from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

def tally(
    texts: Sequence[str], lexicons: int, contrasts: int, read: int, arrays: tuple[NDArray[Any], ...], /
) -> None: ...
