"""Products that share DSPs, simulated: every operand pair, and sums as large as a field may hold."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import parse
from pyqkit.formats.integer import Integer
from pyqkit.rtl.emitter import instance
from pyqkit.rtl.products.packed import GROUP, PackedBlock, packed_block
from tests.rtl.bench import mutated, table
from tests.rtl.pairs import ROOT, build

# Steps with the clock enabled, at which words stand at the ports, and those without in between.
MAIN = """
#include "Vnetwork.h"
#include <cstdio>
#include <cstring>
double sc_time_stamp() {{ return 0; }}
int main(int, char** argv) {{
  Vnetwork top;
  std::FILE *in = std::fopen(argv[1], "rb"), *out = std::fopen(argv[2], "wb");
  unsigned char word[{inputs}];
  unsigned random = 1;
  while (std::fread(word, 1, sizeof word, in) == sizeof word) {{
    std::memcpy(&top.words[0], word, sizeof word);
    do {{
      random = random * 1664525u + 1013904223u;
      top.enable = random >> 30 != 0;
      top.clock = 0, top.eval();
      top.clock = 1, top.eval();
    }} while (!top.enable);
    std::fwrite(&top.sums[0], 1, {outputs}, out);
  }}
  std::fclose(out);
}}
"""


@dataclass
class Case:
    """Codes of activations (steps, pixels, SIMD) and of weights (steps, PE, SIMD) of a block."""

    left: str
    right: str
    block: PackedBlock
    x: np.ndarray
    w: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """Terms (steps, pixels, PE, columns)."""
        x, w = parse(self.left).integers[self.x], parse(self.right).integers[self.w]
        products = x[:, :, None].astype(np.int64) * w[:, None]
        return products.reshape(*products.shape[:-1], self.block.columns, -1).sum(axis=-1)


def case(left: str, right: str, pe: int, simd: int, ways: int = 2, steps: int = 400) -> Case:
    """Codes at random, and at first all at the ends in every mixture of signs."""
    block = packed_block(parse(left), parse(right), ways, pe, simd, simd)
    random, lefts, rights = np.random.default_rng(simd), parse(left).codes, parse(right).codes
    x = random.choice(lefts, (steps, ways // 2, simd))
    w = random.choice(rights, (steps, pe, simd))
    ends = [
        codes[np.argsort(parse(name).integers[codes])[[0, -1]]]
        for name, codes in ((left, lefts), (right, rights))
    ]
    x[: steps // 4] = random.choice(ends[0], (steps // 4, ways // 2, 1))
    w[: steps // 4] = random.choice(ends[1], (steps // 4, pe, 1))
    return Case(left, right, block, x, w)


def every_pair(left: str, right: str) -> Case:
    """Each activation times each weight, on both places of a word where there are few."""
    block = packed_block(parse(left), parse(right), 2, 2, 1, 1)
    x, w = (grid.ravel() for grid in np.meshgrid(parse(left).codes, parse(right).codes))
    other = np.random.default_rng(0).permutation(w)
    lower = np.stack([w, other], axis=1), np.stack([other, w], axis=1)
    both = np.concatenate(lower[: 1 if len(x) > 2**12 else 2])
    return Case(left, right, block, np.resize(x, len(both))[:, None, None], both[:, :, None])


CASES = [
    every_pair("int4", "int4"),
    every_pair("uint8", "int8"),
    every_pair("ue2m2", "e2m1"),
    case("ue2m2", "e2m1", 4, 6),
    case("int7", "int7", 2, 15),  # as many as a field holds, and sums as wide as it
    case("uint4z3", "int5", 2, 40),
    case("uint8", "int8", 2, 4),
    case("int4", "int4", 2, 14, 4),
    case("ue2m2", "e2m1", 4, 2, 4),
]  # fmt: skip


def simulate(cases: list[Case], folder: Path, sources: Path = ROOT / "rtl") -> list[np.ndarray]:
    """Terms of every case, (steps, pixels, PE, columns)."""
    text, words, place, result = "", [], 0, 0
    steps = max(len(c.x) + c.block.latency for c in cases)
    for i, c in enumerate(cases):
        block, fmt = c.block, parse(c.left)
        decoding = (
            {"SIGNED": int(fmt.signed), "ZERO_POINT": fmt.zero_point} if isinstance(fmt, Integer) else {}
        )
        if not decoding:
            file = f"integers_{i}.hex"
            (folder / file).write_text(table(fmt.integers, int(block.parameters["WIDTH"])))
            decoding = {"TABLE": 1, "INTEGERS": f'"{file}"'}
        lefts = bits_of(c.x.transpose(0, 2, 1).reshape(len(c.x), -1), fmt.bits)
        memories = block.memories(parse(c.right).integers[c.w])
        rights = [
            np.roll(padded(bits_of(m, block.pair_bits), steps), g * GROUP, axis=0)
            for g, m in enumerate(memories)
        ]
        mine = np.concatenate([padded(lefts, steps), *rights], axis=1)
        words.append(mine)
        split, count = lefts.shape[1], c.expected[0].size * block.width
        ports = {
            "clock": "clock",
            "enable": "enable",
            "left": f"words[{place}+:{split}]",
            "right": f"words[{place + split}+:{mine.shape[1] - split}]",
            "sums": f"sums[{result}+:{count}]",
        }
        text += instance(block.module, f"block{i}", block.parameters | decoding, ports)
        place, result = place + mine.shape[1], result + count
    inputs, outputs = (-(-count // 128) * 128 for count in (place, result))
    head = f"input wire clock, enable, input wire [{inputs - 1}:0] words, output wire [{outputs - 1}:0] sums"
    if outputs > result:
        text += f"  assign sums[{outputs - 1}:{result}] = 0;\n"
    text = f"module lanes ({head});\n{text}  wire unused = &words;\nendmodule\n"
    main = MAIN.format(inputs=inputs // 8, outputs=outputs // 8)
    program = build(folder, "lanes", text, main, sources)
    all_words = np.concatenate([*words, np.zeros((steps, inputs - place), np.uint8)], axis=1)
    np.packbits(all_words, axis=1, bitorder="little").tofile(folder / "words.bin")
    subprocess.run([program, "words.bin", "sums.bin"], cwd=folder, check=True)
    found = np.fromfile(folder / "sums.bin", np.uint8).reshape(steps, -1)
    bits, terms, place = np.unpackbits(found, axis=1, bitorder="little"), [], 0
    for c in cases:
        shape, width = c.expected[0].shape, c.block.width
        mine = bits[c.block.latency - 1 :][: len(c.x), place : place + c.expected[0].size * width]
        values = mine.reshape(len(c.x), *shape, width).astype(np.int64) @ (1 << np.arange(width))
        terms.append(values - ((values >> (width - 1)) << width))
        place += c.expected[0].size * width
    return terms


def bits_of(values: np.ndarray, bits: int) -> np.ndarray:
    """Numbers (steps, lanes) as bits, the lowest of the first lane first."""
    found = values.astype(np.uint64)[..., None] >> np.arange(bits, dtype=np.uint64) & np.uint64(1)
    return found.reshape(len(values), -1).astype(np.uint8)


def padded(rows: np.ndarray, steps: int) -> np.ndarray:
    return np.pad(rows, ((0, steps - len(rows)), (0, 0)))


def test_every_pair_and_the_largest_sums(tmp_path: Path) -> None:
    lengths = [c.block.length for c in CASES]
    assert lengths == [1, 1, 1, 6, 15, 20, 1, 7, 1]
    for c, found in zip(CASES, simulate(CASES, tmp_path)):
        assert_array_equal(found, c.expected, err_msg=f"{c.left} times {c.right}")


def one_sum_too_many() -> Case:
    """A column that is a lane longer than a field holds."""
    found = case("int7", "int7", 2, 16, steps=100)
    assert (found.block.length, found.block.packing.sums) == (8, 15)
    return replace(found, block=replace(found.block, length=16))


def test_one_sum_too_many_is_refused_in_elaboration(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="sums that fit a field were expected"):
        simulate([one_sum_too_many()], tmp_path)


def test_one_sum_too_many_is_wrong(tmp_path: Path) -> None:
    """Where nothing checks it; the longest column that is allowed stands beside it."""
    check = "LENGTH * MOST >= HALF || LENGTH * LEAST < -HALF || W > FIELD"
    sources = mutated(tmp_path, [("pqk_packed_products.sv", check, "LENGTH * (MOST - LEAST) > 8 * HALF")])
    (tmp_path / "run").mkdir()
    cases = [case("int7", "int7", 2, 15, steps=100), one_sum_too_many()]
    right, wrong = simulate(cases, tmp_path / "run", sources)
    assert_array_equal(right, cases[0].expected)
    assert (wrong != cases[1].expected).any()
