"""Pools: the largest real number of a window, and exact sums over a divisor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.reference import windows
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node, one
from pyqkit.reference.quantised import Quantised, Value, ratio_of
from pyqkit.reference.ratio import Ratio


def _overhanging(node: Node, seen: windows.Windows, size: tuple[int, ...]) -> windows.Windows:
    """Windows of ``ceil_mode``.

    A last one that starts inside the image or its first padding may reach beyond the end.
    """
    if not node.attributes.get("ceil_mode", 0):
        return seen
    after = []
    for n, k, s, d, a, b in zip(size, seen.kernel, seen.strides, seen.dilations, seen.before, seen.after):
        rest = n + a + b - ((k - 1) * d + 1)
        count = -(-rest // s)
        after.append(b + count * s - rest if count * s < n + a else b)
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
    x = ratio_of(source).over_one_divisor()
    seen = _overhanging(node, _windows(node, x.shape[2:]), x.shape[2:])

    def flat(a: np.ndarray, fill: float) -> np.ndarray:
        view = seen.of(a, fill)
        return view.reshape(*view.shape[:4], -1)

    def picked(a: np.ndarray) -> np.ndarray:
        return np.take_along_axis(flat(a, 0), best, -1)[..., 0]

    best = np.lexsort((flat(x.numerator.low, 0), flat(x.numerator.high, -np.inf)), axis=-1)[..., -1:]
    if isinstance(source, Quantised):
        return source.map(picked)
    error = x.numerator.error if x.numerator.is_exact else flat(x.numerator.spread_error(), 0).max(axis=-1)
    numerator = DoubleDouble(picked(x.numerator.high), picked(x.numerator.low), error)
    return Ratio(numerator, x.divisor)


def _average(node: Node) -> Value:
    x = node.ratio(0).over_one_divisor()
    size = x.shape[2:]
    seen = _windows(node, size)
    if _overhanging(node, seen, size) != seen:
        node.refuse("windows inside the padded image were", "they overhang it (ceil_mode)", "pad explicitly")
    inside = seen.of(np.ones((1, 1, *size)), float(bool(node.attributes.get("count_include_pad", 0))))
    counts = inside.sum(axis=(-2, -1))
    counts = counts if (counts != counts.flat[0]).any() else counts.flat[0]
    total = x.numerator.map(seen.of).total((4, 5)).map(lambda a: a[..., 0, 0])
    return Ratio(total, x.divisor * DoubleDouble.of(counts))


def _reduced(node: Node) -> Value:
    x = node.ratio(0)
    rank = len(x.shape)
    given = node.attributes.get("axes", ()) if node.given(1) is None else node.constant(1, "axes").ravel()
    axes = tuple(sorted({int(a) % rank for a in given}))
    if not axes and node.attributes.get("noop_with_empty_axes", 0):
        return x
    if not axes or 0 in axes:
        node.refuse("an average within a frame was", "one over the batch came", "name the axes")
    x = x.over_one_divisor()
    total, count = x.numerator.total(axes), float(np.prod([x.shape[a] for a in axes]))
    if not node.attributes.get("keepdims", 1):
        total = total.map(lambda a: a.reshape([n for i, n in enumerate(x.shape) if i not in axes]))
    return Ratio(total, x.divisor * DoubleDouble.of(count))


OPERATIONS = {
    "MaxPool": one(windows.also_of_lengths(_largest), "ceil_mode", "storage_order", *windows.ATTRIBUTES),
    "GlobalMaxPool": one(windows.also_of_lengths(_largest)),
    "AveragePool": one(
        windows.also_of_lengths(_average), "ceil_mode", "count_include_pad", *windows.ATTRIBUTES
    ),
    "GlobalAveragePool": one(windows.also_of_lengths(_average)),
    "ReduceMean": one(_reduced, "axes", "keepdims", "noop_with_empty_axes"),
}
