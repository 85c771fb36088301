"""Pooling."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyqkit.emulate.carrier import integers_of
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other
from pyqkit.emulate.runner import Compute, Runner, runs
from pyqkit.formats import NumberFormat
from pyqkit.graph.ops.pool import MaxPool, SumPool


@runs("sum_pool")
class SumPoolRunner(Runner):
    """Sums of integers; a window of the whole image needs no windows."""

    def alone(self) -> Compute:
        op, (tensor,), kind = self.op, self.context.inputs, self.context.types[self.context.out.name]
        assert isinstance(op, SumPool)
        if op.sliding.covers(tensor.shape[:2]):
            return Kernel(partial(_of_all, tensor.format))

        def compute(x: list[np.ndarray]) -> np.ndarray:
            integers = integers_of(x[0], tensor.format)
            return op.windows(integers.astype(kind), 0).sum(axis=(-2, -1), dtype=kind)

        return compute


def _of_all(fmt: NumberFormat, x: list[np.ndarray], result: np.ndarray) -> Call:
    """What sums all pixels of carriers."""
    values, kind = x[0], result.dtype
    look: tuple[Call, ...] = ()
    if fmt.is_logarithmic:
        values = np.empty(x[0].shape, kind)
        look = (partial(np.take, fmt.integers.astype(kind), x[0], 0, values, "clip"),)
    frames, *_, channels = values.shape
    pixels, sums = values.reshape(frames, -1, channels), result.reshape(frames, channels)
    return one_after_the_other(*look, partial(np.add.reduce, pixels, 1, kind, sums))


@runs("max_pool")
class MaxPoolRunner(Runner):
    """The largest integer, where carriers are integers and not codes."""

    def alone(self) -> Compute:
        op, (tensor,) = self.op, self.context.inputs
        assert isinstance(op, MaxPool)
        if tensor.format.is_logarithmic:
            return super().alone()
        return lambda x: op.windows(x[0], np.iinfo(x[0].dtype).min).max(axis=(-2, -1))
