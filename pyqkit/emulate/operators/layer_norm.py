"""Norms: moments as integers, results rounded in float64 where that is sure of the code."""

from __future__ import annotations

import ctypes

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type, integers_of
from pyqkit.emulate.compute import Call, Compute, Kernel, prepared
from pyqkit.emulate.nearest import Nearest
from pyqkit.emulate.runner import Runner, runs
from pyqkit.emulate.unsure import Decided
from pyqkit.graph.ops.layer_norm import LayerNorm


class _Norm(ctypes.Structure):
    """`Norm` of kernels/layer_norm.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("gains", "offsets")),
        ("epsilon", ctypes.c_double),
        *((name, ctypes.c_int32) for name in ("channels", "centred")),
    ]


@runs("layer_norm")
class LayerNormRunner(Runner):
    """A kernel, and the definition for pixels in which a result is too close to a boundary."""

    def alone(self) -> Compute:
        op, (tensor,), out = self.op, self.context.inputs, self.context.out
        assert isinstance(op, LayerNorm)
        library, kind, channels = self.context.library, carrier_type(tensor), tensor.shape[2]
        if library is None or kind not in KERNEL_TYPES or not Nearest.fits(out):
            return super().alone()
        call, nearest, fmt = library.pyqkit_layer_norm, Nearest(out), tensor.format
        norm = _Table(op)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            pixels = x[0].size // channels
            decided = Decided(
                op, tensor, out, x[0].reshape(pixels, channels), result.reshape(pixels, channels)
            )
            integers = np.empty(x[0].shape, np.int32) if fmt.is_logarithmic else x[0]
            given = integers, KERNEL_TYPES.index(integers.dtype), ctypes.c_int64(pixels)
            normalise = prepared(call, *given, norm.address, nearest.address, result, decided.unsure)

            def run() -> None:
                if fmt.is_logarithmic:  # the operator takes those below 2**31 alone
                    integers[:] = integers_of(x[0], fmt)
                if normalise():
                    decided.decide()

            return run

        return Kernel(bind)


class _Table:
    """Gains and offsets of all channels."""

    def __init__(self, op: LayerNorm) -> None:
        self._gains = _floats(op.gain_numerators, op.gain_denominators)
        self._offsets = _floats(op.offset_numerators, op.offset_denominators)
        rows = self._gains.ctypes.data, self._offsets.ctypes.data
        self._structure = _Norm(*rows, float(op.epsilon), len(self._gains), int(op.centred))
        self.address = ctypes.c_void_p(ctypes.addressof(self._structure))


def _floats(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    return np.array([n / d for n, d in zip(numerators.tolist(), denominators.tolist())])
