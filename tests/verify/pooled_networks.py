"""Networks that pool and reduce in every way of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.graph.qonnx_builder import Builder
from tests.verify.small import Build, image

_POINTWISE = np.array([0.5, 2, 1, 0.25]).reshape(4, 1, 1)


def pooled(kind: str, **attributes: Any) -> Build:
    """A pool of codes, and a convolution."""
    return lambda b, x: b.conv(b.node(kind, x, **attributes), "int4", 3, 4, 1)


def pooled_function(b: Builder, x: str) -> str:
    pool = {
        "kernel_shape": [2, 2],
        "dilations": [2, 1],
        "pads": [0, 1, 1, 0],
        "ceil_mode": 1,
        "strides": [2, 2],
    }
    return b.node("MaxPool", b.node("Relu", b.conv(x, "int4", 4, 4)), **pool)


def pooled_sums(b: Builder, x: str) -> str:
    """An average without counted padding of sums with an offset each."""
    shifted = b.node("Add", b.conv(x, "int4", 4, 4), b.constant(_POINTWISE))
    return b.node("AveragePool", shifted, kernel_shape=[2, 2], pads=[1, 0, 1, 1], strides=[2, 1])


def reduced(kind: str, axes: list[int], **attributes: Any) -> Build:
    def build(b: Builder, x: str) -> str:
        given = [b.constant(axes, np.int64)] if kind == "ReduceSum" else []
        attributes.update({} if given else {"axes": axes})
        return b.node("Flatten", b.node(kind, x, *given, **attributes))

    return build


EXACT: dict[str, Callable[[], Any]] = {
    "uncounted_padding": lambda: image(pooled("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 0])),
    "uncounted_padding_of_sums": lambda: image(pooled_sums),
    "average_overhanging": lambda: image(
        pooled("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    ),
    "average_of_same_size": lambda: image(
        pooled("AveragePool", kernel_shape=[2, 2], strides=[1, 2], auto_pad="SAME_UPPER")
    ),
    "maximum_overhanging": lambda: image(
        pooled("MaxPool", kernel_shape=[2, 3], strides=[2, 2], pads=[0, 1, 0, 0], ceil_mode=1)
    ),
    "maximum_of_same_size": lambda: image(
        pooled("MaxPool", kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER")
    ),
    "maximum_dilated": lambda: image(
        pooled("MaxPool", kernel_shape=[2, 2], dilations=[2, 3], pads=[1, 0, 0, 1])
    ),
    "function_and_dilated_maximum": lambda: image(pooled_function),
    "largest_of_rows": lambda: image(reduced("ReduceMax", [2], keepdims=0)),
    "largest_of_all": lambda: image(reduced("ReduceMax", [-1, -2])),
    "sum_of_columns": lambda: image(reduced("ReduceSum", [3], keepdims=0)),
    "mean_of_columns": lambda: image(reduced("ReduceMean", [3])),
}
OTHERS: dict[str, Callable[[], Any]] = {
    "uncounted_padding_of_ninths": lambda: image(
        pooled("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 2]), "uint4z7"
    ),
    "counted_padding_overhanging": lambda: image(
        pooled(
            "AveragePool", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], count_include_pad=1, ceil_mode=1
        )
    ),
}
