"""Where results that take long are kept between runs: compiled engines, synthesised blocks."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``pyqkit`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pyqkit"
