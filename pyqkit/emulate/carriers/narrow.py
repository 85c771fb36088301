"""Sums in int32 of products of int8 or int16, in a compiled kernel that also joins and requantises.

Codes of Logarithmic Posits are looked up as the image gets its border: `Operands.lookup` has their numbers.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.operands import Operands
from pyqkit.emulate.pairs import Steps
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.terms import Term, filled, integers_by_code


class _Convolution(ctypes.Structure):
    """`Convolution` of kernels/convolve.cpp."""

    _fields_ = [
        ("window", ctypes.c_int32 * 15),
        *((name, ctypes.c_int32) for name in ("type", "group", "flip", "together", "codes", "copies")),
        *(
            (name, ctypes.c_void_p)
            for name in ("weights", "places", "ends", "start", "words", "scale", "requantiser")
        ),
    ]


class _Narrow(Carrier):
    joins = True
    result_type = np.dtype(np.int32)
    group: int  # elements of one inner product

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert layer.library is not None and operands is not None
        call: Any = layer.library.pyqkit_convolve
        looks_up = operands.lookup is not None and layer.tensor.format.is_logarithmic
        both = ((), ()) if factors is None else (factors.sums, factors.other)
        scale, factor = (np.ascontiguousarray(f, np.int32) for f in both)
        integers = None if factors is None else integers_by_code(factors.tensor.format)
        made = self._structure(operands, scale, requantiser, operands.lookup if looks_up else None)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values = x[0]
            expand: tuple[Call, ...] = ()
            if values.dtype not in KERNEL_TYPES or (operands.lookup is not None and not looks_up):
                values, expand = operands.expanded(values, np.dtype(np.int16))
            what = _Convolution.from_buffer_copy(made)
            what.window[:] = [len(values), *layer.window(operands.copies)]
            what.type = KERNEL_TYPES.index(values.dtype)
            joined = ctypes.byref(Term.of(x[1], factor, integers)) if factors else None
            places = (result, None, None) if requantiser is None else (None, joined, result)
            what.keep = made, factor, integers  # as long as the addresses above
            return one_after_the_other(*expand, prepared(call, ctypes.byref(what), values, *places))

        return Kernel(bind)

    def _structure(
        self,
        operands: Operands,
        scale: np.ndarray,
        requantiser: Requantiser | None,
        lookup: np.ndarray | None,
    ) -> _Convolution:
        """What the kernel reads, but for frames and their type; `lookup` of carriers that are codes."""
        flip = int(self.group == 4 and operands.low < 0)  # unsigned bytes are multiplied by signed ones
        panels, start = operands.panels(self.group, flip)
        steps = self._steps(panels, operands.high + 128 * flip)
        words = None if lookup is None else filled(lookup.astype(np.int16))
        made = _Convolution(
            group=self.group,
            flip=flip,
            together=0 if steps is None else steps.together,
            codes=0 if lookup is None else len(lookup),
            copies=operands.copies,
            weights=(panels if steps is None else steps.weights).ctypes.data,
            places=None if steps is None else steps.places.ctypes.data,
            ends=None if steps is None else steps.ends.ctypes.data,
            start=start.ctypes.data,
            words=None if words is None else words.ctypes.data,
            scale=scale.ctypes.data,
            requantiser=None if requantiser is None else requantiser.address,
        )
        made.keep = panels, steps, start, words, scale, requantiser
        return made

    def _steps(self, panels: np.ndarray, high: int) -> Steps | None:
        """Weights as pairs of bytes, where kernels multiply those."""
        library: Any = self.layer.library
        if self.group != 4 or not library.pyqkit_adds_pairs():
            return None
        _, left, _, right = self.layer.op.padding
        _, width, channels = self.layer.tensor.shape
        return Steps.of(panels, high, (left + width + right) * channels)


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
