"""Graphs compared with the reference: every code of every quantised tensor, and the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyqkit.graph.graph import Graph, encode_input, to_integers
from pyqkit.graph.importer import import_qonnx
from pyqkit.reference.quantised import Quantised, real_of
from pyqkit.reference.reference import Reference

FORMATS = [
    "e2m1",
    "e3m2",
    "e4m3",
    "e4m3fn",
    "e3m0",
    "ue3m2",
    "int4",
    "int8",
    "uint4",
    "uint8z128",
    "lp4_0_3",
    "lp8_1_3",
    "lp8_1_3@-0.25",
]


def frames(model: Any, count: int = 6, seed: int = 1) -> np.ndarray:
    """Random frames, and frames that sit on ties and beyond saturation of the input's quantiser."""
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 2, (count, *shape)).astype(np.float32)
    x[0] = draw.integers(-12, 13, shape) / 4  # multiples of a quarter: ties of every format here
    x[1] *= 1e6
    return x


def check(model: Any, x: np.ndarray | None = None) -> Graph:
    """Assert that graph and reference agree on every quantised tensor and on the outputs.

    Return the graph.
    """
    graph, reference = import_qonnx(model), Reference(model)
    x = frames(model) if x is None else x
    expected = reference.run(x, keep=True)
    codes = {p.tensor: encode_input(p, graph.tensors[p.tensor], x) for p in graph.inputs}
    actual = graph.execute(codes, keep=True)
    for name, source in graph.sources.items():
        value = expected[source]
        assert isinstance(value, Quantised)
        found = graph.as_source(name, actual[name])
        np.testing.assert_array_equal(
            found.reshape(value.content.shape), value.codes(), err_msg=f"{name} ({source})"
        )
    for tensor in graph.tensors.values():
        if tensor.name in actual:
            integers = to_integers(actual[tensor.name], tensor.format)
            assert tensor.low <= integers.min() and integers.max() <= tensor.high, tensor
    for port in graph.outputs:
        integers = to_integers(actual[port.tensor], graph.tensors[port.tensor].format)
        real = (
            (integers * port.scale + port.offset)
            .reshape(len(x), -1)[:, port.order.ravel()]
            .reshape(len(x), *port.onnx_shape)
        )
        wanted = real_of(expected[port.onnx_name]).high
        steps = (
            np.broadcast_to(port.scale, integers.shape)
            .reshape(len(x), -1)[:, port.order.ravel()]
            .reshape(real.shape)
        )
        # Outputs are multiples of a step: none is a step off.
        np.testing.assert_array_equal(np.rint((real - wanted) / steps), 0)
    return graph
