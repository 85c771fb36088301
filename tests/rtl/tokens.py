"""Cases of the blocks of transformers."""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, packed, signed, table, unsigned, words


def tokens() -> list[Case]:
    """Offsets of elements, beside products in a register and in three; products of two streams."""
    x, random = unsigned(4, 5 * 2, 2, 4), np.random.default_rng(17)
    factors, offsets = np.array([[3, -4], [1, 0]]), random.integers(-64, 64, (10, 2))
    offsets[0], offsets[1] = -64, 63
    sums = signed(x.codes, 4) * np.tile(factors, (5, 1)) + offsets
    shared: Parameters = {"LANES": 2, "BITS": 4, "SUM_BITS": 8, "FACTOR_DEPTH": 2, "FACTOR_BITS": 3}
    shared |= {"FACTORS": '"offset_factors.hex"', "OFFSET_BITS": 7, "DEPTH": 10, "OFFSETS": '"offsets.hex"'}
    tables = {"offset_factors.hex": table([packed(row, 8) for row in factors], 16)}
    tables["offsets.hex"] = table([packed(row, 7) for row in offsets], 14)
    deep: Parameters = {"DECODE_STAGES": 1, "READ_STAGES": 2, "MULTIPLY_STAGES": 2}
    out = {"out": words(8, sums, 2)}
    assert out["out"].codes.shape == (FRAMES, 10, 2)
    return [
        Case("pixel_offset", "pixel_offset", shared | {"READ_STAGES": 1}, {"in": x}, out, tables),
        Case("pixel_offset_deep", "pixel_offset", shared | deep, {"in": x}, out, tables),
        _products("scores", False, 2, 3),
        _products("scores_whole", False, 4, 6, reading=2),
        _products("contexts", True, 3, 2),
        _products("contexts_single", True, 1, 1),
    ]


def _products(name: str, across: bool, pe: int, simd: int, reading: int = 1) -> Case:
    """Two heads of three tokens by four others, signed times unsigned."""
    heads, channels, others, tokens, random = 2, 6, 4, 3, np.random.default_rng(23)
    outputs, terms = (channels, others) if across else (others, channels)
    left = random.integers(-8, 8, (FRAMES, tokens, heads, terms))
    left[0], left[1] = -8, 7
    right = random.integers(0, 8, (FRAMES, others, heads, channels))
    right[:2] = 7
    formula = "fths,fshc->fthc" if across else "fthc,fshc->fths"
    sums = np.einsum(formula, left, right).reshape(FRAMES, -1)
    folds, depth = terms // simd, heads * outputs // pe * terms // simd
    given = left.reshape(FRAMES, tokens, heads, 1, folds, simd).repeat(outputs // pe, axis=3)
    lanes, banks = (pe, simd) if across else (simd, pe)
    inner = 1 if across else folds
    parameters: Parameters = {"LEFT_BITS": 4, "PRODUCT_BITS": 7, "SUM_BITS": 10, "PE": pe, "SIMD": simd}
    parameters |= {"FOLDS": folds, "DEPTH": depth, "READ_STAGES": reading, "PRODUCT_STAGES": 0}
    parameters |= {"RIGHT_BITS": 3, "RIGHT_LANES": lanes, "BANKS": banks, "ACROSS": int(across)}
    parameters |= {"INNER": inner, "PARTS": heads * channels // lanes // inner}
    parameters |= {"PIXELS": others, "WINDOWS": tokens}
    count = pe * simd
    before = f"  wire [{4 * simd - 1}:0] #_codes;\n  wire [{3 * count - 1}:0] #_weights;\n  wire #_read;\n"
    before += f"  wire #_unused = #_read;\n  wire [{7 * count - 1}:0] #_products;\n"
    for i in range(count):
        a, b = f"#_codes[{i % simd * 4}+:4]", f"#_weights[{i * 3}+:3]"
        before += f"  assign #_products[{i * 7}+:7] = 7'($signed({a}) * $signed({{1'b0, {b}}}));\n"
    wires = {"left": "#_codes", "right": "#_weights", "read": "#_read", "products": "#_products"}
    wires["negate"] = f"{count}'b0"
    streams = {"left": words(4, given, simd), "right": words(3, right, lanes)}
    out = {"out": words(10, sums, pe)}
    return Case(name, "matrix_product", parameters, streams, out, {}, wires, before)
