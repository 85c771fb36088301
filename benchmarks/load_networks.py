"""Large networks with random weights, written as QONNX files: what `load.py` compiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pyqkit.formats import Integer, parse

GENERAL = "qonnx.custom_op.general"
SCALE = 2.0**-3


class Network:
    """Collects nodes; every method returns the name of the tensor that it makes.

    Parameters
    ----------
    *shape : int
        Of the input, without the batch.
    """

    def __init__(self, *shape: int) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shape = shape
        self.weights = 0

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """An initialiser."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """A node with one output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def quantised(self, source: str, name: str, scale: float = SCALE) -> str:
        """Values in the integer format `name`."""
        fmt = parse(name)
        assert isinstance(fmt, Integer)
        numbers = (self.constant(value) for value in (scale, fmt.zero_point, fmt.width))
        flags = {"signed": int(fmt.signed), "narrow": 0, "rounding_mode": "ROUND"}
        return self.node("Quant", source, *numbers, domain=GENERAL, **flags)

    def drawn(self, *shape: int) -> str:
        """Random int4 weights."""
        self.weights += int(np.prod(shape))
        values = self.random.integers(-7, 8, shape, np.int8)
        return self.quantised(self.constant(values * np.float32(SCALE)), "int4")

    def linear(self, source: str, outputs: int, inputs: int) -> str:
        """A linear layer without bias."""
        return self.node("Gemm", source, self.drawn(outputs, inputs), transB=1)

    def conv(self, source: str, outputs: int, inputs: int, kernel: int = 3, stride: int = 1) -> str:
        """A convolution, padded to keep its size but for the stride."""
        weights = self.drawn(outputs, inputs, kernel, kernel)
        return self.node("Conv", source, weights, pads=[kernel // 2] * 4, strides=[stride] * 2)

    def activated(self, source: str) -> str:
        """ReLU and a quantiser to uint4."""
        return self.quantised(self.node("Relu", source), "uint4")

    def write(self, output: str, path: Path) -> None:
        """Write the network as a file."""
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *self.shape])
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "network", [given], [result], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(GENERAL, 2)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def perceptron(path: Path) -> int:
    """Five linear layers of 2048 x 2048: 21 million weights."""
    n = Network(2048)
    x = n.quantised("x", "uint4")
    for _ in range(4):
        x = n.activated(n.linear(x, 2048, 2048))
    n.write(n.linear(x, 2048, 2048), path)
    return n.weights


def linear(path: Path) -> int:
    """One linear layer of 4096 x 4096."""
    n = Network(4096)
    n.write(n.linear(n.quantised("x", "uint4"), 4096, 4096), path)
    return n.weights


def large_frame(path: Path) -> int:
    """Three convolutions on an image of 1024 x 1024 pixels in three colours."""
    n = Network(3, 1024, 1024)
    x = n.activated(n.conv(n.quantised("x", "uint8"), 8, 3))
    x = n.activated(n.conv(x, 8, 8, stride=2))
    x = n.activated(n.conv(x, 8, 8, stride=2))
    x = n.quantised(n.node("GlobalAveragePool", x), "uint8")
    n.write(n.linear(n.node("Flatten", x), 10, 8), path)
    return n.weights


def chain(layers: int, path: Path) -> int:
    """Linear layers of 8 x 8, one behind the other."""
    n = Network(8)
    x = n.quantised("x", "uint4")
    for _ in range(layers):
        x = n.activated(n.linear(x, 8, 8))
    n.write(x, path)
    return n.weights


def resnet44(path: Path) -> int:
    """ResNet-44 for images of 32 x 32 pixels; shortcuts of another shape are convolutions of 1 x 1."""
    n = Network(3, 32, 32)
    x, inputs = n.activated(n.conv(n.quantised("x", "uint8"), 16, 3)), 16
    for outputs in (16, 32, 64):
        for _ in range(7):
            stride = 1 if outputs == inputs else 2
            y = n.activated(n.conv(x, outputs, inputs, stride=stride))
            y = n.quantised(n.conv(y, outputs, outputs), "int4")
            if stride > 1:
                x = n.quantised(n.conv(x, outputs, inputs, 1, stride), "int4")
            x, inputs = n.activated(n.node("Add", y, x)), outputs
    x = n.quantised(n.node("GlobalAveragePool", x), "uint8")
    n.write(n.linear(n.node("Flatten", x), 10, 64), path)
    return n.weights


def small_image(path: Path) -> int:
    """Two convolutions on an image of 8 x 8 pixels: what the emulated board runs."""
    n = Network(1, 8, 8)
    x = n.activated(n.conv(n.quantised("x", "uint4"), 8, 1))
    x = n.activated(n.conv(x, 8, 8, stride=2))
    n.write(n.linear(n.node("Flatten", x), 10, 128), path)
    return n.weights


@dataclass(frozen=True)
class Target:
    """What a case may take.

    Attributes
    ----------
    seconds : float or None
        Of wall time, to compile and save.
    megabytes : float or None
        Resident at most, 8 bytes a weight not counted.
    """

    seconds: float | None
    megabytes: float | None


@dataclass(frozen=True)
class Case:
    """A network of a size.

    Attributes
    ----------
    title : str
    write : callable
        Writes the file; returns the number of weights.
    target : Target
    """

    title: str
    write: Callable[[Path], int]
    target: Target


CASES: dict[str, Case] = {
    "mlp": Case("perceptron of 21 million weights", perceptron, Target(15, 500)),
    "linear": Case("linear 4096 x 4096", linear, Target(15, 500)),
    "frame": Case("frame of 1024 x 1024", large_frame, Target(None, 500)),
    "chain_1000": Case("chain of 1,000 layers", lambda path: chain(1000, path), Target(5, None)),
    "chain_3000": Case("chain of 3,000 layers", lambda path: chain(3000, path), Target(15, None)),
    "resnet44": Case("ResNet-44", resnet44, Target(None, None)),
}
