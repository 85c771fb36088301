"""Convolution: a sliding window and a matrix-vector unit."""

from __future__ import annotations

import numpy as np

from pyqkit.errors import UserError, brief
from pyqkit.formats import LogPosit, NumberFormat, product
from pyqkit.formats.logposit import linear_table
from pyqkit.formats.products import WIDEST
from pyqkit.formats.products.dsp import dsp_refusal
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.folding_types import MEMORIES, MULTIPLIERS, Folding
from pyqkit.hls.emitter import Emitter, emits


def is_depthwise(op: Convolution) -> bool:
    """Whether every output has an input channel of its own."""
    return op.groups == len(op.weights) and op.weights.shape[3] == 1


def most_pe(op: Convolution) -> int:
    """Outputs that PE divides: those of a group or, where each is a group of its own, all."""
    return len(op.weights) if is_depthwise(op) else len(op.weights) // op.groups


def window_order(op: Convolution, folding: Folding) -> tuple[int, int]:
    """Groups of channels whose windows come one after the other, and lanes of a window's words.

    All PE share SIMD inputs; those of a depthwise convolution have one each, so that PE channels go together.
    """
    return (op.groups // folding.pe, folding.pe) if is_depthwise(op) else (op.groups, folding.simd)


def check_folding(op: Convolution, folding: Folding, activations: NumberFormat) -> None:
    """Refuse a folding that does not divide the layer, or that builds it of what it cannot be built of.

    Raises
    ------
    UserError
    """
    for word, value, total in (("PE", folding.pe, most_pe(op)), ("SIMD", folding.simd, op.weights.shape[3])):
        if value < 1 or total % value:
            raise UserError(
                f"a {word} that divides {total} was expected for {op.name}, but {value} came; "
                "choose a divisor"
            )
    for word, kind, known in (
        ("multiplier", folding.multiplier, MULTIPLIERS),
        ("memory", folding.memory, MEMORIES),
    ):
        if kind not in known:
            raise UserError(
                f"a {word} of {', '.join(known)} was expected for {op.name}, but {brief(kind)} "
                "came; choose one of them"
            )
    refusal = dsp_refusal(activations, op.weight_format) if folding.multiplier == "dsp" else ""
    if refusal:
        raise UserError(f"{refusal} in {op.name}, so that no DSP can make them; choose multiplier lut")


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding.get(op.name, Folding())
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    check_folding(op, folding, tensor.format)
    pe, simd, (groups, lanes) = folding.pe, folding.simd, window_order(op, folding)
    source = e.input(op)
    windows = e.stream(f"{op.name}_windows", tensor.format.bits, lanes)
    e.process(
        windows.name,
        window_call(
            tensor,
            result.shape,
            op,
            groups,
            source.lanes,
            lanes,
            _zero(op, tensor),
            source.name,
            windows.name,
        ),
    )
    # codes in the order of use: [group][output fold][input fold][PE][SIMD]
    per_group, kernel = len(op.weights) // groups, op.weights[0].size
    weights = e.array(f"{op.name}_weights", in_order_of_use(op.weights, groups, pe, simd))
    e.store(weights, folding.memory)
    shifts = "pyqkit::NoShifts"
    if op.shifts is not None:
        array = e.array(f"{op.name}_shifts", in_order_of_use(op.shifts, groups, pe, simd))
        e.store(array, folding.memory)
        shifts = e.struct(f"{op.name}_shift_table", {"at": ("int index", f"{array}[index]")})
    policy = _product(e, op, tensor, "DspProduct" if folding.multiplier == "dsp" else "IntegerProduct")
    multiplied = e.typedef(f"{op.name}_product", policy)
    memory = e.names.new(f"{op.name}_memory")
    e.constants.append(f"PYQKIT_WEIGHTS({memory}, {weights}, {multiplied}, {op.weights.size})\n")
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


def window_call(
    tensor: Tensor,
    shape: tuple[int, int, int],
    op: Operator,
    groups: int,
    lanes_in: int,
    lanes_out: int,
    fill: int,
    source: str,
    out: str,
) -> str:
    """Call of a sliding window for an operator with kernel (or window), stride and padding."""
    kernel = getattr(op, "kernel", None) or op.window  # type: ignore[attr-defined]
    stride, padding, dilation = op.stride, op.padding, getattr(op, "dilation", (1, 1))  # type: ignore[attr-defined]
    numbers = (
        tensor.format.bits,
        *tensor.shape,
        *shape[:2],
        *kernel,
        *stride,
        *dilation,
        *padding[:2],
        groups,
        lanes_in,
        lanes_out,
        f"{fill}ULL",
    )
    return f"pyqkit::sliding_window<{', '.join(map(str, numbers))}>({source}, {out})"


def _zero(op: Convolution, tensor: Tensor) -> int:
    return tensor.format.zero_code if any(op.padding) else 0


def in_order_of_use(values: np.ndarray, groups: int, pe: int, simd: int) -> np.ndarray:
    """What belongs to each weight, as the matrix-vector unit reads it.

    (groups, output folds, input folds, PE, SIMD).
    """
    folds = values.reshape(groups, len(values) // groups // pe, pe, -1, simd)
    return folds.transpose(0, 1, 3, 2, 4)


def _product(e: Emitter, op: Convolution, tensor: Tensor, of_integers: str) -> str:
    left, right = tensor.format, op.weight_format
    width = min(
        product(left, right).bits, WIDEST
    )  # of the codes that the layer holds, whose sums fit 64 bits
    if not (isinstance(left, LogPosit) and isinstance(right, LogPosit)):
        return f"pyqkit::{of_integers}<{e.format(left)}, {e.format(right)}, {width}>"
    fraction = max(left.fraction_bits, right.fraction_bits)
    name = f"log_{left.name}_{right.name}"
    lowest, widest = 0, 0
    entries = {}
    for side, fmt in (("left", left), ("right", right)):
        found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
        up = fraction - fmt.fraction_bits
        base = min(x[1] for x in found if x) << up
        lowest += base
        relative = [0 if x is None else (x[1] << up) - base for x in found]
        widest = max(widest, max(relative))
        entries[side] = np.array([1 if x is None else r << 2 | x[0] << 1 for x, r in zip(found, relative)])
    if name not in e.tables:
        tables = {
            side: ("int code", f"{e.array(f'{name}_{side}', values)}[code]")
            for side, values in entries.items()
        }
        significands = e.array(f"{name}_significands", np.array(linear_table(fraction)))
        e.tables[name] = e.struct(
            f"{name}_tables", {**tables, "significand": ("int fraction", f"{significands}[fraction]")}
        )
    numbers = (
        left.bits,
        right.bits,
        max(1, widest.bit_length()),
        fraction,
        lowest & (2**fraction - 1),
        width,
    )
    return f"pyqkit::LogProduct<{', '.join(map(str, numbers))}, {e.tables[name]}>"
