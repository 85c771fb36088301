"""What attention adds to a network: products of two tensors, softmax inside it, layer norm and RMS norm.

A softmax of quantised scores has a written definition (`pyqkit.graph.conventions`), and a real value besides.
Both are computed here, and a quantiser behind it counts the codes in which they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.graph.conventions import EXPONENTIAL_BITS, exponential_table
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.functions import root
from pyqkit.reference.node import Node, one
from pyqkit.reference.products import Factor, exact_sums, log_products
from pyqkit.reference.quantised import Masked, Quantised, Shares, Value, real_of
from pyqkit.reference.ratio import Ratio

_TABLE_BITS = 8  # of scores that have an entry each


# ---- products ----------------------------------------------------------------------------------------------


def product_of_tensors(node: Node) -> Value:
    """``left @ right`` of quantised tensors (..., rows, depth) and (..., depth, columns)."""
    left, right = (_factor(node, index) for index in range(2))
    if left.shape[:-2] != right.shape[:-2] or left.shape[-1] != right.shape[-2]:
        node.refuse("matrices that multiply were", f"{left.shape} and {right.shape} came", "check the heads")
    shape = (*left.shape[:-1], right.shape[-1])
    # A frame's head is a row of what is added up, its depth comes next.
    first = left.map(lambda a: a.reshape(-1, *a.shape[-2:]).swapaxes(1, 2))
    second = right.map(lambda a: a.reshape(-1, *a.shape[-2:]))
    factors = [Factor(side, side.scale, np.zeros((), np.int64)) for side in (first, second)]
    step = left.scale * right.scale
    if left.format.is_logarithmic and right.format.is_logarithmic:
        total, unit = log_products(factors[0], factors[1], _matrices)
        step = step * DoubleDouble.of_fraction(unit)
    else:
        total = exact_sums(factors[0].integers, factors[1].integers, _matrices)
        for side in (left, right):
            step = step * DoubleDouble.of(float(side.format.unit) if side.format.is_logarithmic else 1.0)
    return Ratio((total * step).map(lambda a: a.reshape(shape)))


def _matrices(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.matmul(left.swapaxes(1, 2), right)


def _factor(node: Node, index: int) -> Quantised:
    value = node.value(index)
    if not isinstance(value, Quantised) or value.scale.high.size != 1 or not node.varies[index]:
        node.refuse(
            "two quantised tensors of one scale each were", "another came", "quantise both with one scale"
        )
    return value


# ---- softmax -----------------------------------------------------------------------------------------------


def shares_of(node: Node, axis: int, real: Callable[[Node], DoubleDouble]) -> Value:
    """Softmax along an axis: real numbers, with the definition beside them where codes are what it reads."""
    given = node.given(0)
    masked = isinstance(given, Masked)
    x = given.scores if isinstance(given, Masked) else node.value(0)
    hidden = given.hidden if isinstance(given, Masked) else np.zeros(x.shape, bool)
    if hidden.all(axis=axis).any():
        node.refuse("a score at least in each row was", "one is all masked", "let a token see itself")
    if not isinstance(x, Quantised) or x.scale.high.size != 1 or x.format.bits > _TABLE_BITS:
        if masked:
            node.refuse("scores of at most 8 bits and one scale were", "others came", "quantise them so")
        return real(node)
    fmt, step = x.format, x.step
    unit = Fraction(float(step.high)) + Fraction(float(step.low))
    table = np.zeros((2, 2**fmt.bits), np.int64)
    table[:, fmt.codes] = exponential_table([unit * int(fmt.integers[code]) for code in fmt.codes])
    terms, powers = table[:, x.codes()]
    terms, powers = np.where(hidden, 0, terms), np.where(hidden, table[1].min(), powers)
    below = powers.max(axis=axis, keepdims=True) - powers
    cut = np.where(below < EXPONENTIAL_BITS, terms // 2 ** np.minimum(below, EXPONENTIAL_BITS), 0)
    sums = np.broadcast_to(cut.sum(axis=axis, keepdims=True), cut.shape)
    definition = Ratio(DoubleDouble.of(cut.astype(np.float64)), DoubleDouble.of(sums.astype(np.float64)))
    found = real(replace(node, inputs=[_far_below(x.real, hidden)]) if masked else node)
    bound = 1.5 * (cut.shape[axis] + 1) * 2.0 ** (1 - EXPONENTIAL_BITS)
    return Shares(found.high, found.low, found.error, definition, bound)


def _far_below(x: DoubleDouble, hidden: np.ndarray) -> DoubleDouble:
    """Real numbers of which some are so low that e to their power counts nothing."""
    lowest = DoubleDouble.of(x.high.min(initial=0) - 2000)
    return where(hidden, lowest.map(lambda a: np.broadcast_to(a, x.shape)), x)


# ---- norms -------------------------------------------------------------------------------------------------


def _norm(node: Node) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * gain + bias`` over the last axis (ONNX: LayerNormalization).

    Without the mean it is an RMSNormalization.
    """
    x = real_of(node.value(0))
    axis = int(node.attributes.get("axis", -1)) % len(x.shape)
    if axis != len(x.shape) - 1 or node.outputs > 1:
        node.refuse("a norm over the last axis was", f"axis {axis} came", "normalise the last axis alone")
    count = DoubleDouble.of(float(x.shape[-1]))
    moved = x * count
    if node.type == "LayerNormalization":
        moved = moved - x.total((axis,))
    squares = (moved * moved).total((axis,))  # count**3 times the variance
    epsilon = DoubleDouble.of(np.float64(np.float32(node.attributes.get("epsilon", 1e-5))))
    spread = root(squares.divided(count) + epsilon * count * count)
    scaled = moved * DoubleDouble.of(node.constant(1, "gain"))
    found = scaled.divided(spread)  # last: a third of 3/2 has a half's few bits, and may be a tie
    return found if node.given(2) is None else found + DoubleDouble.of(node.constant(2, "bias"))


OPERATIONS = {
    "LayerNormalization": one(_norm, "axis", "epsilon", "stash_type"),
    "RMSNormalization": one(_norm, "axis", "epsilon", "stash_type"),
}
