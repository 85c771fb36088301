"""Operands of a convolution as plain numbers.

What is multiplied, how large sums get, how weights lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from pyqkit.emulate.compute import Call
from pyqkit.formats import Product
from pyqkit.formats.base import MAX_TABLE_BITS
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.convolution import Convolution

LANES = 16  # outputs of one vector of sums


@dataclass(frozen=True, eq=False)
class Operands:
    """Activations and weights whose plain products, summed, are the accumulators.

    Attributes
    ----------
    weights : numpy.ndarray of int, shape (outputs, kernel height, kernel width, channels * copies)
    low, high : int
        Range of the activations.
    lookup : numpy.ndarray or None, shape (codes, copies)
        Activations of each code, for formats whose products are no plain products: `copies` numbers of which
        at most one is not zero. None if the activation is the carrier itself.
    """

    weights: np.ndarray
    low: int
    high: int
    lookup: np.ndarray | None = None
    copies: int = field(default=1)

    @cached_property
    def weight_sum(self) -> int:
        """Largest sum of absolute weights of an output."""
        rows = self.weights.reshape(len(self.weights), -1)
        positive, negative = (rows.sum(axis=1, dtype=np.int64, where=side) for side in (rows > 0, rows < 0))
        return int((positive - negative).max())

    @property
    def largest_sum(self) -> int:
        """Bound of every partial sum."""
        return max(-self.low, self.high) * self.weight_sum

    def exceeding(self, bits: int) -> str:
        """What does not fit signed integers of `bits` bits, in words; empty if all does.

        Activations of 8 bits may be unsigned too.
        """
        end = 2 ** (bits - 1)
        low, high = int(self.weights.min()), int(self.weights.max())
        signed = -end <= self.low and self.high < end
        unsigned = bits == 8 and self.low >= 0 and self.high < 256
        wide = [] if signed or unsigned else [f"activations {self.low:,} to {self.high:,}"]
        wide += [] if -end <= low and high < end else [f"weights {low:,} to {high:,}"]
        return f"{' and '.join(wide)} exceed {bits} bits" if wide else ""

    def fits(self, bits: int) -> bool:
        """Whether activations and weights fit, as `exceeding` says."""
        return not self.exceeding(bits)

    def expand(self, carrier: np.ndarray, kind: np.dtype) -> np.ndarray:
        """Activations of a carrier, channels times copies."""
        if self.lookup is None:
            return np.ascontiguousarray(carrier, kind)
        return self.lookup.astype(kind)[carrier].reshape(*carrier.shape[:-1], -1)

    def expanded(self, carrier: np.ndarray, kind: np.dtype) -> tuple[np.ndarray, tuple[Call, ...]]:
        """An array for what `expand` gives of a carrier that stays in place, and what fills it."""
        if self.lookup is None and carrier.dtype == kind:
            return carrier, ()
        values = np.empty((*carrier.shape[:-1], carrier.shape[-1] * self.copies), kind)
        if self.lookup is None:
            return values, (partial(np.copyto, values, carrier, "unsafe"),)
        rows, table = values.reshape(*carrier.shape, self.copies), self.lookup.astype(kind)
        return values, (partial(np.take, table, carrier, 0, rows, "wrap"),)

    def panels(self, group: int, flip: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights as the kernels read them, and the sums to start from.

        Their order is [block][kernel row][group][lane][element].
        """
        outputs, height, width, channels = self.weights.shape
        blocks, groups = -(-outputs // LANES), -(-width * channels // group)
        padded = np.zeros((blocks * LANES, height, groups * group), np.int8 if group == 4 else np.int16)
        padded[:outputs, :, : width * channels] = self.weights.reshape(outputs, height, -1)
        order = padded.reshape(blocks, LANES, height, groups, group).transpose(0, 2, 3, 1, 4)
        start = np.zeros(blocks * LANES, np.int32)
        if flip:  # activations are offset by 128, so that they are unsigned
            start[:outputs] = -128 * self.weights.reshape(outputs, -1).sum(axis=1)
        return np.ascontiguousarray(order), start

    def multiplier(self, op: Convolution, kind: type) -> Callable[[np.ndarray], np.ndarray]:
        """Convolution by BLAS in floating-point type `kind`, exact by the bound on sums; gives int64."""
        inputs, outputs = self.weights.shape[3], len(self.weights) // op.groups  # of a group
        parts = self.weights.reshape(op.groups, outputs, -1)
        matrices: list[np.ndarray] = [part.T.astype(kind) for part in parts]

        def multiply(carrier: np.ndarray) -> np.ndarray:
            windows = op.windows(self.expand(carrier, np.dtype(kind)), 0)
            pixels = windows.shape[:3]
            sums: np.ndarray = np.empty((*pixels, op.groups * outputs), kind)
            for group, matrix in enumerate(matrices):
                rows = windows[..., group * inputs : (group + 1) * inputs].reshape(-1, len(matrix))
                found = (rows @ matrix).reshape(*pixels, outputs)
                sums[..., group * outputs : (group + 1) * outputs] = found
            return sums.astype(np.int64)

        return multiply


def linear_operands(op: Convolution, tensor: Tensor) -> Operands | None:
    """Integers of both formats; None if they exceed 64 bits."""
    tables = [op.weight_format.integers]
    if tensor.format.bits <= MAX_TABLE_BITS:  # wider ones are integers, which have no table
        tables.append(tensor.format.base.integers)
    if any(table.dtype == object for table in tables):
        return None
    low, high = tensor.low, tensor.high
    if any(op.padding):  # which puts zeros beside the activations
        low, high = min(low, 0), max(high, 0)
    lookup = tensor.format.integers[:, None] if tensor.format.is_logarithmic else None
    return Operands(_weight_integers(op), low, high, lookup)


def _weight_integers(op: Convolution) -> np.ndarray:
    """Integers of the weights, shifts applied, in the narrowest type: a large layer has millions of them."""
    integers = op.weight_format.integers
    farthest = 0 if op.shifts is None else int(op.shifts.max())
    low, high = int(integers.min()) << farthest, int(integers.max()) << farthest
    kinds = (np.int8, np.int16, np.int32)
    kind = next((k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max), np.int64)
    weights = integers.astype(kind)[op.weights]
    return weights if op.shifts is None else weights << op.shifts.astype(kind)


def factored_operands(op: Convolution, tensor: Tensor, pair: Product) -> Operands | None:
    """Factors of products that are no products of the codes' integers; None if they exceed 64 bits.

    Logarithmic Posits have such products. A channel has a copy for each factor, so that an output sums plain
    products.
    """
    lookup, factors = pair.factors
    if lookup.dtype == object or factors.dtype == object:
        return None
    weights = factors[op.weights]  # channel major, copy minor, as `expand` writes them
    if op.shifts is not None:
        if int(np.abs(factors).max()) << int(op.shifts.max()) >= 2**63:
            return None
        weights = weights << op.shifts[..., None]
    weights = weights.reshape(*op.weights.shape[:3], -1)
    return Operands(weights, int(lookup.min()), int(lookup.max()), lookup, lookup.shape[1])
