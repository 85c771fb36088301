"""Transposed convolutions.

Output pixels of one phase, their place modulo the stride, are an ordinary convolution of the input with those
weights of the kernel that meet it. So all phases together are one convolution with ``stride**2`` times as
many outputs, on the grid of the input, and its channels then go to space. It has one window and one
matrix-vector unit, and multiplies nothing by the zeros that would be stuffed between the pixels of the input:
of ``stride**2`` products they would be all but one. Where the stride does not divide the kernel, some phases
have a weight less than others, with a zero in its place, and a note says how many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np

from pyqkit.formats import Integer
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.linear import Kernels, emit_sums, operands, padded
from pyqkit.graph.lowering.real import Real, fractions
from pyqkit.graph.lowering.rows import on_rows
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Stored, Value
from pyqkit.graph.lowering.view import settle

Pair = tuple[int, int]


@handles(
    Layer(
        "ConvTranspose",
        ("torch.nn.ConvTranspose2d", "torch.nn.ConvTranspose1d"),
        ("QuantConvTranspose2d", "QuantConvTranspose1d"),
        "weights quantised, constant",
    ),
    attributes=(
        "auto_pad",
        "dilations",
        "group",
        "kernel_shape",
        "output_padding",
        "output_shape",
        "pads",
        "strides",
    ),
    axes=((4, 4), (3, 3)),
)
@on_rows
def transposed_convolution(lowering: Lowering, node: Node) -> list[Value]:
    real, weights = operands(lowering, node)
    groups, kernel = int(node.attributes.get("group", 1)), weights.codes.shape[2:]
    if list(node.attributes.get("kernel_shape", kernel)) != [*kernel] or weights.codes.shape[0] % groups:
        raise Unlowerable(
            f"its weights of shape {weights.codes.shape} are no kernels of the size it states",
            "export the layer again",
        )
    real = settle(lowering, real, node.outputs[0])
    rows, columns = _axes(node, real.base[:2], (kernel[0], kernel[1]))
    if (rows.taps < 0).any() or (columns.taps < 0).any():
        weights = _with_zero(weights)
    taps = _Taps.of(weights.moved(lambda a: _outputs_first(a, groups)), groups, rows, columns)
    if taps.zeros:
        lowering.note(
            f"{node.name}: its kernel {kernel[0], kernel[1]} is no multiple of its stride "
            f"{rows.stride, columns.stride}, so that {taps.zeros} of {taps.source.size} products of every "
            "output are with zeros; a kernel that is a multiple costs no more"
        )
    padding = rows.before, columns.before, rows.after, columns.after
    dilation = rows.dilation, columns.dilation
    coded = taps.weights
    kernels = Kernels(coded, coded.codes, coded.shifts, dilation=dilation, padding=padding, groups=groups)
    made = emit_sums(lowering, node, padded(lowering, real, padding, node.outputs[0]), kernels)
    places = rows.places[:, None] * columns.blocks + columns.places
    phases = rows.phases[:, None] * columns.stride + columns.phases
    view = places * made.channels + taps.channels[:, phases]
    return [_with_bias(replace(made, view=view), node.given(2))]


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of a transposed convolution as a convolution of the input.

    Output place o, counted from where it would be without cropping, belongs to block ``o // stride``, and
    gets weight k times the input place `m` before the block where ``dilation * k == stride * m + phase``.

    Attributes
    ----------
    stride : int
    taps : numpy.ndarray, shape (phases, places of the window)
        The weight that a phase has at each place of the window; -1 for none.
    dilation, before, after : int
        Of the window on the input.
    blocks : int
        That the convolution makes.
    places, phases : numpy.ndarray, shape (outputs,)
        Block and phase of every place of the result.
    """

    stride: int
    taps: np.ndarray
    dilation: int
    before: int
    after: int
    blocks: int
    places: np.ndarray
    phases: np.ndarray

    @classmethod
    def of(cls, length: int, kernel: int, stride: int, dilation: int, begin: int, size: int) -> _Axis:
        """Of an input of `length`; the result begins at place `begin`, and has `size`."""
        reached = dilation * np.arange(kernel)
        back, phase = reached // stride, reached % stride
        far = int(back[-1])
        step = gcd(*map(int, back)) or 1
        taps = np.full((stride, far // step + 1), -1)
        taps[phase, (far - back) // step] = np.arange(kernel)
        block, phases = np.divmod(np.arange(begin, begin + size), stride)
        first = min(int(block[0]), far)
        last = max(int(block[-1]), length - 1)
        return cls(
            stride, taps, step, far - first, last - (length - 1), last - first + 1, block - first, phases
        )


def _with_zero(weights: Coded) -> Coded:
    """The same weights in a format that has a zero."""
    fmt = weights.format
    if fmt.has_zero:
        return weights
    integers = fmt.integers[weights.codes]
    wider = Integer(signed_range_bits(min(0, int(integers.min())), max(0, int(integers.max()))))
    quantiser = replace(weights.quantiser, format=wider, prescale=weights.quantiser.prescale * fmt.unit)
    return replace(weights, codes=wider.from_integers(integers), quantiser=quantiser)


def _axes(node: Node, size: Pair, kernel: Pair) -> tuple[_Axis, _Axis]:
    """Rows and columns, by ONNX's formula for sizes and paddings."""

    def pair(key: str, default: int) -> list[int]:
        return [int(v) for v in node.attributes.get(key, [default, default])]

    strides, dilations, more = pair("strides", 1), pair("dilations", 1), pair("output_padding", 0)
    pads = [int(p) for p in node.attributes.get("pads", [0, 0, 0, 0])]
    whole = [s * (n - 1) + (k - 1) * d + 1 for n, k, s, d in zip(size, kernel, strides, dilations)]
    auto, stated = node.attributes.get("auto_pad", "NOTSET"), node.attributes.get("output_shape")
    wanted = [int(n) for n in stated][-2:] if stated else [n * s for n, s in zip(size, strides)]
    if any(n < 0 or n >= max(s, d) for n, s, d in zip(more, strides, dilations)):
        raise Unlowerable(
            f"its output padding {more} is not smaller than its stride {strides}", "use a smaller one"
        )
    same = auto in ("SAME_UPPER", "SAME_LOWER")
    if same and any(more):
        raise Unlowerable(
            f"it states an output padding beside auto_pad {auto}, of which ONNX Runtime makes another size",
            "use explicit pads",
        )
    if stated or same:
        total = [n + o - w for n, o, w in zip(whole, more, wanted)]
        begin = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
    else:
        begin = [0, 0] if auto == "VALID" else pads[:2]
        end = [0, 0] if auto == "VALID" else pads[2:]
        wanted = [n + o - a - b for n, o, a, b in zip(whole, more, begin, end)]
    if min(wanted) < 1 or min(begin) < 0:
        raise Unlowerable(
            f"its result would have {wanted} rows and columns, from {begin} on", "use less padding"
        )
    rows, columns = (_Axis.of(*axis) for axis in zip(size, kernel, strides, dilations, begin, wanted))
    return rows, columns


def _outputs_first(weights: np.ndarray, groups: int) -> np.ndarray:
    """(inputs, outputs of a group, rows, columns) as (outputs, inputs of a group, rows, columns)."""
    inputs, outputs, *kernel = weights.shape
    grouped = weights.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    return grouped.reshape(groups * outputs, inputs // groups, *kernel)


@dataclass(frozen=True, eq=False)
class _Taps:
    """Weights of all phases as those of one convolution.

    Attributes
    ----------
    weights : Coded
        Codes of shape (outputs, rows, columns, inputs of a group).
    channels : numpy.ndarray, shape (outputs of the layer, phases)
        The output of the convolution that a phase of an output is.
    source : numpy.ndarray
        For each place of the windows of all phases the weight of the kernel, -1 for none.
    """

    weights: Coded
    channels: np.ndarray
    source: np.ndarray

    @property
    def zeros(self) -> int:
        """Places without a weight."""
        return int((self.source < 0).sum())

    @classmethod
    def of(cls, weights: Coded, groups: int, rows: _Axis, columns: _Axis) -> _Taps:
        """Of weights (outputs, inputs of a group, rows, columns)."""
        outputs, inputs, _, width = weights.codes.shape
        above, beside = rows.taps[:, None, :, None], columns.taps[None, :, None, :]
        source = np.where((above < 0) | (beside < 0), -1, above * width + beside)
        phases, window = prod(source.shape[:2]), source.shape[2:]
        source = source.reshape(phases, *window)

        def spread(values: np.ndarray, none: int) -> np.ndarray:
            flat = values.reshape(groups, outputs // groups, inputs, -1)
            found = np.where(source < 0, none, flat[..., source])  # group, output, input, phase, row, column
            return found.transpose(0, 3, 1, 4, 5, 2).reshape(-1, *window, inputs)

        # A group's phases lie side by side: one behind the other if there is one group, as space needs them.
        channels = np.arange(groups * phases * (outputs // groups)).reshape(groups, phases, -1)
        zero = weights.format.zero_code if weights.format.has_zero else 0  # nowhere then
        coded = replace(
            weights,
            codes=spread(weights.codes, zero).astype(weights.codes.dtype),
            shifts=None if weights.shifts is None else spread(weights.shifts, 0).astype(np.uint8),
            quantiser=replace(weights.quantiser, scale=_scale(weights, channels)),
        )
        return cls(coded, channels.transpose(0, 2, 1).reshape(outputs, phases), source)


def _scale(weights: Coded, channels: np.ndarray) -> np.ndarray:
    """Scales of weights (outputs, inputs of a group, rows, columns), one for each output of the convolution.

    `channels` holds these by group, phase and output of the group.
    """
    if weights.scale.size == 1:
        return weights.scale.reshape(())
    each = np.broadcast_to(weights.scale, weights.codes.shape).reshape(len(weights.codes), -1)
    if (each != each[:, :1]).any():
        raise Unlowerable(
            "its weights have one scale per input channel",
            "use one scale per output channel (axis 1 of its weights), or for the whole tensor",
        )
    groups, phases, outputs = channels.shape
    spread = np.broadcast_to(each[:, 0].reshape(groups, 1, outputs), (groups, phases, outputs))
    return np.array(spread).reshape(-1, 1, 1, 1)


def _with_bias(real: Real, bias: Value | None) -> Real:
    """One number for each output, whatever its phase."""
    if bias is None:
        return real
    if isinstance(bias, (Real, Stored)):
        raise Unlowerable("its bias depends on the input", "use a constant bias")
    values = bias.exact() if isinstance(bias, Coded) else bias
    if values.size != real.shape[0]:
        raise Unlowerable(
            f"its bias of shape {values.shape} does not fit {real.shape[0]} outputs",
            "use one bias for each output",
        )
    offset = real.per_channel(values.reshape(-1, 1, 1))
    return real.affine(fractions(1, real.channels), offset)
