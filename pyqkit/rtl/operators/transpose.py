"""Rows and columns that change places."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.transpose import Transpose
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, grows_with, ram
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Exchange


@emits("transpose")
def transpose(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Transpose)
    (tensor,), source = e.graph.input_tensors(op), e.input(op)
    height, width, channels = tensor.shape
    words = channels // source.lanes
    parameters: Parameters = {"BITS": source.width, "ROWS": op.rows, "COLUMNS": width, "WORDS": words}
    block = op.rows * width * words
    timing = Exchange(height // op.rows, block, block)
    out = e.output(op, source.lanes)
    e.block(op.name, "transpose", parameters, {"in": source}, {"out": out}, timing)


@grows_with("transpose")
def _transpose_features(p: Mapping[str, int]) -> Features:
    """Memory of two blocks; counters of what comes, of the place that leaves, of its row and word."""
    block = p["ROWS"] * p["COLUMNS"] * p["WORDS"]
    counters = bits_for(block + 1) + bits_for(block) + bits_for(p["ROWS"]) + bits_for(p["WORDS"])
    found = ram(p["BITS"], 2 * block)
    found["flip-flops"] += counters + 4
    return found + Features({"one": 1, "counters": counters, "addresses": 3 * bits_for(2 * block)})
