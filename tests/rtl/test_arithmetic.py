"""The circuits whose cost is published compute what they should.

Dot products and multiply-accumulate units, cycle by cycle.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from pyqkit.formats import parse, product
from pyqkit.rtl.arithmetic import dot_product, multiply_accumulate
from pyqkit.rtl.products import product_block
from tests.rtl.pairs import ROOT, build

sys.path.insert(0, str(ROOT / "benchmarks"))
import cost_table

LANES, CYCLES = 5, 400
FORMATS = ["e2m1", "int4", "lp4_0_3", "uint3"]

MAIN = """
#include "Vnetwork.h"
#include <cstdio>
double sc_time_stamp() {{ return 0; }}
int main() {{
  Vnetwork top;
  std::FILE *in = std::fopen("in.bin", "rb"), *out = std::fopen("out.bin", "wb");
  for (int n = 0; n < {cycles}; n++) {{
    unsigned word[3];
    std::fread(word, 4, 3, in);
    top.a = word[0], top.b = word[1], top.first = word[2] & 1, top.enable = word[2] >> 1;
    top.clock = 0, top.eval();
    top.clock = 1, top.eval();
    std::fwrite(&top.p[0], 4, {words}, out);
  }}
  std::fclose(out);
}}
"""


def test_dot_products_and_accumulators(tmp_path):
    """Random codes, both ends of every format, random pauses."""
    random = np.random.default_rng(3)
    text, ports = "", []
    for name in FORMATS:
        fmt = parse(name)
        block = product_block(fmt, fmt)
        units = (
            dot_product(f"dot_{name}", fmt, fmt, block, LANES),
            multiply_accumulate(f"mac_{name}", fmt, fmt, block, 32),
        )
        text += "".join(unit.text for unit in units)
        width = block.width + 3
        wide = LANES * fmt.bits
        i = len(ports)
        ports.append(
            f"  wire signed [{width - 1}:0] sum{i};\n  wire negative{i};\n  wire signed [31:0] mac{i};\n"
            f"  dot_{name} d{i} (.clock, .enable, .a(a[{wide - 1}:0]), .b(b[{wide - 1}:0]), "
            f".sum(sum{i}), .negative(negative{i}));\n"
            f"  mac_{name} m{i} (.clock, .enable, .first, .a(a[{fmt.bits - 1}:0]), "
            f".b(b[{fmt.bits - 1}:0]), .sum(mac{i}));\n"
            f"  assign p[{128 * i}+:128] = {{64'(mac{i}), negative{i} ? -64'(sum{i}) : 64'(sum{i})}};\n"
        )
    top = (
        "module units (input clock, enable, first, input [19:0] a, b, output "
        f"[{128 * len(ports) - 1}:0] p);\n{''.join(ports)}endmodule\n"
    )
    words = random.integers(0, 2**20, (CYCLES, 3)).astype(np.uint32)
    words[:20, :2] = 0x88888, 0x88888  # the most negative codes
    words[:, 2] = (random.random(CYCLES) < 0.1) | (random.random(CYCLES) < 0.8) << 1
    words.tofile(tmp_path / "in.bin")
    program = build(tmp_path, "units", text + top, MAIN.format(cycles=CYCLES, words=4 * len(ports)))
    subprocess.run([program], cwd=tmp_path, check=True)
    found = np.fromfile(tmp_path / "out.bin", np.int64).reshape(CYCLES, len(FORMATS), 2)
    for i, name in enumerate(FORMATS):
        expected = model(name, words)
        np.testing.assert_array_equal(found[10:, i], expected[10:], name)
        assert len(np.unique(expected[10:])) > 100


def model(name: str, words: np.ndarray) -> np.ndarray:
    """Dot product and accumulator after every cycle."""
    fmt = parse(name)
    table = product(fmt, fmt).table.astype(np.int64)
    if name == "lp4_0_3":
        table = np.where(
            np.isin(np.arange(16), fmt.codes)[:, None] & np.isin(np.arange(16), fmt.codes)[None], table, 0
        )
    stages = [0] * ((LANES - 1).bit_length())
    total = term = 0
    rows = []
    mask = (1 << fmt.bits) - 1
    for a, b, control in words.tolist():
        if control >> 1:
            lanes = [
                int(table[(a >> (fmt.bits * lane)) & mask, (b >> (fmt.bits * lane)) & mask])
                for lane in range(LANES)
            ]
            stages = [sum(lanes), *stages[:-1]]
            total, term = (0 if control & 1 else total) + term, lanes[0]
        rows.append((stages[-1], total))
    return np.array(rows)


def test_page_is_what_the_script_makes_of_its_results():
    assert (ROOT / "docs" / "cost.md").read_text() == cost_table.page(
        json.loads(cost_table.RESULTS.read_text())
    )


def test_every_line_of_other_work_is_undercut():
    found = json.loads(cost_table.RESULTS.read_text())["formats"]
    for name, theirs in cost_table.PEERS.items():
        assert cost_table.smallest(found[name]["dot_32"])[1]["luts"] / cost_table.LANES < theirs, name
    assert cost_table.smallest(found["lp8_1_3"]["mac"])[1]["luts"] < cost_table.POSIT_PEER[1]


@pytest.mark.parametrize("name", ["int4", "e2m1", "lp4_0_3"])
def test_narrow_formats_have_a_table_beside(name):
    assert set(cost_table.variants(parse(name))) == {"structural", "table"}
