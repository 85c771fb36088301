"""The nearest carrier of a real number, in the form that kernels take.

Kernels know the number to a margin, and round both ends of it; what they are not sure of, the definition
decides.
"""

from __future__ import annotations

import ctypes

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.search_trees import MOST_STEPS, search_trees
from pyqkit.formats import Integer, Minifloat, NumberFormat
from pyqkit.graph.graph import Tensor

_DIGITS = 52  # of float64, behind the first
_BUCKET_BITS = 46  # as in kernels/nearest.hpp


class _Structure(ctypes.Structure):
    """`Nearest` of kernels/nearest.hpp."""

    _fields_ = [
        *((name, ctypes.c_double) for name in ("low", "high", "least", "steps", "integers")),
        *((name, ctypes.c_void_p) for name in ("fences", "tree", "carriers", "starts")),
        *((name, ctypes.c_int32) for name in ("count", "type", "first", "buckets")),
    ]


class Nearest:
    """How a tensor's carriers come of real numbers, in values of its format.

    Parameters
    ----------
    out : Tensor
        `fits` it.

    Attributes
    ----------
    address : ctypes.c_void_p
        Of the structure that kernels read.
    """

    def __init__(self, out: Tensor) -> None:
        fmt, kind = out.format, KERNEL_TYPES.index(carrier_type(out))
        carriers = fmt.codes if fmt.is_logarithmic else fmt.integers[fmt.codes]
        addend = _addend(fmt)
        if addend is None:
            fences = np.array([float(boundary.position) for boundary in fmt.boundaries()])
            first, starts = _buckets(fences)
            self._tables = {
                "fences": np.append(fences, np.nan),
                "carriers": carriers.astype(np.int32),
                "starts": starts,
            }
            if len(fences) <= MOST_STEPS:
                size = 2 ** len(fences).bit_length() - 1
                beyond = np.full(size - len(fences), np.inf)
                self._tables["tree"] = search_trees(np.concatenate([fences, beyond])[None])
            self._structure = _Structure(
                **{name: table.ctypes.data for name, table in self._tables.items()},
                count=len(fences),
                type=kind,
                first=first,
                buckets=len(starts) // 2,
            )
        else:
            unit = float(fmt.unit)
            ends = {"low": int(carriers.min()) * unit, "high": int(carriers.max()) * unit}
            least, steps = addend
            self._structure = _Structure(**ends, least=least, steps=steps, integers=1 / unit, type=kind)
        self.address = ctypes.c_void_p(ctypes.addressof(self._structure))

    @staticmethod
    def fits(out: Tensor) -> bool:
        """Whether carriers of the tensor are what kernels write, and there are several."""
        fmt = out.format
        if carrier_type(out) not in KERNEL_TYPES or len(fmt.codes) < 2:
            return False
        return fmt.is_logarithmic or max(-int(fmt.integers.min()), int(fmt.integers.max())) <= INT32


def _buckets(fences: np.ndarray) -> tuple[int, np.ndarray]:
    """The first bucket of positive numbers, and how many fences lie at or below the least number of each.

    Buckets of negative numbers come first, from the largest size on. The outermost have all numbers beyond,
    those at zero all between.
    """
    sizes = np.abs(fences[fences != 0]).view(np.int64) >> _BUCKET_BITS
    first, last = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
    edges = (np.arange(first, last + 2, dtype=np.int64) << _BUCKET_BITS).view(np.float64)
    edges[0] = 0
    least = np.concatenate([-edges[:0:-1], edges[:-1]])
    least[0] = -np.inf
    return first, np.searchsorted(fences, least, side="right").astype(np.int32)


def _addend(fmt: NumberFormat) -> tuple[float, float] | None:
    """As `Minifloat.addend`, for a float64; 0 for integers, whose number is the same everywhere."""
    if isinstance(fmt, Integer):
        return 0.0, 0.0
    if not isinstance(fmt, Minifloat) or fmt.addend is None:
        return None
    return fmt.addend[0], 1.5 * 2.0 ** (_DIGITS - fmt.significand_bits)
