"""An output file that an interrupted run leaves half done and a later one completes."""

from __future__ import annotations

import json
import os
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from copytaster.errors import DataError
from copytaster.output import (
    Screen,
    Stream,
    atomic,
    mode_of,
    open_locked,
    replace,
    taken,
    unwritable,
    write_all,
)
from copytaster.raw import Found, Lines
from copytaster.terminal import visible

INTERVAL = 1.0
"""Seconds between two notes of progress."""


class Position(NamedTuple):
    """How far a stream of inputs has been read.

    Attributes
    ----------
    size : int
        Bytes; lines count as they are, wherever they are cut, anything else with one more, lest an empty file
        count for nothing.
    checksum : int
        A CRC-32 of them.
    """

    size: int
    checksum: int

    def after(self, item: Found) -> Position:
        """Return the position after one more input."""
        data = str(item).encode("utf-8", "replace") if isinstance(item, DataError) else item.data
        size, checksum = self.size + len(data), zlib.crc32(data, self.checksum)
        return Position(size, checksum) if isinstance(item, Lines) else Position(size + 1, checksum)


START = Position(0, 0)


def skip(items: Iterator[Found], position: Position) -> Iterator[Found]:
    """Read up to a position.

    Returns
    -------
    iterator
        What comes after it.

    Raises
    ------
    DataError
        If the inputs up to there are not those that have been read before.
    """
    reached = START
    rest: tuple[Lines, ...] = ()
    while reached.size < position.size and (item := next(items, None)) is not None:
        if isinstance(item, Lines):
            item, after = item.cut(position.size - reached.size)
            rest = (after,) if after.data else ()
        reached = reached.after(item)
    if reached != position:
        raise DataError(
            "the inputs are not those of the interrupted run",
            "Repeat them in the same order, or leave out --resume to begin anew",
        )
    return chain(rest, items)


class Direct:
    """Standard output, a pipe or a device: what is written is gone, and nothing can be resumed.

    Parameters
    ----------
    stream : Stream
        Where it goes.

    Attributes
    ----------
    position, articles, faults
        As of `Partial`.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.position = START
        self.articles = self.faults = 0

    def __enter__(self) -> Direct:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, data: bytes, position: Position, articles: int = 0, faults: int = 0) -> None:
        """Write what the inputs up to a position came to."""
        if data:
            self._stream.write(data)
        self.position = position
        self.articles += articles
        self.faults += faults


class Partial:
    """The file ``OUT.partial``, which becomes ``OUT`` once it is complete.

    Beside it ``OUT.progress`` says how far it got: which run it is, how far it has read the inputs, and
    how many bytes they came to. What a crash wrote beyond that is dropped and written again.

    Parameters
    ----------
    path : str or Path
        The file to come.
    run : str
        A digest of everything that decides the output besides the inputs.
    resume : bool
        Whether to go on where an interrupted run stopped; without, begin anew.

    keep : bool
        Whether what an interruption leaves can be resumed at all.

    Attributes
    ----------
    position : Position
        How far the inputs are in the file.
    articles : int
        How many of them have been read.
    faults : int
        How many could not be.

    Raises
    ------
    DataError
        If the file cannot be written, another process is writing it, or what there is was written by a run
        with other options or another model.
    """

    def __init__(self, path: str | Path, run: str, resume: bool = False, keep: bool = True) -> None:
        self._name = visible(str(path))
        self._path = os.path.realpath(path)
        self._partial = self._path + ".partial"
        self._progress = self._path + ".progress"
        self._run, self._keep = run, keep
        self.position = START
        self.articles = self.faults = self._size = 0
        self._saved = time.monotonic()
        try:
            self._file = open_locked(self._partial)
        except BlockingIOError:
            raise taken(path) from None
        except OSError as fault:
            raise unwritable(path, fault) from None
        try:
            if resume:
                self._restore()
            else:
                self._forget()
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
        except OSError as fault:
            os.close(self._file)
            raise unwritable(path, fault) from None
        except BaseException:
            os.close(self._file)
            raise

    def write(self, data: bytes, position: Position, articles: int = 0, faults: int = 0) -> None:
        """Append what the inputs up to a position came to.

        Parameters
        ----------
        data : bytes
            Complete lines.
        position : Position
            How far the inputs have been read.
        articles, faults : int
            How many articles have been read, and how many could not be, since the last call.
        """
        try:
            write_all(self._file, data)
            self._size += len(data)
            self.position = position
            self.articles += articles
            self.faults += faults
            if time.monotonic() - self._saved > INTERVAL:
                self.save()
        except OSError as fault:
            raise unwritable(self._name, fault) from None

    def save(self) -> None:
        """Note the progress, once the data is on the disk."""
        os.fsync(self._file)
        state = {
            "run": self._run,
            "position": list(self.position),
            "bytes": self._size,
            "articles": self.articles,
            "faults": self.faults,
        }
        with atomic(self._progress) as stream:
            stream.write(json.dumps(state).encode())
        self._saved = time.monotonic()

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        """Give the file its name; after an error, keep it to be resumed unless nothing is in it."""
        try:
            if error is None:
                self._finish()
            elif self.resumable:
                os.ftruncate(self._file, self._size)  # on a full disk, room for the note of progress
                self.save()
            else:
                self._forget()
                os.unlink(self._partial)
        except OSError as fault:
            if error is None:
                raise unwritable(self._name, fault) from None
        except DataError:
            pass  # the disk is full: the note before this one still holds
        finally:
            os.close(self._file)

    @property
    def resumable(self) -> bool:
        """Whether an interruption now would leave something to be resumed."""
        return self._keep and self.position != START

    def _finish(self) -> None:
        os.fsync(self._file)
        with suppress(FileNotFoundError):
            os.chmod(self._partial, stat.S_IMODE(os.stat(self._path).st_mode))
        replace(self._partial, self._path)
        self._forget()

    def _restore(self) -> None:
        """Take up what the last note of progress says; without a sound one, begin anew."""
        try:
            with open(self._progress, "rb") as stream:
                state = json.load(stream)
            position = Position(*state["position"])
            counts = [state[name] for name in ("bytes", "articles", "faults")]
            if not all(type(number) is int and number >= 0 for number in (*position, *counts)):
                raise ValueError
            size = counts[0]
            if size > os.fstat(self._file).st_size:
                raise ValueError
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            self._forget()
            return
        if state["run"] != self._run:
            raise DataError(
                f"{self._name} was begun with other options or another model",
                "Repeat those to resume it, or leave out --resume to begin anew",
            )
        self.position = position
        self._size, self.articles, self.faults = counts

    def _forget(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._progress)


def open_output(path: str | Path, run: str, resume: bool = False, keep: bool = True) -> Direct | Partial:
    """Open what ``-o`` names: a file to be completed, or a pipe or device that is there already."""
    try:
        if stat.S_ISREG(mode_of(os.path.realpath(path))):
            return Partial(path, run, resume, keep)
        file = os.open(path, os.O_WRONLY)
        return Direct((Screen if os.isatty(file) else Stream)(file, visible(str(path))))
    except OSError as fault:
        raise unwritable(path, fault) from None


def is_complete(path: str | Path) -> bool:
    """Tell whether a file is there and no run is left to be resumed."""
    target = os.path.realpath(path)
    return os.path.isfile(target) and not os.path.exists(target + ".partial")
