"""Softmax: terms and sums as integers, shares rounded in float64 where that is sure of the code."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type
from pyqkit.emulate.compute import Call, Compute, Kernel, prepared
from pyqkit.emulate.nearest import Nearest
from pyqkit.emulate.runner import Runner, runs
from pyqkit.emulate.unsure import Decided
from pyqkit.formats import NumberFormat
from pyqkit.graph.ops.softmax import SIGNIFICAND_BITS, Softmax

_RANGE = 2**20  # of scores, which are looked up
_FEW = 2**10  # scores of which every one has a term in every row


class _Scores(ctypes.Structure):
    """`Scores` of kernels/softmax.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("ranks", "largest", "terms")),
        *((name, ctypes.c_int32) for name in ("low", "count")),
        ("gain", ctypes.c_double),
    ]


@runs("softmax")
class SoftmaxRunner(Runner):
    """A kernel, and the definition for rows in which a share is too close to a boundary."""

    def alone(self) -> Compute:
        op, (tensor,), out = self.op, self.context.inputs, self.context.out
        assert isinstance(op, Softmax)
        library, kind = self.context.library, carrier_type(tensor)
        if (
            library is None
            or op.causal
            or kind not in KERNEL_TYPES
            or not Nearest.fits(out)
            or _span(tensor.format) > _RANGE
        ):
            return super().alone()
        call, nearest, scores = library.pyqkit_softmax, Nearest(out), _Tables(op, tensor.format)
        length, row = tensor.shape[2] // op.groups, replace(op, groups=1)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            rows = x[0].size // length
            decided = Decided(row, tensor, out, x[0].reshape(rows, length), result.reshape(rows, length))
            given = x[0], KERNEL_TYPES.index(kind), ctypes.c_int64(rows), length, scores.address
            share = prepared(call, *given, nearest.address, result, decided.unsure)

            def run() -> None:
                if share():
                    decided.decide()

            return run

        return Kernel(bind)


class _Tables:
    """Terms of every score by the largest exponent of its row.

    Scores are told by ranks, with which exponents rise: their own order where it is such and they are few.
    """

    def __init__(self, op: Softmax, fmt: NumberFormat) -> None:
        low = _ends(fmt)[0]
        codes = np.arange(len(op.exponents)) if fmt.is_logarithmic else fmt.codes.astype(np.int64)
        places = codes if fmt.is_logarithmic else fmt.integers[codes].astype(np.int64) - low
        rising = bool((np.diff(op.exponents[codes]) >= 0).all()) and not fmt.is_logarithmic
        if rising and _span(fmt) <= _FEW:
            by_rank = codes[np.searchsorted(places, np.arange(_span(fmt)), side="right") - 1]
            ranks = None
        else:
            by_rank = np.argsort(op.exponents, kind="stable")
            ranks = np.zeros(_span(fmt), np.uint8)
            ranks[places] = np.argsort(by_rank)[codes]
        exponents, significands = op.exponents[by_rank], op.significands[by_rank]
        kinds, largest = np.unique(exponents, return_inverse=True)
        down = np.clip(kinds[:, None] - exponents, 0, SIGNIFICAND_BITS + 1)
        terms = (significands >> down).astype(np.int32)
        self._keep = ranks, largest.astype(np.int32), terms
        self._structure = _Scores(
            *(None if table is None else table.ctypes.data for table in self._keep),
            low=low,
            count=len(by_rank),
            gain=op.gain_numerator / op.gain_denominator,
        )
        self.address = ctypes.c_void_p(ctypes.addressof(self._structure))


def _ends(fmt: NumberFormat) -> tuple[int, int]:
    """Smallest and largest carrier."""
    if fmt.is_logarithmic:
        return 0, 2**fmt.bits - 1
    integers = fmt.integers[fmt.codes]
    return int(integers.min()), int(integers.max())


def _span(fmt: NumberFormat) -> int:
    low, high = _ends(fmt)
    return high - low + 1
