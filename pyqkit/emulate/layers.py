"""A convolution as engine `exact` sees it, and what a carrier of its sums is.

A carrier says whether it provably holds every partial sum, decided from the real weights, how fast it is, and
how it runs. `convolutions.py` takes the fastest one; a file in `pyqkit/emulate/carriers` adds another.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyqkit.discovery import Registry
from pyqkit.emulate.compute import Compute
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.operands import LANES, Operands, factored_operands, linear_operands
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Factors
from pyqkit.emulate.terms import may_join
from pyqkit.formats import product
from pyqkit.formats.products import DecodedProduct
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.convolution import Convolution

__all__ = ["Carrier", "Compute", "Factors", "Layer", "carriers_of", "carries", "faster", "finished"]
TYPES = {
    np.dtype(t): i for i, t in enumerate((np.int8, np.uint8, np.int16, np.int32, np.int64))
}  # of kernels
KERNEL_ROWS = 64  # of a window of the compiled kernels


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution and what it reads and writes.

    Attributes
    ----------
    op : Convolution
    tensor, out : Tensor
    library : ctypes.CDLL or None
        Compiled kernels.
    """

    op: Convolution
    tensor: Tensor
    out: Tensor
    library: ctypes.CDLL | None

    @cached_property
    def decoded(self) -> bool:
        """Whether products are those of the integers of both codes."""
        return isinstance(product(self.tensor.format, self.op.weight_format), DecodedProduct)

    @cached_property
    def operands(self) -> Operands | None:
        """Numbers whose plain products, summed, are the accumulators; None if they exceed 64 bits."""
        if self.decoded:
            return linear_operands(self.op, self.tensor)
        return factored_operands(self.op, self.tensor, product(self.tensor.format, self.op.weight_format))

    @cached_property
    def suits_kernels(self) -> bool:
        """Whether the compiled kernels know the window, however it is grouped."""
        if self.library is None or self.operands is None or self.op.dilation != (1, 1):
            return False
        return self._row_bytes(self.operands.copies) <= INT32

    @property
    def suits_dense_kernels(self) -> bool:
        """Whether those kernels know it that form each output from all channels."""
        return self.suits_kernels and self.op.groups == 1 and self.op.kernel[0] <= KERNEL_ROWS

    @property
    def largest_sum(self) -> int | None:
        """Bound of every partial sum, proven from the weights; None beyond 64 bits."""
        return None if self.operands is None else self.operands.largest_sum

    @property
    def no_kernel(self) -> str:
        """Why no compiled kernel that forms each output from all channels runs it, in a few words."""
        if self.suits_dense_kernels:
            return ""
        if self.library is None:
            return "no compiled kernels"
        if self.operands is None:
            return "operands beyond 64 bits"
        if self.op.dilation != (1, 1):
            return "a dilated window"
        return f"{self.op.groups} groups" if self.op.groups > 1 else "too large a window"

    def _row_bytes(self, copies: int) -> int:
        """Bytes of a padded row of float64 activations or of a row of sums, whichever is longer.

        Kernels count them in 32 bits.
        """
        _, left, _, right = self.op.padding
        _, width, channels = self.tensor.shape
        _, columns, outputs = self.out.shape
        return 8 * max((left + width + right) * channels * copies, columns * (outputs + LANES))

    def window(self, copies: int = 1) -> list[int]:
        """`Window` of kernels/window.hpp without the frames; `copies` numbers stand for each activation."""
        op, (rows, columns, outputs) = self.op, self.out.shape
        height, width, channels = self.tensor.shape
        image = [height, width, channels * copies]
        return [*image, rows, columns, outputs, *op.kernel, *op.stride, *op.padding]


class Carrier:
    """What the products of a layer are summed in.

    Parameters
    ----------
    layer : Layer

    Attributes
    ----------
    joins : bool
        Whether `compile` takes `factors`, if `fits_join` allows them.
    joined_bits : int
        Of the integers that it then adds: 32 or 64.
    result_type : numpy.dtype or None
        Type of sums that are not requantised; None for int64.
    speed : float
        What `rate` gives where the carrier is exact, if that is one number.
    special : bool
        Whether it is for layers of one kind alone, which others do not lack.
    """

    speed: float = 0
    special: bool = False
    joins: bool = False
    joined_bits: int = 32
    result_type: np.dtype | None = None

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def rate(self) -> float:
        """Multiplications a second in billions that the kernel reaches, about; 0 unless it is exact.

        Where several numbers stand for an activation it multiplies each. A rate orders carriers and nothing
        else: it is that of one core with AVX-512 VNNI.
        """
        if self.lacks() or self.layer.operands is None:
            return 0
        return self.speed / self.layer.operands.copies

    def lacks(self) -> str:
        """Why it is not exact for the layer, in a few words; empty where it is.

        A carrier without a `speed` says it by `rate` alone.
        """
        return "" if self.rate() else "other layers"

    def fits_join(self, factors: Factors, requantiser: Requantiser) -> bool:
        """Whether the kernel holds the sum with another branch."""
        terms = [(factors.sums, self.layer.out), (factors.other, factors.tensor)]
        return self.joins and may_join(terms, factors.kind, requantiser, self.joined_bits)

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        """What computes the layer.

        Parameters
        ----------
        requantiser : Requantiser, optional
            Run on the sums.
        factors : Factors, optional
            Of the sums and of another tensor, the function's second argument, that is added to them.
        """
        raise NotImplementedError


_carriers = Registry[type[Carrier]]("pyqkit.emulate.carriers")


def carries(name: str) -> Callable[[type[Carrier]], type[Carrier]]:
    """Decorator that registers a carrier under the name that users of the engine see."""
    return _carriers.register(name)


def carriers_of(layer: Layer) -> dict[str, Carrier]:
    """All that are exact for a layer by name, the fastest first."""
    rates: dict[str, float] = {}
    found: dict[str, Carrier] = {}
    for name in _carriers.names():
        kind = _carriers.get(name)
        assert kind is not None
        found[name] = kind(layer)
        rates[name] = found[name].rate()
    return {name: found[name] for name in sorted(found, key=lambda n: (-rates[n], n)) if rates[name]}


def faster(layer: Layer, rate: float) -> dict[str, str]:
    """Carriers that would be faster than `rate`, the next better first, with what each lacks."""
    kinds = {name: _carriers.get(name) for name in _carriers.names()}
    better = {name: kind for name, kind in kinds.items() if kind and not kind.special and kind.speed > rate}
    order = sorted(better, key=lambda name: (better[name].speed, name))
    return {name: lack for name in order if (lack := better[name](layer).lacks())}


def finished(sums: np.ndarray, requantiser: Requantiser | None, layer: Layer) -> np.ndarray:
    """Sums as they are, or requantised in a pass of their own."""
    return sums if requantiser is None else requantiser.apply(sums, layer.library)
