"""Sums in float64 that stand for integers, exact below 2**53, in compiled kernels that also requantise."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pyqkit.emulate.kernels import pointer
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.operands import LANES
from pyqkit.emulate.requantiser import Requantiser

EXACT = 2**53  # integers below it are float64


class _Sums(ctypes.Structure):
    """`Sums` of kernels/wide.hpp."""

    _fields_ = [
        ("sums", ctypes.c_void_p),
        ("wide", ctypes.c_int32),
        ("requantiser", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
    ]


class _Wide(Carrier):
    def _in_float64(
        self, call: Callable[[np.ndarray, Any], None], requantiser: Requantiser | None
    ) -> Compute:
        def compute(x: list[np.ndarray]) -> np.ndarray:
            shape = (len(x[0]), *self.layer.out.shape)
            if requantiser is None:
                sums = np.empty(shape)
                call(x[0], ctypes.byref(_Sums(sums=sums.ctypes.data)))
                return sums.astype(np.int64)
            result = np.empty(shape, requantiser.out_type)
            wide = int(requantiser.sum_type == np.int64)
            to = _Sums(wide=wide, requantiser=requantiser.address, out=result.ctypes.data)
            call(x[0], ctypes.byref(to))
            return result

        return compute


@carries("float64")
class Float64(_Wide):
    """Products of float64."""

    def rate(self) -> float:
        operands = self.layer.operands
        fits = operands is not None and self.layer.suits_dense_kernels and operands.largest_sum < EXACT
        return 7 if fits else 0

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, operands = self.layer, self.layer.operands
        assert operands is not None
        call: Any = layer.library.pyqkit_convolve_wide  # type: ignore[union-attr]
        outputs = layer.out.shape[2]
        padded = np.zeros((-(-outputs // LANES) * LANES, operands.weights[0].size))
        padded[:outputs] = operands.weights.reshape(outputs, -1)
        panels = np.ascontiguousarray(padded.reshape(-1, LANES, padded.shape[1]).transpose(0, 2, 1))
        window = layer.window(operands.copies)

        def run(carrier: np.ndarray, sums: Any) -> None:
            values = operands.expand(carrier, np.dtype(np.float64))
            shape = np.array([len(values), *window], np.int32)
            call(pointer(values), pointer(shape), pointer(panels), sums)

        return self._in_float64(run, requantiser)


@carries("float32 products in float64")
class Chosen(_Wide):
    """One product for each activation, although it has several copies: the others are zero."""

    def rate(self) -> float:
        operands = self.layer.operands
        if operands is None or not self.layer.suits_dense_kernels or operands.copies == 1:
            return 0
        fits = operands.largest_sum < EXACT and np.abs(operands.weights).max() < 2**24
        return 8 if fits else 0

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

        def run(carrier: np.ndarray, sums: Any) -> None:
            codes = np.ascontiguousarray(carrier, np.uint8)
            shape = np.array([len(codes), *window], np.int32)
            matrices = (len(chosen), pointer(chosen), pointer(scale), copies, pointer(panels))
            call(pointer(codes), pointer(shape), zero, *matrices, sums)

        return self._in_float64(run, requantiser)
