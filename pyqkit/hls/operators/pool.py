"""Pooling."""

from __future__ import annotations

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.hls.emitter import Emitter, Stream, emits
from pyqkit.hls.operators.convolution import slide


def _windows(e: Emitter, op: MaxPool | SumPool, fill: int) -> Stream:
    """Windows of a pool, in words of the input's width; a window of the whole frame is the stream itself."""
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    e.include("pool")
    if op.sliding.covers(tensor.shape[:2]):
        return source
    return slide(e, op, op.sliding, source, tensor.shape[:2], 1, source.lanes, fill)


@emits("max_pool")
def max_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, MaxPool)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source = _windows(e, op, tensor.format.lowest_code)
    out = e.output(op, source.lanes)
    numbers = f"{result.pixels}, {op.sliding.positions}, {tensor.shape[2]}, {source.lanes}"
    block, streams = f"pyqkit::max_pool<{e.format(tensor.format)}, {numbers}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(result) * op.sliding.positions // source.lanes)


@emits("sum_pool")
def sum_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, SumPool)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source = _windows(e, op, tensor.format.zero_code if any(op.padding) else 0)
    out = e.output(op, source.lanes)
    numbers = (
        f"{result.format.bits}, {result.pixels}, {op.sliding.positions}, {tensor.shape[2]}, {source.lanes}"
    )
    block, streams = f"pyqkit::sum_pool<{e.format(tensor.format)}, {numbers}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(result) * op.sliding.positions // source.lanes)
