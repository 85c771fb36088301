"""Softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pyqkit.dataflow.constants import packed
from pyqkit.dataflow.row_search import shares
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.softmax import Softmax, SoftmaxFolding
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, delay, grows_with, pass_counters, ram
from pyqkit.rtl.operators.lookup import look_up_stream
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.row_search import (
    multiply_stages,
    search_features,
    search_parameters,
    search_parts,
    search_steps,
    wide_product,
)
from pyqkit.rtl.timing import Exchange

_TERM_STEPS = 4  # the word that is read, room for it, how far it is shifted, the term
_CODE_STEPS = 4  # the word that is read, room for it, its product, room for its code


@emits("softmax")
def softmax(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Softmax)
    (tensor,), lanes, variants = (
        e.graph.input_tensors(op),
        e.folding_of(op, SoftmaxFolding).pe,
        e.variants(op),
    )
    found = shares(variants)
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    rows, words = tensor.pixels * op.groups, tensor.shape[2] // op.groups // lanes
    entries = e.stream(f"{op.name}_entries", found.term_bits + found.exponent_bits, lanes)
    table = np.stack([v.significands | v.exponents - v.exponents.min() << found.term_bits for v in variants])
    look_up_stream(e, op, source, table[:, None], codes(tensor), entries)
    terms = e.stream(f"{op.name}_terms", found.term_bits, lanes)
    sizes: Parameters = {"TERM_BITS": found.term_bits, "LANES": lanes, "WORDS": words}
    parameters = sizes | {"EXPONENT_BITS": found.exponent_bits, "HEADS": op.groups * op.causal}
    timing = Exchange(rows, words, words, _TERM_STEPS)
    e.block(op.name, "softmax_terms", parameters, {"in": entries}, {"out": terms}, timing)

    out = e.output(op, lanes)
    sums = found.term_bits + (words * lanes - 1).bit_length()
    bits = max(max(found.factors).bit_length() + found.term_bits + 1, sums)
    factors = f"{len(variants) * bits}'h{packed(found.factors, bits):x}"
    switching = e.switching(op, rows * words)
    parameters = sizes | {"SUM_BITS": sums, "BITS": bits, "FACTOR": factors} | switching
    parameters |= {"FACTOR_BITS": max(found.factors).bit_length() + 1}
    parameters["FACTOR_STAGES"] = depth = _factor_stages(found.factors, found.term_bits, e.clock_mhz)
    search = search_parameters(e, op.name, found.search, bits, sums, out.bits)
    parameters |= search
    timing = Exchange(rows, words, words, _CODE_STEPS + depth + search_steps(search, bits))
    ones = max(factor.bit_count() for factor in found.factors)
    own: Parameters = sizes | {"SUM_BITS": sums, "BITS": bits, "ONES": ones} | switching
    own |= {"FACTOR_STAGES": depth, "BITS_OUT": out.bits}
    parts = Part("softmax_codes", own), *search_parts(search, found.search, bits, sums, lanes)
    if depth:
        widths = found.term_bits, int(parameters["FACTOR_BITS"]), found.term_bits, 1
        parts = *parts, wide_product(widths, (depth, 0), found.factors, lanes)
    e.block(op.name, "softmax_codes", parameters, {"in": terms}, {"out": out}, timing, parts=parts)


def _factor_stages(factors: Sequence[int], bits: int, clock_mhz: float) -> int:
    """Registers inside the multiplier of terms of so many bits.

    None where the factor is a power of two, no more than wires, or where passes have constants of their own.
    """
    if len(factors) > 1 or factors[0].bit_count() == 1:
        return 0
    return multiply_stages(factors[0].bit_length() + 1, bits, clock_mhz)


@grows_with("row_buffer")
def _row_buffer(p: Mapping[str, int]) -> Features:
    """Memory of two rows, and counters of what comes and leaves."""
    counters = 2 * (bits_for(2 * p["WORDS"]) + bits_for(p["WORDS"]))
    found = ram(p["BITS"], 2 * p["WORDS"])
    found["flip-flops"] += counters + 8
    return found + Features({"one": 1, "counters": counters})


def _room(bits: int) -> Features:
    """Of `rtl/pqk_skid.sv`."""
    return Features({"choosing": bits, "flip-flops": 2 * bits + 2})


@grows_with("softmax_terms")
def _terms(p: Mapping[str, int]) -> Features:
    lanes, term, exponent = p["LANES"], p["TERM_BITS"], p["EXPONENT_BITS"]
    found = _row_buffer({"BITS": lanes * (term + exponent), "WORDS": p["WORDS"]})
    found += _room(lanes * (term + exponent) + exponent)
    found["flip-flops"] += 2 * exponent + lanes * (2 * term + exponent) + 2
    found["comparators"] = lanes * exponent
    if p["HEADS"]:  # counters, and what a row does not see made zero
        length = bits_for(p["WORDS"] * lanes)
        counters = bits_for(p["WORDS"]) + bits_for(p["HEADS"]) + length
        found["flip-flops"] += counters
        found["counters"] += counters
        found["comparators"] += lanes * (length + term + exponent)
    found["shifters"] = lanes * (term * ((exponent + 1) // 2) + exponent)
    return found


@grows_with("softmax_codes")
def _codes(p: Mapping[str, int]) -> Features:
    """Without its searches and multipliers with registers inside."""
    lanes = p["LANES"]
    found = _row_buffer({"BITS": lanes * p["TERM_BITS"], "WORDS": p["WORDS"]})
    found += _room(lanes * p["TERM_BITS"] + p["SUM_BITS"]) + _room(lanes * p["BITS_OUT"])
    found += delay(p["SUM_BITS"], p["FACTOR_STAGES"] + 1)
    found["flip-flops"] += 2 * p["SUM_BITS"] + 2
    found["adders"] = lanes * p["SUM_BITS"]
    if not p["FACTOR_STAGES"]:  # or its multiplier is another part
        passes = p.get("PASSES", 1)
        found["flip-flops"] += lanes * p["BITS"]
        found["adders"] += lanes * passes * (p["ONES"] - 1) * p["BITS"]
        found["adders"] += lanes * p["BITS"] * ((passes + 1) // 3)  # the choice of a product
    return found + pass_counters(p)


@grows_with("row_search")
def _search(p: Mapping[str, int]) -> Features:
    return search_features(dict(p))
