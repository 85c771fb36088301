"""Rows and columns that change places."""

from __future__ import annotations

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.transpose import Transpose
from pyqkit.hls.emitter import Emitter, emits


@emits("transpose")
def transpose(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Transpose)
    e.include("transpose")
    (tensor,), source = e.graph.input_tensors(op), e.input(op)
    out = e.output(op, source.lanes)
    height, width, channels = tensor.shape
    numbers = f"{height // op.rows}, {op.rows}, {width}, {channels // source.lanes}, {source.lanes}"
    block, streams = f"pyqkit::transpose<{source.code}, {numbers}>", f"{source.name}, {out.name}"
    fill = op.rows * width * (channels // source.lanes)
    e.process(op.name, block, streams, codes(tensor) // source.lanes + fill, fill)
