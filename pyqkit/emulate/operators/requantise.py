"""Requantisers that do not run inside the kernel before them."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.carrier import integers_of
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Compute, Runner, runs
from pyqkit.graph.ops.requantise import Rescale, Threshold


@runs("threshold")
@runs("rescale")
class RequantiseRunner(Runner):
    """By look-up or arithmetic on integers, compiled where that is possible."""

    def alone(self) -> Compute:
        assert isinstance(self.op, (Threshold, Rescale))
        (tensor,), library = self.context.inputs, self.context.library
        requantiser = Requantiser(self.op, tensor, self.context.out, library)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            if not tensor.format.is_logarithmic and x[0].dtype == requantiser.sum_type:
                return requantiser.bind(x[0], result, library)
            sums = np.empty(x[0].shape, requantiser.sum_type)

            def widen() -> None:
                sums[...] = integers_of(x[0], tensor.format)

            return one_after_the_other(widen, requantiser.bind(sums, result, library))

        return Kernel(bind)
