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
    look_up(e, op, e.input(op), op.codes, tensor)


def look_up(e: Emitter, op: Operator, source: Stream, rows: np.ndarray, tensor: Tensor) -> None:
    """The process that ends an operator by looking its codes up.

    Parameters
    ----------
    rows : numpy.ndarray, shape (1 or channels, entries)
        Codes by what comes on `source`.
    tensor : Tensor
        As large as what comes.
    """
    e.include("lookup")
    out, lanes, entries = e.output(op, source.lanes), source.lanes, rows.shape[1]
    if len(rows) == 1:
        function = "int, int, int code", f"{e.everywhere(f'{out.name}_codes', rows[0])}[code]"
    else:
        memory = e.banks(
            f"{out.name}_codes", rows.reshape(-1, lanes, entries).swapaxes(0, 1).reshape(lanes, -1)
        )
        function = "int word, int lane, int code", f"{memory}[lane][word * {entries} + code]"
    table = e.struct(f"{out.name}_table", {"code": function})
    numbers = f"{source.bits}, {out.bits}, {tensor.pixels}, {tensor.shape[2]}, {lanes}, {table}"
    call = f"pyqkit::lookup<{numbers}>({source.name}, {out.name})"
    e.process(f"{op.name}_lookup", call, codes(tensor) // lanes)
