"""Convolutions of engine `exact`.

Which carrier holds every partial sum, decided from the real weights, and its kernel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pyqkit.emulate.kernels import INT32, pointer
from pyqkit.emulate.operands import LANES, Operands, factored_operands, linear_operands
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.terms import Term
from pyqkit.formats import product
from pyqkit.formats.products import DecodedProduct
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.convolution import Convolution

Compute = Callable[[list[np.ndarray]], np.ndarray]


class _Sums(ctypes.Structure):
    """`Sums` of kernels/wide.hpp."""

    _fields_ = [
        ("sums", ctypes.c_void_p),
        ("wide", ctypes.c_int32),
        ("requantiser", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
    ]


class ConvolutionKernel:
    """The fastest way to run a convolution that is exact.

    Parameters
    ----------
    op : Convolution
    tensor, out : Tensor
    library : ctypes.CDLL or None
        Compiled kernels.

    Attributes
    ----------
    carrier : str
        What products are summed in; empty if only the operator's own definition is exact.
    """

    def __init__(self, op: Convolution, tensor: Tensor, out: Tensor, library: ctypes.CDLL | None) -> None:
        self._op, self._tensor, self._out, self._library = op, tensor, out, library
        pair = product(tensor.format, op.weight_format)
        decoded = isinstance(pair, DecodedProduct)
        self._operands = linear_operands(op, tensor) if decoded else factored_operands(op, tensor, pair)
        self.carrier = "" if self._operands is None else self._choose(self._operands, decoded)

    def _choose(self, operands: Operands, decoded: bool) -> str:
        op, bound = self._op, operands.largest_sum
        compiled = (
            self._library is not None and op.dilation == (1, 1) and self._row_bytes(operands.copies) <= INT32
        )
        if compiled and op.groups == 1 and op.kernel[0] <= 64:
            if operands.fits(8) and 255 * operands.weight_sum <= INT32 and decoded:
                return "int8"
            if operands.fits(16) and bound <= INT32:
                return "int16"
            if 2**24 <= bound < 2**53:
                chosen = operands.copies > 1 and np.abs(operands.weights).max() < 2**24
                return "float32 products in float64" if chosen else "float64"
        depthwise = op.groups == self._tensor.shape[2] == len(op.weights)
        if compiled and depthwise and operands.fits(16) and bound <= INT32 and operands.lookup is None:
            return "int16 depthwise"
        if bound < 2**24:
            return "float32 by BLAS"
        return "float64 by BLAS" if bound < 2**53 else ""

    def _row_bytes(self, copies: int) -> int:
        """Bytes of a padded row of float64 activations or of a row of sums, whichever is longer.

        Kernels count them in 32 bits.
        """
        _, left, _, right = self._op.padding
        _, width, channels = self._tensor.shape
        _, columns, outputs = self._out.shape
        return 8 * max((left + width + right) * channels * copies, columns * (outputs + LANES))

    @property
    def joins(self) -> bool:
        """Whether the kernel can add another branch to its sums."""
        return self.carrier in ("int8", "int16")

    @property
    def sums_in_32_bits(self) -> bool:
        """Whether sums that are not requantised are int32; else they are int64."""
        return self.carrier in ("int8", "int16", "int16 depthwise")

    def compile(
        self, requantiser: Requantiser | None, factors: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Compute:
        """The kernel as a function.

        Parameters
        ----------
        requantiser : Requantiser, optional
            Run inside the kernel.
        factors : tuple of numpy.ndarray, shape (channels,), optional
            Multipliers of the sums and of another tensor, the function's second argument, that is added to
            them.
        """
        assert self._operands is not None and (self.joins or factors is None)
        if self.carrier in ("int8", "int16"):
            return self._narrow(self._operands, 4 if self.carrier == "int8" else 2, requantiser, factors)
        if self.carrier == "int16 depthwise":
            return self._depthwise(self._operands, requantiser)
        if self.carrier == "float64":
            return self._wide(self._operands, requantiser)
        if self.carrier == "float32 products in float64":
            return self._chosen(self._operands, requantiser)
        multiply = self._operands.multiplier(
            self._op, np.float32 if self.carrier == "float32 by BLAS" else np.float64
        )
        return lambda x: _finish(multiply(x[0]), requantiser, self._library)

    def _window(self, channels: int) -> list[int]:
        op, (rows, columns, outputs) = self._op, self._out.shape
        return [
            *self._tensor.shape[:2],
            channels,
            rows,
            columns,
            outputs,
            *op.kernel,
            *op.stride,
            *op.padding,
        ]

    def _narrow(
        self,
        operands: Operands,
        group: int,
        requantiser: Requantiser | None,
        factors: tuple[np.ndarray, np.ndarray] | None,
    ) -> Compute:
        """Sums in int32 of products of int8 (`group` 4 elements at a time) or int16 (2 elements)."""
        call: Any = self._library.pyqkit_convolve  # type: ignore[union-attr]
        signed = operands.low < 0
        flip = int(group == 4 and signed)  # the kernel multiplies unsigned bytes by signed ones
        panels, start = operands.panels(group, flip)
        constants = group, flip, 128 * flip, pointer(panels), pointer(start)
        kind = np.dtype(np.int16 if group == 2 else np.int8 if signed else np.uint8)
        window = self._window(self._tensor.shape[2] * operands.copies)
        scale, factor = (np.ascontiguousarray(f, np.int32) for f in factors or ((), ()))

        def summed(values: np.ndarray, result: np.ndarray, *behind: Any) -> np.ndarray:
            shape = np.array([len(values), *window], np.int32)
            call(pointer(values), pointer(shape), *constants, *behind)
            return result

        def plain(x: list[np.ndarray]) -> np.ndarray:
            result = np.empty((len(x[0]), *self._out.shape), np.int32)
            return summed(operands.expand(x[0], kind), result, pointer(result), None, None, None, None)

        def requantised(x: list[np.ndarray]) -> np.ndarray:
            assert requantiser is not None
            result = np.empty((len(x[0]), *self._out.shape), requantiser.out_type)
            joining = (ctypes.byref(Term.of(x[1], factor)), pointer(scale)) if factors else (None, None)
            behind = (None, *joining, requantiser.argument, pointer(result))
            return summed(operands.expand(x[0], kind), result, *behind)

        compute = plain if requantiser is None else requantised

        compute.keep = panels, start  # type: ignore[attr-defined] # the pointers above live as long as the step
        return compute

    def _depthwise(self, operands: Operands, requantiser: Requantiser | None) -> Compute:
        call: Any = self._library.pyqkit_depthwise  # type: ignore[union-attr]
        weights = np.ascontiguousarray(operands.weights.reshape(self._out.shape[2], -1).T.astype(np.int32))
        window = self._window(self._tensor.shape[2])

        def compute(x: list[np.ndarray]) -> np.ndarray:
            values = np.ascontiguousarray(x[0], np.int16)
            sums = np.empty((len(values), *self._out.shape), np.int32)
            call(
                pointer(values),
                pointer(np.array([len(values), *window], np.int32)),
                pointer(weights),
                pointer(sums),
            )
            return _finish(sums, requantiser, self._library)

        return compute

    def _wide(self, operands: Operands, requantiser: Requantiser | None) -> Compute:
        outputs = self._out.shape[2]
        padded = np.zeros((-(-outputs // LANES) * LANES, operands.weights[0].size))
        padded[:outputs] = operands.weights.reshape(outputs, -1)
        panels = np.ascontiguousarray(padded.reshape(-1, LANES, padded.shape[1]).transpose(0, 2, 1))
        window = self._window(self._tensor.shape[2] * operands.copies)

        def call(carrier: np.ndarray, sums: Any) -> None:
            values = operands.expand(carrier, np.dtype(np.float64))
            shape = np.array([len(values), *window], np.int32)
            self._library.pyqkit_convolve_wide(pointer(values), pointer(shape), pointer(panels), sums)  # type: ignore[union-attr]

        return self._in_float64(call, requantiser)

    def _chosen(self, operands: Operands, requantiser: Requantiser | None) -> Compute:
        """One product for each activation, although it has several copies: the others are zero."""
        assert operands.lookup is not None
        outputs, copies = self._out.shape[2], operands.copies
        chosen = np.abs(operands.lookup).argmax(axis=1).astype(np.int32)
        scale = np.take_along_axis(operands.lookup, chosen[:, None], axis=1)[:, 0].astype(np.float64)
        padded = np.zeros((-(-outputs // LANES) * LANES, self._op.weights[0].size, copies), np.float32)
        padded[:outputs] = operands.weights.reshape(outputs, -1, copies)
        panels = np.ascontiguousarray(padded.reshape(-1, LANES, *padded.shape[1:]).transpose(0, 3, 2, 1))
        window = self._window(self._tensor.shape[2])
        zero = self._tensor.format.zero_code

        def call(carrier: np.ndarray, sums: Any) -> None:
            codes = np.ascontiguousarray(carrier, np.uint8)
            shape = np.array([len(codes), *window], np.int32)
            matrices = (len(chosen), pointer(chosen), pointer(scale), copies, pointer(panels))
            self._library.pyqkit_convolve_chosen(pointer(codes), pointer(shape), zero, *matrices, sums)  # type: ignore[union-attr]

        return self._in_float64(call, requantiser)

    def _in_float64(
        self, call: Callable[[np.ndarray, Any], None], requantiser: Requantiser | None
    ) -> Compute:
        def compute(x: list[np.ndarray]) -> np.ndarray:
            shape = (len(x[0]), *self._out.shape)
            if requantiser is None:
                sums = np.empty(shape)
                call(x[0], ctypes.byref(_Sums(sums=sums.ctypes.data)))
                return sums.astype(np.int64)
            result = np.empty(shape, requantiser.out_type)
            wide = int(requantiser.sum_type == np.int64)
            call(
                x[0], ctypes.byref(_Sums(wide=wide, requantiser=requantiser.address, out=result.ctypes.data))
            )
            return result

        return compute


def _finish(sums: np.ndarray, requantiser: Requantiser | None, library: ctypes.CDLL | None) -> np.ndarray:
    return sums if requantiser is None else requantiser.apply(sums, library)
