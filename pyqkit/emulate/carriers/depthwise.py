"""Depthwise convolutions: sums in int32 of products of int16."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.requantiser import Requantiser


@carries("int16 depthwise")
class Depthwise(Carrier):
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
        weights = np.ascontiguousarray(operands.weights.reshape(layer.out.shape[2], -1).T.astype(np.int32))
        window = layer.window()

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values, expand = operands.expanded(x[0], np.dtype(np.int16))
            sums = result if requantiser is None else np.empty((len(values), *layer.out.shape), np.int32)
            run = prepared(call, values, np.array([len(values), *window], np.int32), weights, sums)
            behind = () if requantiser is None else (requantiser.bind(sums, result, layer.library),)
            return one_after_the_other(*expand, run, *behind)

        return Kernel(bind)
