"""What a matrix-vector unit grows with: memories, adders, accumulators."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pyqkit.graph.folding import MEMORIES
from pyqkit.rtl.features import Features, bits_for, grows_with, levels_of, pass_counters, rom


@grows_with("matrix_vector")
def _matrix_vector_features(p: Mapping[str, int]) -> Features:
    pe, simd, sum_bits, signs = p["PE"], p["SIMD"], p["SUM_BITS"], p.get("SIGNS", 0)
    exponent = p.get("EXPONENT_BITS", 0)
    memory, in_dsp = MEMORIES[p.get("MEMORY", 0)], bool(p.get("DSP") and not exponent)
    outputs = pe // p.get("PIXELS", 1)  # that have weights of their own
    depth = p["DEPTH"] * p.get("PASSES", 1)
    found = rom(outputs * simd * p["RIGHT_BITS"], depth, memory) + pass_counters(p)
    term = min(p["PRODUCT_BITS"], sum_bits)
    if exponent:
        adders, held, levels = _segments(found, p, term, memory)
    else:
        adders, held = _tree(simd, term, sum_bits, signs, in_dsp)
        held, levels = held + (0 if in_dsp else simd * (term + signs)), bits_for(simd) if simd > 1 else 0
    operands = 0 if p.get("DSP") and not p["DECODED"] else p.get("LANES", simd) * p["LEFT_BITS"]
    counters = bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    found["flip-flops"] += operands + pe * (held + sum_bits) + 3 * (levels + 3) // 2 + counters
    # A register behind the memory, and the operands that wait for it; what a product holds is its own.
    waiting = p.get("READ_STAGES", 1) - 1
    found["flip-flops"] += waiting * (operands + (outputs * simd * p["RIGHT_BITS"] if depth > 1 else 0))
    found["counters"] += waiting
    kind = "subtracting " if signs else "DSP " if p.get("DSP") else ""
    found[f"{kind}adders"] = pe * adders
    found[f"{kind}accumulators"] = pe * sum_bits if p["FOLDS"] > 1 else 0
    found["counters"] += counters
    found["signs"] = pe * simd * signs
    return found + Features({"one": 1})


@grows_with("micro_block_walk")
def _micro_block_walk(p: Mapping[str, int]) -> Features:
    counters = bits_for(p["FOLDS"]) + bits_for(p["REPEAT"]) + 2 * bits_for(p["EXPONENT_DEPTH"])
    compared = ceil(bits_for(p["DEPTH"]) / 2)
    places = p["LANES"] * p["PLACE"]
    registers = bits_for(p["DEPTH"]) + bits_for(p["FOLDS"]) + bits_for(p["REPEAT"]) + places
    registers += bits_for(p["EXPONENT_DEPTH"])
    return Features({"counters": counters + compared, "places": 2 * places, "flip-flops": registers})


@grows_with("micro_block_decode")
def _micro_block_decode(p: Mapping[str, int]) -> Features:
    lanes, half = p["PE"] // 8 * p["SIMD"], p["BITS"] // 2
    pairs = 32 + 8 * (4 + half) + 4 * (1 + 2 * half)  # which place is of which pair, and their lower halves
    whole = 8 * (half + p["BITS"] + 1 + 3)
    held = 8 * p["BITS"] + 4 * half + 32 + 8 + 6 + 8 * (p["BITS"] + 5)
    return Features({"pairs": lanes * pairs, "weights": lanes * whole, "flip-flops": lanes * held})


def _tree(count: int, width: int, most: int, signs: int, in_dsp: bool = False) -> tuple[int, int]:
    """Bits of all adders of a tree, and of the registers behind them.

    A DSP has the register behind a product, an adder and the register behind that.
    """
    adders, held = 0, 0
    for level in range(1, levels_of(count) + 1):
        below = ceil(count / 2 ** (level - 1))
        if level > 1 or not in_dsp:
            sums = min(width + level, most)
            adders, held = adders + below // 2 * sums, held + ceil(below / 2) * (sums + signs)
    return adders, held


def _segments(found: Features, p: Mapping[str, int], term: int, memory: str) -> tuple[int, int, int]:
    """Bits of adders and registers of each PE, and levels, where segments are shifted before they are added.

    What all PE share goes into `found`.
    """
    pe, segments, bits, signs = p["PE"], p["SIMD"] // p["SEGMENT"], p["EXPONENT_BITS"], p.get("SIGNS", 0)
    low = min(term + levels_of(p["SEGMENT"]), p["SUM_BITS"])
    high = min(low + 2**bits - 1, p["SUM_BITS"])
    below, above = (
        _tree(p["SEGMENT"], term, p["SUM_BITS"], signs),
        _tree(segments, high, p["SUM_BITS"], signs),
    )
    found += rom(pe // p.get("PIXELS", 1) * p["HELD"] * bits, p["EXPONENT_DEPTH"], memory)
    found["counters"] += bits_for(p["EXPONENT_DEPTH"]) + (bits_for(p["SPAN"]) if p["SPAN"] > 1 else 0)
    found["counters"] += bits_for(p["ROW"]) if p["ROW"] % p["SPAN"] else 0
    found["flip-flops"] += found["counters"]
    found["shifters"] = pe * segments * high * ceil(bits / 2)  # a LUT chooses out of four
    found["exponents"] = pe * segments * bits if p["HELD"] > 1 and p["SPAN"] > 1 else 0
    held = p["SIMD"] * (term + signs) + segments * (below[1] + high + signs) + above[1]
    return segments * below[0] + above[0], held, levels_of(p["SEGMENT"]) + levels_of(segments) + 1
