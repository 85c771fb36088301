"""Nodes at the end of a network: softmax, and the places and values of the largest elements."""

from __future__ import annotations

import numpy as np

from pyqkit.reference.attention import shares_of
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.node import Node, Operation, broadcasting, one
from pyqkit.reference.quantised import Masked, Value
from pyqkit.reference.smooth import exponential

_ONE_AXIS = 13  # op-set from which on a softmax goes along one axis; before, along all from its axis on
_LARGE = 600.0  # below minus this, e**x stays at that value: float32 and float64 sums do not see it
_SERIES = 2.0**-84  # absolute error of a logarithm between 0 and 50


def _axis(node: Node, default: int) -> int:
    given = node.given(0)
    rank = len((given if isinstance(given, Masked) else node.value(0)).shape)
    axis = int(node.attributes.get("axis", default))
    if not -rank <= axis < rank or (axis % rank == 0 and node.varies[0]):
        node.refuse("an axis within each frame was", f"axis {axis} of {rank} came", "keep the batch first")
    return axis % rank


def _rows(node: Node) -> tuple[DoubleDouble, tuple[int, ...], int]:
    """The input with the elements of each sum along the last axis, its own shape, and where that axis was."""
    x = node.real(0)
    if node.opset >= _ONE_AXIS:
        axis = _axis(node, -1)
        return x.map(lambda a: np.moveaxis(a, axis, -1)), x.shape, axis
    axis = _axis(node, 1)
    return x.map(lambda a: a.reshape(*a.shape[:axis], -1)), x.shape, -1


def _back(found: DoubleDouble, shape: tuple[int, ...], axis: int) -> DoubleDouble:
    return found.map(lambda a: a.reshape(shape) if axis < 0 else np.moveaxis(a, -1, axis))


def _shares(x: DoubleDouble) -> tuple[DoubleDouble, DoubleDouble, DoubleDouble]:
    """Elements less the largest of their row, e to the power of those, and the sums of these."""
    at = x.high.argmax(axis=-1)[..., None]
    below = x - x.map(lambda a: np.take_along_axis(a, at, -1))
    tiny = below.high < -_LARGE
    powers = exponential(where(tiny, DoubleDouble.of(np.full(below.shape, -_LARGE)), below))
    return below, powers, powers.total((powers.high.ndim - 1,))


def _softmax(node: Node) -> Value:
    if node.opset < _ONE_AXIS:
        return _real_softmax(node)
    return shares_of(node, _axis(node, -1), _real_softmax)


def _real_softmax(node: Node) -> DoubleDouble:
    rows, shape, axis = _rows(node)
    _, powers, total = _shares(rows)
    return _back(powers.divided(total), shape, axis)


def _log_softmax(node: Node) -> Value:
    rows, shape, axis = _rows(node)
    below, _, total = _shares(rows)
    return _back(below - _logarithm(total), shape, axis)


def _logarithm(x: DoubleDouble) -> DoubleDouble:
    """Natural logarithm of numbers from 1 on, by Newton's method on the exponential."""
    found = DoubleDouble.of(np.log(x.high))
    for _ in range(2):
        step = DoubleDouble(x.high, x.low) * exponential(-found) - DoubleDouble.of(1.0)
        found = found + step
        found = DoubleDouble(found.high, found.low)
    return found.within(_SERIES + 2 * x.spread_error() / x.high)


def _order(node: Node, axis: int, smallest: bool, last: bool, count: int) -> np.ndarray:
    """Indices along an axis in the order of the elements, the first `count`; of equal ones as `last` says."""
    x = node.real(0).map(lambda a: np.moveaxis(a, axis, -1))
    places = np.broadcast_to(np.arange(x.shape[-1]), x.shape)
    keys = (-places if last else places, *((x.low, x.high) if smallest else (-x.low, -x.high)))
    order = np.lexsort(keys, axis=-1)
    near = order[..., : count + 1]
    ranked, error = (np.take_along_axis(a, near, -1) for a in (x.high, x.spread_error()))
    gap = abs(np.diff(ranked, axis=-1))
    unsure = error[..., 1:] + error[..., :-1]
    if ((gap <= unsure) & (unsure > 0)).any():
        node.refuse(
            "elements in a definite order were",
            "two lie nearer to each other than their error",
            "quantise before the node",
        )
    return order[..., :count]


def _arg(smallest: bool) -> Operation:
    def rule(node: Node) -> Value:
        axis = _axis(node, 0)
        last = bool(node.attributes.get("select_last_index", 0))
        found = _order(node, axis, smallest, last, 1).astype(np.float64)
        kept = np.moveaxis(found, -1, axis)
        return DoubleDouble.of(kept if node.attributes.get("keepdims", 1) else kept.squeeze(axis))

    return one(rule, "axis", "keepdims", "select_last_index")


def _top_k(node: Node) -> list[Value]:
    axis = _axis(node, -1)
    given = node.attributes.get("k") if node.given(1) is None else node.constant(1, "k").ravel()[0]
    smallest = not node.attributes.get("largest", 1)
    order = np.moveaxis(_order(node, axis, smallest, False, int(given)), -1, axis)  # type: ignore[arg-type]
    values = node.real(0).map(lambda a: np.take_along_axis(a, order, axis))
    return [values, DoubleDouble.of(order.astype(np.float64))]


def _pair(node: Node) -> tuple[DoubleDouble, DoubleDouble]:
    if len(node.inputs) != 2:
        node.refuse("two inputs were", f"{len(node.inputs)} came", "use one node for each two")
    shape = np.broadcast_shapes(node.value(0).shape, node.value(1).shape)
    first, second = (node.real(i).map(lambda a: np.broadcast_to(a, shape)) for i in (0, 1))
    return first, second


def _compared(node: Node) -> Value:
    """1 where it is so, else 0; numbers that their errors do not tell apart are refused."""
    first, second = _pair(node)
    gap = first - second
    unsure = gap.spread_error()
    if ((abs(gap.high) <= unsure) & (unsure > 0)).any():
        node.refuse(
            "numbers that differ, or are equal, were", "their errors do not tell", "quantise before it"
        )
    below, above = first.less(second), second.less(first)
    found = {
        "Greater": above,
        "GreaterOrEqual": ~below,
        "Less": below,
        "LessOrEqual": ~above,
        "Equal": ~(below | above),
    }
    return DoubleDouble.of(found[node.type].astype(np.float64))


def _axes_of(node: Node) -> tuple[int, ...]:
    given = node.attributes.get("axes") if node.given(1) is None else node.constant(1, "axes").ravel()
    rank = len(node.value(0).shape)
    axes = tuple(sorted({int(axis) % rank for axis in given})) if given is not None else ()
    if not axes or (axes[0] == 0 and node.varies[0]):
        node.refuse("axes within each frame were", f"{axes} came", "keep the batch, and name the others")
    return axes


def _slice(x: DoubleDouble, axis: int, place: int) -> DoubleDouble:
    return x.map(lambda a: np.take(a, [place], axis))


def _smallest_along(node: Node) -> Value:
    found, axes = node.real(0), _axes_of(node)
    for axis in axes:
        first, *others = (_slice(found, axis, place) for place in range(found.shape[axis]))
        found = first
        for other in others:
            found = where(other.less(found), other, found)
    return found if node.attributes.get("keepdims", 1) else found.map(lambda a: a.squeeze(axes))


OPERATIONS = {
    "Softmax": one(_softmax, "axis"),
    "LogSoftmax": one(_log_softmax, "axis"),
    "ArgMax": _arg(smallest=False),
    "ArgMin": _arg(smallest=True),
    "TopK": Operation(_top_k, frozenset({"axis", "k", "largest", "sorted"})),
    "ReduceMin": one(_smallest_along, "axes", "keepdims", "noop_with_empty_axes"),
    **{
        kind: broadcasting(_compared)
        for kind in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")
    },
}
