"""Stopping in good order: an interruption waits, for a moment, until what is being written is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGPIPE = 13
"""Its number where there is one; Python ignores the signal itself."""
GRACE = 0.5
"""Seconds that a reader who has stopped reading may hold up an interruption."""
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(BaseException):
    """The process was asked to stop, or the reader of its output has gone away.

    Parameters
    ----------
    number : int
        The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class _Shield:
    def __init__(self) -> None:
        self.up = False
        self.pending = 0


_shield = _Shield()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` within at SIGINT, SIGTERM and SIGHUP; outside the main thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [*_STOPPING, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shield() -> Iterator[None]:
    """Put an interruption off until the end of the block, though not for longer than `GRACE` seconds."""
    _shield.up, _shield.pending = True, 0
    try:
        yield
    finally:
        _shield.up = False
        if hasattr(signal, "setitimer") and _shield.pending:
            signal.setitimer(signal.ITIMER_REAL, 0)
    if _shield.pending:
        raise Interrupted(_shield.pending)


def _stop(number: int, frame: FrameType | None) -> None:
    if _shield.up and not _shield.pending:
        _shield.pending = number
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        return
    raise Interrupted(_shield.pending or number)
