"""Operators of the dataflow graph, one file each; a new file here is found by its ``@operator`` decorator."""

from __future__ import annotations

from typing import TypeVar

from pyqkit.discovery import import_modules
from pyqkit.graph.graph import GraphError, Operator

_kinds: dict[str, type[Operator]] = {}
_Class = TypeVar("_Class", bound=type[Operator])


def operator(cls: _Class) -> _Class:
    """Class decorator that announces an operator under its ``kind``."""
    _kinds[cls.kind] = cls
    return cls


def kinds() -> dict[str, type[Operator]]:
    """All operators by kind."""
    import_modules(__name__)
    return _kinds


def by_kind(kind: str) -> type[Operator]:
    """Operator class of this kind."""
    found = kinds().get(kind)
    if found is None:
        raise GraphError(
            f"an operator out of {', '.join(sorted(_kinds))} was expected, but {kind!r} came; the "
            "file was made by another version"
        )
    return found
