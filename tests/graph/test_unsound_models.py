"""Models that are not sound are refused before a node is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pyqkit.graph import limits
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.model import ModelError
from tests.graph.models import network, refusal


def spoiled(spoil: Callable[[Any], object]) -> Any:
    model = network()
    spoil(model)
    return model


def _initialiser(model: Any, **fields: Any) -> None:
    weights = next(t for t in model.graph.initializer if len(t.dims) == 4)
    for name, value in fields.items():
        if name == "dims":
            weights.dims[:] = value
        else:
            setattr(weights, name, value)


MODELS: dict[str, tuple[Callable[[Any], object], str]] = {
    "short data": (
        lambda m: _initialiser(m, raw_data=b"\0" * 5),
        "108 numbers of type FLOAT were expected in tensor constant_",
    ),
    "strings": (lambda m: _initialiser(m, data_type=TensorProto.STRING), "has STRING; store it as FLOAT"),
    "no type": (lambda m: _initialiser(m, data_type=99), "has type 99; store it as FLOAT"),
    "huge": (
        lambda m: _initialiser(m, dims=[2**40, 2**40, 1, 1]),
        f"at most 8 axes and {limits.CONSTANT_ELEMENTS} elements was expected",
    ),
    "negative": (
        lambda m: _initialiser(m, dims=[4, 3, -3, -3]),
        "has the shape [4, 3, -3, -3]; use a smaller one",
    ),
    "old op-set": (lambda m: setattr(m.opset_import[0], "version", 6), "an op-set from 7 to "),
    "no op-set": (
        lambda m: m.opset_import.__delitem__(0),
        "one version of ONNX's operators was expected, but 0 came",
    ),
    "input of 5 axes": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim.add(), "dim_value", 2),
        "but x has 5; reshape it",
    ),
    "input of doubles": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 11),
        "but x has DOUBLE; export it with",
    ),
    "integer input": (
        lambda m: (
            m.graph.node[2].input.__setitem__(0, "x")
            or setattr(m.graph.input[0].type.tensor_type, "elem_type", 2)
        ),
        "cast it first",
    ),
    "wide input": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 2**24),
        "channels was expected, but x has",
    ),
    "two inputs": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("y", 1, [1, 3])),
        "this one has x, y; join them into one",
    ),
    "two inputs of a name": (lambda m: m.graph.input.append(m.graph.input[0]), "but x comes twice"),
    "a tensor made twice": (lambda m: m.graph.node.insert(1, m.graph.node[0]), "but quant_4 comes twice"),
    "unsorted": (
        lambda m: m.graph.node.append(m.graph.node.pop(0)),
        "sort the nodes, or export the model again",
    ),
    "no output": (
        lambda m: m.graph.output.__delitem__(0),
        "outputs that nodes make were expected, but there are none",
    ),
    "unknown output": (lambda m: setattr(m.graph.output[0], "name", "y"), "but output y is made by no node"),
    "functions": (
        lambda m: m.functions.append(helper.make_function("", "Relu", ["a"], ["a"], [], [])),
        "it has Relu; inline them",
    ),
    "sparse": (
        lambda m: m.graph.sparse_initializer.append(
            helper.make_sparse_tensor(
                numpy_helper.from_array(np.ones(1, np.float32), "s"),
                numpy_helper.from_array(np.zeros(1, np.int64)),
                [4],
            )
        ),
        "but s is sparse; export it as a dense tensor",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_not_sound(name: str) -> None:
    spoil, sentence = MODELS[name]
    with pytest.raises(ModelError) as caught:
        import_qonnx(spoiled(spoil))
    assert sentence in str(caught.value)


def test_kernels_of_more_axes_than_the_image() -> None:
    """ONNX's shape inference would end the process."""
    model = spoiled(lambda m: m.graph.input[0].type.tensor_type.shape.dim.__delitem__(3))
    with pytest.raises(ConversionError, match="its input 1 has 4 axes, and 3 axes are understood"):
        import_qonnx(model)


def test_attributes_that_are_not_sound() -> None:
    def twice(model: Any) -> None:
        model.graph.node[1].attribute.append(model.graph.node[1].attribute[0])

    def no_text(model: Any) -> None:
        next(a for a in model.graph.node[0].attribute if a.name == "rounding_mode").s = b"\xff"

    assert "each attribute once was expected" in refusal(spoiled(twice))
    assert "rounding_mode has none" in refusal(spoiled(no_text))
