"""Files and folders: those that come with pyqkit, and files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def packaged(installed: str, source: str) -> Path:
    """A folder that comes with pyqkit: `installed` in the package, or `source` beside it in a source tree."""
    package = Path(__file__).parent
    return package / installed if (package / installed).is_dir() else package.parent / source


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file to; it takes the place of `target` at the end, or is removed if anything is raised."""
    beside = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
