"""Pools: the largest real number of a window, and exact sums over a divisor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pyqkit.reference import windows
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node, one
from pyqkit.reference.quantised import Quantised, Value, ratio_of
from pyqkit.reference.ratio import Ratio


def _overhanging(node: Node, seen: windows.Windows, size: tuple[int, ...]) -> windows.Windows:
    """Windows of ``ceil_mode``: a last one may reach beyond the end of the padding."""
    if not node.attributes.get("ceil_mode", 0):
        return seen
    after = []
    for n, k, s, d, a, b in zip(size, seen.kernel, seen.strides, seen.dilations, seen.before, seen.after):
        rest = n + a + b - ((k - 1) * d + 1)
        count = -(-rest // s)
        if count * s >= n + a:
            node.refuse("windows that start in the image were", "one of ceil_mode does not", "pad explicitly")
        after.append(b + count * s - rest)
    return replace(seen, after=(after[0], after[1]))


def _all_of(size: tuple[int, ...]) -> windows.Windows:
    return windows.Windows((size[0], size[1]), (1, 1), (1, 1), (0, 0), (0, 0))


def _windows(node: Node, size: tuple[int, ...]) -> windows.Windows:
    if len(size) != 2:
        node.refuse("images of two axes were", f"{len(size)} came", "use two-dimensional pools")
    if node.type.startswith("Global"):
        return _all_of(size)
    return windows.windows_of(node, size, node.numbers("kernel_shape", ()))


def _largest(node: Node) -> Value:
    if node.outputs > 1:
        node.refuse("a pool without indices was", "its indices are used", "use the pooled values only")
    source = node.value(0)
    size = source.shape[2:]
    seen = _overhanging(node, _windows(node, size), size)

    def flat(a: np.ndarray, fill: float) -> np.ndarray:
        view = seen.of(a, fill)
        return view.reshape(*view.shape[:4], -1)

    return _largest_of(source, flat)


def _largest_of(source: Value, flat: Callable[[np.ndarray, float], np.ndarray]) -> Value:
    """The largest number of each window; `flat` gives those of a window along the last axis, and fills."""
    x = ratio_of(source).over_one_divisor()

    def picked(a: np.ndarray) -> np.ndarray:
        return np.take_along_axis(flat(a, 0), best, -1)[..., 0]

    best = np.lexsort((flat(x.numerator.low, 0), flat(x.numerator.high, -np.inf)), axis=-1)[..., -1:]
    if isinstance(source, Quantised):
        return source.map(picked)
    error = x.numerator.error if x.numerator.is_exact else flat(x.numerator.spread_error(), 0).max(axis=-1)
    numerator = DoubleDouble(picked(x.numerator.high), picked(x.numerator.low), error)
    return Ratio(numerator, x.divisor)


def _average(node: Node) -> Value:
    """Padding counts as zeros with count_include_pad; what ceil_mode adds to it never counts."""
    x = node.ratio(0).over_one_divisor()
    size = x.shape[2:]
    stated = _windows(node, size)
    seen = _overhanging(node, stated, size)
    padding = float(bool(node.attributes.get("count_include_pad", 0)))
    inside = np.pad(np.ones((1, 1, *size)), _sides(stated), constant_values=padding)
    counts = replace(seen, before=(0, 0), after=_difference(seen, stated)).of(inside).sum(axis=(-2, -1))
    total = x.numerator.map(seen.of).total((4, 5)).map(lambda a: a[..., 0, 0])
    # One divisor for all pixels, so that products of the averages stay exact.
    common = float(np.lcm.reduce(counts.astype(np.int64).ravel()))
    if (counts != common).any():
        total = total * DoubleDouble.of(common / counts)
    return Ratio(total, x.divisor * DoubleDouble.of(common))


def _sides(windows: windows.Windows) -> list[tuple[int, int]]:
    return [(0, 0), (0, 0), *zip(windows.before, windows.after)]


def _difference(wide: windows.Windows, narrow: windows.Windows) -> tuple[int, int]:
    rows, columns = (a - b for a, b in zip(wide.after, narrow.after))
    return rows, columns


def _axes(node: Node) -> tuple[int, ...]:
    """Axes that a node reduces; none if it has nothing to do."""
    rank = len(node.value(0).shape)
    given = node.attributes.get("axes", ()) if node.given(1) is None else node.constant(1, "axes").ravel()
    axes = tuple(sorted({int(a) % rank for a in given}))
    if 0 in axes or not (axes or node.attributes.get("noop_with_empty_axes", 0)):
        node.refuse("a reduction within a frame was", "one over the batch came", "name the axes")
    return axes


def _kept(node: Node, shape: tuple[int, ...], axes: tuple[int, ...]) -> list[int]:
    """Shape of the result."""
    if node.attributes.get("keepdims", 1):
        return [1 if i in axes else n for i, n in enumerate(shape)]
    return [n for i, n in enumerate(shape) if i not in axes]


def _summed(node: Node) -> Value:
    """The mean or the sum over axes."""
    axes, x = _axes(node), node.ratio(0)
    if not axes:
        return x
    x = x.over_one_divisor()
    count = float(np.prod([x.shape[a] for a in axes])) if node.type == "ReduceMean" else 1.0
    total = x.numerator.total(axes).map(lambda a: a.reshape(_kept(node, x.shape, axes)))
    return Ratio(total, x.divisor * DoubleDouble.of(count))


def _largest_along(node: Node) -> Value:
    axes, source = _axes(node), node.value(0)
    if not axes:
        return source
    kept = _kept(node, source.shape, axes)

    def flat(a: np.ndarray, fill: float) -> np.ndarray:
        others = [i for i in range(a.ndim) if i not in axes]
        return a.transpose(*others, *axes).reshape(*kept, -1)

    return _largest_of(source, flat)


_REDUCING = ("axes", "keepdims", "noop_with_empty_axes")
OPERATIONS = {
    "MaxPool": one(windows.also_of_lengths(_largest), "ceil_mode", "storage_order", *windows.ATTRIBUTES),
    "GlobalMaxPool": one(windows.also_of_lengths(_largest)),
    "AveragePool": one(
        windows.also_of_lengths(_average), "ceil_mode", "count_include_pad", *windows.ATTRIBUTES
    ),
    "GlobalAveragePool": one(windows.also_of_lengths(_average)),
    "ReduceMean": one(_summed, *_REDUCING),
    "ReduceSum": one(_summed, *_REDUCING),
    "ReduceMax": one(_largest_along, *_REDUCING),
}
