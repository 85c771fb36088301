"""Which layers multiply in DSPs: what is offered, and what is chosen where not all can."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pyqkit import boards
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.graph import Tensor
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.hardware import folding
from pyqkit.hardware.choices import within_dsps
from pyqkit.hardware.estimator import Estimator
from tests.graph.qonnx_builder import Builder
from tests.hardware.test_folding import layers


def eight_bits() -> Any:
    """A network of 8-bit integers: products are dear in LUTs."""
    b = Builder(4, 6, 6)
    x = b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int8", 8, 4), "int8", 8.0)
    return b.model(b.conv(b.quantise(b.conv(x, "int8", 8, 8), "int8", 8.0), "int8", 4, 8, 1))


@pytest.mark.parametrize(("dsps", "faster"), [(16, 2), (80, 4), (220, 8)])
def test_dsps_take_over_where_luts_end_first(dsps: int, faster: int) -> None:
    graph = import_qonnx(eight_bits())
    board, estimator = boards.load("PYNQ-Z2"), Estimator(graph)
    tight = replace(board, resources={**board.resources, "lut": 3_840, "dsp": dsps})
    found = folding.find(graph, tight, 100.0, None)
    total = estimator.total(found)
    assert not folding.exceeded(total, tight, 0.7)
    shared = {"lut": 0, "dsp": 1, "dsp2": 0.5, "dsp4": 0.25}
    products = {name: f.pe * f.simd * f.pixels for name, f in found.items() if name in layers(graph)}
    assert 0 < total.dsp == sum(n * shared[found[name].multiplier] for name, n in products.items()) <= dsps
    alone = folding.find(graph, replace(tight, resources={**tight.resources, "dsp": 0}), 100.0, None)
    assert {alone[name].multiplier for name in products} == {"lut"}
    print(
        f"{dsps} DSPs: {estimator.interval(found)} cycles, {total.dsp:g} used; LUTs alone "
        f"{estimator.interval(alone)}"
    )
    assert estimator.interval(found) * faster == estimator.interval(alone)


@pytest.mark.parametrize(
    ("pair", "offered"),
    [
        ("int8 int8", {"dsp", "dsp2"}),
        ("uint8 int4", {"dsp", "dsp2"}),
        ("e2m1 e2m1", {"dsp", "dsp2", "dsp4"}),
        ("e4m3 e2m1", {"dsp"}),
        ("int4 int4", {"dsp2", "dsp4"}),
        ("e4m3 e4m3", set()),
        ("lp4_0_3 lp4_0_3", set()),
    ],
)
def test_dsps_are_offered_where_they_multiply(pair: str, offered: set[str]) -> None:
    left, right = map(parse, pair.split())
    op = Convolution("c", ["x"], ["y"], np.ones((4, 1, 1, 4), np.int64), right)
    space = op.folding_space([Tensor.of("x", (1, 4, 4), left)])

    def possible(**axes: int) -> set[str]:
        variants = space.variants(ConvolutionFolding(**axes))
        return {variant.multiplier for variant in variants if isinstance(variant, ConvolutionFolding)}

    assert possible(pe=1) == possible(pe=1, pixels=2) == {"lut", *offered} - {"dsp2", "dsp4"}
    assert possible(pe=2) == {"lut", *offered} - {"dsp4"}
    assert possible(pe=2, pixels=2) == {"lut", *offered} - {"dsp2"}
    for multiplier in ("dsp", "dsp2", "dsp4"):
        asked = ConvolutionFolding(2, multiplier=multiplier, pixels=2 if multiplier == "dsp4" else 1)
        if multiplier in offered:
            space.check(asked, "c")
            continue
        reason = "^[^;]+ (was|were) expected(?: at most)?, but [^;]+ in c, so that no DSP can make"
        with pytest.raises(UserError, match=f"{reason} [^;]*them; choose multiplier lut$"):
            space.check(asked, "c")


@pytest.mark.parametrize(
    ("pe", "pixels", "multiplier", "sentence"),
    [
        (1, 1, "dsp2", "a PE that 2 divides was expected for c with dsp2, but 1 came"),
        (2, 2, "dsp2", "a PIXELS of at most 1 was expected for c with dsp2, but 2 came"),
        (2, 1, "dsp4", "a PIXELS that 2 divides was expected for c with dsp4, but 1 came"),
    ],
)
def test_what_shared_dsps_need_of_a_folding(pe: int, pixels: int, multiplier: str, sentence: str) -> None:
    op = Convolution("c", ["x"], ["y"], np.ones((4, 1, 1, 4), np.int64), parse("int4"))
    space = op.folding_space([Tensor.of("x", (1, 4, 4), parse("int4"))])
    with pytest.raises(UserError, match=f"^{sentence}; choose another one, or multiplier lut$"):
        space.check(ConvolutionFolding(pe, 1, multiplier, pixels=pixels), "c")


def test_outputs_with_inputs_of_their_own_share_no_dsp() -> None:
    op = Convolution("c", ["x"], ["y"], np.ones((4, 3, 3, 1), np.int64), parse("int4"), groups=4)
    space = op.folding_space([Tensor.of("x", (5, 5, 4), parse("int4"))])
    with pytest.raises(
        UserError,
        match="^outputs that share inputs were expected, but each has its own in c, so that no "
        "DSP can make 2 of them; choose multiplier lut$",
    ):
        space.check(ConvolutionFolding(2, multiplier="dsp2"), "c")


@pytest.mark.parametrize("dsps", [0, 1, 5, 8, 11, 40])
def test_no_layers_in_dsps_save_more(dsps: int) -> None:
    """With as many DSPs, whatever they are given to: every choice for the same axes is tried."""
    graph = import_qonnx(eight_bits())
    estimator, prices = Estimator(graph), {"lut_high": 1.0, "ff": 0.1, "bram36": 30.0, "dsp": 1e9}
    axes = {name: ConvolutionFolding(2 + 2 * i, 2) for i, name in enumerate(layers(graph))}
    axes[list(axes)[-1]] = ConvolutionFolding(2, 4)
    options = [
        {variant: more for variant, more in estimator.variants(op, axes[name]).items()}
        for name, op in layers(graph).items()
    ]
    costs = [
        sum(more.lut_high + 0.1 * more.ff + 30 * more.bram36 for more in picked)
        for picked in itertools.product(*(found.values() for found in options))
        if sum(more.dsp for more in picked) <= dsps
    ]
    found = within_dsps(estimator, axes, prices, dsps)
    assert found is not None and list(found) == list(axes)
    chosen = [estimator.difference(op, found[name]) for name, op in layers(graph).items()]
    assert sum(more.dsp for more in chosen) <= dsps
    total = sum(more.lut_high + 0.1 * more.ff + 30 * more.bram36 for more in chosen)
    assert total == pytest.approx(min(costs), rel=1e-9)
