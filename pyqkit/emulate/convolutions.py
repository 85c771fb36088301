"""Convolutions of engine `exact`: the fastest carrier that holds every partial sum."""

from __future__ import annotations

import ctypes

import numpy as np

from pyqkit.emulate.layers import Compute, Factors, Layer, carriers_of, faster
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.convolution import Convolution


class ConvolutionKernel:
    """The fastest way to run a convolution that is exact.

    Parameters
    ----------
    op : Convolution
    tensor, out : Tensor
    library : ctypes.CDLL or None
        Compiled kernels.

    Attributes
    ----------
    carrier : str
        What products are summed in; empty if only the operator's own definition is exact.
    joins : bool
        Whether the kernel can add another branch to its sums.
    result_type : numpy.dtype or None
        Type of sums that are not requantised, where it is not int64.
    layer : Layer
    """

    def __init__(self, op: Convolution, tensor: Tensor, out: Tensor, library: ctypes.CDLL | None) -> None:
        self.layer = Layer(op, tensor, out, library)
        found = carriers_of(self.layer)
        self.carrier = next(iter(found), "")
        self._chosen = found.get(self.carrier)
        self.joins = self._chosen is not None and self._chosen.joins
        self.result_type: np.dtype | None = None if self._chosen is None else self._chosen.result_type

    def faster(self) -> dict[str, str]:
        """Carriers that would be faster, with what they lack."""
        return faster(self.layer, 0 if self._chosen is None else self._chosen.rate())

    def fits_join(self, factors: Factors, requantiser: Requantiser) -> bool:
        """Whether it holds the sum with that branch."""
        return self._chosen is not None and self._chosen.fits_join(factors, requantiser)

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        """The kernel as a function; see `pyqkit.emulate.layers.Carrier`."""
        assert self._chosen is not None and (self.joins or factors is None)
        return self._chosen.compile(requantiser, factors)
