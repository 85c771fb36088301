"""Networks with an end that the host computes, and ONNX Runtime on that end alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from pyqkit.graph import serialise
from pyqkit.graph.graph import decode_output
from tests.graph.qonnx_builder import Builder

Tail = Callable[[Builder, str], "list[str]"]


def classifier(
    tail: Tail, features: int = 7, opset: int = 17, scale: float = 0.0078125, seed: int = 0
) -> Any:
    """A linear layer of 6 inputs, and what `tail` puts behind its logits."""
    b = Builder(6, seed=seed)
    x = b.quantise("x", "int4", 0.25)
    logits = b.node("MatMul", x, b.weights("int8", 6, features, scale=scale))
    return of_opset(b.model(*tail(b, logits)), opset)


def image(tail: Tail, channels: int = 3, seed: int = 0) -> Any:
    """A convolution of 4x5 pixels, and what `tail` puts behind its output."""
    b = Builder(2, 4, 5, seed=seed)
    x = b.quantise("x", "int4", 0.25)
    return b.model(*tail(b, b.conv(x, "int4", channels, 2)))


def of_opset(model: Any, opset: int) -> Any:
    """The model, said to be of another version of ONNX's operators, with outputs of no stated type."""
    for entry in model.opset_import:
        entry.version = opset if entry.domain == "" else entry.version
    return model


def frames(count: int, *shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


def onnx_gives(model: Any, graph: Any, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime makes of the accelerator's outputs, frame by frame."""
    ends = {
        port.onnx_name: decode_output(port, graph.tensors[port.tensor], codes[port.tensor])
        for port in graph.results
    }
    made, nodes = set(ends), []
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if made.intersection(node.input) and not made.intersection(node.output):
            assert all(name in made | constants or not name for name in node.input)
            nodes.append(node)
            made.update(node.output)
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, *v.shape[1:]]) for n, v in ends.items()]
    outputs = [helper.make_empty_tensor_value_info(value.name) for value in model.graph.output]
    tail = helper.make_graph(nodes, "tail", inputs, outputs, list(model.graph.initializer))
    opsets = [entry for entry in model.opset_import if entry.domain == ""]
    made_model = helper.make_model(tail, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()  # node by node: fused ones round otherwise
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made_model.SerializeToString(), options)
    count = len(next(iter(ends.values())))
    runs = [session.run(None, {name: v[i : i + 1] for name, v in ends.items()}) for i in range(count)]
    names = [value.name for value in model.graph.output]
    return {name: np.concatenate([run[place] for run in runs]) for place, name in enumerate(names)}


def assert_kept(accelerator: Any, x: np.ndarray) -> None:
    """The graph as data, and read back: the same numbers of the same codes."""
    data, arrays = serialise.to_json(accelerator.graph)
    read = serialise.from_json(json.loads(json.dumps(data)), arrays)
    codes = accelerator.exact.run(accelerator.encode(x))
    ours, wanted = read.decode(codes), accelerator.graph.decode(codes)
    assert list(ours) == list(wanted)
    for name, values in wanted.items():
        assert ours[name].dtype == values.dtype
        np.testing.assert_array_equal(ours[name], values)


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Types and whole numbers are the same; real ones to 2**-20 of themselves and 2**-22."""
    assert list(found) == list(wanted)
    for name, ours in found.items():
        theirs = wanted[name]
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
        if ours.dtype.kind == "f":
            assert (abs(ours - theirs.astype(np.float64)) <= 2.0**-20 * abs(ours) + 2.0**-22).all(), name
        else:
            np.testing.assert_array_equal(ours, theirs)
