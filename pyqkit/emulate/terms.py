"""Sums of scaled branches in engine `exact`, requantised in the same kernel."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.add import Add

_FEW = 16  # codes; `FEW` of kernels/codes.hpp
Scaled = tuple[np.ndarray, Tensor]  # multipliers of a branch, and the branch


class Term(ctypes.Structure):
    """`Term` of kernels/add.hpp: a branch and its multipliers."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("values", "factor", "integers")),
        *((name, ctypes.c_int32) for name in ("type", "codes")),
    ]

    @classmethod
    def of(cls, values: np.ndarray, factor: np.ndarray, integers: np.ndarray | None) -> Term:
        """Of contiguous arrays, (..., channels) and int32 (channels,), which must outlive it.

        If the values are codes, `integers` are those of `integers_by_code`.
        """
        kind = KERNEL_TYPES.index(values.dtype)
        if integers is None:
            return cls(values.ctypes.data, factor.ctypes.data, None, kind, 0)
        return cls(values.ctypes.data, factor.ctypes.data, integers.ctypes.data, kind, len(integers))


def integers_by_code(fmt: NumberFormat) -> np.ndarray | None:
    """Of a format whose carriers are codes, int32 as kernels read them; None for others."""
    return filled(fmt.integers.astype(np.int32)) if fmt.is_logarithmic else None


def filled(table: np.ndarray) -> np.ndarray:
    """A table by code with rows for as many codes as a register of kernels holds."""
    missing = max(0, _FEW - len(table))
    return np.ascontiguousarray(np.pad(table, [(0, missing)] + [(0, 0)] * (table.ndim - 1)))


def largest_sum(terms: list[Scaled]) -> int:
    """Bound of the sum of scaled branches and of all its parts."""
    return sum(int(np.abs(m.astype(object)).max()) * max(-t.low, t.high) for m, t in terms)


def fits_32_bits(terms: list[Scaled], kinds: list[np.dtype], requantiser: Requantiser) -> bool:
    """Whether the kernels can form the sum in 32 bits, from carriers of these types."""
    known = _known(kinds, [tensor for _, tensor in terms])
    return known and largest_sum(terms) <= INT32 and requantiser.sum_type == np.int32


def _known(kinds: list[np.dtype], tensors: list[Tensor]) -> bool:
    """Whether kernels read carriers of these types, and their integers have at most 32 bits."""
    return all(k in KERNEL_TYPES and max(-t.low, t.high) <= INT32 for k, t in zip(kinds, tensors))


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
        return _narrow(op, tensors, requantiser, library)
    if len(tensors) == 2 and requantiser.sum_type == np.int64 and _known(kinds, tensors):
        return _wide(op, tensors, requantiser, library)
    return None


def _narrow(op: Add, tensors: list[Tensor], requantiser: Requantiser, library: ctypes.CDLL) -> Kernel:
    factors = [np.ascontiguousarray(m, np.int32) for m in op.multipliers]
    channels = len(factors[0])
    ones = np.ones(channels, np.int32)
    integers = [integers_by_code(tensor.format) for tensor in tensors]

    def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
        terms = (Term * len(x))(*map(Term.of, x, factors, integers))
        sizes = len(x), result.size // channels, channels
        return prepared(library.pyqkit_add, terms, *sizes, ones, requantiser.argument, result)

    return Kernel(bind)


def _wide(op: Add, tensors: list[Tensor], requantiser: Requantiser, library: ctypes.CDLL) -> Kernel:
    """Two branches whose sum needs up to 64 bits."""
    factors = [np.ascontiguousarray(m, np.int64) for m in op.multipliers]
    channels = len(factors[0])
    tables = [integers_by_code(tensor.format) for tensor in tensors]

    def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
        sides = [values if values.dtype == np.int32 else np.empty(values.shape, np.int32) for values in x]
        widen = [_widening(*each) for each in zip(sides, x, tables) if each[0] is not each[1]]
        sizes = result.size // channels, channels
        run = prepared(library.pyqkit_add_wide, *sides, *sizes, *factors, requantiser.argument, result)
        return one_after_the_other(*widen, run)

    return Kernel(bind)


def _widening(to: np.ndarray, values: np.ndarray, integers: np.ndarray | None) -> Call:
    """What writes integers, those of codes where there is a table, into an array."""
    if integers is None:
        return partial(np.copyto, to, values)
    return partial(np.take, integers, values, 0, to, "clip")
