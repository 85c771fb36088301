"""Convolution: a sliding window and a matrix-vector unit."""

from __future__ import annotations

from pyqkit.dataflow.matrix_vector import in_order_of_use, window_order
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.window import SlidingWindow
from pyqkit.hls.emitter import Emitter, Stream, emits
from pyqkit.hls.products import product_policy


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding_of(op, ConvolutionFolding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    pe, simd, (groups, lanes) = folding.pe, folding.simd, window_order(op, folding)
    windows = slide(e, op, op.sliding, e.input(op), groups, lanes, _zero(op, tensor))
    # codes in the order of use: [group][output fold][input fold][PE][SIMD]
    per_group, kernel = len(op.weights) // groups, op.weights[0].size
    weights = e.array(f"{op.name}_weights", in_order_of_use(op.weights, groups, pe, simd))
    e.store(weights, folding.memory)
    shifts = "pyqkit::NoShifts"
    if op.shifts is not None:
        array = e.array(f"{op.name}_shifts", in_order_of_use(op.shifts, groups, pe, simd))
        e.store(array, folding.memory)
        shifts = e.struct(f"{op.name}_shift_table", {"at": ("int index", f"{array}[index]")})
    policy = product_policy(e, tensor.format, op.weight_format, folding.multiplier == "dsp")
    multiplied = e.typedef(f"{op.name}_product", policy)
    memory = e.names.new(f"{op.name}_memory")
    e.constants.append(f"PYQKIT_WEIGHTS({memory}, {weights}, {multiplied}, {op.weights.size})\n")
    e.include("matrix_vector")
    out = e.output(op, pe)
    numbers = (
        f"{result.format.bits}, {result.pixels}, {groups}, {per_group // pe}, {kernel // simd}, "
        f"{pe}, {simd}, {lanes}"
    )
    e.process(
        op.name,
        f"pyqkit::matrix_vector<{multiplied}, {numbers}, {shifts}>({windows.name}, {out.name}, "
        f"PYQKIT_MEMORY({memory}, {weights}))",
    )


def slide(
    e: Emitter, op: Operator, window: SlidingWindow, source: Stream, groups: int, lanes: int, fill: int
) -> Stream:
    """Windows of an operator, group after group, in words of `lanes` codes; see `hls/sliding_window.hpp`."""
    (tensor,) = e.graph.input_tensors(op)
    e.include("sliding_window")
    made = e.stream(f"{op.name}_windows", tensor.format.bits, lanes)
    sides = (*window.kernel, *window.stride, *window.dilation, *window.padding[:2])
    size = (*tensor.shape, *window.out_size(tensor.shape[:2]))
    numbers = (tensor.format.bits, *size, *sides, groups, source.lanes, lanes, f"{fill}ULL")
    text = ", ".join(map(str, numbers))
    e.process(made.name, f"pyqkit::sliding_window<{text}>({source.name}, {made.name})")
    return made


def _zero(op: Convolution, tensor: Tensor) -> int:
    return tensor.format.zero_code if any(op.padding) else 0
