"""Product of two streams."""

from __future__ import annotations

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.product import Product, ProductFolding
from pyqkit.hls.emitter import Emitter, emits
from pyqkit.hls.products import product_policy


@emits("product")
def stream_product(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Product)
    e.include("stream_product")
    tensors, lanes = e.graph.input_tensors(op), e.folding_of(op, ProductFolding).pe
    left, right = (
        e.converted(op.name, e.input(op, i), lanes, codes(tensor), f"for_{op.name}")
        for i, tensor in enumerate(tensors)
    )
    out = e.output(op, lanes)
    policy = e.typedef(
        f"{op.name}_multiplier", product_policy(e, tensors[0].format, tensors[1].format, False)
    )
    numbers = f"{left.bits}, {right.bits}, {out.bits}, {tensors[0].pixels}, {tensors[0].shape[2]}, {lanes}"
    block, streams = f"pyqkit::stream_product<{policy}, {numbers}>", f"{left.name}, {right.name}, {out.name}"
    e.process(op.name, block, streams, codes(tensors[0]) // lanes)
