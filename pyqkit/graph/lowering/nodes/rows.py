"""Softmax and norms of quantised numbers, which the next quantiser rounds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.masks import CausalMask, unmasked
from pyqkit.graph.lowering.norms import Norm
from pyqkit.graph.lowering.real import Real, fractions
from pyqkit.graph.lowering.row_functions import NormRows, RowFunction, SoftmaxRows
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.tables import TABLE_BITS
from pyqkit.graph.lowering.tokens import COMMAND, as_tokens, heads_apart, pixel_step

_QUANTISED = "put a quantiser (QuantIdentity) before it, as pyqkit quantise does"
_NORM_BITS = 16  # of what a norm reads
_ONE_AXIS = 13  # op-set from which on a softmax goes along one axis


def _last_axis(node: Node, real: Real) -> None:
    axis, rank = _axis(node, real), len(real.shape) + 1
    if axis != rank - 1:
        raise Unlowerable(
            f"it goes along axis {axis} of {rank}", "move what it goes along to the last axis before it"
        )


def _axis(node: Node, real: Real, default: int = -1) -> int:
    return int(node.attributes.get("axis", default)) % (len(real.shape) + 1)


def _codes(lowering: Lowering, real: Real, bits: int, reason: str, remedy: str) -> None:
    """Refuse what is no quantised tensor of so many bits."""
    check_quantised(real)
    tensors = [lowering.graph.tensors[term.tensor] for term in real.terms]
    if len(tensors) != 1 or not real.is_linear or tensors[0].format.bits > bits:
        raise Unlowerable(reason, remedy)


def _waiting(real: Real, function: RowFunction) -> Real:
    return replace(real, offset=fractions(0, real.channels), rows=function)


@handles(
    Layer("Softmax", ("torch.nn.Softmax",), (), "of quantised scores, along channels or tokens"),
    attributes=("axis",),
)
def softmax(lowering: Lowering, node: Node) -> list[Value]:
    real, causal = unmasked(node.real())
    if node.outputs[0] in lowering.at_end:
        raise Unlowerable("it stands at the end of the network", "leave it to the host")
    axis = _axis(node, real, -1 if lowering.opset >= _ONE_AXIS else 1)
    if lowering.opset < _ONE_AXIS and axis < len(real.shape):
        raise Unlowerable(
            f"it goes along all axes from axis {axis} on, as it does before op-set {_ONE_AXIS}",
            f"export the model with op-set {_ONE_AXIS} or a later one",
        )
    if axis == 0:
        raise Unlowerable("it goes along the batch", "let it go along channels or tokens")
    if causal and axis < len(real.shape):
        raise CausalMask().alone()
    turned = replace(real, view=np.moveaxis(real.view, axis - 1, -1))
    found = _shares(lowering, turned, node.outputs[0], causal)
    return [replace(found, view=np.moveaxis(found.view, -1, axis - 1))]


def _shares(lowering: Lowering, real: Real, name: str, causal: bool) -> Real:
    """Softmax along the last axis."""
    reason = f"its scores are not quantised to at most {TABLE_BITS} bits"
    own = "brevitas.nn.QuantMultiheadAttention has softmax_input_quant"
    _codes(lowering, real, TABLE_BITS, reason, f"{COMMAND}; {own}")
    if any(offset != real.offset[0] for offset in real.offset):
        raise Unlowerable(
            "numbers of their own are added to its scores", "quantise the scores behind the sum"
        )
    heads, shape = prod(real.shape[:-2]), real.shape
    rows = replace(real, view=real.view.reshape(heads, *(1,) * (2 - len(shape)), *shape[-2:]))
    tokens = rows.view.transpose(1, 0, 2).reshape(rows.shape[1], -1)
    found = as_tokens(lowering, replace(real, view=tokens), name)
    step = pixel_step(found)
    found = replace(found, view=heads_apart(found, heads).view.reshape(shape))
    return _waiting(found, SoftmaxRows(heads, step, causal))


@handles(
    Layer("LayerNormalization", ("torch.nn.LayerNorm",), (), "of a quantised tensor, over the last axis"),
    Layer("RMSNormalization", ("torch.nn.RMSNorm",), (), "of a quantised tensor, over the last axis"),
    attributes=("axis", "epsilon", "stash_type"),
)
def layer_norm(lowering: Lowering, node: Node) -> list[Value]:
    real = node.real()
    _last_axis(node, real)
    epsilon = Fraction(float(np.float32(node.attributes.get("epsilon", 1e-5))))
    out = normalised(lowering, Norm(real, epsilon, node.type == "LayerNormalization"), node.outputs[0])
    gain = out.per_channel(np.asarray(node.constant(1, "gain")))
    bias = None if node.given(2) is None else np.asarray(node.constant(2, "bias"))
    return [out.affine(gain, fractions(0, out.channels) if bias is None else out.per_channel(bias))]


def normalised(lowering: Lowering, norm: Norm, name: str) -> Real:
    """A norm of quantised pixels, which waits for what stands behind it."""
    real = norm.of
    reason = f"what it normalises is not quantised to at most {_NORM_BITS} bits"
    _codes(lowering, real, _NORM_BITS, reason, _QUANTISED)
    if any(real.offset):
        raise Unlowerable("something is added to what it normalises", _QUANTISED)
    shape, channels = real.shape, real.shape[-1]
    found = as_tokens(lowering, replace(real, view=real.view.reshape(-1, channels)), name)
    if norm.epsilon <= 0:
        raise Unlowerable(f"its epsilon is {float(norm.epsilon):g}", "use one above zero")
    out = _waiting(found, NormRows(norm.epsilon, pixel_step(found), norm.centred))
    return replace(out, view=out.view.reshape(shape))
