"""Integers times factors of their channel or pixel, and products of streams, in the type of the result.

What overflows on the way does not matter: results fit, and integers wrap round.
"""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.compute import Call, Compute, Kernel, one_after_the_other
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Runner, runs
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.graph.ops.pixel_scale import PixelScale


class _Products(Runner):
    """Products of the first input, and a number that is added."""

    def _by(self, x: list[np.ndarray], kind: np.dtype) -> tuple[np.ndarray, np.ndarray | None]:
        """Other factors of the products, and what is added."""
        raise NotImplementedError

    def alone(self) -> Compute:
        if any(tensor.format.is_logarithmic for tensor in self.context.inputs):
            return super().alone()
        return Kernel(self._written)

    def fused(self, requantiser: Requantiser) -> Compute | None:
        library = self.context.library
        if library is None or any(tensor.format.is_logarithmic for tensor in self.context.inputs):
            return None

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            sums = np.empty(x[0].shape, requantiser.sum_type)
            return one_after_the_other(self._written(x, sums), requantiser.bind(sums, result, library))

        return Kernel(bind)

    def _written(self, x: list[np.ndarray], out: np.ndarray) -> Call:
        factors, offsets = self._by(x, out.dtype)

        def call() -> None:
            np.multiply(x[0], factors, out=out, dtype=out.dtype, casting="unsafe")
            if offsets is not None:
                np.add(out, offsets, out=out)

        return call


@runs("pixel_offset")
class PixelOffsetRunner(_Products):
    """Factors of channels, offsets of elements."""

    def _by(self, x: list[np.ndarray], kind: np.dtype) -> tuple[np.ndarray, np.ndarray | None]:
        assert isinstance(self.op, PixelOffset)
        return self.op.factors.astype(kind), self.op.offsets.astype(kind)


@runs("pixel_scale")
class PixelScaleRunner(_Products):
    """Factors of pixels."""

    def _by(self, x: list[np.ndarray], kind: np.dtype) -> tuple[np.ndarray, np.ndarray | None]:
        assert isinstance(self.op, PixelScale)
        return self.op.factors[:, :, None].astype(kind), None


@runs("product")
class ProductRunner(_Products):
    """Another stream."""

    def _by(self, x: list[np.ndarray], kind: np.dtype) -> tuple[np.ndarray, np.ndarray | None]:
        return x[1], None
