"""Look-up."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.hls.emitter import Emitter, Stream, emits


@emits("lookup")
def lookup(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Lookup)
    (tensor,) = e.graph.input_tensors(op)
    look_up(e, op, e.input(op), np.stack([one.codes for one in e.variants(op)]), tensor)


def look_up(e: Emitter, op: Operator, source: Stream, tables: np.ndarray, tensor: Tensor) -> None:
    """The process that ends an operator by looking its codes up.

    Parameters
    ----------
    tables : numpy.ndarray, shape (passes, 1 or channels, entries)
        Codes by what comes on `source`; with one pass for all where they are alike.
    tensor : Tensor
        As large as what comes.
    """
    e.include("lookup")
    out, lanes, (passes, count, entries) = e.output(op, source.lanes), source.lanes, tables.shape
    if count == 1:
        rows, memory = 1, e.everywhere(f"{out.name}_codes", tables.ravel())
        function = "int row, int, int code", f"{memory}[row * {entries} + code]"
    else:
        banks = tables.reshape(-1, lanes, entries).swapaxes(0, 1).reshape(lanes, -1)
        rows, memory = count // lanes, e.banks(f"{out.name}_codes", banks)
        function = "int word, int lane, int code", f"{memory}[lane][word * {entries} + code]"
    table = e.struct(f"{out.name}_table", {"code": function})
    numbers = f"{source.bits}, {out.bits}, {tensor.pixels}, {tensor.shape[2]}, {lanes}, {table}, {rows}"
    block, streams = f"pyqkit::lookup<{numbers}>", f"{source.name}, {out.name}"
    e.process(f"{op.name}_lookup", block, streams, codes(tensor) // lanes, switched=passes > 1)
