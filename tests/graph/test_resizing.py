"""Resizing, transposed convolutions, and moves between depth and space.

What QONNX' executor computes, and the independent reference.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("qonnx")

import pyqkit
from pyqkit.formats import parse
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.lowering.image_moves import REGISTERS
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.numerics import CHANNELS, agree, frames
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]
SIZE = 6


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


def scaled(*factors: float, **attributes: Any) -> Make:
    given = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return lambda b, x: b.node("Resize", x, "", b.constant([1, 1, *factors]), **(given | attributes))


def sized(rows: int, columns: int, **attributes: Any) -> Make:
    given = {"mode": "nearest"} | attributes
    return lambda b, x: b.node("Resize", x, "", "", whole(b, 1, CHANNELS, rows, columns), **given)


def shuffled(b: Builder, x: str) -> str:
    """Pixel shuffle and back, as exporters write it for op-set 10."""
    wide = b.node("Reshape", x, whole(b, 1, 1, 2, 2, SIZE, SIZE))
    space = b.node("Transpose", wide, perm=[0, 1, 4, 2, 5, 3])
    return b.node("Reshape", space, whole(b, 1, 1, 2 * SIZE, 2 * SIZE))


def unshuffled(b: Builder, x: str) -> str:
    parts = b.node("Reshape", x, whole(b, 1, CHANNELS, SIZE // 2, 2, SIZE // 3, 3))
    depth = b.node("Transpose", parts, perm=[0, 1, 3, 5, 2, 4])
    return b.node("Reshape", depth, whole(b, 1, 6 * CHANNELS, SIZE // 2, SIZE // 3))


def cropped(b: Builder, x: str) -> str:
    """Rows and columns of the blocks that depth to space makes are missing at both ends."""
    space = b.node("DepthToSpace", x, blocksize=2, mode="DCR")
    return b.node("Slice", space, whole(b, 1, 3), whole(b, 12, 8), whole(b, 2, 3))


def both(b: Builder, x: str) -> str:
    """What no single operator does: enlarged after it went to space, and padded."""
    space = b.node("DepthToSpace", x, blocksize=2)
    large = scaled(3, 1)(b, space)
    return b.node("Pad", large, whole(b, 0, 0, 1, 0, 0, 1, 0, 2))


def expanded(b: Builder, x: str) -> str:
    """Twice by broadcasting."""
    wide = b.node("Reshape", x, whole(b, 1, CHANNELS, SIZE, 1, SIZE, 1))
    copies = b.node("Expand", wide, whole(b, 1, CHANNELS, SIZE, 2, SIZE, 2))
    return b.node("Reshape", copies, whole(b, 1, CHANNELS, 2 * SIZE, 2 * SIZE))


def on_sums(b: Builder, x: str) -> str:
    """Sums of a convolution with a bias, a leaky slope and a batch norm, before anything is quantised."""
    y = scaled(2, 3)(b, b.conv(x, "int4", 4, CHANNELS))
    shifted = b.node("Add", y, b.constant(np.arange(4).reshape(1, 4, 1, 1) / 4))
    return b.quantise(b.node("LeakyRelu", shifted, alpha=0.25), "int4", 0.5)


MOVED: dict[str, Make] = {
    "twice": scaled(2, 2),
    "uneven": scaled(1.5, 0.5),
    "half_pixel": sized(4, 9),
    "pytorch_half_pixel": sized(1, 10, coordinate_transformation_mode="pytorch_half_pixel"),
    "align_corners": sized(7, 4, coordinate_transformation_mode="align_corners", nearest_mode="ceil"),
    "prefer_ceil": sized(5, 3, nearest_mode="round_prefer_ceil"),
    "for_nn": sized(8, 13, coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor"),
    "on sums": on_sums,
    "DCR": lambda b, x: b.node("DepthToSpace", x, blocksize=2),
    "CRD": lambda b, x: b.node("DepthToSpace", x, blocksize=2, mode="CRD"),
    "space to depth": lambda b, x: b.node("SpaceToDepth", x, blocksize=3),
    "shuffle": shuffled,
    "unshuffle": unshuffled,
    "cropped": cropped,
    "both": both,
    "expanded": expanded,
}


def confirmed(model: Any, x: np.ndarray) -> pyqkit.Accelerator:
    """The accelerator, after asking QONNX' executor and the reference."""
    accelerator = agree(model, x)
    (found,) = Reference(model).run(x).values()
    np.testing.assert_array_equal(real_of(found).high, accelerator.emulate(x))
    return accelerator


@pytest.mark.parametrize("name", MOVED)
def test_moves(name: str) -> None:
    """Behind them a convolution, so that operators have to move; and at the end of the network."""
    for build in (lambda b, y: b.conv(y, "int4", 3, b_channels(name), 1), lambda b, y: y):
        b = Builder(CHANNELS, SIZE, SIZE)
        made = build(b, MOVED[name](b, b.quantise("x", "int4", 0.5)))
        confirmed(b.model(b.quantise(made, "int8", 0.25)), frames(size=SIZE))


def b_channels(name: str) -> int:
    return {
        "DCR": 1, "CRD": 1, "shuffle": 1, "cropped": 1, "both": 2,
        "space to depth": 9 * CHANNELS, "unshuffle": 6 * CHANNELS,
    }.get(name, CHANNELS)  # fmt: skip


@pytest.mark.parametrize("opset", [7, 9, 10])
def test_older_files(opset: int) -> None:
    b = Builder(CHANNELS, 4, 4)
    x, factors = b.quantise("x", "int4", 0.5), [1.0, 1.0, 2.0, 3.0]
    if opset == 7:
        x = b.node("Upsample", x, mode="nearest", scales=factors)
    else:
        x = b.node("Upsample" if opset == 9 else "Resize", x, b.constant(factors), mode="nearest")
    model = b.model(b.quantise(b.conv(x, "int4", 2, CHANNELS, 1), "int8", 0.25))
    for version in model.opset_import:
        version.version = opset if version.domain == "" else version.version
    given = frames(size=4)
    large = np.rint(given / 0.5).clip(-8, 7).repeat(2, axis=2).repeat(3, axis=3)
    accelerator = pyqkit.compile(model, fold={})
    assert [op.kind for op in accelerator.graph.operators] == ["resize", "convolution", "rescale"]
    (found,) = Reference(model).run(given).values()
    np.testing.assert_array_equal(real_of(found).high, accelerator.emulate(given))
    assert accelerator.emulate(given).shape == (3, 2, *large.shape[2:])


TRANSPOSED: dict[str, dict[str, Any]] = {
    "no overlap": dict(kernel=(2, 2), strides=[2, 2]),
    "generator": dict(kernel=(4, 4), strides=[2, 2], pads=[1, 1, 1, 1]),
    "zeros": dict(kernel=(3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    "odd": dict(kernel=(3, 2), strides=[2, 3], bias=True),
    "stride one": dict(kernel=(3, 4), strides=[1, 1], pads=[2, 0, 0, 1], bias=True),
    "gaps": dict(kernel=(1, 2), strides=[3, 2], output_padding=[2, 0], bias=True),
    "dilated": dict(kernel=(2, 3), strides=[2, 3], dilations=[3, 2], pads=[0, 1, 2, 0]),
    "groups": dict(kernel=(4, 2), strides=[2, 2], pads=[1, 0, 1, 0], group=2, bias=True),
    "depthwise": dict(kernel=(4, 4), strides=[2, 2], pads=[1, 1, 1, 1], group=4),
    "same": dict(kernel=(3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    "shape": dict(kernel=(5, 5), strides=[2, 3], output_shape=[9, 17]),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolutions(name: str) -> None:
    """Scales of weights differ by output, which is their axis 1."""
    given = dict(TRANSPOSED[name])
    kernel, group, has_bias = given.pop("kernel"), given.get("group", 1), given.pop("bias", False)
    b = Builder(CHANNELS, 4, 5)
    outputs = 3 if group < 4 else 1
    scale = np.array([0.5, 0.125, 1.0])[:outputs].reshape(1, -1, 1, 1)
    weights = b.quantise(b.constant(b.random.normal(0, 1, (CHANNELS, outputs, *kernel))), "int4", scale)
    bias = [b.constant(np.arange(outputs * group) / 8 - 0.5)] if has_bias else []
    y = b.node("ConvTranspose", b.quantise("x", "int4", 0.5), weights, *bias, **given)
    y = b.node("Relu", b.batch_norm(y, outputs * group)) if name == "odd" else y
    last = b.conv(b.quantise(y, "int6", 0.5), "int4", 2, outputs * group)
    x = frames(size=5)[:, :, :4]
    if name == "odd":  # its batch norm is no power of two, so float32 is not exact
        model = b.model(b.quantise(last, "int8", 1.0))
        result = pyqkit.compile(model, target_fps=10).verify(x, engines=["exact"])
        assert result["reference"]["codes_differing"] == 0
        assert result["reference"]["float32"]["unexplained_layers"] == []
        return
    accelerator = confirmed(b.model(b.quantise(last, "int8", 1.0)), x)
    layer = accelerator.graph.operators[0]
    assert layer.kind == "convolution" and layer.stride == (1, 1)  # type: ignore[attr-defined]
    zeros = name in ("zeros", "gaps", "dilated", "same", "shape")
    assert any("products of every output are with zeros" in note for note in accelerator.graph.notes) == zeros


def test_lines_are_images_of_one_row() -> None:
    """nn.ConvTranspose1d and nn.Upsample of three axes."""
    b = Builder(CHANNELS, 5)
    weights = b.quantise(b.constant(b.random.normal(0, 1, (CHANNELS, 3, 4))), "int4", 0.25)
    y = b.node(
        "ConvTranspose",
        b.quantise("x", "int4", 0.5),
        weights,
        strides=[3],
        pads=[1, 0],
        output_padding=[2],
        dilations=[2],
    )
    large = b.node("Resize", b.quantise(y, "int4", 1.0), "", b.constant([1.0, 1.0, 2.0]), mode="nearest")
    last = b.node("Conv", large, b.weights("int4", 2, 3, 3))
    confirmed(b.model(b.quantise(last, "int8", 1.0)), frames(size=5)[:, :, 0])


def test_lines_are_enlarged_between_phases() -> None:
    b = Builder(CHANNELS, 4)
    weights = b.quantise(b.constant(b.random.normal(0, 1, (CHANNELS, CHANNELS, 4))), "int4", 0.25)
    y = b.node("ConvTranspose", b.quantise("x", "int4", 0.5), weights, strides=[2], pads=[1, 1])
    large = b.node("Resize", b.quantise(y, "int4", 1.0), "", b.constant([1.0, 1.0, 1.5]), mode="nearest")
    last = b.node("ConvTranspose", large, weights, strides=[2])
    confirmed(b.model(b.quantise(last, "int8", 1.0)), frames(size=4)[:, :, 0])


def test_sizes_for_a_batch_of_several() -> None:
    b = Builder(CHANNELS, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    large = b.node("Resize", x, "", "", whole(b, 4, CHANNELS, 6, 9), mode="nearest")
    model = b.model(b.quantise(b.conv(large, "int4", 2, CHANNELS, 1), "int8", 0.25))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    result = pyqkit.compile(model, target_fps=10).verify(frames(4, size=4), engines=["exact"])
    assert result["reference"]["codes_differing"] == 0


def test_an_enlarged_result_is_kept_in_a_build_folder(tmp_path: Path) -> None:
    b = Builder(CHANNELS, 4, 4)
    model = b.model(scaled(2, 1)(b, b.quantise(b.conv(b.quantise("x", "int4", 0.5), "int4", 2, 4), "int4")))
    made = confirmed(model, frames(size=4))
    made.save(tmp_path / "net")
    again = pyqkit.Accelerator.load(tmp_path / "net")
    np.testing.assert_array_equal(again(frames(size=4)), made(frames(size=4)))


def test_a_vector_becomes_an_image_through_a_memory() -> None:
    """Registers for hundreds of channels, and what chooses among them, would be far larger."""
    b = Builder(3)
    wide = b.node("MatMul", b.quantise("x", "int4", 0.5), b.weights("int4", 3, 2 * REGISTERS))
    image = b.node("Reshape", b.quantise(wide, "int4", 0.5), whole(b, 1, REGISTERS // 2, 2, 2))
    model = b.model(b.quantise(b.conv(image, "int4", 2, REGISTERS // 2, 1), "int8", 4.0))
    x = np.random.default_rng(1).integers(-8, 8, (3, 3)).astype(np.float32) / 2
    kinds = [op.kind for op in confirmed(model, x).graph.operators]
    assert "transpose" in kinds and "permute" not in kinds


def test_a_tensor_that_two_layers_read_is_enlarged_once() -> None:
    b = Builder(CHANNELS, 4, 4)
    large = scaled(2, 2)(b, b.quantise("x", "int4", 0.5))
    total = b.node("Add", b.conv(large, "int4", 3, CHANNELS), b.conv(large, "int4", 3, CHANNELS, 1))
    graph = confirmed(b.model(b.quantise(total, "int8", 0.5)), frames(size=4)).graph
    assert [op.kind for op in graph.operators].count("resize") == 1


def bipolar(b: Builder, x: str) -> str:
    weights = b.node(
        "BipolarQuant", b.constant(b.random.normal(0, 1, (CHANNELS, 2, 3, 3))), b.constant(0.5),
        domain="qonnx.custom_op.general",
    )  # fmt: skip
    return b.node("ConvTranspose", x, weights, strides=[2, 2])


REFUSED: dict[str, tuple[Make, str]] = {
    "linear": (sized(4, 4, mode="linear"), "nn.Upsample or torch.nn.functional.interpolate"),
    "cubic": (sized(4, 4, mode="cubic"), 'use mode="nearest", or a ConvTranspose2d whose weights'),
    "crop": (
        scaled(2, 2, coordinate_transformation_mode="half_pixel_symmetric"),
        "its coordinates are half_pixel_symmetric and its rounding is floor",
    ),
    "channels by input": (
        lambda b, x: b.node(
            "ConvTranspose",
            x,
            b.quantise(b.constant(np.ones((4, 2, 2, 2))), "int4", np.array([1, 2, 1, 1]).reshape(4, 1, 1, 1)),
        ),
        "use one scale per output channel (axis 1 of its weights), or for the whole tensor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(CHANNELS, SIZE, SIZE)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.quantise(make(b, b.quantise("x", "int4", 0.5)), "int8", 0.25)))
    assert sentence in str(caught.value)


def test_weights_without_a_zero_get_one() -> None:
    b = Builder(CHANNELS, 4, 4)
    y = bipolar(b, b.quantise("x", "int4", 0.5))
    confirmed(b.model(b.quantise(y, "int8", 0.25)), frames(size=4))


def test_formats_of_all_kinds_are_moved() -> None:
    """Blocks of weights with an exponent of their own, logarithms, minifloats."""
    for weights, activations in (("mx2_e2m1", "int4"), ("lp4_0_3", "lp4_0_3"), ("e2m1", "e3m2")):
        b = Builder(CHANNELS, 3, 3)
        block = {"axis": 0} if parse(weights).block else {}
        kernel = b.quantise(b.constant(b.random.normal(0, 1, (CHANNELS, 2, 3, 3))), weights, 1.0, **block)
        y = b.node("ConvTranspose", b.quantise("x", activations, 0.5), kernel, strides=[2, 2])
        model = b.model(b.quantise(y, "e3m2", 0.5))
        result = pyqkit.compile(model, target_fps=10).verify(frames(size=3), engines=["exact"])
        assert result["reference"]["codes_differing"] == 0
