"""Product of two streams as matrices: a matrix-vector unit whose weights are a stream."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.dataflow.matrix_product import Operand
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding
from pyqkit.graph.ops.window import SlidingWindow
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, grows_with, ram
from pyqkit.rtl.matrix_vector import products, unit_of_streams
from pyqkit.rtl.operators.convolution import slide
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.timing import Buffered

_EVERY_PIXEL = SlidingWindow((1, 1), (1, 1), (0, 0, 0, 0))


@emits("matrix_product")
def matrix_product(e: Emitter, op: Operator) -> None:
    assert isinstance(op, MatrixProduct)
    tensors, (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    folding = e.folding_of(op, MatrixProductFolding)
    pe, simd = folding.pe, folding.simd
    operand = Operand.of(op, tensors, folding)
    in_blocks = ram(operand.lanes * tensors[1].format.bits, 2 * operand.depth)["half blocks"] > 0
    as_layer = ConvolutionFolding(pe, simd, folding.multiplier, "block" if in_blocks else "lut")
    folds, formats = operand.terms // simd, (tensors[0].format, tensors[1].format)
    made = unit_of_streams(formats, result.format, as_layer, folds, operand.depth, e.clock_mhz)
    repeat, size = operand.outputs // pe, tensors[0].shape[:2]
    windows = slide(e, op, _EVERY_PIXEL, e.input(op), size, op.groups, repeat, simd, 0)
    right = e.converted(op.name, e.input(op, 1), operand.lanes, codes(tensors[1]), f"for_{op.name}")
    out = e.output(op, pe)
    held: Parameters = {"RIGHT_BITS": right.bits, "RIGHT_LANES": right.lanes, "BANKS": operand.banks}
    held |= {"ACROSS": int(op.across), "INNER": operand.inner, "PARTS": operand.parts}
    held |= {"PIXELS": operand.pixels, "WINDOWS": tensors[0].pixels}
    count = pe * int(made.parameters["SIMD"])
    widths = {"left": windows.width, "right": made.weights.width, "read": 1}
    widths |= {"products": count * made.product.width, "negate": count}
    wires = {port: e.names.new(f"{op.name}_{port}") for port in widths}
    text = "".join(f"  wire [{width - 1}:0] {wires[port]};\n" for port, width in widths.items())
    text += f"  wire {e.names.new(f'{op.name}_unused')} = {wires['read']};\n"  # where products take no step
    text += products(e, op.name, made, wires, 1)
    timing = Buffered(tensors[0].pixels * operand.depth, operand.words, made.latency, folds)
    parts = (Part("matrix_product", held | {"DEPTH": operand.depth}), *made.parts)
    streams = {"left": windows, "right": right}
    e.block(
        op.name, "matrix_product", made.parameters | held, streams, {"out": out}, timing, wires, text, parts
    )


@grows_with("matrix_product")
def _features(p: Mapping[str, int]) -> Features:
    """Memory of two frames in banks; counters of what comes and of steps; the unit is another part."""
    found = Features()
    for name, amount in ram(p["RIGHT_LANES"] * p["RIGHT_BITS"], 2 * p["DEPTH"]).items():
        found[name] += p["BANKS"] * amount
    counted = p["INNER"], p["PARTS"], p["BANKS"], p["PIXELS"] // p["BANKS"], p["WINDOWS"] * p["DEPTH"]
    counters = sum(map(bits_for, counted))
    found["flip-flops"] += counters + 2 * bits_for(p["DEPTH"]) + 4
    return found + Features({"one": 1, "counters": counters, "addresses": 2 * bits_for(p["DEPTH"])})
