"""Compile C++ into a shared library, once: kept in a cache under a hash of everything that it is made of."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyqkit.cache import entry
from pyqkit.errors import MissingToolError
from pyqkit.programs import compile_all

LIBRARY = "library.so"


def build_shared(
    files: dict[str, str],
    units: Sequence[str],
    stem: str,
    cache: Path,
    flags: tuple[str, ...],
    include: Iterable[Path] = (),
) -> Path:
    """Compile units with g++ and return the library's path, for `pyqkit.cache.load`.

    Parameters
    ----------
    files : dict of str to str
        Sources by name.
    units : sequence of str
        Those to compile, of several as many at a time as there are processors.
    stem : str
        First part of the library's name.
    cache : Path
    flags : tuple of str
    include : iterable of Path
        Folders to search for headers, first one first; their contents count for the hash.

    Raises
    ------
    MissingToolError
        Without g++.
    UserError
        If g++ refuses the source (carries its first error), or there is no room to write.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise MissingToolError(
            "a C++ compiler was expected, but g++ is not installed; install it (apt install g++), "
            "or use engine exact"
        )
    folders = list(include)
    digest = hashlib.sha256(
        repr((flags, _processor(), [str(f) for f in folders], sorted(files.items()))).encode()
    )
    for folder in folders:
        for header in sorted(p for p in folder.rglob("*") if p.suffix in (".hpp", ".h")):
            digest.update(header.read_bytes())

    def fill(made: Path, work: Path) -> None:
        for name, text in files.items():
            (work / name).write_text(text)
        command = [compiler, *flags, *(f"-I{p}" for p in (work, *folders))]
        linked = list(units)
        if len(units) > 1:
            linked = [f"{unit}.o" for unit in units]
            compile_all([[*command, "-c", u, "-o", o] for u, o in zip(units, linked)], work, "C++", "g++")
        compile_all([[*command, *linked, "-o", str(made / LIBRARY)]], work, "C++", "g++")

    return entry(cache, f"{stem}_{digest.hexdigest()[:24]}", fill) / LIBRARY


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
