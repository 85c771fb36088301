"""Sums in int32 of products of int8 or int16, in a compiled kernel that also joins and requantises."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.terms import Term


class _Convolution(ctypes.Structure):
    """`Convolution` of kernels/convolve.cpp."""

    _fields_ = [
        ("window", ctypes.c_int32 * 15),
        *((name, ctypes.c_int32) for name in ("type", "group", "flip", "pairs")),
        *((name, ctypes.c_void_p) for name in ("weights", "start", "scale", "requantiser")),
    ]


class _Narrow(Carrier):
    joins = True
    result_type = np.dtype(np.int32)
    group: int  # elements of one inner product

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert layer.library is not None and operands is not None
        call: Any = layer.library.pyqkit_convolve
        flip = int(self.group == 4 and operands.low < 0)  # unsigned bytes are multiplied by signed ones
        panels, start = operands.panels(self.group, flip)
        both = ((), ()) if factors is None else (factors.sums, factors.other)
        scale, factor = (np.ascontiguousarray(f, np.int32) for f in both)
        pairs = int(self.group == 4 and operands.largest_pair(flip) < 2**15)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values = x[0]
            expand: tuple[Call, ...] = ()
            if operands.lookup is not None or values.dtype not in KERNEL_TYPES:
                values, expand = operands.expanded(values, np.dtype(np.int16))
            what = _Convolution(
                (ctypes.c_int32 * 15)(len(values), *layer.window(operands.copies)),
                KERNEL_TYPES.index(values.dtype),
                self.group,
                flip,
                pairs,
                panels.ctypes.data,
                start.ctypes.data,
                scale.ctypes.data,
                None if requantiser is None else requantiser.address,
            )
            joined = ctypes.byref(Term.of(x[1], factor)) if factors else None
            places = (result, None, None) if requantiser is None else (None, joined, result)
            what.keep = panels, start, scale, factor, requantiser  # as long as the addresses above
            return one_after_the_other(*expand, prepared(call, ctypes.byref(what), values, *places))

        return Kernel(bind)


@carries("int8")
class Int8(_Narrow):
    """Unsigned times signed bytes, four at a time."""

    group, speed = 4, 110

    def lacks(self) -> str:
        operands = self.layer.operands
        if operands is None or self.layer.no_kernel:
            return self.layer.no_kernel
        if not self.layer.decoded:
            return "products are rounded by a table"
        if not operands.fits(8):
            return operands.exceeding(8)
        return "" if 255 * operands.weight_sum <= INT32 else f"sums reach {255 * operands.weight_sum:,}"


@carries("int16")
class Int16(_Narrow):
    """Two at a time."""

    group, speed = 2, 60

    def lacks(self) -> str:
        operands = self.layer.operands
        if operands is None or self.layer.no_kernel:
            return self.layer.no_kernel
        if not operands.fits(16):
            return operands.exceeding(16)
        return "" if operands.largest_sum <= INT32 else f"sums reach {operands.largest_sum:,}"
