"""What a spoiled ONNX model is made of: numbers, names, types, domains."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.fuzz.mutators import FLOATS, INTEGERS, text

Change = Callable[[Any, Random], None]


INT64 = [
    value
    for value in (*INTEGERS, 2**53 + 1, 2**62, 2**63 - 1, -(2**63))
    if abs(value) <= 2**63 - 1 or value == -(2**63)
]


NUMBERS = (
    *(value for value in FLOATS if value != 1e308),
    1e-15,
    1e-38,
    0.1,
    0.3,
    3.0,
    255.0,
    2.0**24,
    2.0**40,
    1e30,
)


_TYPES = (
    "Abs Add AveragePool BatchNormalization BipolarQuant Cast Clip Concat Constant ConstantOfShape Conv Div "
    "Dropout Einsum Elu Erf Expand Flatten FloatQuant FormatQuant Gather Gemm GlobalAveragePool "
    "GlobalMaxPool HardSigmoid Identity If LeakyRelu Loop MatMul Max MaxPool Mul Neg PRelu Pad Quant "
    "QuantizeLinear Range ReduceMean Relu Reshape Resize Scan Shape Sigmoid Slice Softmax Softplus Split "
    "Squeeze Sub Tanh Tile Transpose Unsqueeze Where"
)


TYPES = tuple(_TYPES.split())


DOMAINS = (
    "", "ai.onnx", "ai.onnx.ml", "com.microsoft", "qonnx.custom_op.general", "qonnx.custom_op.channels_last",
    "onnx.brevitas", "finn.custom_op.general", "pyqkit.custom_op.general", "x",
)  # fmt: skip


_NAMES = (
    "allowzero alpha auto_pad axes axis beta bias ceil_mode count_include_pad dilations end ends epsilon "
    "format group has_inf has_nan has_subnormal keepdims kernel_shape max min mode momentum narrow "
    "noop_with_empty_axes num_outputs pads perm ratio rounding_mode saturation seed shape signed spatial "
    "split start starts steps storage_order strides to training_mode transA transB value value_float "
    "value_floats value_int value_ints value_string"
)


ATTRIBUTES = tuple(_NAMES.split())


TEXTS = (
    "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "reflect", "edge", "constant", "ROUND", "FLOOR", "CEIL",
    "ROUND_TO_ZERO", "HALF_UP", "UP", "e2m1", "int4", "lp4_0_3", "mx32_e2m1", "e9m9", "int99999",
)  # fmt: skip


def a_node(model: Any, random: Random) -> Any:
    return random.choice(model.graph.node)


def a_whole(random: Random) -> int:
    return random.choice((*INT64, *range(-3, 6), *range(-3, 6)))


def a_name(model: Any, random: Random) -> str:
    """Mostly a tensor that exists."""
    names = [n for node in model.graph.node for n in (*node.input, *node.output)] + [
        t.name for t in model.graph.initializer
    ]
    return (
        random.choice(names)
        if random.random() < 0.9
        else "".join(c for c in text(random) if not "\ud800" <= c <= "\udfff")[:400]
    )


def a_value(random: Random) -> Any:
    kind = random.randrange(8)
    if kind < 3:
        return a_whole(random)
    if kind == 3:
        return float(np.float32(random.choice(NUMBERS)))
    if kind == 4:
        return random.choice(TEXTS)
    if kind == 5:
        return [a_whole(random) for _ in range(random.choice((0, 1, 2, 3, 4, 4, 8)))] or b""
    if kind == 6:
        return [float(np.float32(random.choice(NUMBERS))) for _ in range(2)]
    return numpy_helper.from_array(np.array([random.random()], np.float32))
