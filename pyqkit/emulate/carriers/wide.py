"""Sums in float64 that stand for integers, exact below 2**53, in compiled kernels that also requantise."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.operands import LANES
from pyqkit.emulate.requantiser import Requantiser

Inputs = tuple[tuple[object, ...], tuple[Call, ...]]  # arguments, and what fills them
EXACT = 2**53  # integers below it are float64


class _Sums(ctypes.Structure):
    """`Sums` of kernels/wide.cpp."""

    _fields_ = [
        ("sums", ctypes.c_void_p),
        ("wide", ctypes.c_int32),
        ("requantiser", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
    ]


class _Wide(Carrier):
    def _in_float64(
        self, call: Any, inputs: Callable[[np.ndarray], Inputs], requantiser: Requantiser | None
    ) -> Compute:
        """A kernel that is given arguments of activations, and writes `_Sums`."""

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            arguments, before = inputs(x[0])
            if requantiser is None:
                sums = np.empty(result.shape)
                to = _Sums(sums=sums.ctypes.data)
                behind: tuple[Call, ...] = (partial(np.copyto, result, sums, "unsafe"),)
            else:
                wide = int(requantiser.sum_type == np.int64)
                to = _Sums(wide=wide, requantiser=requantiser.address, out=result.ctypes.data)
                behind = ()
            return one_after_the_other(*before, prepared(call, *arguments, ctypes.byref(to)), *behind)

        return Kernel(bind)


@carries("float64")
class Float64(_Wide):
    """Products of float64."""

    speed = 7

    def lacks(self) -> str:
        bound = self.layer.largest_sum
        if bound is None or self.layer.no_kernel:
            return self.layer.no_kernel
        return "" if bound < EXACT else f"sums reach {bound:,}"

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert operands is not None
        call: Any = layer.library.pyqkit_convolve_wide  # type: ignore[union-attr]
        outputs = layer.out.shape[2]
        padded = np.zeros((-(-outputs // LANES) * LANES, operands.weights[0].size))
        padded[:outputs] = operands.weights.reshape(outputs, -1)
        panels = np.ascontiguousarray(padded.reshape(-1, LANES, padded.shape[1]).transpose(0, 2, 1))
        window = layer.window(operands.copies)

        def inputs(carrier: np.ndarray) -> Inputs:
            values, expand = operands.expanded(carrier, np.dtype(np.float64))
            return (values, np.array([len(values), *window], np.int32), panels), expand

        return self._in_float64(call, inputs, requantiser)


@carries("float32 products in float64")
class Chosen(_Wide):
    """One product for each activation, although it has several copies: the others are zero."""

    special = True

    def rate(self) -> float:
        return 0 if self.lacks() else 8

    def lacks(self) -> str:
        operands = self.layer.operands
        if operands is None or self.layer.no_kernel:
            return self.layer.no_kernel
        if operands.copies == 1:
            return "one number stands for an activation"
        fits = operands.largest_sum < EXACT and np.abs(operands.weights).max() < 2**24
        return "" if fits else f"sums reach {operands.largest_sum:,}"

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert operands is not None and operands.lookup is not None
        call: Any = layer.library.pyqkit_convolve_chosen  # type: ignore[union-attr]
        outputs, copies = layer.out.shape[2], operands.copies
        chosen = np.abs(operands.lookup).argmax(axis=1).astype(np.int32)
        scale = np.take_along_axis(operands.lookup, chosen[:, None], axis=1)[:, 0].astype(np.float64)
        padded = np.zeros((-(-outputs // LANES) * LANES, layer.op.weights[0].size, copies), np.float32)
        padded[:outputs] = operands.weights.reshape(outputs, -1, copies)
        panels = np.ascontiguousarray(padded.reshape(-1, LANES, *padded.shape[1:]).transpose(0, 3, 2, 1))
        window, zero = layer.window(), layer.tensor.format.zero_code

        def inputs(codes: np.ndarray) -> Inputs:
            shape = np.array([len(codes), *window], np.int32)
            return (codes, shape, zero, len(chosen), chosen, scale, copies, panels), ()

        return self._in_float64(call, inputs, requantiser)
