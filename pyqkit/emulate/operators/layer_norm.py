"""Norms: moments as integers, results rounded in float64 where that is sure of the code."""

from __future__ import annotations

import ctypes

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type
from pyqkit.emulate.compute import Call, Compute, Kernel, prepared
from pyqkit.emulate.nearest import Nearest
from pyqkit.emulate.runner import Runner, runs
from pyqkit.emulate.unsure import Decided
from pyqkit.formats import NumberFormat
from pyqkit.graph.ops.layer_norm import LayerNorm


class _Norm(ctypes.Structure):
    """`Norm` of kernels/layer_norm.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("gains", "offsets", "integers")),
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
        norm = _Table(op, fmt)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            pixels = x[0].size // channels
            decided = Decided(
                op, tensor, out, x[0].reshape(pixels, channels), result.reshape(pixels, channels)
            )
            given = x[0], KERNEL_TYPES.index(kind), ctypes.c_int64(pixels)
            normalise = prepared(call, *given, norm.address, nearest.address, result, decided.unsure)

            def run() -> None:
                if normalise():
                    decided.decide()

            return run

        return Kernel(bind)


class _Table:
    """Gains and offsets of all channels, and what codes of Logarithmic Posits stand for."""

    def __init__(self, op: LayerNorm, fmt: NumberFormat) -> None:
        self._gains = _floats(op.gain_numerators, op.gain_denominators)
        self._offsets = _floats(op.offset_numerators, op.offset_denominators)
        # the operator takes integers below 2**31 alone
        self._integers = fmt.integers.astype(np.int32) if fmt.is_logarithmic else None
        integers = None if self._integers is None else self._integers.ctypes.data
        rows = self._gains.ctypes.data, self._offsets.ctypes.data, integers
        self._structure = _Norm(*rows, float(op.epsilon), len(self._gains), int(op.centred))
        self.address = ctypes.c_void_p(ctypes.addressof(self._structure))


def _floats(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    return np.array([n / d for n, d in zip(numerators.tolist(), denominators.tolist())])
