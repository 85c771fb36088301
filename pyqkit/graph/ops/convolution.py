"""Convolution (and, with a 1x1 kernel on a 1x1 frame, a linear layer).

Codes times constant codes, summed exactly.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from pyqkit.formats import NumberFormat, product
from pyqkit.formats.encoding import Encoding, Plain, SharedExponents
from pyqkit.formats.microscopiq.values import BlockWeight
from pyqkit.formats.products.dsp import dsp_refusal
from pyqkit.formats.products.packed import packing_refusal
from pyqkit.graph.fields import array_field, format_field, whole_field, wholes_field
from pyqkit.graph.folding import MEMORIES, MULTIPLIERS, Axis, Choice, Folding, FoldingSpace, Need
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.graph.ops.window import SlidingWindow

PRODUCTS_OF_A_DSP = {"dsp2": 2, "dsp4": 4}  # multipliers that make several
_NEEDS = {
    "dsp2": (Need("pe", multiple=2), Need("pixels", most=1)),
    "dsp4": (Need("pe", multiple=2), Need("pixels", multiple=2)),
}
_PIECE = 1 << 18  # weights that are looked up at a time


@dataclass(frozen=True)
class ConvolutionFolding(Folding):
    """Parallelism of one convolution, and where its multipliers and weights go.

    Attributes
    ----------
    pe, simd : int
        Outputs, and inputs of each, at a time.
    multiplier : str
        "lut", "dsp" where one multiplication of integers makes a product, "dsp2" where one makes those of an
        activation with the weights of two outputs, or "dsp4" where it makes those of two pixels too.
    memory : str
        Of the weights: "lut", "block" for block RAM, or "auto", which leaves it to the tool, by size.
    pixels : int
        Neighbouring columns of the result at a time, which share each weight: 1 or 2.
    """

    pe: int = 1
    simd: int = 1
    multiplier: str = "lut"
    memory: str = "auto"
    pixels: int = 1


@operator
@dataclass
class Convolution(Operator):
    """Grouped 2-D convolution.

    An output is the sum of ``product(input, weight)`` over the window: no bias, no rounding.

    Attributes
    ----------
    weights : numpy.ndarray, shape (outputs, kernel height, kernel width, inputs / groups)
        Codes of `weight_format`.
    weight_format : NumberFormat
    stride : (int, int)
        Rows, columns.
    padding : (int, int, int, int)
        Top, left, bottom, right; filled with the code of zero.
    dilation : (int, int)
    groups : int
    block : int
        Input channels of a group that share an exponent, at every place of the kernel; 0 for none.
    exponents : numpy.ndarray or None, shape (outputs, kernel height, kernel width, blocks of a group)
        A product is worth two to the exponent of its weight's block more: whole numbers from 0.
    """

    weights: np.ndarray = array_field(sized=True)
    weight_format: NumberFormat = format_field()
    stride: tuple[int, int] = wholes_field(2, least=1, default=(1, 1))
    padding: tuple[int, int, int, int] = wholes_field(4, default=(0, 0, 0, 0))
    dilation: tuple[int, int] = wholes_field(2, least=1, default=(1, 1))
    groups: int = whole_field(least=1, default=1)
    block: int = whole_field(default=0)
    exponents: np.ndarray | None = array_field(optional=True)

    kind = "convolution"
    folding_type = ConvolutionFolding

    @property
    def switched(self) -> frozenset[str]:
        return frozenset() if isinstance(self.weight_format, BlockWeight) else frozenset({"weights"})

    @property
    def sliding(self) -> SlidingWindow:
        """The window as it moves over the image."""
        return SlidingWindow(self.kernel, self.stride, self.padding, self.dilation)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.weights.shape[1], self.weights.shape[2]

    def check(self) -> None:
        shape, fmt = self.weights.shape, self.weight_format
        whole = self.weights.dtype.kind in "iu" and len(shape) == 4 and min(shape) >= 1
        expect(whole and is_codes(self.weights, fmt), self, f"weights that are no codes of {fmt} on 4 axes")
        self._check_exponents()
        divides = 1 <= self.groups <= shape[0] and shape[0] % self.groups == 0
        expect(divides, self, f"{self.groups} groups for {shape[0]} outputs")
        self.sliding.check(self)

    def _check_exponents(self) -> None:
        if self.exponents is None:
            expect(self.block == 0, self, f"blocks of {self.block} channels without exponents")
            return
        *places, channels = self.weights.shape
        expect(1 <= self.block <= channels, self, f"blocks of {self.block} of {channels} channels")
        shape, found = (*places, -(-channels // self.block)), self.exponents
        whole = found.dtype.kind in "iu" and found.shape == shape and found.min() >= 0
        expect(whole and found.max() < 64, self, "exponents that are not from 0 to 63 for each block")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        self.sliding.check_image(self, tensor)
        channels = tensor.shape[2]
        if channels != self.weights.shape[3] * self.groups:
            raise GraphError(
                f"{self.weights.shape[3] * self.groups} input channels were expected by "
                f"{self.name}, but {tensor.name} has {channels}"
            )
        shape = (*self.sliding.out_size(tensor.shape[:2]), len(self.weights))
        if min(shape) < 1:
            raise GraphError(
                f"an input of at least the window's size was expected by {self.name}, but "
                f"{tensor.name} is {tensor.shape[:2]}"
            )
        if any(self.padding) and not tensor.format.has_zero:
            raise GraphError(
                f"a format with a zero was expected where {self.name} pads, but {tensor.name} is "
                f"{tensor.format}"
            )
        low, high = self.bounds(tensor)
        return [Tensor.accumulator(self.outputs[0], shape, int(low.min()), int(high.max()))]

    def bounds(self, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest accumulator of each output channel, from the real weight codes.

        Python integers.
        """
        pair, used = product(tensor.format, self.weight_format), np.unique(self.weights)
        # a product with a given weight is largest at one of them
        ends = pair.of(self._extremes(tensor)[:, None], used)
        low, high = ends.min(axis=0), ends.max(axis=0)
        most = max(abs(int(low.min())), abs(int(high.max())), 1)
        most <<= 0 if self.exponents is None else int(self.exponents.max())
        kind = np.int64 if most * self.weights[0].size < 2**63 else object
        return self._summed(used, low.astype(kind)), self._summed(used, high.astype(kind))

    def _summed(self, used: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum for each output of what each of the codes `used` is worth, shifts applied (Python integers)."""
        table = np.zeros(int(used[-1]) + 1, values.dtype)
        table[used] = values
        sums, shifts = np.empty(len(self.weights), object), self.shifts
        stride = max(1, _PIECE // self.weights[0].size)
        for first in range(0, len(sums), stride):
            rows = slice(first, first + stride)
            terms = table[self.weights[rows]]
            if shifts is not None:
                terms = terms << shifts[rows].astype(values.dtype)
            sums[rows] = terms.reshape(len(terms), -1).sum(axis=1)
        return sums

    def _extremes(self, tensor: Tensor) -> np.ndarray:
        """Codes that can occur among which are those of the smallest and the largest product with any weight.

        Products of integers are monotone in each factor; those of logarithms are so for either sign of the
        activation.
        """
        codes = tensor.format.codes
        integers = tensor.format.base.integers[codes]
        reachable = codes[(tensor.low <= integers) & (integers <= tensor.high)]
        ends = {int(reachable[0]), int(reachable[-1])} | (
            {tensor.format.zero_code} if any(self.padding) and tensor.format.has_zero else set()
        )
        return np.array(sorted(ends))

    @property
    def shifts(self) -> np.ndarray | None:
        """For each weight the bits by which its products are shifted left; None for no shift."""
        if self.exponents is None:
            return None
        each = np.repeat(self.exponents.astype(np.uint8), self.block, axis=-1)
        return each[..., : self.weights.shape[3]]

    @property
    def exponent_bits(self) -> int:
        """Bits of a stored exponent; 0 where none is stored, as all are 0."""
        return 0 if self.exponents is None else int(self.exponents.max()).bit_length()

    @property
    def parameter_encoding(self) -> Encoding:
        if self.exponent_bits:
            return SharedExponents(self.weight_format, self.block, self.exponent_bits)
        return Plain(self.weight_format)

    def windows(self, codes: np.ndarray, zero: int) -> np.ndarray:
        """Windows as a view of the padded input.

        (frames, rows, columns, kernel height, kernel width, channels).
        """
        top, left, bottom, right = self.padding
        padded = np.pad(codes, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=zero)
        frames, channels = padded.shape[0], padded.shape[3]
        rows, columns = self.sliding.out_size(codes.shape[1:3])  # type: ignore[arg-type]
        n, h, w, c = padded.strides
        return np.lib.stride_tricks.as_strided(
            padded,
            (frames, rows, columns, *self.kernel, channels),
            (n, h * self.stride[0], w * self.stride[1], h * self.dilation[0], w * self.dilation[1], c),
            writeable=False,
        )

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        (codes,), (tensor,) = inputs, tensors
        pair = product(tensor.format, self.weight_format)
        zero = tensor.format.zero_code if any(self.padding) else 0
        windows = self.windows(codes, zero)
        per_group, outputs = self.weights.shape[3], self.weights.shape[0]
        sums, shifts = np.empty((*windows.shape[:3], outputs), np.int64), self.shifts
        for channel in range(outputs):
            first = channel * self.groups // outputs * per_group
            terms = pair.of(windows[..., first : first + per_group], self.weights[channel])
            if shifts is not None:
                terms = terms << shifts[channel]
            sums[..., channel] = terms.sum(axis=(3, 4, 5))
        (output,) = self.infer(tensors)
        return [output.format.from_integers(sums)]  # type: ignore[attr-defined]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        return [self.sliding.pixels_needed(tensors[0].shape[:2])]

    def pixels_taken(self, tensors: list[Tensor]) -> list[np.ndarray]:
        return [self.sliding.pixels_taken(tensors[0].shape[:2])]

    def pixels_folded(
        self, tensors: list[Tensor], folding: Folding
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if not isinstance(folding, ConvolutionFolding) or folding.pixels == 1:
            return super().pixels_folded(tensors, folding)
        pairs = PixelPairs.of(self.sliding, tensors[0].shape[:2])
        return [pairs.pixels_needed()], [pairs.pixels_taken()]

    def macs(self, tensors: list[Tensor]) -> int:
        rows, columns = self.sliding.out_size(tensors[0].shape[:2])
        return rows * columns * self.weights.size

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        return self.weights.shape

    @property
    def is_depthwise(self) -> bool:
        """Whether every output has an input channel of its own."""
        return self.groups == len(self.weights) and self.weights.shape[3] == 1

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        """PE divides the outputs of a group or, where each is a group of its own, all.

        SIMD a group's inputs. Two pixels at a time need a result of two columns or more.
        """
        outputs = len(self.weights) if self.is_depthwise else len(self.weights) // self.groups
        pixels = 2 if self.sliding.out_size(tensors[0].shape[:2])[1] > 1 else 1
        axes = (
            Axis("pe", outputs),
            Axis("simd", self.weights.shape[3]),
            Axis("pixels", pixels, optional=True),
        )
        refused = self._refused_multipliers(tensors[0].format)
        multiplier = Choice("multiplier", MULTIPLIERS, refused, _NEEDS)
        return FoldingSpace(ConvolutionFolding, axes, (multiplier, Choice("memory", MEMORIES)))

    def _refused_multipliers(self, activations: NumberFormat) -> dict[str, str]:
        reasons = {"dsp": dsp_refusal(activations, self.weight_format)}
        made = {"dsp": "them", **{option: f"{ways} of them" for option, ways in PRODUCTS_OF_A_DSP.items()}}
        for option, ways in PRODUCTS_OF_A_DSP.items():
            reasons[option] = packing_refusal(activations, self.weight_format, ways)
            if self.is_depthwise:
                reasons[option] = "outputs that share inputs were expected, but each has its own"
        return {
            option: f"{reason} in {self.name}, so that no DSP can make {made[option]}"
            for option, reason in reasons.items()
            if reason
        }

    def footprint(self, inputs: list[Tensor], outputs: list[Tensor]) -> Hashable:
        """Of what it reads and sums the formats count, not the ranges."""
        return self._own_footprint(inputs, outputs)


def is_codes(array: np.ndarray, fmt: NumberFormat) -> bool:
    """Whether all elements are codes of a format."""
    return bool(np.isin(np.unique(array), fmt.codes).all())
