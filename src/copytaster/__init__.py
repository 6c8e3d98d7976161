"""Copytaster reads an article and labels every paragraph: reporting, opinion or call-to-action.

>>> import copytaster
>>> annotations = copytaster.load().annotate("The council voted 7-2 to close the pool, the clerk said.")
>>> annotations[0].label
'reporting'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from copytaster.annotate import Annotation, Annotator, annotate_batch, load

__version__ = "0.1.0"
__all__ = ["Annotation", "Annotator", "__version__", "annotate_batch", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from copytaster import annotate

        return getattr(annotate, name)
    raise AttributeError(f"module 'copytaster' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
