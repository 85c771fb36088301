"""What the host computes behind the accelerator is what the ONNX file gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyqkit
from tests.graph.qonnx_builder import Builder
from tests.host.tails import assert_kept, assert_same, classifier, frames, image, onnx_gives

INT64 = "int64"


def of_all(b: Any, x: str) -> list[str]:
    """One stream feeds five ends."""
    shares = b.node("Softmax", x, axis=1)
    values, places = b.node("TopK", shares, b.constant([3], INT64), outputs=2)
    return [shares, b.node("ArgMax", x, axis=1, keepdims=0), values, places, x]


def top_k(b: Any, x: str, **attributes: Any) -> list[str]:
    return list(b.node("TopK", x, b.constant([4], INT64), outputs=2, **attributes))


def eighths(b: Any) -> tuple[str, str]:
    """Scale and zero point as onnxruntime's static quantiser gives a Softmax, 8 bits wide."""
    return b.constant(2.0**-8), b.constant(-128, "int8")


VECTORS = {
    "softmax": lambda b, x: [b.node("Softmax", x)],
    "log_softmax": lambda b, x: [b.node("LogSoftmax", x, axis=1)],
    "arg_max": lambda b, x: [b.node("ArgMax", x, axis=1)],
    "arg_max_last": lambda b, x: [b.node("ArgMax", x, axis=-1, keepdims=0, select_last_index=1)],
    "arg_min": lambda b, x: [b.node("ArgMin", x, axis=1, keepdims=0)],
    "top_k": top_k,
    "top_k_smallest": lambda b, x: top_k(b, x, largest=0, axis=1),
    "places_alone": lambda b, x: top_k(b, x)[1:],
    "sigmoid": lambda b, x: [b.node("Sigmoid", x)],
    "tanh": lambda b, x: [b.node("Tanh", b.node("Mul", x, b.constant(0.01)))],
    "powers": lambda b, x: [
        b.node("Pow", x, b.constant(3.0)),
        b.node("Sqrt", b.node("Softplus", x)),
        b.node("Log", b.node("Softplus", x)),
        b.node("Pow", b.node("Sigmoid", x), b.constant(-0.75)),
    ],
    "boxes": lambda b, x: [
        b.node("Mul", b.node("Exp", x), b.constant(np.arange(1, 8))),
        b.node(
            "Mul", b.node("Pow", b.node("Mul", b.node("Sigmoid", x), b.constant(2.0)), b.constant(2.0)), x
        ),
    ],
    "relu": lambda b, x: [b.node("Relu", x)],
    "elu": lambda b, x: [b.node("Elu", x, alpha=0.3)],
    "softplus": lambda b, x: [b.node("Softplus", x)],
    "negative_slope": lambda b, x: [b.node("LeakyRelu", x, alpha=-0.1)],
    "slopes": lambda b, x: [b.node("PRelu", x, b.constant(b.random.normal(0, 1, (1, 7))))],
    "hard_sigmoid": lambda b, x: [b.node("HardSigmoid", x, alpha=0.1)],
    "clip": lambda b, x: [b.node("Clip", x, b.constant(-0.5), b.constant(1.5))],
    "relu_then_all": lambda b, x: of_all(b, b.node("Relu", x)),
    "all": of_all,
    "a_constant_first": lambda b, x: [b.node("Sub", b.constant(1.0), b.node("Sigmoid", x))],
    "dequantised": lambda b, x: [
        b.node(
            "Softmax", b.node("Div", b.node("Add", x, b.constant(b.random.normal(0, 1, 7))), b.constant(3.0))
        )
    ],
    "one_class": lambda b, x: [b.node("Gather", b.node("Softmax", x), b.constant(2, INT64), axis=1)],
    "some_classes": lambda b, x: [
        b.node("Slice", b.node("Softmax", x), *(b.constant([n], INT64) for n in (1, 6, 1, 2)))
    ],
    "halves": lambda b, x: b.node(
        "Split", b.node("Sigmoid", x), b.constant([3, 4], INT64), axis=1, outputs=2
    ),
    "joined": lambda b, x: [b.node("Concat", b.node("Softmax", x), b.node("Tanh", x), axis=1)],
    "product": lambda b, x: [b.node("Mul", x, b.node("Sigmoid", x))],
    "static_quantiser": lambda b, x: [
        b.node("DequantizeLinear", b.node("QuantizeLinear", b.node("Softmax", x), *eighths(b)), *eighths(b))
    ],
    "decided": lambda b, x: [
        b.node(kind, b.node("Sigmoid", x), b.constant(0.5))
        for kind in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    ],
    "largest_and_its_place": lambda b, x: [
        b.node("ReduceMax", x, axes=[1]),
        b.node("ReduceMin", b.node("Abs", x), axes=[1], keepdims=0),
        b.node("ReduceSum", b.node("Softmax", x), b.constant([1], INT64), keepdims=0),
    ],
    "shapes": lambda b, x: [
        b.node(
            "Unsqueeze",
            b.node("Reshape", b.node("Relu", x), b.constant([1, 7, 1], INT64)),
            b.constant([1], INT64),
        )
    ],
    "whole_numbers": lambda b, x: [
        b.node("Cast", b.node("ArgMax", x, axis=1), to=1),
        b.node("Cast", x, to=6),
    ],
    "whole_arithmetic": lambda b, x: [
        b.node("Add", b.node("Mul", top_k(b, x)[1], b.constant([2], INT64)), b.constant([-3], INT64))
    ],
}
IMAGES = {
    "classes_of_pixels": lambda b, x: [b.node("ArgMax", x, axis=1, keepdims=0)],
    "channels_last": lambda b, x: [b.node("Softmax", b.node("Transpose", x, perm=[0, 2, 3, 1]), axis=-1)],
    "averages": lambda b, x: [
        b.node("GlobalAveragePool", b.node("Relu", x)),
        b.node("GlobalMaxPool", b.node("Tanh", x)),
        b.node("ReduceMean", b.node("Relu", x), axes=[2, 3], keepdims=0),
    ],
    "over_rows": lambda b, x: [b.node("Softmax", x, axis=2)],
    "flattened": lambda b, x: [b.node("Sigmoid", b.node("Flatten", x)), b.node("Relu", x)],
    "moved_behind": lambda b, x: [b.node("Transpose", b.node("Tanh", x), perm=[0, 3, 1, 2])],
    "larger": lambda b, x: [
        b.node("Resize", b.node("Softmax", x, axis=1), "", "", b.constant([1, 3, 8, 10], INT64)),
        b.node("DepthToSpace", b.node("Relu", b.node("Concat", x, x, x, x, axis=1)), blocksize=2),
    ],
    "upside_down": lambda b, x: [
        b.node("Slice", x, *(b.constant([n], INT64) for n in (3, -9, 2, -1))),
        b.node("Softmax", x, axis=1),
    ],
    "padded": lambda b, x: [b.node("Pad", b.node("Relu", x), b.constant([0, 0, 1, 0, 0, 0, 0, 2], INT64))],
}


@pytest.mark.parametrize("make", VECTORS.values(), ids=VECTORS)
def test_vectors(make: Any) -> None:
    model, x = classifier(make), frames(20, 6)
    accelerator = pyqkit.compile(model)
    found = accelerator.emulate_outputs(x)
    codes = accelerator.exact.run(accelerator.encode(x))
    assert_same(found, onnx_gives(model, accelerator.graph, codes))
    assert_kept(accelerator, x)
    result = accelerator.verify(x, engines=["exact"])["reference"]
    assert result["host"] and not any(step["differing"] for step in result["host"].values())
    assert not result["codes_differing"] and not result["float32"]["unexplained_layers"]


@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES)
def test_images(make: Any) -> None:
    model, x = image(make), frames(3, 2, 4, 5)
    accelerator = pyqkit.compile(model)
    codes = accelerator.exact.run(accelerator.encode(x))
    assert_same(accelerator.emulate_outputs(x), onnx_gives(model, accelerator.graph, codes))
    assert_kept(accelerator, x)
    result = accelerator.verify(x, engines=["exact"])["reference"]
    assert result["host"] and not any(step["differing"] for step in result["host"].values())


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 18, 21])
def test_opsets(opset: int) -> None:
    """Before op-set 13 a softmax goes along all axes from its own on; before 10 k is an attribute."""

    def tail(b: Any, x: str) -> list[str]:
        cube = b.node("Reshape", b.node("Relu", x), b.constant([1, 2, 2, 2], INT64))
        top = (
            b.node("TopK", x, k=2, outputs=2)
            if opset < 10
            else b.node("TopK", x, b.constant([2], INT64), outputs=2)
        )
        places = b.node("ArgMax", x, axis=1)
        return [b.node("Softmax", cube, axis=2), b.node("LogSoftmax", x), *top, places]

    model, x = classifier(tail, 8, opset), frames(5, 6)
    accelerator = pyqkit.compile(model)
    codes = accelerator.exact.run(accelerator.encode(x))
    assert_same(accelerator.emulate_outputs(x), onnx_gives(model, accelerator.graph, codes))


def test_ties() -> None:
    """Of equal elements the first counts, or the last where the node says so; TopK lists them in order."""

    def tail(b: Any, x: str) -> list[str]:
        wide = b.node("Clip", x, b.constant(-0.25), b.constant(0.25))
        last = b.node("ArgMax", wide, axis=1, select_last_index=1)
        return [b.node("ArgMax", wide, axis=1), last, *top_k(b, wide), *top_k(b, wide, largest=0)]

    model, x = classifier(tail, 12), frames(50, 6)
    accelerator = pyqkit.compile(model)
    found = accelerator.emulate_outputs(x)
    codes = accelerator.exact.run(accelerator.encode(x))
    assert_same(found, onnx_gives(model, accelerator.graph, codes))
    first, last = list(found.values())[:2]
    assert (first != last).any()


def test_files_for_several_frames() -> None:
    """A shape that is written for a batch of 3 is one for each frame, inside the network and behind it."""

    def model(batch: int) -> Any:
        b = Builder(2, 4, 5)
        x = b.quantise("x", "int4", 0.25)
        flat = b.node("Reshape", b.conv(x, "int4", 3, 2), b.constant([batch, -1], INT64))
        wide = b.node(
            "Gemm", b.quantise(flat, "int4", 0.5), b.weights("int8", 6, 60, scale=0.0078125), transB=1
        )
        shares = b.node("Reshape", b.node("Softmax", wide), b.constant([batch, 2, 3], INT64))
        b.input.type.tensor_type.shape.dim[0].dim_value = batch
        return b.model(shares, b.node("ArgMax", shares, axis=2))

    x = frames(7, 2, 4, 5)
    one, three = (pyqkit.compile(model(batch)) for batch in (1, 3))
    for ours, wanted in zip(three.emulate_outputs(x).values(), one.emulate_outputs(x).values()):
        np.testing.assert_array_equal(ours, wanted)
    result = three.verify(x, engines=["exact"])["reference"]
    assert not any(step["differing"] for step in result["host"].values())
    assert not result["codes_differing"] and not result["float32"]["unexplained_layers"]


def test_one_stream_feeds_many_ends_and_codes_stay_raw(tmp_path: Any) -> None:
    accelerator = pyqkit.compile(classifier(of_all))
    assert len(accelerator.graph.outputs) == 1
    x = frames(4, 6)
    (codes,) = accelerator.emulate_outputs(x, codes=True).values()
    (port,) = accelerator.graph.outputs
    raw = accelerator.exact.run(accelerator.encode(x))[port.tensor]
    np.testing.assert_array_equal(codes, raw.reshape(4, 7))
    accelerator.save(tmp_path / "build")
    again = pyqkit.Accelerator.load(tmp_path / "build")
    found, wanted = again.emulate_outputs(x), accelerator.emulate_outputs(x)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
