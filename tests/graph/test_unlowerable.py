"""What cannot be lowered is named, node by node, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.model import ModelError
from tests.graph.qonnx_builder import Builder


def test_all_problems_are_listed_at_once() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    left = b.node("Conv", x, b.constant(np.ones((2, 3, 1, 1))))
    right = b.node("Cos", b.conv(x, "int4", 2, 3))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(left, right))
    assert [p.node.split(" ", 1)[1] for p in caught.value.problems] == [
        "torch.nn.Conv2d or torch.nn.Conv1d (Conv)",
        "(Cos)",
    ]
    first, second = str(caught.value).splitlines()[1:]
    assert first.endswith("its weights are not quantised; give the layer a weight quantiser")
    assert "(Cos): no operator computes this; replace it; supported are " in second


def test_a_remedy_is_said_once() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.node("Cos", x), b.node("Sin", x)))
    first, second = str(caught.value).splitlines()[1:]
    assert "(Cos): no operator computes this; replace it; supported are " in first
    assert second.endswith("(Sin): no operator computes this; see above")
    assert len({problem.remedy for problem in caught.value.problems}) == 1


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda b, x: b.conv(b.node("Relu", x), "int4", 2, 3), "its input is not quantised"),
        (lambda b, x: b.node("Cos", x), "no operator computes this"),
        (
            lambda b, x: b.quantise(b.node("Softmax", x), "uint8", 2**-8),
            "torch.nn.Softmax (Softmax): it moves elements in a way that no operator does",
        ),
        (
            lambda b, x: b.quantise(b.node("Mul", x, b.node("Relu", b.conv(x, "int4", 3, 3))), "int8"),
            "a factor has passed an activation function and is not quantised",
        ),
        (
            lambda b, x: b.node("MaxPool", b.node("Relu", b.conv(x, "int4", 2, 3)), kernel_shape=[2, 2]),
            "it ends in a function that no quantiser absorbs",
        ),
        (
            lambda b, x: b.quantise(x, "mx32_e2m1"),
            "activations in blocks (mx32_e2m1) need a scale found while the network runs",
        ),
        (
            lambda b, x: b.quantise(x, "int4", rounding_mode="STOCHASTIC"),
            "rounding mode STOCHASTIC is not supported",
        ),
        (
            lambda b, x: b.node(
                "Conv", x, b.weights("int4", 2, 3, 1, 1, scale=np.array([1, 2, 3]).reshape(1, 3, 1, 1))
            ),
            "one scale per input channel",
        ),
        (
            lambda b, x: b.node("Pad", x, b.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect"),
            "pads with something other than zeros",
        ),
        (
            lambda b, x: b.conv(x, "int4", 2, 3, auto_pad="SAME_UPPER"),
            "it states pads beside auto_pad SAME_UPPER",
        ),
        (
            lambda b, x: b.node(
                "Conv", x, b.weights("int4", 2, 3, 2, 2), auto_pad="SAME_LOWER", dilations=[1, 2]
            ),
            "its auto_pad SAME_LOWER meets dilations",
        ),
    ],
)
def test_reasons(make: Any, sentence: str) -> None:
    b = Builder(3, 4, 4)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(make(b, b.quantise("x", "int4", 0.5))))
    assert sentence in str(caught.value)
    assert all(p.reason and p.remedy for p in caught.value.problems)


def test_files_that_are_no_models(tmp_path: Any) -> None:
    b = Builder(3, 4, 4)
    whole = b.model(b.conv(b.quantise("x", "int4", 0.5), "int4", 2, 3)).SerializeToString()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ModelError,
        match=r"^an ONNX file was expected, but .*cut\.onnx cannot be read as one; it may be truncated, "
        r"export it again$",
    ):
        import_qonnx(cut)
    with pytest.raises(
        ModelError, match=r"^an ONNX file was expected at .*none\.onnx, but there is none; check the path$"
    ):
        import_qonnx(tmp_path / "none.onnx")
    plain = Builder(3, 4, 4)
    with pytest.raises(ModelError, match="^a QONNX model with Quant, .* nodes was expected, but none came; "):
        import_qonnx(plain.model(plain.node("Relu", "x")))
    dynamic = b.model(b.conv(b.quantise("x", "int4", 0.5), "int4", 2, 3))
    dynamic.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "N"
    with pytest.raises(ModelError, match="^static shapes were expected, but input x has a dynamic one; "):
        import_qonnx(dynamic)


def test_unknown_nodes_behind_a_problem_are_listed_too() -> None:
    b = Builder(3, 4, 4)
    bad = b.node("Conv", b.quantise("x", "int4", 0.5), b.constant(np.ones((2, 3, 1, 1))))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.node("Cos", b.node("Softmax", b.node("Relu", bad)))))
    assert [p.node.split()[-1] for p in caught.value.problems] == ["(Conv)", "(Cos)"]


def test_the_length_of_vectors_names_a_norm() -> None:
    b = Builder(6, 4)
    x = b.quantise("x", "int8", 2**-4)
    unit = b.node("Div", x, b.node("ReduceL2", x, axes=[-1]))
    with pytest.raises(
        ConversionError, match=r"\(ReduceL2\): it needs the length of each vector; use torch.nn.RMS"
    ):
        import_qonnx(b.model(b.quantise(unit, "int8", 2**-4)))
