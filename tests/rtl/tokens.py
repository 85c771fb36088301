"""Cases of the blocks of transformers."""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, packed, signed, table, unsigned, words


def tokens() -> list[Case]:
    """Offsets of elements, beside products in a register and in three."""
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
    ]
