"""Files that are read whole, up to a limit: a device or a gzip bomb has no end that memory could wait for."""

from __future__ import annotations

import errno
import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast


def read_limited(path: str | Path, limit: int, unzip: bool = False) -> bytes:
    """Read a file.

    Parameters
    ----------
    path : str or Path
    limit : int
        The most bytes there may be, decompressed.
    unzip : bool, default False
        Whether it is gzipped.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If it cannot be read, or is longer.
    EOFError, zlib.error
        If what is gzipped is damaged.
    """
    with ExitStack() as opened:
        stream: BinaryIO = opened.enter_context(open(path, "rb"))
        if unzip:
            stream = opened.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=stream)))
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit:,} bytes", str(path))
    return data
