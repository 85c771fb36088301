"""Convolution: a sliding window and a matrix-vector unit."""

from __future__ import annotations

from pyqkit.dataflow.matrix_vector import BlockOrder, in_order_of_use, window_order
from pyqkit.dataflow.pace import WindowPace
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
    lines = in_order_of_use(op.weights, groups, pe, simd).reshape(-1, pe * simd)
    weights = e.lines(f"{op.name}_weights", lines, folding.memory)
    policy = product_policy(e, tensor.format, op.weight_format, folding.multiplier == "dsp")
    multiplied = e.typedef(f"{op.name}_product", policy)
    memory = e.names.new(f"{op.name}_memory")
    e.constants.append(f"PYQKIT_WEIGHTS({memory}, {weights}, {multiplied}, {len(lines)}, {pe * simd})\n")
    e.include("matrix_vector")
    out = e.output(op, pe)
    order, exponents = BlockOrder(simd, simd, 1, 1, 1), "pyqkit::NoExponents()"
    if op.exponents is not None:
        order = BlockOrder.of(op, simd)
        in_order = order.in_order_of_use(op.exponents, groups, pe)
        in_lines = in_order.reshape(-1, pe * order.held)
        exponents = e.lines(f"{op.name}_exponents", in_lines, folding.memory)
    values = {
        "ACCUMULATOR": result.format.bits,
        "PIXELS": result.pixels,
        "GROUPS": groups,
        "OUTPUT_FOLDS": per_group // pe,
        "INPUT_FOLDS": kernel // simd,
        "PE": pe,
        "SIMD": simd,
        "LANES": lanes,
    }
    values |= {name.upper(): value for name, value in vars(order).items()}
    shape = e.numbers(f"{op.name}_unit", values)
    e.process(
        op.name,
        f"pyqkit::matrix_vector<{shape}, {multiplied}>({windows.name}, {out.name}, "
        f"PYQKIT_MEMORY({memory}, {weights}), {exponents})",
        result.pixels * len(lines),
    )


def slide(
    e: Emitter, op: Operator, window: SlidingWindow, source: Stream, groups: int, lanes: int, fill: int
) -> Stream:
    """Windows of an operator, group after group, in words of `lanes` codes; see `hls/sliding_window.hpp`."""
    (tensor,) = e.graph.input_tensors(op)
    e.include("sliding_window")
    made = e.stream(f"{op.name}_windows", tensor.format.bits, lanes)
    height, width, channels = tensor.shape
    rows, columns = window.out_size(tensor.shape[:2])
    values = {"CODE_BITS": tensor.format.bits, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels}
    values |= {"ROWS": rows, "COLUMNS": columns}
    sides = {"KERNEL": window.kernel, "STRIDE": window.stride, "DILATION": window.dilation}
    values |= {f"{name}_{axis}": side[i] for name, side in sides.items() for i, axis in enumerate("HW")}
    values |= {"TOP": window.padding[0], "LEFT": window.padding[1], "GROUPS": groups}
    values |= {"LANES_IN": source.lanes, "LANES_OUT": lanes, "PAD": fill}
    pace = pace_of(window, tensor, source.lanes, lanes)
    values |= {"FILL": pace.fill, "COUNT_IN": pace.count_in, "COUNT_OUT": pace.count_out}
    values |= {"PERIOD": pace.period, "RING": pace.ring, "FRAME": pace.trips}
    shape = e.numbers(f"{op.name}_window", values)
    call = f"pyqkit::sliding_window<{shape}>({source.name}, {made.name})"
    e.process(made.name, call, pace.trips, pace.fill)
    return made


def pace_of(window: SlidingWindow, tensor: Tensor, lanes_in: int, lanes_out: int) -> WindowPace:
    """When a window over a tensor takes and gives words."""
    channels = tensor.shape[2]
    words_out = window.positions * channels // lanes_out
    return WindowPace.of(window, tensor.shape[:2], channels // lanes_in, words_out)


def _zero(op: Convolution, tensor: Tensor) -> int:
    return tensor.format.zero_code if any(op.padding) else 0
