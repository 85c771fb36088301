"""Look-up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.rtl.emitter import Emitter, Stream, emits
from pyqkit.rtl.features import Features, bits_for, grows_with, rom
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Pipeline


@emits("lookup")
def lookup(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Lookup)
    (tensor,) = e.graph.input_tensors(op)
    rows = np.stack([one.codes for one in e.variants(op)])
    look_up(e, op, e.input(op), rows, codes(tensor))


def look_up(e: Emitter, op: Operator, source: Stream, rows: np.ndarray, count: int) -> None:
    """The block that ends an operator by looking its codes up.

    Parameters
    ----------
    rows : numpy.ndarray, shape (passes, 1 or channels, entries)
        Codes by what comes on `source`; with one pass for all where they are alike.
    count : int
        Codes of a frame.
    """
    look_up_stream(e, op, source, rows, count, e.output(op, source.lanes))


def look_up_stream(
    e: Emitter, op: Operator, source: Stream, rows: np.ndarray, count: int, out: Stream
) -> None:
    """`look_up` whose entries go to a stream that is declared already."""
    lanes = source.lanes
    stem, shared = e.names.new(f"{out.name}_table"), rows.shape[1] == 1
    each = 1 if shared else lanes
    for lane in range(lanes):
        e.file(f"{stem}_{lane:03d}", rows[:, lane % each :: each].reshape(-1, 1), out.bits)
    parameters: Parameters = {"BITS_IN": source.bits, "BITS_OUT": out.bits, "LANES": lanes}
    words = rows.shape[1] // each
    parameters |= {"ROWS": words, "CODES": f'"{e.prefix}{stem}"'}
    parameters |= e.switching(op, count // lanes // words) if len(rows) > 1 else {}
    timing = Pipeline.every(count // lanes, 1)
    e.block(op.name, "lookup", parameters, {"in": source}, {"out": out}, timing)


@grows_with("lookup")
def _features(p: Mapping[str, int]) -> Features:
    found = Features()
    for name, amount in rom(p["BITS_OUT"], p["ROWS"] * p.get("PASSES", 1) << p["BITS_IN"]).items():
        found[name] += p["LANES"] * amount
    found["flip-flops"] += 1 + (bits_for(p["ROWS"]) if p["ROWS"] > 1 else 0)
    return found + Features({"one": 1})
