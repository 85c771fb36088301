"""Softmax."""

from __future__ import annotations

from math import ceil

from pyqkit.dataflow.row_search import shares
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.softmax import Softmax, SoftmaxFolding
from pyqkit.hls.emitter import Emitter, emits
from pyqkit.hls.wide import check_width, pieces, pieces_for, search_functions


@emits("softmax")
def softmax(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Softmax)
    e.include("softmax")
    (tensor,), lanes, found = e.graph.input_tensors(op), e.folding_of(op, SoftmaxFolding).pe, shares([op])
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    rows, words = tensor.pixels * op.groups, tensor.shape[2] // op.groups // lanes
    sums = found.term_bits + (words * lanes - 1).bit_length()
    wide = max(found.factors[0].bit_length() + found.term_bits, found.search.bits + 1 + sums) + 2
    check_width(op, wide)
    count = pieces_for([found.factors[0], 2 * max(map(abs, found.search.limits)) + 1])
    shape = e.numbers(
        f"{op.name}_shape",
        {
            **{"ROWS": rows, "WORDS": words, "LANES": lanes, "HEADS": op.groups * op.causal},
            **{"TERM_BITS": found.term_bits, "EXPONENT_BITS": found.exponent_bits},
            **{"SUM_BITS": sums, "WIDE_BITS": wide, "STEPS": found.search.steps, "PIECES": count},
        },
    )
    significands = e.everywhere(f"{op.name}_significands", op.significands)
    exponents = e.everywhere(f"{op.name}_exponents", op.exponents - op.exponents.min())
    entries = {
        "significand": ("int code", f"{significands}[code]"),
        "exponent": ("int code", f"{exponents}[code]"),
    }
    table = e.struct(f"{op.name}_table", entries)
    terms = e.stream(f"{op.name}_terms", found.term_bits, lanes)
    call = f"pyqkit::softmax_terms<{source.bits}, {shape}, {table}>({source.name}, {terms.name})"
    trips = ceil(codes(tensor) / lanes) + words
    e.process(f"{op.name}_terms", call, trips, words)
    factor = e.everywhere(f"{op.name}_factor", pieces([found.factors[0]], count).ravel())
    functions = search_functions(e, op.name, found.search, count)
    search = e.struct(f"{op.name}_search", {"factor": ("int piece", f"{factor}[piece]"), **functions})
    out = e.output(op, lanes)
    call = f"pyqkit::softmax_codes<{out.bits}, {shape}, {search}>({terms.name}, {out.name})"
    e.process(op.name, call, trips, words)
