"""Sums of scaled branches in engine `exact`, requantised in the same kernel."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.add import Add

Scaled = tuple[np.ndarray, Tensor]  # multipliers of a branch, and the branch


class Term(ctypes.Structure):
    """`Term` of kernels/add.hpp: a branch and its multipliers."""

    _fields_ = [("values", ctypes.c_void_p), ("factor", ctypes.c_void_p), ("type", ctypes.c_int32)]

    @classmethod
    def of(cls, values: np.ndarray, factor: np.ndarray) -> Term:
        """Of contiguous arrays, (..., channels) and int32 (channels,), which must outlive it."""
        return cls(values.ctypes.data, factor.ctypes.data, KERNEL_TYPES.index(values.dtype))


def largest_sum(terms: list[Scaled]) -> int:
    """Bound of the sum of scaled branches and of all its parts."""
    return sum(int(np.abs(m.astype(object)).max()) * max(-t.low, t.high) for m, t in terms)


def fits_32_bits(terms: list[Scaled], kinds: list[np.dtype], requantiser: Requantiser) -> bool:
    """Whether the kernels can form the sum in 32 bits, from carriers of these types."""
    types = all(kind in KERNEL_TYPES and not t.format.is_logarithmic for kind, (_, t) in zip(kinds, terms))
    return types and largest_sum(terms) <= INT32 and requantiser.sum_type == np.int32


def may_join(terms: list[Scaled], other: np.dtype, requantiser: Requantiser, bits: int) -> bool:
    """Whether a kernel whose sums have so many bits can add the other branch to them, of this type."""
    if bits == 32:
        return fits_32_bits(terms, [np.dtype(np.int32), other], requantiser)
    known = other in (*KERNEL_TYPES, np.int64) and not any(t.format.is_logarithmic for _, t in terms)
    return known and largest_sum(terms) < 2**63 and requantiser.fits_kernels


def compile_add(
    op: Add, tensors: list[Tensor], kinds: list[np.dtype], requantiser: Requantiser, library: ctypes.CDLL
) -> Kernel | None:
    """The kernel, or None if none is exact."""
    if fits_32_bits(list(zip(op.multipliers, tensors)), kinds, requantiser):
        return _narrow(op, requantiser, library)
    integers = all(k in KERNEL_TYPES and not t.format.is_logarithmic for k, t in zip(kinds, tensors))
    if len(tensors) == 2 and requantiser.sum_type == np.int64 and integers:
        return _wide(op, requantiser, library)
    return None


def _narrow(op: Add, requantiser: Requantiser, library: ctypes.CDLL) -> Kernel:
    factors = [np.ascontiguousarray(m, np.int32) for m in op.multipliers]
    channels = len(factors[0])
    ones = np.ones(channels, np.int32)

    def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
        terms = (Term * len(x))(*(Term.of(v, f) for v, f in zip(x, factors)))
        sizes = len(x), result.size // channels, channels
        return prepared(library.pyqkit_add, terms, *sizes, ones, requantiser.argument, result)

    return Kernel(bind)


def _wide(op: Add, requantiser: Requantiser, library: ctypes.CDLL) -> Kernel:
    """Two branches whose sum needs up to 64 bits."""
    factors = [np.ascontiguousarray(m, np.int64) for m in op.multipliers]
    channels = len(factors[0])

    def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
        sides = [values if values.dtype == np.int32 else np.empty(values.shape, np.int32) for values in x]
        widen = [partial(np.copyto, to, of) for to, of in zip(sides, x) if to is not of]
        sizes = result.size // channels, channels
        run = prepared(library.pyqkit_add_wide, *sides, *sizes, *factors, requantiser.argument, result)
        return one_after_the_other(*widen, run)

    return Kernel(bind)
