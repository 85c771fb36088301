"""Dot products of narrow codes, simulated: every pair of codes, the largest sums, and a whole network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse, product
from pyqkit.formats.products.narrow import narrow
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.rtl.emitter import instance
from pyqkit.rtl.products.narrow import NarrowBlock
from tests.emulate.networks import Net
from tests.emulate.test_engines import agree
from tests.rtl.bench import FAST, mutated, needs_verilator
from tests.rtl.pairs import ROOT, build
from tests.rtl.test_packed_products import MAIN, bits_of, padded


@dataclass
class Case:
    """Codes of activations (steps, SIMD) and of weights (steps, PE, SIMD) of a block."""

    block: NarrowBlock
    x: np.ndarray
    w: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """Sums (steps, PE)."""
        table = product(self.block.pair.left, self.block.pair.right).table
        return table[self.x[:, None], self.w].sum(axis=-1)


def case(left: str, right: str, pe: int, simd: int, steps: int = 200) -> Case:
    """Codes at random, at first one for all lanes: every pair of codes, the largest sums among them."""
    pair = narrow(parse(left), parse(right))
    assert pair is not None
    random, (lefts, rights) = np.random.default_rng(simd), (pair.left.codes, pair.right.codes)
    x, w = random.choice(lefts, (steps, simd)), random.choice(rights, (steps, pe, simd))
    grid = np.stack(np.meshgrid(lefts, rights), axis=-1).reshape(-1, 2)
    x[: len(grid)], w[: len(grid)] = grid[:, :1], grid[:, 1:, None]
    return Case(NarrowBlock(pair, pe, simd), x, w)


CASES = (
    ("uint2", "odd2", 2, 32),
    ("uint2", "odd2", 1, 2),
    ("uint2", "odd2", 3, 9),
    ("int2", "odd2", 2, 13),
    ("odd2", "odd2", 2, 6),
    ("uint3", "odd2", 1, 7),
    ("uint1", "odd1", 2, 64),
    ("int4", "odd1", 1, 10),
    ("odd2", "uint2", 1, 12),
    ("e1m1", "odd2", 2, 5),
)


def simulate(cases: list[Case], folder: Path, sources: Path = ROOT / "rtl") -> list[np.ndarray]:
    """Sums of every case, (steps, PE)."""
    text, words, place, result = "", [], 0, 0
    steps = max(len(c.x) + c.block.latency for c in cases)
    for i, c in enumerate(cases):
        lefts = bits_of(c.x, c.block.pair.left.bits)
        rights = bits_of(c.w.reshape(len(c.w), -1), c.block.pair.right.bits)
        words += [padded(lefts, steps), padded(rights, steps)]
        middle, end, count = (
            place + lefts.shape[1],
            place + lefts.shape[1] + rights.shape[1],
            c.block.pe * c.block.width,
        )
        ports = {
            "clock": "clock",
            "enable": "enable",
            "left": f"words[{place}+:{middle - place}]",
            "right": f"words[{middle}+:{end - middle}]",
            "sums": f"sums[{result}+:{count}]",
        }
        text += instance(c.block.module, f"block{i}", c.block.parameters, ports)
        place, result = end, result + count
    inputs, outputs = (-(-count // 128) * 128 for count in (place, result))
    head = f"input wire clock, enable, input wire [{inputs - 1}:0] words, output wire [{outputs - 1}:0] sums"
    rest = f"  assign sums[{outputs - 1}:{result}] = 0;\n" if outputs > result else ""
    text = f"module lanes ({head});\n{text}{rest}  wire unused = &words;\nendmodule\n"
    main = MAIN.format(inputs=inputs // 8, outputs=outputs // 8)
    program = build(folder, "lanes", text, main, sources)
    every = np.concatenate([*words, np.zeros((steps, inputs - place), np.uint8)], axis=1)
    np.packbits(every, axis=1, bitorder="little").tofile(folder / "words.bin")
    subprocess.run([program, "words.bin", "sums.bin"], cwd=folder, check=True)
    found = np.fromfile(folder / "sums.bin", np.uint8).reshape(steps, -1)
    bits, sums, place = np.unpackbits(found, axis=1, bitorder="little"), [], 0
    for c in cases:
        width, count = c.block.width, c.block.pe * c.block.width
        mine = bits[c.block.latency - 1 :][: len(c.x), place : place + count]
        values = mine.reshape(len(c.x), c.block.pe, width).astype(np.int64) @ (1 << np.arange(width))
        sums.append(values - ((values >> (width - 1)) << width))
        place += count
    return sums


def test_every_pair_and_the_largest_sums(tmp_path: Path) -> None:
    cases = [case(*one) for one in CASES]
    for c, found in zip(cases, simulate(cases, tmp_path)):
        assert_array_equal(found, c.expected, err_msg=f"{c.block.pair.left} times {c.block.pair.right}")


def test_a_carry_that_is_not_counted_is_caught(tmp_path: Path) -> None:
    sources = mutated(tmp_path, [("pqk_code_chain.sv", "j < CARRIES; j++", "j < CARRIES - 1; j++")])
    (tmp_path / "run").mkdir()
    one = case("uint2", "odd2", 1, 6)
    (found,) = simulate([one], tmp_path / "run", sources)
    assert (found != one.expected).any()


@pytest.mark.parametrize(
    ("left", "right"), [("int2", "int2"), ("uint4", "odd2"), ("e2m1", "e2m1"), ("lp4_0_3", "odd1")]
)
def test_other_pairs_are_multiplied(left: str, right: str) -> None:
    """Those of a kind of their own, of more bits than a LUT takes, and of wide products."""
    assert narrow(parse(left), parse(right)) is None


@needs_verilator
def test_narrow_codes_change_nothing_in_a_network() -> None:
    """Groups, one word alone and words of one lane, whose products stay apart."""
    net = Net(parse("uint2"), parse("odd2"), shape=(5, 6, 24), frames=3)
    net.finish(
        net.conv("wide", "x", 4),
        net.conv("grouped", "x", 8, groups=2),
        net.conv("whole", "x", 2, (5, 6), padding=(0, 0, 0, 0)),
        net.conv("apart", "x", 2, 1),
    )
    foldings = {
        "wide": ConvolutionFolding(4, 24),
        "grouped": ConvolutionFolding(2, 4, memory="block"),
        "whole": ConvolutionFolding(2, 12),
        "apart": ConvolutionFolding(2, 1),
    }
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    assert engine.design.text.count("pqk_narrow_products") == 3
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)
    engine.stalls = Stalls(0.3, seed=5)
    agree(net, engine.run)
