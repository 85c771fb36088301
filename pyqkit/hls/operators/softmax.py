"""Softmax."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from pyqkit.dataflow.row_search import shares
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.softmax import Softmax, SoftmaxFolding
from pyqkit.hls.emitter import Emitter, Function, emits
from pyqkit.hls.wide import check_width, pieces, pieces_for, search_functions


@emits("softmax")
def softmax(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Softmax)
    e.include("softmax")
    (tensor,), lanes = e.graph.input_tensors(op), e.folding_of(op, SoftmaxFolding).pe
    variants = e.variants(op)
    found = shares(variants)
    largest = max(found.factors)
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    rows, words = tensor.pixels * op.groups, tensor.shape[2] // op.groups // lanes
    sums = found.term_bits + (words * lanes - 1).bit_length()
    wide = max(largest.bit_length() + found.term_bits, found.search.bits + 1 + sums) + 2
    check_width(op, wide)
    count = pieces_for([largest, 2 * max(map(abs, found.search.limits)) + 1])
    shape = e.numbers(
        f"{op.name}_shape",
        {
            **{"ROWS": rows, "WORDS": words, "LANES": lanes, "HEADS": op.groups * op.causal},
            **{"TERM_BITS": found.term_bits, "EXPONENT_BITS": found.exponent_bits},
            **{"SUM_BITS": sums, "WIDE_BITS": wide, "STEPS": found.search.steps, "PIECES": count},
        },
    )
    table = e.struct(f"{op.name}_table", _entries(e, op, variants))
    terms = e.stream(f"{op.name}_terms", found.term_bits, lanes)
    block, streams = f"pyqkit::softmax_terms<{source.bits}, {shape}, {table}>", f"{source.name}, {terms.name}"
    trips = ceil(codes(tensor) / lanes) + words
    e.process(f"{op.name}_terms", block, streams, trips, words, switched=True)
    factor = e.everywhere(f"{op.name}_factor", pieces(found.factors, count).ravel())
    functions = search_functions(e, op.name, found.search, count)
    search = e.struct(f"{op.name}_search", {"factor": ("int piece", f"{factor}[piece]"), **functions})
    out = e.output(op, lanes)
    block, streams = f"pyqkit::softmax_codes<{out.bits}, {shape}, {search}>", f"{terms.name}, {out.name}"
    e.process(op.name, block, streams, trips, words, switched=True)


def _entries(e: Emitter, op: Softmax, variants: Sequence[Softmax]) -> dict[str, Function | list[Function]]:
    """``significand`` and ``exponent`` of the codes of all passes, one behind the other."""
    significands = np.concatenate([one.significands for one in variants])
    exponents = np.concatenate([one.exponents - one.exponents.min() for one in variants])
    found: dict[str, Function | list[Function]] = {}
    for word, values in (("significand", significands), ("exponent", exponents)):
        found[word] = "int code", f"{e.everywhere(f'{op.name}_{word}s', values)}[code]"
    return found
