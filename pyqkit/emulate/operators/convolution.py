"""Convolutions, on the fastest carrier that holds every partial sum."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.convolutions import ConvolutionKernel
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Choice, Compute, Context, Factors, Runner, runs
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution


@runs("convolution")
class ConvolutionRunner(Runner):
    """A kernel where one is exact, else the definition."""

    def __init__(self, op: Operator, context: Context) -> None:
        super().__init__(op, context)
        assert isinstance(op, Convolution)
        self._kernel = ConvolutionKernel(op, context.inputs[0], context.out, context.library)
        self.carrier, self.joins = self._kernel.carrier, self._kernel.joins

    def choice(self) -> Choice:
        return Choice(self._kernel.layer.largest_sum, self._kernel.faster())

    def alone(self) -> Compute:
        return self._kernel.compile(None) if self.carrier else super().alone()

    def fused(self, requantiser: Requantiser) -> Compute | None:
        return self._kernel.compile(requantiser) if self.carrier else None

    def joined(self, requantiser: Requantiser, factors: Factors) -> Compute | None:
        fits = self._kernel.fits_join(factors, requantiser)
        return self._kernel.compile(requantiser, factors) if fits else None

    def result_type(self) -> np.dtype | None:
        """As the kernel writes it: narrowing would cost a pass."""
        return self._kernel.result_type
