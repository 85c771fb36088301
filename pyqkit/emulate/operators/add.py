"""Residual addition."""

from __future__ import annotations

from functools import reduce

import numpy as np

from pyqkit.emulate.carrier import integers_of
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Compute, Runner, runs
from pyqkit.emulate.terms import compile_add
from pyqkit.graph.ops.add import Add


@runs("add")
class AddRunner(Runner):
    """A kernel with the requantiser inside, else sums in int64."""

    def alone(self) -> Compute:
        assert isinstance(self.op, Add)
        terms = list(zip(self.op.multipliers, self.context.inputs))

        def compute(x: list[np.ndarray]) -> np.ndarray:
            products = (
                factors * integers_of(values, tensor.format).astype(np.int64)
                for values, (factors, tensor) in zip(x, terms)
            )
            return reduce(np.add, products)

        return compute

    def fused(self, requantiser: Requantiser) -> Compute | None:
        assert isinstance(self.op, Add)
        tensors, library = self.context.inputs, self.context.library
        if library is None:
            return None
        kinds = [self.context.types[tensor.name] for tensor in tensors]
        return compile_add(self.op, tensors, kinds, requantiser, library)
