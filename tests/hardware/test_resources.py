"""The closed forms against what Yosys 0.70 made of multiply-accumulate units (xc7, no DSP, no place and route)."""

from __future__ import annotations

import pytest

from pyqkit.formats import parse
from pyqkit.hardware.resources import Resources, adder, dot_product, fifo, integer_multiplier, memory, product_bits

# lower and upper LUT figure and flip-flops of one unit whose accumulator has 8 bits more than a product
UNITS = {
    "int2": (16, 16, 24), "int4": (39, 42, 36), "int8": (108, 158, 60),
    "e1m1": (25, 33, 29), "e2m0": (31, 43, 33), "e1m2": (31, 40, 35), "e2m1": (42, 57, 39), "e3m0": (53, 73, 51),
    "e1m3": (45, 58, 41), "e2m2": (58, 75, 45), "e3m1": (63, 86, 57), "e4m0": (84, 114, 85), "e1m4": (60, 77, 47),
    "e2m3": (72, 96, 51), "e3m2": (75, 105, 63), "e4m1": (97, 130, 91), "e5m0": (144, 198, 151), "e1m5": (74, 103, 53),
    "e2m4": (90, 118, 57), "e3m3": (91, 130, 69), "e4m2": (108, 149, 97), "e5m1": (164, 220, 157), "e1m6": (95, 134, 59),
    "e2m5": (104, 141, 63), "e3m4": (109, 153, 75), "e4m3": (125, 175, 103), "e5m2": (174, 239, 163),
}  # fmt: skip
# the same of a dot product of eight lanes with one accumulator
DOT_8 = {
    "int2": (77, 89, 83), "int4": (233, 333, 155), "int8": (785, 1262, 299), "e2m1": (262, 354, 166), "e3m0": (387, 538, 226),
    "e2m2": (365, 515, 202), "e2m3": (525, 707, 238), "e3m2": (603, 816, 298), "e3m4": (856, 1204, 370), "e4m3": (1125, 1560, 510),
    "e5m2": (1658, 2368, 810),
}  # fmt: skip
# lower and upper LUT figure, flip-flops and accumulator bits of Logarithmic Posit units
LOGARITHMIC = {
    "lp4_0_3": (51, 69, 50, 21), "lp4_1_3": (58, 82, 60, 26), "lp6_1_3": (88, 124, 100, 37), "lp8_0_7": (137, 187, 123, 41),
    "lp8_1_3": (110, 155, 116, 39), "lp8_1_7": (183, 256, 169, 64), "lp8_2_3": (153, 220, 162, 62),
}  # fmt: skip


@pytest.mark.parametrize(("measured", "lanes"), [(UNITS, 1), (DOT_8, 8)])
def test_model_is_as_near_as_it_says(measured, lanes):
    ratios = []
    for name, figures in measured.items():
        fmt = parse(name)
        found = dot_product(fmt, fmt, lanes, product_bits(fmt, fmt) + 8)
        ratios.append([a / b for a, b in zip((found.lut_low, found.lut_high, found.ff), figures)])
    low, high, ff = zip(*ratios)
    assert min(low) > 0.74 and max(low) < 1.44
    assert min(high) > 0.59 and max(high) < 1.46
    assert min(ff) > 0.80 and max(ff) < 1.46


def test_logarithmic_units():
    for name, (low, high, _, bits) in LOGARITHMIC.items():
        fmt = parse(name)
        found = dot_product(fmt, fmt, 1, bits)
        assert 0.85 < found.lut_low / low < 1.02, name
        assert 0.78 < found.lut_high / high < 1.02, name


def test_ranking_of_the_formats_is_the_measured_one():
    def luts(name):
        fmt = parse(name)
        return dot_product(fmt, fmt, 8, product_bits(fmt, fmt) + 8).lut_low

    assert luts("int2") < luts("e2m1") < luts("e2m2") < luts("e2m3") < luts("int8") < luts("e4m3") < luts("e5m2")


def test_dot_product_counts_every_lane():
    fmt = parse("int4")
    one, four = dot_product(fmt, fmt, 1, 16), dot_product(fmt, fmt, 4, 16)
    tree = adder(9) * 2 + adder(10)
    assert four.lut_low == pytest.approx(4 * (one.lut_low - adder(16).lut_low) + adder(16).lut_low + tree.lut_low)


@pytest.mark.parametrize(
    ("width", "depth", "luts", "blocks"),
    [
        (8, 64, 8, 0),
        (72, 64, 72, 0),
        (8, 2048, 256, 0),
        (36, 512, 0, 0.5),
        (72, 512, 0, 1),
        (9, 2048, 0, 0.5),
        (1, 32768, 0, 1),
        (40, 1024, 0, 1.5),
    ],
)
def test_memories(width, depth, luts, blocks):
    found = memory(width, depth)
    assert (found.lut_low, found.bram36) == (luts, blocks)


def test_deep_fifos_go_to_blocks():
    assert fifo(8, 32).lut_low == 8 + 12
    assert fifo(8, 33).lut_low == 16 + 12
    assert fifo(64, 1024).bram36 == 2


def test_wide_products_take_dsps():
    assert integer_multiplier(16, 16) == Resources(dsp=1)
    assert integer_multiplier(30, 20) == Resources(dsp=4)
    assert integer_multiplier(30, 8).dsp == 0


def test_rounding_is_upwards():
    assert Resources(1.1, 2.5, 3.0, 1.5, 0.2).rounded() == {"lut_low": 2, "lut_high": 3, "ff": 3, "bram36": 1.5, "dsp": 1}
