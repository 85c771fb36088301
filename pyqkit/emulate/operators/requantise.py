"""Requantisers that do not run inside the kernel before them."""

from __future__ import annotations

from pyqkit.emulate.carrier import integers_of
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
        requantiser = Requantiser(self.op, tensor, self.context.out)
        return lambda x: requantiser.apply(integers_of(x[0], tensor.format), library)
