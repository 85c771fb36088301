"""Every pair of codes through the multipliers that are chosen, and dot products built of them, against the
exact table.
"""

from __future__ import annotations

import numpy as np

from pyqkit.formats import parse, product
from pyqkit.rtl.products import ProductBlock, dsp_block, product_block, table_block
from tests.rtl.pairs import ROOT, simulate

SAME = [
    "int2",
    "int5",
    "uint4",
    "e2m1",
    "e3m0",
    "e1m2",
    "e3m2",
    "e4m3",
    "e2m5",
    "lp4_0_3",
    "lp6_1_3",
    "lp6_1_5",
    "lp8_1_3",
    "lp8_1_7",
]
MIXED = [
    ("int4", "e2m1"),
    ("e3m2", "e2m1"),
    ("e4m3", "ue3m2"),
    ("int8", "uint3"),
    ("lp8_0_7", "lp4_1_3"),
    ("e2m1", "lp4_0_3"),
    ("e5m2", "e5m2"),
]
DSP = [("int8", "int8"), ("e2m1", "int4")]


def numbers(name: str) -> np.ndarray:
    return np.unique(parse(name).codes)


def check(pairs: list[tuple[str, str, ProductBlock, int]], folder, sources) -> list[str]:
    """Names of the pairs with a wrong product."""
    found = simulate([(parse(a), parse(b), block, stages) for a, b, block, stages in pairs], folder, sources)
    wrong = []
    for (a, b, block, stages), got in zip(pairs, found):
        codes = np.ix_(numbers(a), numbers(b))
        expected = product(parse(a), parse(b)).table[codes]
        fits = (expected >= -(2**63)) & (expected < 2**63)
        if not np.array_equal(got[codes][fits], expected[fits]):
            wrong.append(f"{a} times {b} ({block.module}, {stages} stages)")
    return wrong


def chosen(pairs) -> list[tuple[str, str, ProductBlock]]:
    made = [(a, b, product_block(parse(a), parse(b))) for a, b in pairs]
    for name in ("e2m1", "lp4_0_3"):
        fmt = parse(name)
        made.append((name, name, table_block(product(fmt, fmt), product_block(fmt, fmt).width)))
    made += [(a, b, dsp_block(parse(a), parse(b))) for a, b in DSP]
    return made


def test_every_pair_of_codes(tmp_path):
    """With each number of registers that is ever chosen."""
    pairs = chosen([(n, n) for n in SAME] + MIXED)
    assert len({block.module for _, _, block in pairs}) == 5
    staged = [(*pair, stages) for pair in pairs for stages in range(len(pair[2].signed_delays_ns))]
    assert {stages for *_, stages in staged} >= {0, 1, 2, 3}
    # Beside a product of more rows: registers that find no rows to part stand in front, and behind.
    staged += [("int4", "int3", product_block(parse("int4"), parse("int3")), stages) for stages in (2, 3, 5)]
    assert check(staged, tmp_path, ROOT / "rtl") == []


MUTANTS = {
    "pqk_product_booth.sv": (".negate(negative)", ".negate(negative && r < 1)"),
    "pqk_product_minifloat.sv": ("a_significand[MA-1] = a_exponent != 0", "a_significand[MA-1] = 1"),
    "pqk_product_logposit.sv": ("a[A-2:0] == 0 ||", ""),
}


def test_mutants_are_caught(tmp_path):
    """One mistake in each block; every format meets exactly one of them."""
    for path in (ROOT / "rtl").glob("*.sv"):
        right, wrong = MUTANTS.get(path.name, ("", ""))
        text = path.read_text()
        assert not right or text.count(right) == 1
        (tmp_path / path.name).write_text(text.replace(right, wrong) if right else text)
    (tmp_path / "run").mkdir()
    pairs = [(n, n, product_block(parse(n), parse(n)), 0) for n in ("int4", "e2m1", "lp4_0_3")]
    assert len(check(pairs, tmp_path / "run", tmp_path)) == len(pairs)


def test_products_beyond_what_engines_sum_keep_their_lowest_bits():
    """A layer holds such formats where its own weights need no more.

    `test_every_pair_of_codes` simulates the products that fit.
    """
    fmt = parse("e5m2")
    assert (product_block(fmt, fmt).width, product_block(fmt, fmt, 67).width) == (64, 67)
    assert 0.9 < (abs(product(fmt, fmt).table) < 2**63).mean() < 1
