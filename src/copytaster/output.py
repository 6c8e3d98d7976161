"""Output that is whole or not there: atomic files, and a standard output that holds complete lines."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from copytaster.errors import DataError
from copytaster.terminal import visible


@contextmanager
def atomic(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that replaces another one only once it is complete.

    The bytes go to a temporary file in the same folder, which is synchronised to disk and then renamed; after
    an exception it is removed and the old file stands as it was. A symbolic link is followed; what is no
    regular file (a device, a pipe) is written to directly.

    Parameters
    ----------
    path : str or Path
        The file.

    Yields
    ------
    binary stream

    Raises
    ------
    DataError
        If the file cannot be written: no such folder, no right, disk full.
    """
    target = os.path.realpath(path)
    temporary = ""
    try:
        mode = _mode(target)
        if not stat.S_ISREG(mode):
            with open(target, "wb") as stream:
                yield stream
            return
        temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)[:200]}.{os.getpid()}~")
        with open(temporary, "wb") as stream:
            yield stream
            settle(stream)
        os.chmod(temporary, stat.S_IMODE(mode))
        replace(temporary, target)
        temporary = ""
    except OSError as fault:
        raise unwritable(path, fault) from None
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)


def _mode(target: str) -> int:
    """Return the mode of a file, or the one a new file gets here; what is a folder is an `OSError`."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return stat.S_IFREG | (0o666 & ~mask)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "is a folder")
    return mode


def settle(stream: BinaryIO) -> None:
    """Flush a file and have its bytes on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def replace(temporary: str, target: str) -> None:
    """Rename a file over another one, and have the rename on the disk as well."""
    os.replace(temporary, target)
    with suppress(OSError):  # some file systems and Windows do not open folders
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def unwritable(path: str | Path, fault: OSError) -> DataError:
    """Say that a file cannot be written, and why."""
    reason = fault.strerror or str(fault)
    return DataError(f"{visible(str(path))} cannot be written: {reason[:1].lower()}{reason[1:]}")


class StandardOutput:
    """Standard output for complete lines: an interruption waits until the bytes it was given are out.

    A reader that has gone away raises `BrokenPipeError`; any other fault is a `DataError`.
    """

    def __init__(self) -> None:
        self.writing = False

    def write(self, data: bytes) -> None:
        """Write complete lines."""
        if sys.stdout is None:
            raise DataError("standard output is closed")
        left = memoryview(data)
        self.writing = True
        try:
            descriptor = sys.stdout.fileno()
            while left:
                left = left[os.write(descriptor, left) :]
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise unwritable("standard output", fault) from None
        finally:
            self.writing = False
