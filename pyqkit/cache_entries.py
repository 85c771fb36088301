"""Entries of the cache: shown, checked and thrown away.

Only what pyqkit put there by its own naming counts as such.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pyqkit.cache import flaw
from pyqkit.files import workshop

# Entries, and what earlier versions left: libraries without records, results of synthesis in a folder.
_ENTRY = re.compile(r"[a-z_]+_[0-9a-f]{24}(?:\.so|\.o)?|synthesis/[0-9a-f]{32}\.json")
_LOCK = re.compile(r"\.[a-z_]+_[0-9a-f]{24}\.lock")
_DAY = 86_400.0


@dataclass(frozen=True)
class Entry:
    """Something that is kept.

    Attributes
    ----------
    name : str
        Path in the cache.
    bytes : int
    days : float
        Since it was made or used last.
    flaw : str or None
        Why it will be made again, empty if it will not; None where that was not looked at.
    """

    name: str
    bytes: int
    days: float
    flaw: str | None = None


def entries(folder: Path, check: bool = False) -> list[Entry]:
    """Everything that is kept, the largest first; with `check`, all digests are compared."""
    found = [_described(folder, name, check) for name in _names(folder)]
    return sorted(
        (entry for entry in found if entry is not None), key=lambda entry: (-entry.bytes, entry.name)
    )


def prune(folder: Path, days: float = 0) -> list[Entry]:
    """Remove what was not used for some days.

    Returns what was removed. What another process loads meanwhile it has to make again.
    """
    old = [entry for entry in entries(folder) if entry.days >= days]
    if folder.is_dir():
        with workshop(folder) as work:  # which removes what runs that were killed have left
            for number, entry in enumerate(old):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(folder / entry.name, work / str(number))
            for path in folder.iterdir():
                if _LOCK.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _DAY:
                    path.unlink(missing_ok=True)
    return old


def _names(folder: Path) -> list[str]:
    inside = [
        (parent, path.name)
        for parent in ("", "synthesis/")
        if (folder / parent).is_dir()
        for path in (folder / parent).iterdir()
    ]
    return [parent + name for parent, name in inside if _ENTRY.fullmatch(parent + name)]


def _described(folder: Path, name: str, check: bool) -> Entry | None:
    path = folder / name
    try:
        parts = list(path.iterdir()) if path.is_dir() and not path.is_symlink() else [path]
        size = sum(part.lstat().st_size for part in parts)
        age = time.time() - path.lstat().st_mtime
    except OSError:
        return None  # just removed by another process
    return Entry(name, size, round(max(age, 0) / _DAY, 2), _state(path) if check else None)


def _state(path: Path) -> str:
    return "of an earlier version" if path.suffix in (".so", ".o", ".json") else flaw(path)
