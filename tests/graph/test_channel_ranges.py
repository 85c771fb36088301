"""Ranges of channels of one tensor that meet again, as in a gated perceptron of one packed layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.graph.graph import Graph
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

CHANNELS = 6  # of the packed tensor: 4 for each of them
PACKED = 4 * CHANNELS


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


# ---- layouts: the builder, its packed tensor and the axis of the channels ----------------------------------


def of_tokens(size: int) -> tuple[Builder, str, int]:
    b = Builder(size, 5)
    return b, b.node("MatMul", b.quantise("x", "int4", 0.25), b.weights("int4", 5, PACKED)), 2


def of_pixels(size: int) -> tuple[Builder, str, int]:
    """An image whose channels are last."""
    b = Builder(size, 3, 5)
    return b, b.node("MatMul", b.quantise("x", "int4", 0.25), b.weights("int4", 5, PACKED)), 3


def of_image(size: int) -> tuple[Builder, str, int]:
    b = Builder(5, size, 3)
    return b, b.conv(b.quantise("x", "int4", 0.25), "int4", PACKED, 5), 1


def of_image_as_tokens(size: int) -> tuple[Builder, str, int]:
    b, packed, _ = of_image(size)
    rows = b.node("Reshape", packed, whole(b, 1, PACKED, 3 * size))
    return b, b.node("Transpose", rows, perm=[0, 2, 1]), 2


def of_tokens_as_image(size: int) -> tuple[Builder, str, int]:
    b = Builder(size * 3, 5)
    packed = b.node("MatMul", b.quantise("x", "int4", 0.25), b.weights("int4", 5, PACKED))
    turned = b.node("Transpose", packed, perm=[0, 2, 1])
    return b, b.node("Reshape", turned, whole(b, 1, PACKED, size, 3)), 1


Layout = Callable[[int], tuple[Builder, str, int]]
LAYOUTS = [of_tokens, of_pixels, of_image, of_image_as_tokens, of_tokens_as_image]


# ---- forms: what is made of the packed tensor --------------------------------------------------------------


def ranges(b: Builder, x: str, axis: int, *sizes: int) -> list[str]:
    return list(b.node("Split", x, whole(b, *sizes), axis=axis, outputs=len(sizes)))


def gate(b: Builder, x: str, axis: int) -> str:
    """As timm's SwiGLUPacked and DINOv2 have it."""
    main, other = ranges(b, b.quantise(x, "int8", 0.1), axis, *(2 * [PACKED // 2]))
    silu = b.node("Mul", main, b.node("Sigmoid", main))
    return b.node("Mul", b.quantise(silu, "int8", 0.1), other)


def gate_of_sums(b: Builder, x: str, axis: int) -> str:
    """Each range has a quantiser of its own behind the layer."""
    main, other = ranges(b, x, axis, *(2 * [PACKED // 2]))
    return b.node("Mul", b.quantise(b.node("Relu", main), "uint4", 0.3), b.quantise(other, "int6", 0.2))


def bilinear(b: Builder, x: str, axis: int) -> str:
    return b.node("Mul", *ranges(b, b.quantise(x, "int6", 0.2), axis, *(2 * [PACKED // 2])))


def sliced(b: Builder, x: str, axis: int) -> str:
    x, half, last = b.quantise(x, "int6", 0.2), PACKED // 2, 2**31
    parts = [(0, half), (half, last), (half - 3, -3)]
    first, second, third = (b.node("Slice", x, whole(b, i), whole(b, j), whole(b, axis)) for i, j in parts)
    return b.node("Sub", b.node("Add", first, second), third)


def unequal(b: Builder, x: str, axis: int) -> str:
    one, few, other = ranges(b, b.quantise(x, "int6", 0.2), axis, 10, 4, 10)
    joined = b.node("Concat", b.quantise(b.node("Mul", one, other), "int6", 0.3), few, axis=axis)
    return b.quantise(joined, "int6", 0.3)


def four(b: Builder, x: str, axis: int) -> str:
    one, two, three, last = ranges(b, b.quantise(x, "int6", 0.2), axis, *(4 * [CHANNELS]))
    return b.node("Add", b.node("Mul", one, two), b.node("Mul", three, last))


def of_a_sum(b: Builder, x: str, axis: int) -> str:
    x = b.quantise(x, "int6", 0.2)
    added = b.node("Add", x, b.quantise(b.node("Sigmoid", x), "uint4", 0.05))
    return b.node("Add", *ranges(b, added, axis, *(2 * [PACKED // 2])))


FORMS: dict[Callable[[Builder, str, int], str], int] = {
    gate: 2,
    gate_of_sums: 2,
    bilinear: 2,
    sliced: 3,
    unequal: 3,
    four: 4,
    of_a_sum: 4,  # two of either branch
}


def lowered(layout: Layout, form: Callable[[Builder, str, int], str], size: int) -> Graph:
    b, packed, axis = layout(size)
    return check(b.model(b.quantise(form(b, packed, axis), "int6", 0.3)))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_ranges_are_cut_once_for_all_pixels(layout: Layout, form: Callable[[Builder, str, int], str]) -> None:
    graphs = [lowered(layout, form, size) for size in (2, 23)]
    kinds = [[op.kind for op in graph.operators] for graph in graphs]
    assert kinds[0] == kinds[1] and kinds[0].count("permute") == FORMS[form]
    assert "slice" not in kinds[0] and kinds[0].count("concat") == (form is unequal)


def test_what_quantises_a_range_reads_nothing_else() -> None:
    graph = lowered(of_tokens, gate_of_sums, 4)
    made = {op.kind: graph.tensors[op.outputs[0]] for op in graph.operators if op.kind != "convolution"}
    assert {tensor.shape[2] for tensor in made.values()} == {PACKED // 2}


@pytest.mark.parametrize("tokens", [1, 7])
def test_sums_of_ranges_and_whole_tensors(tokens: int) -> None:
    b, packed, axis = of_tokens(tokens)
    first, second = ranges(b, b.quantise(packed, "int6", 0.2), axis, *(2 * [PACKED // 2]))
    hidden = b.node("MatMul", first, b.weights("int4", PACKED // 2, PACKED // 2))
    check(b.model(b.quantise(b.node("Add", b.quantise(hidden, "int6", 0.3), second), "int6", 0.3)))


def test_all_engines() -> None:
    b, packed, axis = of_tokens(5)
    model: Any = b.model(b.quantise(gate(b, packed, axis), "int6", 0.3))
    accelerator = pyqkit.compile(model, board="PYNQ-Z2", target_fps=100_000)
    codes = accelerator.encode(np.random.default_rng(0).normal(0, 1.5, (5, 5, 5)).astype(np.float32))
    expected = accelerator.graph.execute(codes)
    for engine in ("exact", "hls"):
        found = accelerator.engine(engine).run(codes)
        for tensor, values in expected.items():
            np.testing.assert_array_equal(found[tensor], values, err_msg=engine)
