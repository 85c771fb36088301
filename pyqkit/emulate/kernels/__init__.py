"""Compiled kernels of engine `exact` and of searches.

Built once by g++ and kept in the user's cache; without g++ numpy does the work.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
from pathlib import Path

import numpy as np

from pyqkit.cache import CacheError, cache_folder
from pyqkit.cache import load as load_library
from pyqkit.emulate.build import build_shared
from pyqkit.files import OutputError

_MAIN = "kernels.cpp"  # all headers: a new one adds its functions by being there
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-Wno-psabi", "-fPIC", "-shared")

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
        Off, those of AVX2 at most are used, as on processors that have no others.
    """
    if shutil.which("g++") is None:
        return None
    headers = sorted(Path(__file__).parent.glob("*.hpp"))
    sources = {path.name: path.read_text() for path in headers}
    sources[_MAIN] = "".join(f'#include "{path.name}"\n' for path in headers)
    without = ("-DPYQKIT_PORTABLE",) if portable else () if avx512 else ("-DPYQKIT_NO_AVX512",)
    try:
        return load_library(build_shared(sources, _MAIN, "exact", cache_folder(), (*FLAGS, *without)))
    except (OSError, OutputError, CacheError):  # nowhere to write, or to load from
        return None
