"""The errors a user may meet, each with the exit code the command line gives it."""

from __future__ import annotations


class CopytasterError(Exception):
    """Base of every error that is the user's to mend.

    Parameters
    ----------
    message : str
        What is wrong and where, in one line.
    hint : str, optional
        What to do about it, in one line.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class DataError(CopytasterError):
    """An input or a labelled file cannot be read or does not hold what it should."""


class ArtifactError(CopytasterError):
    """A model artifact is missing, damaged, foreign or of an unknown version."""


class UsageError(CopytasterError):
    """Options that contradict each other or need an extra that is not installed."""

    exit_code = 2


class GateError(CopytasterError):
    """A measured figure lies below what the gate file requires."""

    exit_code = 3


def reason(fault: BaseException) -> str:
    """Say why a file cannot be read, without the number and the name that Python adds."""
    return (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
