"""Pooling."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.carrier import integers_of
from pyqkit.emulate.runner import Compute, Runner, runs
from pyqkit.graph.ops.pool import MaxPool, SumPool


@runs("sum_pool")
class SumPoolRunner(Runner):
    """Sums of integers; a window of the whole image needs no windows."""

    def alone(self) -> Compute:
        op, (tensor,), kind = self.op, self.context.inputs, self.context.types[self.context.out.name]
        assert isinstance(op, SumPool)

        def compute(x: list[np.ndarray]) -> np.ndarray:
            integers = integers_of(x[0], tensor.format)
            if op.sliding.covers(integers.shape[1:3]):
                return integers.sum(axis=(1, 2), keepdims=True, dtype=kind)
            return op.windows(integers.astype(kind), 0).sum(axis=(-2, -1), dtype=kind)

        return compute


@runs("max_pool")
class MaxPoolRunner(Runner):
    """The largest integer, where carriers are integers and not codes."""

    def alone(self) -> Compute:
        op, (tensor,) = self.op, self.context.inputs
        assert isinstance(op, MaxPool)
        if tensor.format.is_logarithmic:
            return super().alone()
        return lambda x: op.windows(x[0], np.iinfo(x[0].dtype).min).max(axis=(-2, -1))
