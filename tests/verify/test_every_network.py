"""`verify` runs on whatever compiles: small networks of every kind, none of whose codes differ; and qonnx
says the same.

Scales are powers of two wherever float32 is compared, so its sums are exact, and qonnx's own executor, which
shares nothing with the reference, has to give equal numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("qonnx")

import pyqkit
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.qonnx_builder import GENERAL, Builder
from tests.small_networks import mixed_layout, residual, two_heads
from tests.verify import pooled_networks, rounded_networks
from tests.verify.small import Build, image, quant, rounded, vector


def constant(b: Builder, **value: Any) -> str:
    """A Constant node."""
    return b.node("Constant", **value)


def tensor(value: Any) -> Any:
    """A tensor of float32 as an attribute."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(value, np.float32))


def with_input(model: Any, batch: int = 1, kind: str = "FLOAT") -> Any:
    """The model exported for another batch, or with another type of input."""
    from onnx import TensorProto

    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DataType.Value(kind)
    return model


def per_channel(count: int) -> np.ndarray:
    return 2.0 ** np.arange(count)[::-1] / 8


def depthwise(b: Builder, x: str) -> str:
    scaled = b.quantise(b.conv(x, "int4", 4, 4), "int4", per_channel(4).reshape(1, 4, 1, 1))
    return b.conv(scaled, "int4", 4, 4, 2, group=4, pads=[0, 0, 0, 0])


def brevitas_linear(b: Builder, x: str) -> str:
    weights = b.weights("int4", 3, 6, scale=per_channel(3).reshape(3, 1))
    return b.node("MatMul", x, b.node("Transpose", weights, perm=[1, 0]))


def linear_twice(b: Builder, x: str) -> str:
    return b.node(
        "Gemm", b.node("Gemm", x, b.weights("int4", 5, 6), transB=1), b.weights("int2", 5, 3, scale=0.5)
    )


def pooled_conv(b: Builder, x: str) -> str:
    mean = b.node(
        "AveragePool", x, kernel_shape=[2, 2], strides=[1, 1], pads=[1, 0, 0, 1], count_include_pad=1
    )
    return b.conv(mean, "int4", 3, 4)


def constants_multiplied(b: Builder, x: str) -> str:
    factor = b.node("Mul", constant(b, value=tensor(0.5)), constant(b, value_float=3.0))
    return b.node("Mul", b.conv(x, "int4", 4, 4), factor)


def bipolar(b: Builder, x: str) -> str:
    weights = b.node(
        "BipolarQuant", b.constant(b.random.normal(0, 1, (3, 4, 3, 3))), b.constant(-0.5), domain=GENERAL
    )
    return b.node("BipolarQuant", b.node("Conv", x, weights, pads=[1] * 4), b.constant(0.5), domain=GENERAL)


def moved(b: Builder, x: str) -> str:
    left, right = b.node("Split", x, outputs=2, axis=1)
    joined = b.node("Concat", right, left, axis=1)
    ends = [b.constant(v, "int64") for v in ([1, 0], [5, 4], [2, 3], [2, 1])]
    padded = b.node("Pad", b.node("Slice", joined, *ends), b.constant([0, 0, 1, 0, 0, 0, 0, 2], "int64"))
    return b.conv(padded, "int4", 3, 4)


def shuffled(b: Builder, x: str) -> str:
    shape = constant(b, value_ints=[1, 2, 2, 5, 4])
    swapped = b.node("Transpose", b.node("Reshape", x, shape), perm=[0, 2, 1, 3, 4])
    return b.conv(b.node("Reshape", swapped, constant(b, value_ints=[1, 4, 5, 4])), "int4", 3, 4)


def flattened(b: Builder, x: str) -> str:
    return b.node("Gemm", b.node("Flatten", b.conv(x, "int4", 3, 4)), b.weights("int4", 60, 5, scale=0.125))


def activated(kind: str, *operands: Any, **attributes: Any) -> Build:
    """One node between a convolution and the quantiser."""

    def build(b: Builder, x: str) -> str:
        return b.node(kind, b.conv(x, "int4", 4, 4), *[b.constant(v) for v in operands], **attributes)

    return build


def idle(b: Builder, x: str) -> str:
    return b.node("Dropout", b.node("Cast", b.node("Identity", b.conv(x, "int4", 4, 4)), to=1))


def rectified_pool(b: Builder, x: str) -> str:
    return b.node(
        "MaxPool",
        b.node("Relu", b.conv(x, "int4", 4, 4)),
        kernel_shape=[2, 3],
        strides=[2, 1],
        pads=[0, 1, 1, 1],
    )


def weights(b: Builder, bits: int, scale: Any) -> str:
    """Weights of a convolution 4 to 4 with a scale of any sign."""
    return quant(b, b.constant(b.random.normal(0, 1, (4, 4, 2, 2))), bits, scale)


def one_bit(b: Builder, x: str) -> str:
    coded = quant(b, b.node("Conv", x, weights(b, 1, 0.5)), 1, 0.5, narrow=1)
    return b.conv(coded, "int4", 3, 4, pads=[0, 0, 0, 0])


def negated_pool(b: Builder, x: str) -> str:
    factor = b.constant(np.array([-1, 0.5, -2, 1]).reshape(1, 4, 1, 1))
    return b.node(
        "MaxPool",
        b.node("Mul", b.quantise(b.conv(x, "int4", 4, 4), "int8", 0.25), factor),
        kernel_shape=[2, 2],
    )


def added_to_a_constant(b: Builder, x: str) -> str:
    shift = constant(b, value=tensor(np.array([1, -2, 0.5, 4]).reshape(1, 4, 1, 1)))
    return b.node("Sub", shift, b.conv(x, "int4", 4, 4))


_BOTH_SIGNS = np.array([1, -1, -1, 0.5]).reshape(4, 1, 1, 1) / 4
_POINTWISE = np.array([0.5, 2, 1, 0.25]).reshape(4, 1, 1)

EXACT: dict[str, Callable[[], Any]] = {
    "constant_node": lambda: image(
        lambda b, x: b.node("Mul", b.conv(x, "int4", 4, 4), constant(b, value=tensor(2)))
    ),
    "constant_node_of_a_float": lambda: image(
        lambda b, x: b.node("Mul", b.conv(x, "int4", 4, 4), constant(b, value_float=0.5))
    ),
    "constant_node_of_floats": lambda: vector(
        lambda b, x: b.node("Add", x, constant(b, value_floats=[1.0, -2, 3, 0, 0.5, 4]))
    ),
    "constants_multiplied": lambda: image(constants_multiplied),
    "rounding_floor": lambda: rounded("FLOOR"),
    "rounding_ceil": lambda: rounded("CEIL"),
    "rounding_down": lambda: rounded("DOWN"),
    "rounding_down_with_a_zero_point": lambda: rounded("DOWN", "uint4z7"),
    "sixteen_bits": lambda: image(lambda b, x: b.conv(x, "int4", 3, 4), last="int16"),
    "zero_point": lambda: image(lambda b, x: b.conv(x, "int4", 3, 4), last="uint8z9"),
    "scales_before_depthwise": lambda: image(depthwise),
    "linear_without_bias": lambda: vector(brevitas_linear),
    "linear_on_linear": lambda: vector(linear_twice),
    "convolution_on_convolution": lambda: image(
        lambda b, x: b.conv(b.conv(x, "int4", 4, 4), "int2", 3, 4, 1, scale=0.5)
    ),
    "average_before_convolution": lambda: image(pooled_conv),
    "grouped_and_dilated": lambda: image(
        lambda b, x: b.conv(x, "int4", 6, 4, 2, group=2, dilations=[2, 1], strides=[1, 2])
    ),
    "same_lower": lambda: image(
        lambda b, x: b.node("Conv", x, b.weights("int4", 3, 4, 2, 2), auto_pad="SAME_LOWER", strides=[2, 1])
    ),
    "minifloats": lambda: image(lambda b, x: b.conv(x, "e2m1", 3, 4), "e3m2", "e3m0"),
    "bipolar": lambda: image(bipolar),
    "moved": lambda: image(moved),
    "shuffled": lambda: image(shuffled),
    "flattened": lambda: image(flattened),
    "global_average": lambda: image(
        lambda b, x: b.node("Flatten", b.node("GlobalAveragePool", b.conv(x, "int4", 4, 4, 2, pads=[0] * 4)))
    ),
    "reduced": lambda: image(
        lambda b, x: b.node(
            "ReduceMean", b.conv(x, "int4", 4, 4, 2, pads=[0, 0, 0, 1]), axes=[2, 3], keepdims=0
        )
    ),
    "rectified_pool": lambda: image(rectified_pool),
    "leaky": lambda: image(activated("LeakyRelu", alpha=0.25)),
    "slopes": lambda: image(activated("PRelu", _POINTWISE)),
    "clipped": lambda: image(activated("Clip", -1.5, 2.0)),
    "divided": lambda: image(activated("Div", -0.5)),
    "negated": lambda: image(activated("Neg")),
    "subtracted": lambda: image(added_to_a_constant),
    "idle": lambda: image(idle),
    "negative_scale_of_weights": lambda: image(lambda b, x: b.node("Conv", x, weights(b, 4, -0.25))),
    "scales_of_both_signs": lambda: image(lambda b, x: b.node("Conv", x, weights(b, 4, _BOTH_SIGNS))),
    "one_signed_bit": lambda: image(one_bit),
    "pool_behind_a_negative_factor": lambda: image(negated_pool),
    "clip_with_min_above_max": lambda: image(activated("Clip", 2.0, -1.0)),
    "residual": lambda: image(lambda b, x: b.node("Add", b.conv(x, "int4", 4, 4), x)),
    "eight_bits_in": lambda: with_input(image(lambda b, x: b.conv(x, "int4", 3, 4)), kind="UINT8"),
    "batch_of_four": lambda: with_input(image(lambda b, x: b.conv(x, "int4", 3, 4)), batch=4),
    "batch_of_four_flattened": lambda: with_input(image(flattened), batch=4),
    "two_outputs": two_heads,
    "joined": mixed_layout,
    **rounded_networks.EXACT,
    **pooled_networks.EXACT,
}
# What float32 does not compute exactly, or knows nothing of.
OTHERS: dict[str, Callable[[], Any]] = {
    "residual_with_batch_norm": residual,
    "rounding_to_zero": lambda: rounded("ROUND_TO_ZERO"),
    "logarithmic": lambda: image(lambda b, x: b.conv(x, "lp4_1_3", 3, 4), "lp8_1_3@-0.25", "lp6_1_3"),
    "logarithmic_and_linear": lambda: image(lambda b, x: b.conv(x, "lp4_1_3", 3, 4)),
    "blocks": lambda: image(lambda b, x: b.node("Conv", x, b.weights("mx3_e2m1", 3, 4, 3, 3, axis=1))),
    "blocks_of_logarithmic": lambda: image(
        lambda b, x: b.node("Conv", x, b.weights("mx2_lp4_0_3_even", 3, 4, 3, 3, axis=1)), "lp4_0_3"
    ),
    "ninths": lambda: image(
        lambda b, x: b.conv(
            b.node("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1]), "int4", 3, 4, 1, scale=4.5
        )
    ),
    "thirds": lambda: image(activated("Div", 3.0)),
    "sigmoid": lambda: image(activated("Sigmoid")),
    "tanh": lambda: image(activated("Tanh")),
    "softplus": lambda: image(activated("Softplus")),
    "elu": lambda: image(activated("Elu", alpha=1.5)),
    "hard_sigmoid": lambda: image(activated("HardSigmoid")),
    **pooled_networks.OTHERS,
}


def frames(model: Any, count: int = 4) -> np.ndarray:
    """Frames on ties of the input's quantiser and beyond its ends."""
    kind = model.graph.input[0].type.tensor_type
    shape = [d.dim_value for d in kind.shape.dim][1:]
    draw = np.random.default_rng(3)
    if kind.elem_type != 1:
        return draw.integers(0, 256, (count, *shape)).astype(np.uint8)
    return (draw.integers(-24, 25, (count, *shape)) / 8).astype(np.float32)


def by_qonnx(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs as qonnx computes them, run by run."""
    import warnings

    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = ModelWrapper(onnx.load_from_string(model.SerializeToString())).transform(InferShapes())
        runs = [
            execute_onnx(wrapped, {"x": x[i : i + batch].astype(np.float32)}) for i in range(0, len(x), batch)
        ]
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


@pytest.mark.parametrize("name", EXACT)
def test_reference_is_what_qonnx_computes(name: str) -> None:
    model = EXACT[name]()
    x = frames(model)
    found = Reference(model).run(x)
    for output, values in by_qonnx(model, x).items():
        np.testing.assert_array_equal(real_of(found[output]).high, values)
        assert len(np.unique(values)) > 1 or name == "clip_with_min_above_max"


@pytest.mark.parametrize("name", [*EXACT, *OTHERS])
def test_no_code_differs(name: str) -> None:
    model = {**EXACT, **OTHERS}[name]()
    accelerator = pyqkit.compile(model, target_fps=10)
    result = accelerator.verify(frames(model), engines=["exact"])
    reference = result["reference"]
    assert reference["codes"] > 0
    assert (reference["codes_differing"], reference["differing_layers"]) == (0, [])
    assert reference["float32"]["unexplained_layers"] == []
