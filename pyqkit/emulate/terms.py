"""Sums of scaled branches in engine `exact`, requantised in the same kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from pyqkit.emulate.kernels import INT32, pointer
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.add import Add

_TYPES = tuple(np.dtype(t) for t in (np.int8, np.uint8, np.int16, np.int32))


class Term(ctypes.Structure):
    """`Term` of kernels/add.hpp: a branch and its multipliers."""

    _fields_ = [("values", ctypes.c_void_p), ("factor", ctypes.c_void_p), ("type", ctypes.c_int32)]

    @classmethod
    def of(cls, values: np.ndarray, factor: np.ndarray) -> Term:
        """Of contiguous arrays, (..., channels) and int32 (channels,), which must outlive it."""
        return cls(values.ctypes.data, factor.ctypes.data, _TYPES.index(values.dtype))


def fits_32_bits(op: Add, tensors: list[Tensor], kinds: list[np.dtype], requantiser: Requantiser) -> bool:
    """Whether the kernels can form the sum in 32 bits, from carriers of these types."""
    largest = [
        int(np.abs(m.astype(object)).max()) * max(-t.low, t.high) for m, t in zip(op.multipliers, tensors)
    ]
    types = all(kind in _TYPES and not t.format.is_logarithmic for kind, t in zip(kinds, tensors))
    return types and sum(largest) <= INT32 and requantiser.sum_type == np.int32


def compile_add(
    op: Add, tensors: list[Tensor], kinds: list[np.dtype], requantiser: Requantiser, library: ctypes.CDLL
) -> Callable[[list[np.ndarray]], np.ndarray] | None:
    """The kernel as a function, or None if none is exact."""
    if fits_32_bits(op, tensors, kinds, requantiser):
        return _narrow(op, requantiser, library)
    integers = all(k in _TYPES and not t.format.is_logarithmic for k, t in zip(kinds, tensors))
    if len(tensors) == 2 and requantiser.sum_type == np.int64 and integers:
        return _wide(op, requantiser, library)
    return None


def _narrow(
    op: Add, requantiser: Requantiser, library: ctypes.CDLL
) -> Callable[[list[np.ndarray]], np.ndarray]:
    factors = [np.ascontiguousarray(m, np.int32) for m in op.multipliers]
    ones = np.ones(len(factors[0]), np.int32)

    def compute(x: list[np.ndarray]) -> np.ndarray:
        branches = [np.ascontiguousarray(v) for v in x]
        terms = (Term * len(x))(*(Term.of(v, f) for v, f in zip(branches, factors)))
        result, channels = np.empty(x[0].shape, requantiser.out_type), x[0].shape[-1]
        library.pyqkit_add(
            terms,
            len(x),
            result.size // channels,
            channels,
            pointer(ones),
            requantiser.argument,
            pointer(result),
        )
        return result

    return compute


def _wide(
    op: Add, requantiser: Requantiser, library: ctypes.CDLL
) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Two branches whose sum needs up to 64 bits."""
    factors = [np.ascontiguousarray(m, np.int64) for m in op.multipliers]

    def compute(x: list[np.ndarray]) -> np.ndarray:
        branches = [np.ascontiguousarray(v, np.int32) for v in x]
        result, channels = np.empty(x[0].shape, requantiser.out_type), x[0].shape[-1]
        sides, multipliers = map(pointer, branches), map(pointer, factors)
        library.pyqkit_add_wide(
            *sides, result.size // channels, channels, *multipliers, requantiser.argument, pointer(result)
        )
        return result

    return compute
