"""Files as other tools have written them: old op-sets, constants in nodes, an open batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import pyqkit
from pyqkit.errors import UserError
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32
from tests.graph.checked import check, frames
from tests.graph.models import Make, network, refusal
from tests.graph.qonnx_builder import Builder


def of_opset(model: Any, version: int) -> Any:
    """The model, read by an older version of ONNX's own operators."""
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = version
    return model


def constant_node(b: Builder, value: Any, dtype: Any = np.float32) -> str:
    """A constant as a node, the way PyTorch wrote them before initialisers."""
    return b.node("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))


def flattened_by_its_shape(b: Builder, x: str) -> str:
    """``x.view(x.shape[0], -1)`` as PyTorch exports it."""
    batch = b.node("Gather", b.node("Shape", x), constant_node(b, 0, np.int64), axis=0)
    rows = b.node("Unsqueeze", batch, axes=[0])
    return b.node("Reshape", x, b.node("Concat", rows, constant_node(b, [-1], np.int64), axis=0))


OLD: dict[str, tuple[int, Make]] = {
    "unsqueeze_and_squeeze": (7, lambda b, x: b.node("Squeeze", b.node("Unsqueeze", x, axes=[2]), axes=[2])),
    "squeeze_from_behind": (
        11,
        lambda b, x: b.node("Squeeze", b.node("GlobalAveragePool", x), axes=[-1, -2]),
    ),
    "clip": (7, lambda b, x: b.node("Clip", x, min=-1.0, max=2.0)),
    "pad": (
        7,
        lambda b, x: b.node("Pad", b.quantise(x, "int4", 0.5), pads=[0, 0, 1, 0, 0, 0, 2, 1], value=0.0),
    ),
    "mean": (7, lambda b, x: b.node("ReduceMean", x, axes=[2, 3], keepdims=0)),
    "slice": (7, lambda b, x: b.node("Slice", x, starts=[1, 0], ends=[3, 9999], axes=[1, 2])),
    "split": (7, lambda b, x: b.node("Split", x, axis=1, split=[3, 1], outputs=2)[0]),
    "dropout": (7, lambda b, x: b.node("Dropout", x, ratio=0.5)),
    "dropout_with_a_mask_7": (7, lambda b, x: b.node("Dropout", x, ratio=0.5, outputs=2)[0]),
    "dropout_with_a_mask_10": (10, lambda b, x: b.node("Dropout", x, ratio=0.5, outputs=2)[0]),
    "dropout_with_a_mask_12": (12, lambda b, x: b.node("Dropout", x, outputs=2)[0]),
    "batch_norm": (7, lambda b, x: b.batch_norm(x, 4)),
    "constant_nodes": (7, lambda b, x: b.node("Mul", x, constant_node(b, 0.75))),
    "shape_7": (7, flattened_by_its_shape),
    "reshape_that_allows_zero": (
        14,
        lambda b, x: b.node("Reshape", x, b.constant([1, -1], np.int64), allowzero=1),
    ),
    "shape_9": (9, flattened_by_its_shape),
}


@pytest.mark.parametrize("name", OLD)
def test_attributes_of_old_opsets(name: str) -> None:
    opset, make = OLD[name]
    check(of_opset(network(make), opset))


def test_a_mask_that_is_used_is_refused() -> None:
    model = of_opset(network(lambda b, x: b.node("Dropout", x, ratio=0.5, outputs=2)[1]), 7)
    assert refusal(model).endswith("depends on more than the shapes of its inputs")
    with pytest.raises(UserError, match="a node of 1 results was expected by the reference at dropout_11"):
        Reference(model).run(frames(model))


def test_batch_norm_with_the_outputs_of_training_is_refused() -> None:
    def training(b: Builder, x: str) -> str:
        constants = [b.constant(np.ones(4)) for _ in range(4)]
        return b.node("BatchNormalization", x, *constants, outputs=5)[0]

    assert refusal(of_opset(network(training), 9)).endswith("it has the outputs of training mode")


def of_any_batch(model: Any) -> Any:
    """The model with its batch left open, as `dynamic_axes` of PyTorch's exporter leaves it."""
    model = onnx.shape_inference.infer_shapes(model)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4 and dims[0].dim_value == 1:
            dims[0].dim_param = "batch"
    return model


def test_an_open_batch_is_one_frame_and_said() -> None:
    model = of_any_batch(network())
    graph = check(model)
    assert graph.notes == ["input x has a batch of any length: 1 is assumed"]
    fixed = check(network())
    assert fixed.notes == []
    assert [str(op.kind) for op in graph.operators] == [str(op.kind) for op in fixed.operators]


def flattened_by_its_shape_13(b: Builder, x: str) -> str:
    """The same with axes as an input."""
    batch = b.node("Gather", b.node("Shape", x), constant_node(b, 0, np.int64), axis=0)
    rows = b.node("Unsqueeze", batch, constant_node(b, [0], np.int64))
    return b.node("Reshape", x, b.node("Concat", rows, constant_node(b, [-1], np.int64), axis=0))


def test_an_open_batch_is_compared_with_float32() -> None:
    model = of_any_batch(network(flattened_by_its_shape_13))
    accelerator = pyqkit.compile(model)
    found = float32.compare(accelerator.exact, model, frames(model))
    assert found["codes"] > 0
    assert found["codes_unexplained"] == 0


@pytest.mark.parametrize("length", [0, -1])
def test_a_batch_of_no_length_is_refused(length: int) -> None:
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = length
    with pytest.raises(UserError, match="^static shapes were expected"):
        pyqkit.compile(model)


def test_annotated_types_are_no_quantisers() -> None:
    """Qonnx refuses a value that is none of the type; a declared quantiser makes one of it."""
    b = Builder(6)
    model = b.model(b.node("Gemm", b.node("Add", "x", b.constant(1.0)), b.weights("int2", 3, 6), transB=1))
    note = model.graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    found = pyqkit.compile(model, input_format="bipolar").verify(x, ["exact"])["reference"]
    assert found["codes_differing"] == 0
    assert found["float32"]["unexplained_layers"] == []
