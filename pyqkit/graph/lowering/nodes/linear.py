"""Convolutions and linear layers: a quantised tensor times a quantised constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from pyqkit.formats import product
from pyqkit.formats.products import WIDEST
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph import limits
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.alignment import MOST_BITS, of_one_scale, under_one_scale
from pyqkit.graph.lowering.before_layers import check_affine, constant_part, offset_apart, with_zero_inside
from pyqkit.graph.lowering.constants import (
    Coded,
    shared_exponents,
    without_common_exponents,
    without_common_powers,
)
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.real import Fractions, Real, Term, fractions, plain_view, vector_view
from pyqkit.graph.lowering.rows import on_rows
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Stored, Value, shape_of
from pyqkit.graph.lowering.token_products import matrix_product as products_of_tokens
from pyqkit.graph.lowering.view import flattened, is_in_stream_order, settle
from pyqkit.graph.lowering.zero import with_zero
from pyqkit.graph.ops.convolution import Convolution

_RANKS = range(2, limits.AXES + 1)
# One matrix of weights, or as many matrices as there are heads
_MATRICES = (*((count, 2) for count in _RANKS), *((count, count) for count in _RANKS if count > 2))


def operands(lowering: Lowering, node: Node) -> tuple[Real, Coded]:
    weights = node.inputs[1]
    if isinstance(weights, Real):
        raise Unlowerable(
            "both factors depend on the input",
            "pyqkit multiplies by constants only; keep attention-like products outside",
        )
    if not isinstance(weights, Coded):
        raise Unlowerable("its weights are not quantised", "give the layer a weight quantiser")
    real = node.real(0)
    check_affine(lowering, real)
    return real, weights


def _output_scale(weights: Coded, outputs: int) -> Fractions:
    """One weight scale for each output channel (axis 0)."""
    scale = weights.scale
    if scale.size > 1 and scale.size != scale.shape[0]:
        columns = scale.reshape(scale.shape[0], -1)
        if (columns != columns[:, :1]).any():
            raise Unlowerable(
                "its weights have one scale per input channel",
                "use one scale per output channel, or for the whole tensor",
            )
        scale = columns[:, 0]
    return fractions(scale.ravel(), outputs) * weights.quantiser.prescale


@dataclass(frozen=True, eq=False)
class Kernels:
    """The constants of a layer in the order of the stream, and how its window moves.

    Attributes
    ----------
    weights : Coded
        Of which format, scale and block are read.
    codes : numpy.ndarray, shape (outputs, rows, columns, channels of a group)
    shifts : numpy.ndarray or None
        Like `codes`.
    stride, dilation, padding, groups
        As of `Convolution`.
    """

    weights: Coded
    codes: np.ndarray
    shifts: np.ndarray | None
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    @classmethod
    def of(cls, weights: Coded, order: Callable[[np.ndarray], np.ndarray]) -> Kernels:
        """Of a window of one pixel; `order` brings codes and shifts into the order of the stream."""
        return cls(weights, order(weights.codes), None if weights.shifts is None else order(weights.shifts))

    @property
    def window(self) -> dict[str, Any]:
        """Parameters of the operator."""
        return {name: getattr(self, name) for name in ("stride", "dilation", "padding", "groups")}

    def of_channels(self, chosen: np.ndarray) -> Kernels:
        """What some input channels are multiplied by."""
        shifts = None if self.shifts is None else self.shifts[..., chosen]
        return replace(self, codes=self.codes[..., chosen], shifts=shifts)


def emit_sums(lowering: Lowering, node: Node, real: Real, kernels: Kernels) -> Real:
    """A layer; of channels whose scales have no simple ratio one for each scale, added up."""
    name = node.outputs[0]
    aligned = under_one_scale(lowering, real, kernels.groups, name)
    if aligned is not None:
        return _layer(lowering, node, aligned, kernels)
    parts = of_one_scale(lowering, real, name) if kernels.groups == 1 else []
    if not parts:
        scales = sorted({abs(float(factor)) for factor in real.terms[0].factor})
        raise Unlowerable(
            f"what it reads has different scales ({scales[0]:g} and {scales[-1]:g}), which are no multiples "
            f"of one in {MOST_BITS} bits",
            "share one quantiser between what is joined, or take powers of two as scales",
        )
    return _added([_layer(lowering, node, part, kernels.of_channels(chosen)) for part, chosen in parts])


def _added(parts: list[Real]) -> Real:
    """The sum of what a layer makes of parts of its input."""
    terms = tuple(term for part in parts for term in part.terms)
    return replace(parts[0], terms=terms, offset=np.sum([part.offset for part in parts], axis=0))


def _layer(lowering: Lowering, node: Node, real: Real, kernels: Kernels) -> Real:
    """A layer on channels of one scale, or of one in each group, which may pad with zeros."""
    if any(kernels.padding) and any(real.offset):
        name = node.outputs[0]
        centred = with_zero_inside(lowering, real, name)
        if centred is None:
            parts = offset_apart(lowering, real, name)
            return _added([emit_sums(lowering, node, part, kernels) for part in parts])
        real = centred
    return _convolved(lowering, node, real, kernels)


def _convolved(lowering: Lowering, node: Node, real: Real, kernels: Kernels) -> Real:
    """The operator of a layer, and what its sums are worth."""
    weights, codes, shifts = kernels.weights, kernels.codes, kernels.shifts
    outputs = len(codes)
    (term,) = real.terms
    tensor = lowering.graph.tensors[term.tensor]
    layer = Convolution("", [], [], np.ascontiguousarray(codes), weights.format, **kernels.window)
    if shifts is not None:
        layer.block, layer.exponents = shared_exponents(shifts, weights.block)
        _note_short_runs(lowering, node, weights.block, layer)
    powers = _narrowed(layer, tensor)
    out = lowering.emit(
        Convolution,
        node.outputs[0],
        [tensor.name],
        weights=layer.weights,
        weight_format=weights.format,
        block=layer.block,
        exponents=layer.exponents,
        **kernels.window,
    )
    pair = product(tensor.format, weights.format)
    steps = term.factor.reshape(kernels.groups, -1)[:, 0]
    per_output = np.repeat(steps, outputs // kernels.groups) / tensor.format.unit
    units = fractions(np.array([Fraction(2) ** (pair.unit_exponent + int(power)) for power in powers]))
    scale = _output_scale(weights, outputs)
    offset = fractions(0, outputs)
    if any(real.offset):
        offset = constant_part(real, weights, codes, shifts) * scale
    return Real((Term(out.name, per_output * scale * units),), offset, out.shape, plain_view(out.shape))


def _narrowed(layer: Convolution, tensor: Tensor) -> np.ndarray:
    """Let a layer's sums fit: exponents of powers of two that are taken out of each output's weights."""
    powers = np.zeros(len(layer.weights), np.int64)
    bits = sum_bits(layer, tensor)
    if bits > WIDEST:
        layer.weights, powers = without_common_powers(layer.weights, layer.weight_format)
        if layer.exponents is not None:
            layer.exponents, least = without_common_exponents(layer)
            powers += least
            if not layer.exponents.any():
                layer.block, layer.exponents = 0, None
        bits = sum_bits(layer, tensor)
    if bits > WIDEST:
        raise Unlowerable(
            f"its sums of {tensor.format} times {layer.weight_format} need {bits} of at most {WIDEST} bits",
            _remedy(layer),
        )
    return powers


def _remedy(layer: Convolution) -> str:
    spread = 0 if layer.exponents is None else int(layer.exponents.max())
    if spread:
        return (
            f"the blocks of an output are up to {spread} powers of two apart: set the weights of its "
            "smallest blocks to zero"
        )
    return (
        "give its activations or its weights a format of smaller range (e4m3 for e5m2, lp8_1_3 for lp8_2_7)"
    )


def _note_short_runs(lowering: Lowering, node: Node, block: int, layer: Convolution) -> None:
    """Say where an exponent is stored more often than the weights have blocks."""
    if layer.block < min(block, layer.weights.shape[3]):
        lowering.note(
            f"{node.name}: its weights share a scale by {block}, but not along its input channels in the "
            f"order of the stream, so that an exponent is stored for every {layer.block}"
        )


def sum_bits(layer: Convolution, tensor: Tensor) -> int:
    """Width of a signed integer that holds every sum of a layer, and the largest plus one.

    That one is a threshold that is never reached.
    """
    low, high = layer.bounds(tensor)
    return signed_range_bits(int(min(low)), int(max(high)) + 1)


def _with_bias(real: Real, bias: Value | None) -> Real:
    return real.affine(fractions(1, real.channels), _bias(real, bias))


def _bias(real: Real, bias: Value | None) -> Fractions:
    """One number for each output; zeros if the bias is left out."""
    if bias is None:
        return fractions(0, real.channels)
    if isinstance(bias, (Real, Stored)):
        raise Unlowerable("its bias depends on the input", "use a constant bias")
    values = bias.exact() if isinstance(bias, Coded) else bias
    if values.size not in (1, real.channels) or values.size != max((1, *values.shape[-1:])):
        raise Unlowerable(
            f"its bias of shape {values.shape} does not fit {real.channels} outputs",
            "use one bias for each output",
        )
    return fractions(np.broadcast_to(values.ravel(), (real.channels,)))


def window_padding(
    node: Node,
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a convolution or pooling node, whichever way it states them."""
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unlowerable(f"its auto_pad is {auto!r}", "use SAME_UPPER, SAME_LOWER, VALID or explicit pads")
    if auto != "NOTSET" and "pads" in node.attributes:
        raise Unlowerable(
            f"it states pads beside auto_pad {auto}, which ONNX does not allow", "keep the pads alone"
        )
    if auto not in ("NOTSET", "VALID") and any(d != 1 for d in dilation):
        raise Unlowerable(
            f"its auto_pad {auto} meets dilations, which ONNX Runtime does not execute", "use explicit pads"
        )
    if auto == "NOTSET":
        pads = node.attributes.get("pads", [0, 0, 0, 0])
        return tuple(int(p) for p in pads)  # type: ignore[return-value]
    if auto == "VALID":
        return 0, 0, 0, 0
    total = [(-(-n // s) - 1) * s + k - n for n, k, s in zip(shape, kernel, stride)]
    if min(total) < -1:
        raise Unlowerable(
            f"its auto_pad {auto} meets strides that pass over pixels, where ONNX Runtime crops the image",
            "use explicit pads",
        )
    total = [max(t, 0) for t in total]
    small = [t // 2 for t in total]
    large = [t - s for t, s in zip(total, small)]
    first, last = (small, large) if auto == "SAME_UPPER" else (large, small)
    return first[0], first[1], last[0], last[1]


def padded(lowering: Lowering, real: Real, padding: tuple[int, ...], name: str) -> Real:
    """`real` with codes that have a zero, where an operator pads it."""
    if not any(padding):
        return real
    (term,) = real.terms
    return replace(real, terms=(Term(with_zero(lowering, term.tensor, name), term.factor),))


@handles(
    Layer(
        "Conv",
        ("torch.nn.Conv2d", "torch.nn.Conv1d"),
        ("QuantConv2d", "QuantConv1d"),
        "weights quantised, constant",
    ),
    attributes=("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    axes=((4, 4), (3, 3)),
)
@on_rows
def convolution(lowering: Lowering, node: Node) -> list[Value]:
    real, weights = operands(lowering, node)
    if list(node.attributes.get("kernel_shape", weights.codes.shape[2:])) != [*weights.codes.shape[2:]]:
        raise Unlowerable(
            f"its weights of shape {weights.codes.shape} are no kernels of the size it states",
            "export the layer again",
        )
    real = settle(lowering, real, node.outputs[0])
    kernels = Kernels.of(weights, lambda a: a.transpose(0, 2, 3, 1))
    stride, dilation = (
        tuple(int(v) for v in node.attributes.get(key, [1, 1])) for key in ("strides", "dilations")
    )
    kernel = kernels.codes.shape[1], kernels.codes.shape[2]
    groups = int(node.attributes.get("group", 1))
    padding = window_padding(node, real.base, kernel, stride, dilation)  # type: ignore[arg-type]
    real = padded(lowering, real, padding, node.outputs[0])
    window = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    out = emit_sums(lowering, node, real, replace(kernels, **window))  # type: ignore[arg-type]
    return [_with_bias(out, node.given(2))]


def _linear(lowering: Lowering, node: Node, real: Real, weights: Coded) -> Real:
    """Linear layer with weights (outputs, inputs)."""
    if weights.codes.shape[1] != real.view.size:
        raise Unlowerable(
            f"its weights of shape {weights.codes.shape} do not fit {real.view.size} inputs",
            "check the layer's size",
        )
    if (real.view < 0).any() or len(set(real.view.tolist())) != int(np.prod(real.base)):
        real = settle(lowering, real, node.outputs[0])
    real = flattened(lowering, real, node.outputs[0])

    def reorder(matrix: np.ndarray) -> np.ndarray:
        ordered = np.empty_like(matrix)
        ordered[:, real.view] = (
            matrix  # the stream's order is (height, width, channels), the layer's is the view's
        )
        return ordered.reshape(len(matrix), 1, 1, -1)

    out = emit_sums(lowering, node, real, Kernels.of(weights, reorder))
    return Real(out.terms, out.offset, out.base, vector_view(out.channels))


def _pixelwise(lowering: Lowering, node: Node, real: Real, weights: Coded) -> Real:
    """Linear layer with weights (outputs, inputs) on the last axis: one of every pixel, whatever its axes."""
    *places, features = real.shape
    if weights.codes.shape[1] != features:
        raise Unlowerable(
            f"its weights of shape {weights.codes.shape} do not fit {features} inputs",
            "check the layer's size",
        )
    if real.base[2] != features or not is_in_stream_order(real):
        image = real.view.reshape(1, -1, features) if len(places) != 2 else real.view
        real = settle(lowering, replace(real, view=np.moveaxis(image, -1, 0)), node.outputs[0])
    out = emit_sums(lowering, node, real, Kernels.of(weights, lambda a: a[:, None, None]))
    return replace(out, view=np.arange(out.view.size).reshape(*places, -1))


@handles(
    Layer(
        "MatMul",
        ("torch.nn.Linear", "torch.matmul"),
        ("QuantLinear",),
        "weights quantised, constant, on the last axis; or two quantised tensors of tokens",
    ),
    axes=_MATRICES,
)
def matrix_product(lowering: Lowering, node: Node) -> list[Value]:
    if isinstance(node.needed(1), Real):
        return [products_of_tokens(lowering, node.real(0), node.real(1), node.outputs[0])]
    if len(shape_of(node.needed(1))) != 2:
        raise Unlowerable("it multiplies by several constant matrices", "use one matrix of weights")
    real, weights = operands(lowering, node)
    layer = _linear if real.view.ndim == 1 else _pixelwise
    return [layer(lowering, node, real, weights.moved(np.transpose))]


@handles(
    Layer("Gemm", ("torch.nn.Linear",), ("QuantLinear",), "weights quantised, constant"),
    attributes=("transA", "transB", "alpha", "beta"),
    axes=((2, 2),),
)
def gemm(lowering: Lowering, node: Node) -> list[Value]:
    real, weights = operands(lowering, node)
    if node.attributes.get("transA", 0):
        raise Unlowerable("it transposes its input (transA)", "export the layer as a plain linear layer")
    rows = weights if node.attributes.get("transB", 0) else weights.moved(np.transpose)
    out = _linear(lowering, node, real, rows)
    alpha, beta = (fractions(node.attributes.get(key, 1.0), out.channels) for key in ("alpha", "beta"))
    return [out.affine(alpha, _bias(out, node.given(2)) * beta)]
