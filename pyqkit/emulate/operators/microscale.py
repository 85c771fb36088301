"""Blocks of channels that share a power of two, by shifts of integers."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type
from pyqkit.emulate.compute import Call, Compute, Kernel, one_after_the_other, prepared
from pyqkit.emulate.runner import Runner, runs
from pyqkit.formats.microscopiq.values import SPREAD
from pyqkit.graph.ops.microscale import Microscale

_LARGEST = 2**30  # magnitude that shifts with rounding hold in 32 bits


class _Microscale(ctypes.Structure):
    """`Microscale` of kernels/microscale.cpp."""

    _fields_ = [(name, ctypes.c_int32) for name in ("type", "channels", "most", "lowest", "highest")]


@runs("microscale")
class MicroscaleRunner(Runner):
    """A kernel, and the definition for integers beyond 31 bits and for codes."""

    def alone(self) -> Compute:
        op, (tensor,), library = self.op, self.context.inputs, self.context.library
        assert isinstance(op, Microscale)
        if library is None or tensor.format.is_logarithmic or max(-tensor.low, tensor.high) > _LARGEST:
            return super().alone()
        assert carrier_type(self.context.out) == np.int16  # what the kernel writes, of any width
        call, ends = library.pyqkit_microscale, (op.lowest, op.lowest + SPREAD)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            values = x[0]
            before: tuple[Call, ...] = ()
            if values.dtype not in KERNEL_TYPES:
                values = np.empty(x[0].shape, np.int32)
                before = (partial(np.copyto, values, x[0], "unsafe"),)
            channels = values.shape[-1]
            what = _Microscale(
                KERNEL_TYPES.index(values.dtype), channels, op.format.element_format.high, *ends
            )
            pixels = ctypes.c_int64(values.size // channels)
            run = prepared(call, ctypes.byref(what), values, pixels, result)
            return one_after_the_other(*before, run)

        return Kernel(bind)
