"""What the blocks grow with that multiply and add."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pyqkit.graph.folding import MEMORIES
from pyqkit.rtl.features import Features, bits_for, decoding_luts, delay, grows_with, rom

_SIGNIFICAND_BITS = 8  # of the table of 2**f in product_logposit


@grows_with("product_integer")
def _product_integer(p: Mapping[str, int]) -> Features:
    zeros = sum(p[f"{s}_WIDTH"] for s in "AB" if p[f"{s}_ZERO"])
    staged = 0 if p.get("DSP") else p.get("STAGES", 0) * (2 * p["A_WIDTH"] + 2 * p["B_WIDTH"])
    return _multiplier(p) + Features({"zero points": zeros, "flip-flops": staged})


def _multiplier(p: Mapping[str, int]) -> Features:
    """Of two integers."""
    narrow, wide = sorted((p["A_WIDTH"], p["B_WIDTH"]))
    return Features({"DSPs": 1} if p.get("DSP") else {"rows": _rows(wide, narrow)})


def _rows(wide: int, narrow: int) -> int:
    """Bits of all rows of a Booth multiplier."""
    return (narrow + 1) // 2 * (wide + 2)


@grows_with("product_decoded")
def _product_decoded(p: Mapping[str, int]) -> Features:
    found, stages = _multiplier(p), 0 if p.get("DSP") else p.get("STAGES", 0)
    for s in "AB":
        if p[f"{s}_WIDTH"] > p[s]:  # others are two's complement as they are
            tables = ceil(2 ** p[s] / 64)
            # Codes of many bits are small numbers with an exponent, of which synthesis makes a shifter.
            found["tables" if tables == 1 else "deep tables"] += p[f"{s}_WIDTH"] * tables
    staged = 2 * max(0, stages - 1) * (p["A_WIDTH"] + p["B_WIDTH"]) + bool(stages) * p["B_WIDTH"]
    return found + Features({"flip-flops": staged})


@grows_with("product_table")
def _product_table(p: Mapping[str, int]) -> Features:
    table = p["W"] * ceil(2 ** (p["A"] + p["B"]) / 64)
    return Features({"table": table, "flip-flops": p.get("STAGES", 0) * p["W"]})


def _aligned(magnitude: int, shift_bits: int, p: Mapping[str, int]) -> Features:
    """Of `product_align`: stages of two bits of the shift, each as wide as the word is by then."""
    stages = [min(p["W"], magnitude + 4 ** (stage + 1) - 1) for stage in range(ceil(shift_bits / 2))]
    staged = p.get("STAGES", 0) * (magnitude + shift_bits)
    return Features(
        {"shifter": sum(stages), "signs": 0 if p.get("MAGNITUDE") else p["W"], "flip-flops": staged}
    )


@grows_with("product_minifloat")
def _product_minifloat(p: Mapping[str, int]) -> Features:
    a, b, exponents = p["A_SIGNIFICAND"] + 1, p["B_SIGNIFICAND"] + 1, p["A_EXPONENT"] + p["B_EXPONENT"]
    if a + b - 2 + exponents <= 6:  # every bit is one LUT of all bits of both codes
        return Features({"small products": p["W"], "signs": 0 if p.get("MAGNITUDE") else p["W"]})
    shift = (2 ** p["A_EXPONENT"] + 2 ** p["B_EXPONENT"] - 4).bit_length()
    found = _aligned(a + b, shift, p)
    found["exponents"] = shift if exponents > 2 else 0
    found["short significands" if a + b <= 6 else "significands"] = (
        a + b if a + b <= 6 else _rows(max(a, b), min(a, b))
    )
    return found


@grows_with("product_logposit")
def _product_logposit(p: Mapping[str, int]) -> Features:
    found = _aligned(_SIGNIFICAND_BITS, p["L"] + 1 - p["F"], p)
    found["logarithms"] = sum(p["L"] * ceil(2 ** (p[s] - 1) / 64) + p[s] for s in "AB")
    found["significands"] = p["L"] + _SIGNIFICAND_BITS * ceil(2 ** p["F"] / 64)
    return found


@grows_with("accumulate")
def _accumulate(p: Mapping[str, int]) -> Features:
    return Features({"adders": p["W"], "flip-flops": p["W"] + p["T"]})


@grows_with("dot_product_sum")
def _dot_product_sum(p: Mapping[str, int]) -> Features:
    levels = range(1, bits_for(p["LANES"]) + 1)
    adders, signs = (
        sum((p["LANES"] >> level) * (p["W"] + level) for level in levels),
        sum(p["LANES"] >> level for level in levels),
    )
    return Features(
        {"subtracting adders" if p["SIGNS"] else "adders": adders, "flip-flops": adders + p["SIGNS"] * signs}
    )


@grows_with("packed_products")
def _packed_products(p: Mapping[str, int]) -> Features:
    pairs, columns = p["PE"] // 2, p["SIMD"] // p["LENGTH"]
    codes, parts = p["PIXELS"] * p["BITS"], p["LOW"] + p["HIGH"]
    found = Features({"DSPs": pairs * p["SIMD"]})
    for lane in range(p["LENGTH"]):
        found += delay(columns * codes, lane)
        found += delay(columns * pairs * parts, lane % p["GROUP"])
    # Pairs of PE share the registers of activations, which a pair alone has in its DSPs.
    width = p["WIDTH"] if p["PIXELS"] == 1 else p["FIELD"] + p["WIDTH"] + 1
    found["flip-flops"] += width * p["SIMD"] if pairs > 1 else 0
    found["decoding"] = p["SIMD"] * p["PIXELS"] * decoding_luts(p, p["BITS"], p["WIDTH"])
    found["joining"] = p["SIMD"] * (width - p["FIELD"]) if p["PIXELS"] > 1 else 0
    return found


@grows_with("narrow_products")
def _narrow_products(p: Mapping[str, int]) -> Features:
    chains = ceil(p["SIMD"] / p["LENGTH"])
    lanes = ceil(p["SIMD"] / chains)
    bits = (p["MOST"] * lanes).bit_length()
    counted, adders = chains * (bits - p["U"]), _tree_bits(chains, bits)
    late = p["SIMD"] - chains * min(lanes, p["STEP"])  # lanes that wait a step
    held = chains * ceil(lanes / p["STEP"] + 1) * bits + adders + late * p["B"] + p["W"]
    found = Features({"entries": p["PE"] * p["SIMD"] * p["U"], "counts": p["PE"] * counted})
    found["adders"] = p["PE"] * (adders + (p["W"] if p["SHARED_MOST"] else 0))
    shared = _tree_bits(p["SIMD"], p["T"]) + p["W"] if p["SHARED_MOST"] else 0
    found["shared adders"] = shared
    found["flip-flops"] = p["PE"] * held + shared + late * p["A"]
    return found


def _tree_bits(count: int, bits: int) -> int:
    """Bits of the adders of a tree over so many unsigned numbers."""
    levels = range((count - 1).bit_length())
    return sum(ceil(count / 2**level) // 2 * (bits + level) for level in levels)


@grows_with("delay")
def _delay(p: Mapping[str, int]) -> Features:
    return delay(p["WIDTH"], p["STAGES"])


@grows_with("rom")
def _rom(p: Mapping[str, int]) -> Features:
    return rom(p["WIDTH"], p["DEPTH"], MEMORIES[p.get("MEMORY", 0)])
