"""Product of two streams as matrices."""

from __future__ import annotations

from pyqkit.dataflow.matrix_product import Operand
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding
from pyqkit.hls.emitter import Emitter, emits
from pyqkit.hls.products import product_policy


@emits("matrix_product")
def matrix_product(e: Emitter, op: Operator) -> None:
    assert isinstance(op, MatrixProduct)
    e.include("matrix_product")
    tensors, folding = e.graph.input_tensors(op), e.folding_of(op, MatrixProductFolding)
    operand = Operand.of(op, tensors, folding)
    left, right = (
        e.converted(op.name, e.input(op, i), lanes, codes(tensor), f"for_{op.name}")
        for i, (tensor, lanes) in enumerate(zip(tensors, (folding.simd, operand.lanes)))
    )
    out, dsp = e.output(op, folding.pe), folding.multiplier == "dsp"
    policy = product_policy(e, tensors[0].format, tensors[1].format, dsp)
    values = {
        "LEFT_BITS": left.bits,
        "RIGHT_BITS": right.bits,
        "ACCUMULATOR": out.bits,
        "WINDOWS": tensors[0].pixels,
        "PIXELS": operand.pixels,
        "GROUPS": operand.groups,
        "OUTPUT_FOLDS": operand.outputs // folding.pe,
        "INPUT_FOLDS": operand.terms // folding.simd,
        "PE": folding.pe,
        "SIMD": folding.simd,
        "ACROSS": int(op.across),
        "LANES": operand.lanes,
        "BANKS": operand.banks,
        "INNER": operand.inner,
        "PARTS": operand.parts,
        "DEPTH": operand.depth,
    }
    shape, multiplied = e.numbers(f"{op.name}_unit", values), e.typedef(f"{op.name}_product", policy)
    block = f"pyqkit::matrix_product<{shape}, {multiplied}>"
    streams = f"{left.name}, {right.name}, {out.name}"
    e.process(op.name, block, streams, operand.words + tensors[0].pixels * operand.depth, operand.words)
