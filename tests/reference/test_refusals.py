"""What the reference does not understand it refuses, by the node's name.

And single rules against ONNX's definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.errors import UserError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.qonnx_builder import GENERAL, Builder

Build = Callable[[Builder, str], str]


def run(build: Build, x: np.ndarray | None = None) -> np.ndarray:
    """Values behind an input quantiser on 2 channels of 3x4 pixels."""
    b = Builder(2, 3, 4)
    model = b.model(build(b, b.quantise("x", "int8", 0.25)))
    x = np.random.default_rng(0).normal(0, 2, (2, 2, 3, 4)).astype(np.float32) if x is None else x
    (found,) = Reference(model).run(x).values()
    return real_of(found).high


def quant(**attributes: Any) -> Build:
    given = {"signed": 1, "narrow": 0, **attributes}
    return lambda b, x: b.node(
        "Quant", x, b.constant(0.5), b.constant(0), b.constant(4), domain=GENERAL, **given
    )


def float_quant(largest: float = 6.0, **attributes: Any) -> Build:
    given = {"has_inf": 0, "has_nan": 0, "has_subnormal": 1, "saturation": 1, **attributes}
    sizes = (2, 1, 1, largest)
    return lambda b, x: b.node(
        "FloatQuant", x, b.constant(0.5), *[b.constant(v) for v in sizes], domain=GENERAL, **given
    )


def norm(variance: float = 1.0, **attributes: Any) -> Build:
    values = ([1, 2], [0, 1], [0.5, 0], [variance, 1])
    return lambda b, x: b.node("BatchNormalization", x, *[b.constant(v) for v in values], **attributes)


REFUSED: dict[str, tuple[Build, str]] = {
    "rounding mode": (quant(rounding_mode="STOCHASTIC"), "but STOCHASTIC came"),
    "attribute": (quant(stochastic=1), "but stochastic came"),
    "scale of zero": (
        lambda b, x: b.node("Quant", x, b.constant(0), b.constant(0), b.constant(4), domain=GENERAL),
        "a finite scale other than zero was expected",
    ),
    "wide": (
        lambda b, x: b.node("Quant", x, b.constant(1), b.constant(0), b.constant(17), domain=GENERAL),
        "1 to 16 bits were expected",
    ),
    "zero points": (
        lambda b, x: b.node("Quant", x, b.constant(1), b.constant([0, 1]), b.constant(4), domain=GENERAL),
        "one zero point was expected",
    ),
    "infinities": (float_quant(saturation=0), "saturation was expected"),
    "no subnormals": (float_quant(has_subnormal=0), "subnormals were expected"),
    **{
        f"largest value {end}": (
            float_quant(end),
            "a finite largest value above zero was expected by the reference",
        )
        for end in (-1.0, float("inf"), float("nan"))
    },
    "largest value": (float_quant(5.0), "the largest value of e2m1 was expected"),
    "unsigned minifloat": (float_quant(signed=0), "a signed minifloat was expected"),
    "training": (norm(training_mode=1), "training mode came"),
    "factor": (norm(0.0, epsilon=0.0), "finite factors and offsets were expected"),
    "training of dropout": (
        lambda b, x: b.node("Dropout", x, b.constant(0.5), b.constant(True, np.bool_)),
        "a Dropout that passes its input on was expected",
    ),
    "domain": (
        lambda b, x: b.node("Conv", x, b.weights("int4", 2, 2, 3, 3), domain="qonnx.custom_op.channels_last"),
        "Conv of domain qonnx.custom_op.channels_last came",
    ),
    "operator": (lambda b, x: b.node("Cos", x), "an operator that it executes was expected"),
    "negative pads": (
        lambda b, x: b.conv(x, "int4", 2, 2, pads=[-1, 0, 0, 0]),
        "four pads of at least 0 were expected",
    ),
    "negative dilation": (
        lambda b, x: b.conv(x, "int4", 2, 2, dilations=[-1, 1]),
        "positive kernel, strides and dilations",
    ),
    "stride of zero": (
        lambda b, x: b.node("MaxPool", x, kernel_shape=[2, 2], strides=[0, 1]),
        "positive kernel, strides and dilations",
    ),
    "both factors vary": (
        lambda b, x: b.node("MatMul", b.node("Add", x, x), b.node("Transpose", x, perm=[0, 1, 3, 2])),
        "two quantised tensors of one scale each were expected",
    ),
    "across the batch": (lambda b, x: b.node("Transpose", x, perm=[1, 0, 2, 3]), "elements cross the batch"),
    "division by zero": (
        lambda b, x: b.node("Div", x, b.constant(0)),
        "a divisor other than zero was expected",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    build, sentence = REFUSED[name]
    with pytest.raises(UserError) as caught:
        run(build)
    assert sentence in str(caught.value) and " at " in str(caught.value)


def test_cast_to_integers_drops_the_fraction_and_to_bool_asks_for_zero() -> None:
    x = (np.arange(-12, 12).reshape(1, 2, 3, 4) / 8).astype(np.float32)
    quantised = np.rint(x * 4) / 4
    np.testing.assert_array_equal(run(lambda b, q: b.node("Cast", q, to=6), x), np.trunc(quantised))
    np.testing.assert_array_equal(run(lambda b, q: b.node("Cast", q, to=9), x), quantised != 0)
    np.testing.assert_array_equal(
        run(lambda b, q: b.node("Cast", b.node("Div", q, b.constant(-0.25)), to=7), x), -quantised * 4
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 3], "strides": [2, 1], "dilations": [2, 1], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER", "strides": [2, 1]},
        {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"},
    ],
)
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pools_are_those_of_onnx_runtime(kind: str, attributes: dict[str, Any]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    if kind == "AveragePool" and ("ceil_mode" in attributes or "dilations" in attributes):
        attributes = {k: v for k, v in attributes.items() if k not in ("ceil_mode", "dilations")}
    x = (np.random.default_rng(1).integers(-9, 9, (2, 2, 3, 4)) / 4).astype(np.float32)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["y"], **attributes)], "pool", ports[:1], ports[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (wanted,) = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_array_equal(
        run(lambda b, q: b.node(kind, q, **attributes), x).astype(np.float32), wanted
    )
