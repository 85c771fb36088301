"""Product of two streams."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.product import Product, ProductFolding
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, grows_with
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import stages
from pyqkit.rtl.products import product_block
from pyqkit.rtl.timing import Pipeline


@emits("product")
def stream_product(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Product)
    tensors, lanes = e.graph.input_tensors(op), e.folding_of(op, ProductFolding).pe
    left, right = (
        e.converted(op.name, e.input(op, i), lanes, codes(tensor), f"for_{op.name}")
        for i, tensor in enumerate(tensors)
    )
    out, multiplier = e.output(op, lanes), product_block(tensors[0].format, tensors[1].format)
    depth = stages(multiplier.signed_delays_ns or (0.0,), e.clock_mhz)
    widths = {"left": left.width, "right": right.width, "products": out.width, "step": 1}
    wires = {port: e.names.new(f"{op.name}_{port}") for port in widths}
    text = "".join(f"  wire [{width - 1}:0] {wires[port]};\n" for port, width in widths.items())
    a, b = (f"{wires[port]}[i*{bits}+:{bits}]" for port, bits in (("left", left.bits), ("right", right.bits)))
    generated = e.names.new(f"g_{op.name}_products")
    text += (
        f"  generate\n    for (genvar i = 0; i < {lanes}; i++) begin : {generated}\n"
        f"      wire signed [{multiplier.width - 1}:0] p;\n"
        f"      {multiplier.instance('multiply', a, b, 'p', depth, wires['step'])}\n"
        f"      assign {wires['products']}[i*{out.bits}+:{out.bits}] = {out.bits}'(p);\n"
        "    end\n  endgenerate\n"
    )
    parameters: Parameters = {f"{port.upper()}_WIDTH": widths[port] for port in ("left", "right")}
    parameters |= {"OUT_WIDTH": out.width, "STAGES": depth}
    product = Part(multiplier.module, multiplier.parameters | {"STAGES": depth}, lanes)
    parts = Part("stream_product", parameters), product
    timing = Pipeline.every(codes(tensors[0]) // lanes, 2 + depth)
    streams = {"left": left, "right": right}
    e.block(op.name, "stream_product", parameters, streams, {"out": out}, timing, wires, text, parts)


@grows_with("stream_product")
def _features(p: Mapping[str, int]) -> Features:
    held = p["LEFT_WIDTH"] + p["RIGHT_WIDTH"] + p["OUT_WIDTH"]
    return Features({"one": 1, "flip-flops": held + 2 + p.get("STAGES", 0)})
