"""The running error analysis.

Float32 never errs by more than the bound, and the bound is not wildly loose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from pyqkit.graph.lowering.rules import rules
from pyqkit.graph.model import MAKERS
from pyqkit.verify.execution import Execution
from pyqkit.verify.float_error import MOVES, RULES, ErrorBounds
from tests.graph.qonnx_builder import Builder

Network = Callable[[Builder, str], str]
SHAPE = (4, 8, 8)


def draw(b: Builder, *shape: int, spread: float = 1.0) -> str:
    return b.constant(b.random.normal(0, spread, shape))


def activation(kind: str, **attributes: Any) -> Network:
    return lambda b, x: b.node(kind, x, **attributes)


def pool(kind: str, **attributes: Any) -> Network:
    return lambda b, x: b.node(kind, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], **attributes)


def matrix(b: Builder, x: str) -> str:
    return b.node("MatMul", b.node("Flatten", x), draw(b, 256, 30))


NODES: dict[str, Network] = {
    "convolution": lambda b, x: b.node("Conv", x, draw(b, 6, 4, 3, 3), draw(b, 6), pads=[1, 1, 1, 1]),
    "strided groups": lambda b, x: b.node(
        "Conv", x, draw(b, 8, 2, 3, 3), group=2, strides=[2, 1], dilations=[1, 2]
    ),
    "matrix product": matrix,
    "linear": lambda b, x: b.node(
        "Gemm", b.node("Flatten", x), draw(b, 30, 256), draw(b, 30), transB=1, alpha=-1.7, beta=0.3
    ),
    "two layers": lambda b, x: b.node(
        "Conv", b.node("Relu", b.node("Conv", x, draw(b, 6, 4, 3, 3))), draw(b, 3, 6, 3, 3)
    ),
    "batch norm": lambda b, x: b.batch_norm(x, 4),
    "batch norm far from its mean": lambda b, x: b.node(
        "BatchNormalization",
        x,
        draw(b, 4),
        draw(b, 4),
        draw(b, 4, spread=1000.0),
        b.constant([1e-8, 1e-3, 1.0, 1e6]),
    ),
    "sum": lambda b, x: b.node("Add", x, b.node("Mul", x, draw(b, 4, 1, 1))),
    "difference": lambda b, x: b.node("Sub", x, b.node("Mul", x, b.constant(1.0001))),
    "product": lambda b, x: b.node("Mul", x, b.node("Add", x, draw(b, 4, 1, 1))),
    "quotient": lambda b, x: b.node("Div", x, draw(b, 4, 1, 1)),
    "mean": activation("GlobalAveragePool"),
    "mean over axes": lambda b, x: b.node("ReduceMean", x, axes=[2, 3]),
    "average pool": pool("AveragePool"),
    "average pool with its padding": pool("AveragePool", count_include_pad=1),
    "max pool": pool("MaxPool"),
    "moves": lambda b, x: b.node("Concat", b.node("Transpose", x, perm=[0, 1, 3, 2]), x, axis=1),
    "padding": lambda b, x: b.node(
        "Pad", x, b.constant([0, 0, 1, 1, 0, 0, 1, 2], np.int64), b.constant([3.3])
    ),
    "clip": lambda b, x: b.node("Clip", x, b.constant(-0.7), b.constant(1.3)),
    "negative": activation("Neg"),
    "leaky": activation("LeakyRelu", alpha=0.3),
    "parametric": lambda b, x: b.node("PRelu", x, draw(b, 4, 1, 1, spread=2.0)),
    "hard sigmoid": activation("HardSigmoid", alpha=0.17, beta=0.4),
    "sigmoid": activation("Sigmoid"),
    "tanh": activation("Tanh"),
    "softplus": activation("Softplus"),
    "elu": activation("Elu", alpha=1.7),
    "softmax": activation("Softmax", axis=-1),
    "softmax of large numbers": lambda b, x: b.node("Softmax", b.node("Mul", x, b.constant(30.0)), axis=-1),
    "layer norm": lambda b, x: b.node("LayerNormalization", x, draw(b, 8), draw(b, 8), axis=-1),
    "sum by letters": lambda b, x: b.node("Einsum", x, draw(b, 5, 8, 4), equation="bchw,owc->boh"),
    "product of two tensors": lambda b, x: b.node("MatMul", x, b.node("Transpose", x, perm=[0, 1, 3, 2])),
}
# Round nothing: their error is that of the input.
UNCHANGED = {"max pool", "moves", "padding", "clip", "negative"}


def run(network: Network, seed: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors of float32 and their bounds.

    The input of the node is a product, so that it has an error of its own.
    """
    b = Builder(*SHAPE, seed=seed)
    model = b.model(network(b, b.node("Mul", "x", draw(b, 4, 1, 1))))
    x = b.random.normal(0, spread, (1, *SHAPE)).astype(np.float32)
    execution = Execution(model, {})
    tensors = execution.cut({"x": x})
    name = model.graph.output[0].name
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(
            numpy_helper.from_array(
                values.astype(np.float64) if values.dtype == np.float32 else values, tensor.name
            )
        )
    (exact,) = ReferenceEvaluator(model).run(None, {"x": x.astype(np.float64)})
    assert exact.dtype == np.float64
    return np.abs(tensors[name].astype(np.float64) - exact).ravel(), ErrorBounds(
        execution, tensors, {}, {}
    ).of(name).ravel()


@pytest.mark.parametrize("what", NODES)
def test_float32_stays_within_the_bound(what: str) -> None:
    errors, bounds = (
        np.concatenate(a)
        for a in zip(*(run(NODES[what], seed, spread) for seed, spread in enumerate([0.01, 1, 1, 1, 3, 40])))
    )
    assert len(errors) >= 24 and (bounds >= 0).all() and np.isfinite(bounds).all()
    assert (errors <= bounds).all()
    used = (errors[bounds > 0] / bounds[bounds > 0]).max()
    print(f"{what}: float32 errs by up to {used:.3f} of the bound")
    assert used > (0.5 if what in UNCHANGED else 0.003)  # sums of 256 terms err by a root of what is possible


def test_every_node_that_the_importer_lowers_has_a_bound() -> None:
    shapes = {"Shape", "Concat"}  # sizes, which are no data; and the one that moves several tensors
    assert set(rules()) - shapes - {*MAKERS, "QuantizeLinear"} <= {*RULES, *MOVES}


def test_a_node_without_a_rule_bounds_nothing() -> None:
    b = Builder(4)
    model = b.model(b.node("Cos", "x"))
    execution = Execution(model, {})
    tensors = execution.cut({"x": np.ones((1, 4), np.float32)})
    assert np.isinf(ErrorBounds(execution, tensors, {}, {}).of(model.graph.output[0].name)).all()


def test_weights_that_float32_rounds_to_the_other_side_err_by_a_step() -> None:
    b = Builder(4, 2, 2)
    step = np.float32(0.1)
    # float32 quotients are ties, the exact ones are not.
    near = ((np.arange(-100, 100) + 0.5) * float(step)).astype(np.float32)
    weights = b.quantise(b.constant(near.reshape(50, 4, 1, 1)), "int8", step)
    model = b.model(b.node("Conv", "x", weights))
    execution = Execution(model, {})
    tensors = execution.cut({"x": np.ones((1, 4, 2, 2), np.float32)})
    exact = np.rint(near.astype(np.float64) / float(step)).reshape(50, 4, 1, 1) * float(step)
    found = ErrorBounds(execution, tensors, {}, {weights: exact}).of(weights)
    wrong = np.abs(tensors[weights] - exact) > step / 2
    assert wrong.any() and not wrong.all()
    np.testing.assert_allclose(found[wrong], step, rtol=1e-5)
    assert (found[~wrong] <= 3 * 2.0**-24 * np.abs(exact[~wrong]) + 1e-40).all()
    opposite = ErrorBounds(execution, tensors, {}, {weights: -exact}).of(weights)
    assert opposite.max() < 1e-5  # weights read with the wrong sign are no error of float32


@pytest.mark.parametrize(("zero_point", "scale"), [(0, 0.1), (3, 0.1), (0, -0.1)])
def test_the_reach_of_a_quantiser(zero_point: int, scale: float) -> None:
    b = Builder(4)
    bits, signed = b.constant(8), dict(signed=1, narrow=0, rounding_mode="ROUND")
    name = b.node(
        "Quant",
        "x",
        b.constant(scale),
        b.constant(zero_point),
        bits,
        domain="qonnx.custom_op.general",
        **signed,
    )
    execution = Execution(b.model(name), {})
    step = abs(float(np.float32(scale)))
    centre = np.array([[0.0, 1.2, 1.5, 2.4999]]) * step
    tensors = execution.cut({"x": centre.astype(np.float32)})
    bounds = ErrorBounds(execution, tensors, {}, {})
    low, high = bounds.reach(execution.nodes[0], centre, 0.0)
    np.testing.assert_allclose(low / step, [[0, 1, 1, 2]], atol=1e-6)
    np.testing.assert_allclose(high / step, [[0, 1, 2, 2]], atol=1e-6)
    low, high = bounds.reach(execution.nodes[0], centre, step)
    np.testing.assert_allclose(low / step, [[-1, 0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(high / step, [[1, 2, 3, 3]], atol=1e-6)
