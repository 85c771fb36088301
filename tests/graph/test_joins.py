"""What is joined: tensors of different scales and formats along any axis, and pieces of one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]
CHANNELS = 4
END = 2**63 - 1  # how exporters say "to the end"


def branch(b: Builder, x: str, fmt: str, scale: float = 0.5, channels: int = 3, **attributes: Any) -> str:
    return b.quantise(b.conv(x, "int4", channels, CHANNELS, **attributes), fmt, scale)


def join(b: Builder, *parts: str, axis: int = 1) -> str:
    return b.node("Concat", *parts, axis=axis)


def cut(b: Builder, x: str, start: int, end: int, axis: int, step: int = 1) -> str:
    return b.node("Slice", x, *[b.constant([n], np.int64) for n in (start, end, axis, step)])


def built(make: Make, shape: tuple[int, ...] = (CHANNELS, 6, 4), fmt: str = "int8") -> Any:
    b = Builder(*shape)
    return b.model(b.quantise(make(b, b.quantise("x", fmt, 0.25)), "int8", 0.5))


# two branches that a convolution reads: formats and scales of both, and the format in which they meet
MEETING = {
    "one_scale": (("int4", 0.5), ("int4", 0.5), "int4"),
    "one_scale_more_bits": (("int4", 0.5), ("int6", 0.5), "int6"),
    "with_and_without_sign": (("int4", 0.5), ("uint4", 0.5), "int5"),
    "powers_of_two": (("int4", 0.5), ("uint8", 0.125), "int9"),
    "the_wider_is_finer": (("int3", 1.0), ("int8", 0.25), "int8"),
    "ratio_of_small_numbers": (("uint4", 0.75), ("uint4", 0.5), "uint6"),
    "zero_points": (("uint8z9", 0.5), ("uint8z128", 0.5), "int9"),
    "minifloat_holds_minifloat": (("e4m3", 0.5), ("e2m1", 0.25), "e4m3"),
    "minifloat_holds_integers": (("e3m2", 0.5), ("int4", 0.5), "e3m2"),
    "narrow_minifloats": (("e2m1", 0.5), ("int4", 0.25), "int5"),
}


@pytest.mark.parametrize("name", MEETING)
def test_the_smallest_format_that_holds_both(name: str) -> None:
    first, second, fmt = MEETING[name]

    def make(b: Builder, x: str) -> str:
        return b.conv(join(b, branch(b, x, *first), branch(b, x, *second)), "int4", 4, 6)

    graph = check(built(make))
    (joined,) = (op for op in graph.operators if op.kind == "concat")
    assert graph.tensors[joined.outputs[0]].format.name == fmt
    assert [op.kind for op in graph.operators][-3:] == ["concat", "convolution", "rescale"]


def test_a_quantiser_absorbs_scales_whatever_they_are() -> None:
    def make(b: Builder, x: str) -> str:
        parts = branch(b, x, "int4", 0.3), branch(b, x, "int4", 0.7)
        return b.conv(b.quantise(join(b, *parts), "int4", 0.45), "int4", 4, 6)

    graph = check(built(make))
    (joined,) = (op for op in graph.operators if op.kind == "concat")
    assert graph.tensors[joined.outputs[0]].format.name == "int4"


def dense(b: Builder, x: str) -> str:
    """Each layer reads all before it."""
    for channels, fmt, scale in ((4, "int4", 0.5), (7, "uint4", 1.0), (10, "int3", 0.25)):
        grown = b.quantise(b.conv(x, "int4", 3, channels), fmt, scale)
        x = join(b, x, grown)
    return b.conv(x, "int4", 3, 13)


def inception(b: Builder, x: str) -> str:
    """Branches of several depths, pooled behind their join."""
    pooled = b.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    deep = b.quantise(b.conv(branch(b, x, "uint4", 0.25), "int4", 2, 3), "uint4", 1.0)
    joined = join(b, branch(b, x, "uint4", kernel=1), deep, branch(b, pooled, "uint4", 0.125, kernel=1))
    return b.conv(b.node("MaxPool", joined, kernel_shape=[2, 2], strides=[2, 2]), "int4", 3, 8)


def sums(b: Builder, x: str) -> str:
    """What no quantiser has rounded yet, with offsets, and what one has."""
    shifted = b.node("Add", b.conv(x, "int4", 2, CHANNELS), b.constant(np.array([1, -3]).reshape(1, 2, 1, 1)))
    return b.node("Relu", join(b, shifted, b.conv(x, "int4", 3, CHANNELS), x))


def average(b: Builder, x: str) -> str:
    return b.node("GlobalAveragePool", join(b, branch(b, x, "int4"), branch(b, x, "int4", 0.25)))


def flat(b: Builder, x: str) -> str:
    joined = join(b, branch(b, x, "int4"), branch(b, x, "int4", 0.25))
    return b.node("Gemm", b.node("Flatten", joined), b.weights("int4", 144, 5, scale=0.125))


def of_groups(b: Builder, x: str) -> str:
    """Each group of a convolution may have a scale of its own, as it may in a depthwise one."""
    joined = join(b, branch(b, x, "int4", 0.3), branch(b, x, "int4", 0.5))
    return b.conv(joined, "int4", 4, 6, group=2)


def rows(b: Builder, x: str) -> str:
    joined = join(
        b, branch(b, x, "int4", channels=4), branch(b, x, "int4", channels=4, strides=[2, 1]), axis=2
    )
    return b.conv(joined, "int4", 3, 4)


def columns(b: Builder, x: str) -> str:
    narrow = branch(b, x, "uint4", 0.125, 4, strides=[1, 2])
    return b.conv(join(b, narrow, branch(b, x, "int4", 0.5, 4), x, axis=3), "int4", 3, 4)


def around(b: Builder, x: str) -> str:
    """Rows of one tensor above and below those of another."""
    return b.conv(join(b, x, branch(b, x, "int8", 0.25, 4), x, axis=2), "int4", 3, 4)


def cross_stage(b: Builder, x: str) -> str:
    left, right = b.node("Split", x, outputs=2, axis=1)
    return b.conv(join(b, b.quantise(b.conv(left, "int4", 2, 2), "int8", 0.25), right), "int4", 3, 4)


def shuffled(b: Builder, x: str) -> str:
    """Two units of ShuffleNet."""
    for _ in range(2):
        left, right = b.node("Split", x, outputs=2, axis=1)
        joined = join(b, left, b.quantise(b.conv(right, "int4", 2, 2, group=2), "int8", 0.25))
        pairs = b.node("Reshape", joined, b.constant([1, 2, 2, 6, 4], np.int64))
        x = b.node(
            "Reshape", b.node("Transpose", pairs, perm=[0, 2, 1, 3, 4]), b.constant([1, 4, 6, 4], np.int64)
        )
    return x


def apart(b: Builder, x: str) -> str:
    """Overlapping pieces of rows, columns and channels, each with a layer of its own."""
    pieces = cut(b, x, 0, 4, 2), cut(b, x, 2, END, 2), cut(b, x, -4, END, 2)
    coded = [b.quantise(b.conv(piece, "int4", 2, CHANNELS), "int4", 0.5) for piece in pieces]
    narrow = b.conv(cut(b, cut(b, x, 1, 3, 1), 1, END, 2, 1), "int4", 2, 2)
    return join(b, *coded, cut(b, b.quantise(narrow, "int4", 0.5), -END, -1, 2))


def before_quantisers(b: Builder, x: str) -> str:
    """Pieces of a sum, each with a quantiser, one of which has a scale for each channel."""
    total = b.conv(x, "int4", 6, CHANNELS)
    left = b.quantise(cut(b, total, 0, 2, 1), "int4", np.array([0.5, 1]).reshape(1, 2, 1, 1))
    right = b.quantise(b.node("Relu", cut(b, total, 2, END, 1)), "uint4", 0.5)
    return b.conv(join(b, left, right), "int4", 3, 6)


def focus(b: Builder, x: str) -> str:
    """Every other row and column, from each of four places."""
    rows = [cut(b, x, first, END, 2, 2) for first in (0, 1)]
    return b.conv(join(b, *(cut(b, r, first, END, 3, 2) for first in (0, 1) for r in rows)), "int4", 3, 16)


def space_to_depth(b: Builder, x: str) -> str:
    split = b.node("Reshape", x, b.constant([1, 4, 3, 2, 2, 2], np.int64))
    moved = b.node("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    return b.conv(b.node("Reshape", moved, b.constant([1, 16, 3, 2], np.int64)), "int4", 3, 16)


def rolled(b: Builder, x: str) -> str:
    down = join(b, cut(b, x, 2, END, 2), cut(b, x, 0, 2, 2), axis=2)
    return b.conv(join(b, cut(b, down, -1, END, 3), cut(b, down, 0, -1, 3), axis=3), "int4", 3, 4)


def rows_of_unrelated_scales(b: Builder, x: str) -> str:
    parts = branch(b, x, "int8", 0.3, 4), branch(b, x, "int4", 0.7, 4)
    return b.conv(b.quantise(join(b, *parts, axis=2), "int8", 0.2), "int4", 3, 4)


def with_zeros(b: Builder, x: str) -> str:
    """A shortcut without parameters, zeros on either side, and between others."""
    none = b.constant(np.zeros((1, 2, 6, 4)))
    wide = join(b, none, x, none)
    mixed = join(b, x, none, branch(b, x, "int8", 0.25, 2))
    return b.node("Add", wide, b.quantise(mixed, "int8", 0.25))


def turned(b: Builder, x: str) -> str:
    """Channels in the opposite order are a permutation."""
    return b.conv(cut(b, x, -1, -END, 1, -1), "int4", 3, CHANNELS)


# fmt: off
NETS = (
    dense, inception, sums, average, flat, of_groups, rows, columns, around, cross_stage, shuffled, apart,
    before_quantisers, focus, space_to_depth, rolled, turned,
    rows_of_unrelated_scales, with_zeros,
)
# fmt: on


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__)
def test_agrees(make: Make) -> None:
    check(built(make))


def test_channels_that_are_stacked_again() -> None:
    """Two of three channels, each quantised for itself: no pixel changes its place."""

    def make(b: Builder, x: str) -> str:
        planes = [b.node("Gather", x, b.constant(n, np.int64), axis=1) for n in (0, 2)]
        axis = b.constant([1], np.int64)
        return b.conv(
            join(b, *(b.node("Unsqueeze", b.quantise(p, "int4", 0.5), axis) for p in planes)), "int4", 3, 2
        )

    graph = check(built(make))
    assert {op.kind for op in graph.operators} <= {"rescale", "permute", "concat", "convolution"}


def test_pieces_that_are_outputs() -> None:
    b = Builder(CHANNELS, 4, 4)
    halves = b.node(
        "Split",
        b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int4", 4, 4), "int4", 0.5),
        outputs=2,
        axis=1,
    )
    graph = check(b.model(*halves))
    assert [port.onnx_shape for port in graph.outputs] == [(2, 4, 4), (2, 4, 4)]
    assert all(np.array_equal(np.sort(port.order, axis=None), np.arange(32)) for port in graph.outputs)


def deeper(b: Builder, x: str) -> str:
    return b.node("Unsqueeze", x, b.constant([4], np.int64))


def scales_of_three(b: Builder, x: str) -> str:
    """Channels of scales without a simple ratio, shuffled."""
    return b.node(
        "Gather",
        join(b, branch(b, x, "int8", 0.3), branch(b, x, "uint4", 0.7), branch(b, x, "int4", 1 / 3)),
        b.constant([0, 3, 6, 1, 4, 7, 2, 5, 8], np.int64),
        axis=1,
    )


# what a convolution or a linear layer reads: a sum of one layer for each scale
WITHOUT_A_RATIO: dict[str, Make] = {
    "two_branches": lambda b, x: b.conv(
        join(b, branch(b, x, "int8", 0.3), branch(b, x, "int8", 0.7)), "int4", 3, 6
    ),
    "shuffled": lambda b, x: b.conv(scales_of_three(b, x), "int4", 3, 9, strides=[2, 1]),
    "flattened": lambda b, x: b.node(
        "Gemm", b.node("Flatten", scales_of_three(b, x)), b.weights("int4", 5, 216), transB=1
    ),
    "blocks": lambda b, x: b.conv(scales_of_three(b, x), "mx32_e2m1", 3, 9),
    "logarithms": lambda b, x: b.conv(join(b, branch(b, x, "lp4_0_3"), branch(b, x, "int4")), "int4", 3, 6),
    "one_bit_padded": lambda b, x: b.conv(
        join(b, branch(b, x, "odd1", 0.3), branch(b, x, "odd1", 0.7)), "odd1", 3, 6
    ),
}


@pytest.mark.parametrize("name", WITHOUT_A_RATIO)
def test_scales_without_a_ratio(name: str) -> None:
    graph = check(built(WITHOUT_A_RATIO[name]))
    assert [op.kind for op in graph.operators].count("add") == 1


REFUSED: dict[str, tuple[Make, str]] = {
    "scales without a ratio in a group": (
        lambda b, x: b.conv(
            join(b, branch(b, x, "int8", 0.3), branch(b, x, "int8", 0.7)), "int4", 6, 6, group=3
        ),
        "what it reads has different scales (0.3 and 0.7), which are no multiples of one in 16 bits",
    ),
    "a constant": (
        lambda b, x: join(b, x, b.constant(np.ones((1, 2, 6, 4)))),
        "one of its operands is a constant other than zero",
    ),
    "rows backwards": (
        lambda b, x: b.conv(cut(b, x, -1, -END, 2, -1), "int4", 3, 4),
        "it takes rows backwards, and streams go forward",
    ),
    "rows with other offsets": (
        lambda b, x: join(b, b.node("Add", x, b.constant(1.0)), branch(b, x, "int8", channels=4), axis=2),
        "its operands have different offsets",
    ),
    "five axes": (
        lambda b, x: join(b, deeper(b, x), deeper(b, branch(b, x, "int4", channels=4))),
        "it joins tensors of 5 axes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(ConversionError) as caught:
        import_qonnx(built(make))
    assert sentence in str(caught.value)
