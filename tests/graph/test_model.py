"""What a model may say.

Attributes, domains, names, types, sizes, and files beside it; anything else is refused by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import pyqkit
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.models import Make, assert_right, frames, network, refusal
from tests.graph.qonnx_builder import GENERAL, Builder

# ---- attributes, domains, types ----------------------------------------------------------------------------

NODES: dict[str, tuple[Make, str]] = {
    "Cast to a whole number": (
        lambda b, x: b.node("Cast", x, to=TensorProto.INT32),
        "(Cast): it rounds to a type of fewer values",
    ),
    "Cast to a truth value": (
        lambda b, x: b.node("Cast", x, to=TensorProto.BOOL),
        "(Cast): it rounds to a type of fewer values",
    ),
    "Cast to float16": (
        lambda b, x: b.node("Cast", x, to=TensorProto.FLOAT16),
        "(Cast): it rounds to a type of fewer values",
    ),
    "batch norm in training": (
        lambda b, x: b.node(
            "BatchNormalization", x, *(b.constant(np.ones(4)) for _ in range(4)), training_mode=1
        ),
        "(BatchNormalization): its training_mode is 1, and only 0 is understood",
    ),
    "dropout in training": (
        lambda b, x: b.node("Dropout", x, b.constant(0.5), b.constant(True, bool)),
        "(Dropout): it drops elements at random",
    ),
    "float quantiser that does not saturate": (
        lambda b, x: b.node(
            "FloatQuant", x, *(b.constant(v) for v in (0.5, 4, 3, 7, 480)), domain=GENERAL, saturation=0
        ),
        "(FloatQuant): its saturation is 0, and only 1 is understood",
    ),
    "channels last": (
        lambda b, x: b.node("Conv", x, b.weights("int4", 2, 4, 1, 1), domain="qonnx.custom_op.channels_last"),
        "(Conv): its domain qonnx.custom_op.channels_last is not understood",
    ),
    "unknown domain": (
        lambda b, x: b.node("Relu", x, domain="com.example"),
        "(Relu): its domain com.example is not understood",
    ),
    "quantiser of ONNX's own domain": (
        lambda b, x: b.node("Quant", x, *(b.constant(v) for v in (0.5, 0, 4))),
        "(Quant): its domain '' is not understood",
    ),
    "unknown attribute of a quantiser": (
        lambda b, x: b.quantise(x, "int4", 0.5, channels=3),
        "(Quant): its attribute channels is not understood",
    ),
    "attribute of another type": (
        lambda b, x: b.quantise(x, "int4", 0.5, signed="yes"),
        "(Quant): its signed is 'yes', no whole number",
    ),
    "unknown attribute": (
        lambda b, x: b.node("Relu", x, alpha=1.0),
        "(Relu): its attribute alpha is not understood",
    ),
    "unknown padding": (
        lambda b, x: b.node("MaxPool", x, kernel_shape=[2, 2], auto_pad="SAME"),
        "(MaxPool): its auto_pad is 'SAME'",
    ),
    "reshape that allows zero": (
        lambda b, x: b.node("Reshape", x, b.constant([0, 4, 4, 4], np.int64), allowzero=1),
        "(Reshape): its output has no elements",
    ),
    "order of storage": (
        lambda b, x: b.node("MaxPool", x, kernel_shape=[2, 2], storage_order=1),
        "(MaxPool): its storage_order is 1, and only 0 is understood",
    ),
    "a scale that does not fit": (
        lambda b, x: b.quantise(x, "int4", np.ones(3)),
        "(Quant): its scale of shape (3,) does not fit a tensor of shape (1, 4, 4, 4)",
    ),
    "an index outside": (
        lambda b, x: b.node("Gather", x, b.constant([4], np.int64), axis=1),
        "(Gather): an index lies outside the 4 elements of its axis",
    ),
    "a missing attribute": (
        lambda b, x: b.node("MaxPool", x),
        "(MaxPool): it is no node that ONNX allows (Required attribute 'kernel_shape'",
    ),
    "too few axes": (
        lambda b, x: b.node("MaxPool", b.node("Flatten", x), kernel_shape=[2, 2]),
        "(MaxPool): its input 0 has 2 axes, and 3 or 4 axes are understood",
    ),
    "a loop": (
        lambda b, x: b.node(
            "Loop", b.constant(2**62, np.int64), b.constant(True, bool), b.constant(1.0), body=network().graph
        ),
        "(Loop): no constant is computed by such a node",
    ),
    "a huge constant": (
        lambda b, x: b.node("Add", x, b.node("ConstantOfShape", b.constant([2**40, 2**20], np.int64))),
        "(ConstantOfShape): its output has the shape (1099511627776, 1048576), more than",
    ),
    "a padding without end": (
        lambda b, x: b.node(
            "Pad", b.quantise(x, "int4", 1.0), b.constant([0, 0, 2**40, 0, 0, 0, 0, 0], np.int64)
        ),
        "(Pad): its output has the shape (1, 4, 1099511627780, 4), more than",
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_what_a_rule_does_not_understand_is_refused_by_name(name: str) -> None:
    make, sentence = NODES[name]
    assert sentence in refusal(network(make))


WINDOWS = [
    ({"pads": [-1, 0, 0, 0]}, "its pads holds -1, no whole number from 0 to 65536"),
    ({"pads": [0, 0, 0, 2**40]}, "its pads holds 1099511627776, no whole number from 0 to 65536"),
    ({"strides": [0, 1]}, "its strides holds 0, no whole number from 1 to 65536"),
    ({"strides": [1, -1]}, "its strides holds -1, no whole number from 1 to 65536"),
    ({"strides": [2**62, 1]}, "its strides holds 4611686018427387904, no whole number from 1 to 65536"),
    ({"dilations": [1, 0]}, "its dilations holds 0, no whole number from 1 to 65536"),
    ({"dilations": [-2, 1]}, "its dilations holds -2, no whole number from 1 to 65536"),
    ({"kernel_shape": [2**40, 3]}, "its kernel_shape holds 1099511627776, no whole number from 1 to 65536"),
    ({"kernel_shape": [-1, 3]}, "its kernel_shape holds -1, no whole number from 1 to 65536"),
    ({"pads": [1, 1]}, "Attribute pads has incorrect size"),
    ({"dilations": [4, 4]}, "its output would have the shape (1, 2, -4, -4)"),
]
CONVOLUTIONS = [
    *WINDOWS,
    ({"kernel_shape": [2, 2]}, "are no kernels of the size it states"),
    ({"group": 0}, "its group holds 0, no whole number from 1"),
    ({"group": 3}, "3 groups for 2 outputs"),
    ({"group": 2}, "6 input channels were expected"),
]


@pytest.mark.parametrize(("attributes", "sentence"), CONVOLUTIONS)
def test_windows_that_no_kernel_may_see(attributes: dict[str, Any], sentence: str) -> None:
    b = Builder(3, 4, 4)
    model = b.model(b.node("Conv", b.quantise("x", "int4", 0.5), b.weights("int4", 2, 3, 3, 3), **attributes))
    assert sentence in refusal(model)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("attributes", "sentence"), [w for w in WINDOWS if "dilations" not in w[0] and w[0] != {"pads": [1, 1]}]
)
def test_windows_of_pools(kind: str, attributes: dict[str, Any], sentence: str) -> None:
    b = Builder(3, 4, 4)
    model = b.model(b.node(kind, b.quantise("x", "int4", 0.5), **{"kernel_shape": [3, 3], **attributes}))
    assert sentence in refusal(model)


def test_a_pool_in_the_padding_alone_has_no_value() -> None:
    b = Builder(3, 4, 4)
    model = b.model(b.node("MaxPool", b.quantise("x", "int4", 0.5), kernel_shape=[2, 2], pads=[2, 0, 0, 0]))
    assert "has the padding (2, 0, 0, 0), as large as its window (2, 2)" in refusal(model)


# ---- constants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({"value": numpy_helper.from_array(np.float32(1.5))}, 1.5),
        ({"value_float": 1.5}, 1.5),
        ({"value_floats": [1.5] * 4}, [1.5] * 4),
        ({"value_int": 2}, 2),
        ({"value_ints": [2] * 4}, [2] * 4),
    ],
)
def test_constant_nodes_of_every_form(attributes: dict[str, Any], values: Any) -> None:
    def make(b: Builder, x: str) -> str:
        constant = b.node("Cast", b.node("Constant", **attributes), to=TensorProto.FLOAT)
        return b.node("Mul", x, constant)

    plain = network(lambda b, x: b.node("Mul", x, b.constant(values)))
    x = frames(plain)
    np.testing.assert_array_equal(assert_right(network(make)).emulate(x), pyqkit.compile(plain).emulate(x))


@pytest.mark.parametrize("attributes", [{"value_string": "x"}, {"value_strings": ["x"]}])
def test_constants_that_are_no_numbers(attributes: dict[str, Any]) -> None:
    assert "(Constant): its value_string" in refusal(
        network(lambda b, x: b.node("Mul", x, b.node("Constant", **attributes)))
    )


def test_a_constant_reads_nothing() -> None:
    made = network(lambda b, x: b.node("Mul", x, b.node("Constant", b.constant(1.0), value_float=1.0)))
    assert "(Constant): it is no node that ONNX allows" in refusal(made)


# ---- ends of the network -----------------------------------------------------------------------------------


def test_two_outputs_of_one_tensor() -> None:
    b = Builder(3, 4, 4)
    x = b.conv(b.quantise("x", "int4", 0.5), "int4", 4, 3)
    model = b.model(x, b.node("Identity", x))
    accelerator = assert_right(model)
    assert {len(values) for values in accelerator.emulate_outputs(frames(model)).values()} == {3}
    assert accelerator.verify(frames(model), engines=("exact", "hls"))["mismatches"] == 0


def test_a_network_of_a_quantiser_alone() -> None:
    b = Builder(3, 4, 4)
    model = b.model(b.quantise("x", "int4", 0.5))
    np.testing.assert_array_equal(
        assert_right(model).emulate(frames(model)),
        np.clip(np.rint(frames(model) * 2), -8, 7).astype(np.float32) / 2,
    )


def test_one_tensor_joined_twice_with_another() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    left, right = (b.quantise(b.conv(x, "int4", 2, 3), "int4", 1.0) for _ in range(2))
    accelerator = assert_right(b.model(b.node("Concat", left, right, left, axis=1)))
    assert [op.kind for op in accelerator.graph.operators][-2:] == ["permute", "concat"]


def test_an_input_quantised_in_two_ways() -> None:
    b = Builder(3, 4, 4)
    left, right = (b.quantise("x", name, 0.5) for name in ("int4", "int8"))
    model = b.model(b.conv(left, "int4", 2, 3), b.conv(right, "int4", 2, 3))
    assert refusal(model) == "input x: it is quantised in 2 ways (int4 in steps of 0.5, int8 in steps of 0.5)"


def test_nodes_that_nothing_depends_on_mean_nothing() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    b.node("Cos", x)
    b.quantise("x", "int8", 0.1)
    assert [op.kind for op in assert_right(b.model(b.conv(x, "int4", 2, 3))).graph.operators] == [
        "convolution"
    ]


def test_shapes_that_the_file_says_of_tensors_inside_do_not_count() -> None:
    model = network()
    model.graph.value_info.append(helper.make_tensor_value_info(model.graph.node[2].output[0], 7, [9, 9]))
    assert_right(model)


# ---- data beside the model ---------------------------------------------------------------------------------


def test_very_many_problems_are_counted() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    model = b.model(*(b.node("Cos", x) for _ in range(60)))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(model)
    assert len(caught.value.problems) == 60
    assert str(caught.value).count("(Cos)") == 50 and str(caught.value).endswith("  and 10 more")


def test_old_names_of_the_domain_of_quantisers() -> None:
    b = Builder(3, 4, 4)
    model = b.model(b.conv(b.quantise("x", "int4", 0.5), "int4", 2, 3))
    for node in model.graph.node:
        node.domain = "onnx.brevitas" if node.domain == GENERAL else node.domain
    assert len(import_qonnx(model).operators) == 1
