"""Output that is whole or not there: atomic files, locks, and streams that hold complete lines."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from copytaster.errors import DataError
from copytaster.signals import SIGPIPE, Interrupted, shield
from copytaster.terminal import visible, visible_lines

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]


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
        mode = mode_of(target)
        if not stat.S_ISREG(mode):
            with open(target, "wb") as stream:
                yield stream
            return
        temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)[:200]}.{os.getpid()}~")
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, stat.S_IMODE(mode))
        replace(temporary, target)
        temporary = ""
    except OSError as fault:
        raise unwritable(path, fault) from None
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)


def mode_of(path: str) -> int:
    """Return the mode of a file, or the one it will get if it is not there yet; a folder is an `OSError`."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return stat.S_IFREG | (0o666 & ~mask)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "it is a folder")
    return mode


def replace(temporary: str, target: str) -> None:
    """Rename a file over another one, and have the rename on the disk as well."""
    os.replace(temporary, target)
    with suppress(OSError):  # some file systems, and Windows, do not open folders
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def open_locked(path: str) -> int:
    """Open a file, made if need be, that no other process holds open by this function.

    Parameters
    ----------
    path : str
        The file; its content stays.

    Returns
    -------
    int
        A descriptor for reading and writing; closing it gives the lock up, as does the end of the process.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        file = os.open(path, flags, 0o666)
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(path), os.fstat(file)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its holder has just renamed or removed it


@contextmanager
def reserved(path: str | Path) -> Iterator[None]:
    """Keep other processes that call this from writing the same file.

    Raises
    ------
    DataError
        If another process has reserved it, or the folder is not there or not writable.
    """
    lock = os.path.realpath(path) + ".lock"
    try:
        file = open_locked(lock)
    except BlockingIOError:
        raise taken(path) from None
    except OSError as fault:
        raise unwritable(path, fault) from None
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(lock)
        os.close(file)


def unwritable(path: str | Path, fault: OSError) -> DataError:
    """Say that a file cannot be written, and why."""
    reason = fault.strerror or str(fault)
    return DataError(f"{visible(str(path))} cannot be written: {reason[:1].lower()}{reason[1:]}")


def taken(path: str | Path) -> DataError:
    """Say that a file is being written by another process."""
    return DataError(
        f"{visible(str(path))} is being written by another process", "Wait for it, or name another file"
    )


class Stream:
    """An open descriptor for complete lines: an interruption waits until the bytes it was given are out.

    Parameters
    ----------
    file : int
        The descriptor.
    name : str
        What to call it in an error.
    """

    def __init__(self, file: int, name: str) -> None:
        self._file, self._name = file, name

    def write(self, data: bytes) -> None:
        """Write complete lines.

        Raises
        ------
        Interrupted
            If the reader has gone away.
        DataError
            If anything else is wrong.
        """
        try:
            with shield():
                write_all(self._file, data)
        except BrokenPipeError:
            raise Interrupted(SIGPIPE) from None
        except OSError as fault:
            raise unwritable(self._name, fault) from None


class Screen(Stream):
    """A terminal: nothing that is written to it reaches it as a command."""

    def write(self, data: bytes) -> None:
        """Write complete lines of UTF-8."""
        super().write(visible_lines(data.decode()).encode())


def standard_output(screened: bool = True) -> Stream:
    """Return standard output.

    Parameters
    ----------
    screened : bool
        Whether to escape what a terminal, if it is one, would obey or hide.

    Raises
    ------
    DataError
        If it is closed.
    """
    if sys.stdout is None:
        raise DataError("standard output is closed")
    kind = Screen if screened and sys.stdout.isatty() else Stream
    return kind(sys.stdout.fileno(), "standard output")


def write_all(file: int, data: bytes) -> None:
    """Write all bytes to a descriptor."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
