"""QONNX models, from a file to frames on engine exact, which are compared with the reference."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx

from pyqkit.errors import UserError
from tests.fuzz.model_mutator import spoil_model
from tests.fuzz.mutators import spoil_bytes
from tests.fuzz.reader import Input, Reader
from tests.graph.qonnx_builder import GENERAL, Builder
from tests.small_networks import mixed_layout, residual, two_heads

FRAMES = 2
_COMPILED = 16  # of so many models one is compiled
_MOST_WORK = 2_000_000  # elements and products of a frame: larger networks are compiled and not run


def functions() -> Any:
    """One activation function a quantiser."""
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    one, limit, slope = (
        b.constant(1.5),
        b.constant(-1.0),
        b.constant(np.array([0.1, 0.5, 2]).reshape(3, 1, 1)),
    )
    kinds: list[tuple[str, list[str]]] = [
        ("Clip", [limit, one]),
        ("PRelu", [slope]),
        ("LeakyRelu", []),
        ("HardSigmoid", []),
        ("Tanh", []),
    ]
    for kind, inputs in kinds:
        y = b.node(kind, b.batch_norm(b.conv(x, "int4", 3, 3, kernel=1), 3), *inputs)
        x = b.quantise(b.node("Sub", b.node("Mul", y, one), limit), "int4", 0.25)
    return b.model(b.node("Div", b.node("Neg", x), b.constant(0.3)))


def linear_quantisers() -> Any:
    """QuantizeLinear, Clip and DequantizeLinear; weights and biases as integers."""
    b = Builder(3, 4, 4)
    step, zero, none = b.constant(0.25), b.constant(117, np.uint8), b.constant(0, np.int8)
    x = b.node("DequantizeLinear", b.node("QuantizeLinear", "x", step, zero), step, zero)
    scales = b.constant(b.random.uniform(0.1, 0.2, 4))
    kernels = b.constant(b.random.integers(-8, 8, (4, 3, 3, 3)), np.int8)
    biases = b.constant(b.random.integers(-1000, 1000, 4), np.int32)
    w = b.node("DequantizeLinear", kernels, scales, b.constant(np.zeros(4), np.int8), axis=0)
    y = b.node("Conv", x, w, b.node("DequantizeLinear", biases, step), pads=[1, 1, 1, 1])
    integers = b.node("QuantizeLinear", y, step, none)
    integers = b.node("Clip", integers, b.constant(-8, np.int8), b.constant(7, np.int8))
    return b.model(b.node("DequantizeLinear", integers, step, none))


def pooling() -> Any:
    """Every pooling node; a linear layer with a bias."""
    b = Builder(3, 8, 8)
    x = b.node(
        "MaxPool",
        b.quantise("x", "uint4", 0.5),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        ceil_mode=0,
    )
    x = b.quantise(
        b.node("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1], count_include_pad=1),
        "e2m1",
        0.5,
    )
    x = b.node("MaxPool", b.node("Relu", b.conv(x, "int4", 4, 3)), kernel_shape=[2, 2], auto_pad="SAME_LOWER")
    x = b.quantise(x, "int6", 0.9)
    y = b.quantise(b.node("GlobalAveragePool", x), "int8", 0.3)
    z = b.quantise(b.node("ReduceMean", x, axes=[2, 3], keepdims=1), "int8", 0.3)
    flat = b.node("Flatten", b.node("Add", y, z))
    wide = b.quantise(flat, "int8", 0.1)
    model = b.model(
        b.node("Gemm", wide, b.weights("int4", 4, 5), b.constant(np.arange(5)), transB=0),
        b.node("GlobalMaxPool", x),
    )
    next(o for o in model.opset_import if not o.domain).version = 13
    return model


def layout() -> Any:
    """Nodes that move elements."""
    b = Builder(4, 6, 6)

    def whole(*values: int) -> str:
        return b.constant(values, np.int64)

    x = b.quantise("x", "int4", 0.5)
    x = b.node(
        "Pad",
        b.node("Slice", x, whole(0, 0), whole(6, 6), whole(2, 3), whole(2, 1)),
        whole(0, 0, 1, 0, 0, 0, 0, 2),
    )
    left, right = b.node("Split", x, whole(1, 3), axis=1, outputs=2)
    x = b.node("Gather", b.node("Concat", right, left, axis=1), whole(3, 0, 1, 2), axis=1)
    x = b.node("Squeeze", b.node("Unsqueeze", x, whole(2)), whole(2))
    x = b.node("Transpose", x, perm=[0, 1, 2, 3])
    x = b.quantise(
        b.conv(x, "int4", 3, 4, auto_pad="NOTSET", dilations=[1, 1], strides=[1, 2], group=1), "int4", 1.0
    )
    shape = b.node("Concat", b.node("Gather", b.node("Shape", x), whole(0), axis=0), whole(-1), axis=0)
    x = b.node("Dropout", b.node("Identity", b.node("Reshape", x, shape)))
    return b.model(b.node("MatMul", x, b.node("Transpose", b.weights("e2m1", 2, 48), perm=[1, 0])))


def quantisers() -> Any:
    """Every kind of quantiser, of weights and of activations."""
    b = Builder(32, 2, 2)
    one = b.constant(1.0)
    x = b.quantise("x", "uint8z128", 0.05)
    x = b.quantise(b.node("Conv", x, b.weights("mx32_e2m1", 4, 32, 1, 1, axis=1)), "e4m3", 0.5)
    x = b.quantise(
        b.conv(x, "int4narrow", 4, 4, scale=np.linspace(0.1, 0.3, 4).reshape(4, 1, 1, 1)),
        "lp8_1_3@-0.25",
        1.0,
    )
    x = b.quantise(b.conv(x, "lp4_0_3", 4, 4), "int8", 0.5, rounding_mode="FLOOR")
    w = b.node("BipolarQuant", b.constant(b.random.normal(0, 1, (4, 4, 1, 1))), one, domain=GENERAL)
    x = b.node("BipolarQuant", b.node("Conv", x, w), one, domain=GENERAL)
    numbers = [b.constant(v) for v in (4, 3, 9, 120.0)]
    x = b.node(
        "FloatQuant",
        b.node("Conv", x, w),
        one,
        *numbers,
        domain=GENERAL,
        rounding_mode="ROUND",
        has_inf=0,
        has_nan=0,
    )
    return b.model(b.quantise(x, "int12", 0.25))


class Model(Reader):
    """The importer, and `pyqkit.compile` now and then.

    What is lowered runs on engine `exact` and is compared with the reference.
    """

    name = "model"
    suffix = ".onnx"

    def seeds(self) -> Sequence[Input]:
        from pyqkit.emulate import kernels

        kernels.load(False)  # built now, because nothing may be built while a model is read
        networks = (
            residual(size=4),
            mixed_layout(),
            two_heads(),
            functions(),
            linear_quantisers(),
            pooling(),
            layout(),
            quantisers(),
        )
        return [model.SerializeToString() for model in networks]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        if random.random() < 0.15:
            return spoil_bytes(seed, random)
        model = onnx.load_from_string(seed)
        spoil_model(model, random)
        content = model.SerializeToString()
        return spoil_bytes(content, random) if random.random() < 0.05 else content

    def call(self, path: Path, output: Path) -> None:
        import pyqkit
        from pyqkit.graph.importer import import_qonnx
        from pyqkit.graph.model import load_model

        model = load_model(path)
        graph = import_qonnx(model)
        if zlib.crc32(path.read_bytes()) % _COMPILED == 0:  # the search for a folding takes most of the time
            pyqkit.compile(path)
        work = sum(op.macs(graph.input_tensors(op)) for op in graph.operators)
        work += sum(int(np.prod(tensor.shape)) for tensor in graph.tensors.values())
        if work <= _MOST_WORK:
            compare(graph, model)


def compare(graph: Any, model: Any) -> None:
    """Raise an `AssertionError` if an output of engine `exact` is another multiple of its step than in the
    reference.
    """
    from pyqkit.emulate.exact import ExactEngine
    from pyqkit.graph.graph import encode_input, to_integers
    from pyqkit.reference.quantised import real_of
    from pyqkit.reference.reference import Reference

    (port,) = graph.inputs
    x = (np.random.default_rng(0).integers(-40, 41, (FRAMES, *port.onnx_shape)) / 16).astype(np.float32)
    found = ExactEngine(graph).run({port.tensor: encode_input(port, graph.tensors[port.tensor], x)})
    try:
        expected = Reference(model).run(x)
    except UserError:  # the reference refuses what it cannot decide, and says so
        return
    for end in graph.results:
        integers = to_integers(found[end.tensor], graph.tensors[end.tensor].format)
        with np.errstate(all="ignore"):
            real = (integers * end.scale + end.offset).reshape(FRAMES, -1)[:, end.order.ravel()]
            steps = np.broadcast_to(end.scale, integers.shape).reshape(FRAMES, -1)[:, end.order.ravel()]
            wanted = real_of(expected[end.onnx_name]).high.reshape(real.shape)
            differing = np.rint((real - wanted) / np.where(steps == 0, 1, steps)) != 0
        if differing.any():
            raise AssertionError(
                f"{int(differing.sum())} of {differing.size} elements of {end.onnx_name} differ "
                "from the reference"
            )


READERS = [Model()]
