"""Compiled kernels of engine `exact` and of searches.

Built once by g++ and kept in the user's cache; without g++ numpy does the work.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import shutil
from pathlib import Path

import numpy as np

from pyqkit.cache import CacheError, cache_folder
from pyqkit.cache import load as load_library
from pyqkit.emulate.build import build_shared
from pyqkit.files import OutputError

_UNITS = min(4, os.cpu_count() or 1)  # compiled at the same time; each reads the compiler's headers again
_OF_INCLUDED = 1 / 2  # work of a line that is included: much of it is declarations
_INCLUDED = re.compile(r'^#include "(.+)"$', re.MULTILINE)
# of -O3, which takes 1.4 times as long
_LOOPS = ("-ftree-vectorize", "-fvect-cost-model=dynamic", "-fpeel-loops")
FLAGS = (
    "-std=c++17",
    "-O2",
    *_LOOPS,
    "-march=native",
    "-ffp-contract=off",
    "-Wno-psabi",
    "-fPIC",
    "-shared",
)
NO_AVX512 = ("-mno-avx512f", "-mno-avxvnni") if platform.machine() == "x86_64" else ()

INT32 = 2**31 - 1  # largest sum of the kernels that add in 32 bits


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Address of an array's first element, for a kernel.

    The array must outlive its use, and its elements lie one after the other.
    """
    if not array.flags.c_contiguous:
        raise ValueError(
            f"a contiguous array was expected by a kernel, but one with strides {array.strides} came"
        )
    return ctypes.c_void_p(array.ctypes.data)


@functools.cache
def load(portable: bool = False, avx512: bool = True) -> ctypes.CDLL | None:
    """The kernel library, or None without g++ or a place for what it makes.

    Parameters
    ----------
    portable : bool
        Leave out vector instructions (same results; for tests).
    avx512 : bool
        Off, g++ may use those of AVX2 at most, as on processors that have no others.
    """
    if shutil.which("g++") is None:
        return None
    paths = sorted(p for p in Path(__file__).parent.iterdir() if p.suffix in (".hpp", ".cpp"))
    files = {path.name: path.read_text() for path in paths}
    units = _units(files)
    without = ("-DPYQKIT_PORTABLE",) if portable else () if avx512 else NO_AVX512
    try:
        return load_library(
            build_shared({**files, **units}, list(units), "exact", cache_folder(), (*FLAGS, *without))
        )
    except (OSError, OutputError, CacheError):  # nowhere to write, or to load from
        return None


def _units(files: dict[str, str]) -> dict[str, str]:
    """All kernels in a few units that take about as long as each other.

    Files that include the same stay together, for a unit compiles it once.
    """
    alike: dict[frozenset[str], list[str]] = {}
    for name in sorted(n for n in files if n.endswith(".cpp")):
        alike.setdefault(frozenset(_with_included(name, files) - {name}), []).append(name)

    def work(names: list[str]) -> float:
        parts = set().union(*(_with_included(name, files) for name in names))
        return sum(len(files[part]) * (1 if part in names else _OF_INCLUDED) for part in parts)

    units: list[list[str]] = [[] for _ in range(_UNITS)]
    for names in sorted(alike.values(), key=lambda names: (-work(names), names)):
        min(units, key=lambda unit: work([*unit, *names])).extend(names)
    return {f"unit{i}.cpp": "".join(f'#include "{name}"\n' for name in unit) for i, unit in enumerate(units)}


def _with_included(name: str, files: dict[str, str]) -> set[str]:
    return {name}.union(*(_with_included(part, files) for part in _INCLUDED.findall(files[name])))
