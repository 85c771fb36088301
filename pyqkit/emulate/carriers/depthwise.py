"""Depthwise convolutions: sums in int32 of products of int16, requantised in the same kernel."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.operands import LANES
from pyqkit.emulate.requantiser import Requantiser

TYPES = KERNEL_TYPES[:3]  # of activations: of at most 16 bits


class Depthwise(ctypes.Structure):
    """`Depthwise` of kernels/depthwise.cpp."""

    _fields_ = [
        ("window", ctypes.c_int32 * 15),
        ("type", ctypes.c_int32),
        ("weights", ctypes.c_void_p),
        ("requantiser", ctypes.c_void_p),
    ]


@carries("int16 depthwise")
class DepthwiseCarrier(Carrier):
    """Each output has a channel of its own."""

    result_type = np.dtype(np.int32)

    speed = 30
    special = True

    def lacks(self) -> str:
        op, operands = self.layer.op, self.layer.operands
        if not op.groups == self.layer.tensor.shape[2] == len(op.weights):
            return "outputs that do not have a channel of their own"
        if operands is None or not self.layer.suits_kernels or operands.lookup is not None:
            return "no compiled kernel"
        if not operands.fits(16):
            return operands.exceeding(16)
        return "" if operands.largest_sum <= INT32 else f"sums reach {operands.largest_sum:,}"

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert layer.library is not None and operands is not None
        call: Any = layer.library.pyqkit_depthwise
        weights = padded_weights(operands.weights)
        window = layer.window()
        inside = requantiser is not None and requantiser.sum_type == np.int32

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values = x[0]
            expand: tuple[Call, ...] = ()
            if values.dtype not in TYPES:
                values, expand = operands.expanded(values, np.dtype(np.int16))
            what = Depthwise(
                (ctypes.c_int32 * 15)(len(values), *window),
                TYPES.index(values.dtype),
                weights.ctypes.data,
                requantiser.address if requantiser is not None and inside else None,
            )
            what.keep = weights, requantiser  # as long as the addresses above
            if inside:
                return one_after_the_other(*expand, prepared(call, ctypes.byref(what), values, None, result))
            sums = result if requantiser is None else np.empty(result.shape, np.int32)
            run = prepared(call, ctypes.byref(what), values, sums, None)
            behind = () if requantiser is None else (requantiser.bind(sums, result, layer.library),)
            return one_after_the_other(*expand, run, *behind)

        return Kernel(bind)


def padded_weights(weights: np.ndarray) -> np.ndarray:
    """Of (channels, kernel height, kernel width, 1) as the kernel reads them: [kernel][lane] of int32."""
    rows = weights.reshape(len(weights), -1).T.astype(np.int32)
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, -len(weights) % LANES))))
