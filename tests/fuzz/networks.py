"""A small compiled network, made once a process, from which inputs of several readers are taken."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pyqkit
from tests.small_networks import residual


@functools.cache
def accelerator() -> pyqkit.Accelerator:
    """The residual network for a PYNQ-Z2."""
    return pyqkit.compile(residual(), board="PYNQ-Z2", target_fps=2000)


@functools.cache
def build() -> dict[str, bytes]:
    """Files of its build folder, without generated sources, which nobody reads."""
    with tempfile.TemporaryDirectory() as folder:
        saved = accelerator().save(Path(folder) / "net")
        files = {
            str(path.relative_to(saved)): path.read_bytes() for path in saved.rglob("*") if path.is_file()
        }
    return {name: content for name, content in files.items() if not name.startswith(("hls/", "rtl/"))}
