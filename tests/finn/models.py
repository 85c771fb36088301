"""FINN models of small graphs, and their execution beside the graph's own."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from pyqkit.finn.flow import dataflow_model
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding

PART = "xczu7ev-ffvc1156-2-e"


def foldings(graph: Graph, largest: int) -> dict[str, ConvolutionFolding]:
    """PE and SIMD of every convolution: the largest divisors up to `largest`."""

    def divisor(total: int) -> int:
        return max(n for n in range(1, largest + 1) if total % n == 0)

    layers = [op for op in graph.operators if isinstance(op, Convolution)]
    return {
        op.name: ConvolutionFolding(divisor(len(op.weights) // op.groups), divisor(op.weights.shape[3]))
        for op in layers
    }


def streamed(graph: Graph, largest: int = 3) -> ModelWrapper:
    """The model of a graph, folded."""
    return dataflow_model(graph, foldings(graph, largest), PART)


def assert_executes(
    model: ModelWrapper,
    graph: Graph,
    codes: dict[str, np.ndarray],
    expected: dict[str, np.ndarray],
    frames: int,
) -> None:
    """Frame by frame, as FINN does: every output code equals what is expected."""
    for frame in range(frames):
        given = {
            value.name: codes[port.tensor][frame : frame + 1]
            for value, port in zip(model.graph.input, graph.inputs)
        }
        got = execute_onnx(model, {name: values.astype(np.float32) for name, values in given.items()})
        for values, port in zip(got.values(), graph.outputs):
            assert_array_equal(values[0], expected[port.tensor][frame])
