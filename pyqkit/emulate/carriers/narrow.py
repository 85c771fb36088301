"""Sums in int32 of products of int8 or int16, in a compiled kernel that also joins and requantises."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.terms import Term


class _Narrow(Carrier):
    joins = True
    result_type = np.dtype(np.int32)
    group: int  # elements of one inner product

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands, group = self.layer, self.layer.operands, self.group
        assert layer.library is not None and operands is not None
        call: Any = layer.library.pyqkit_convolve
        signed = operands.low < 0
        flip = int(group == 4 and signed)  # the kernel multiplies unsigned bytes by signed ones
        panels, start = operands.panels(group, flip)
        constants = group, flip, 128 * flip, panels, start
        kind = np.dtype(np.int16 if group == 2 else np.int8 if signed else np.uint8)
        window = layer.window(operands.copies)
        scale, factor = (np.ascontiguousarray(f, np.int32) for f in factors or ((), ()))

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values, expand = operands.expanded(x[0], kind)
            shape = np.array([len(values), *window], np.int32)
            behind: tuple[object, ...] = (result, None, None, None, None)
            if requantiser is not None:
                joining = (ctypes.byref(Term.of(x[1], factor)), scale) if factors else (None, None)
                behind = (None, *joining, requantiser.argument, result)
            run = prepared(call, values, shape, *constants, *behind)
            return one_after_the_other(*expand, run)

        return Kernel(bind)


@carries("int8")
class Int8(_Narrow):
    """Unsigned times signed bytes, four at a time."""

    group = 4

    def rate(self) -> float:
        operands = self.layer.operands
        if operands is None or not self.layer.suits_dense_kernels or not self.layer.decoded:
            return 0
        return 110 if operands.fits(8) and 255 * operands.weight_sum <= INT32 else 0


@carries("int16")
class Int16(_Narrow):
    """Two at a time."""

    group = 2

    def rate(self) -> float:
        operands = self.layer.operands
        if operands is None or not self.layer.suits_dense_kernels:
            return 0
        return 60 if operands.fits(16) and operands.largest_sum <= INT32 else 0
