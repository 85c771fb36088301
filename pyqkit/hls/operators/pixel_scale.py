"""Integers times a factor of their pixel."""

from __future__ import annotations

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.hls.emitter import Emitter, emits


@emits("pixel_scale")
def pixel_scale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, PixelScale)
    e.include("pixel_scale")
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    factors = e.array(f"{op.name}_factors", op.factors.ravel())
    table = e.struct(f"{op.name}_table", {"factor": ("int pixel", f"{factors}[pixel]")})
    numbers = f"{out.bits}, {tensor.pixels}, {tensor.shape[2]}, {source.lanes}"
    kind = e.format(tensor.format)
    block, streams = f"pyqkit::pixel_scale<{kind}, {numbers}, {table}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(tensor) // source.lanes)
