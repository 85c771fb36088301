"""Cycles and resources of each operator, before any synthesis: closed forms, every figure an estimate.

Cycles follow from the loops of the C++ blocks. LUTs follow a short model fitted by hand to the MAC table measured with
Yosys 0.70 for xc7 without DSP (docs/estimates.md): a multiplier of a by b significant bits, a shifter if the format has
exponents, and an adder as wide as the accumulator. `lut_low` and `lut_high` bound how well LUTs pair.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, gcd

from pyqkit.formats import LogPosit, Minifloat, NumberFormat
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Threshold
from pyqkit.hardware.folding_types import Folding

BRAM_BITS = 36 * 1024
LUTRAM_BITS = 64  # a LUT6 as memory


@dataclass(frozen=True)
class Resources:
    """Estimated resources of one block or of a network."""

    lut_low: int = 0
    lut_high: int = 0
    ff: int = 0
    bram36: float = 0.0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values())))


def _significand(fmt: NumberFormat) -> tuple[int, int]:
    """Significant bits that a multiplier sees, and how far a product may be shifted."""
    if isinstance(fmt, Minifloat):
        return fmt.significand_bits + 1, 2**fmt.exponent_bits - 2
    return fmt.bits, 0


def multiplier_luts(left: NumberFormat, right: NumberFormat) -> float:
    """LUTs of one exact product."""
    if isinstance(left, LogPosit) and isinstance(right, LogPosit):
        return 4.0 * (left.bits + right.bits) + 8 * max(left.fraction_bits, right.fraction_bits)
    (a, a_shift), (b, b_shift) = _significand(left), _significand(right)
    shift = a_shift + b_shift
    return 1.1 * a * b + ((a + b + shift) * max(1.0, ceil(shift).bit_length() / 2) if shift else 0)


def lanes_of(graph: Graph, tensor: str, foldings: dict[str, Folding]) -> int:
    """Codes in a word of the stream that carries a tensor: what the operator before it makes at a time."""
    op = graph.producer(tensor)
    if op is None:
        channels = graph.tensors[tensor].shape[2]
        return max(n for n in range(1, channels + 1) if channels % n == 0 and (n * graph.tensors[tensor].format.bits <= 64 or n == 1))
    if isinstance(op, Convolution):
        return foldings.get(op.name, Folding()).pe
    return gcd(*(lanes_of(graph, name, foldings) for name in op.inputs), graph.tensors[tensor].shape[2])


def all_cycles(graph: Graph, foldings: dict[str, Folding]) -> dict[str, int]:
    """Cycles of a frame by operator: its longest loop, one word a cycle."""
    return {op.name: _cycles(op, graph, foldings) for op in graph.operators}


def _cycles(op: Operator, graph: Graph, foldings: dict[str, Folding]) -> int:
    tensors, (out,) = graph.input_tensors(op), graph.output_tensors(op)
    if not isinstance(op, Convolution):
        lanes = lanes_of(graph, op.outputs[0], foldings)
        return ceil(max(t.pixels * t.shape[2] for t in (*tensors, out)) / lanes)
    folding = foldings.get(op.name, Folding())
    reading = tensors[0].pixels * tensors[0].shape[2] // lanes_of(graph, op.inputs[0], foldings)
    windows = out.pixels * op.weights[0].size * op.groups // folding.simd  # the sliding window reads and writes in turn
    return max(op.macs(tensors) // (folding.pe * folding.simd), reading + windows)


def resources(op: Operator, graph: Graph, foldings: dict[str, Folding]) -> Resources:
    """Estimated resources of one operator."""
    tensors, (out,) = graph.input_tensors(op), graph.output_tensors(op)
    lanes = lanes_of(graph, op.outputs[0], foldings)
    stream = out.format.bits * lanes
    if isinstance(op, Convolution):
        folding = foldings.get(op.name, Folding())
        parallel = folding.pe * folding.simd
        width = out.format.bits
        macs = parallel * multiplier_luts(tensors[0].format, op.weight_format) + folding.pe * folding.simd * width * 0.8
        memory = _memory(op.weights.size * op.weight_format.bits, parallel * op.weight_format.bits)
        span = op.kernel[0] * tensors[0].shape[1] * tensors[0].shape[2] * tensors[0].format.bits
        lines = _memory(span if op.kernel != (1, 1) else 0, folding.simd * tensors[0].format.bits)
        logic = Resources(int(macs) + 120, int(macs * 1.4) + 200, int(parallel * width * 1.3) + 150)
        return logic + memory + lines
    if isinstance(op, Threshold):
        steps = max(1, (len(op.format.codes) - 1).bit_length())
        compare = lanes * steps * tensors[0].format.bits
        return Resources(compare + 40, int(compare * 1.4) + 60, 2 * compare) + _memory(op.thresholds.size * tensors[0].format.bits, compare)
    width = sum(t.format.bits for t in tensors) * lanes + stream
    return Resources(width + 40, 2 * width + 60, 2 * width + 60)


def _memory(bits: int, width: int) -> Resources:
    """A memory: LUTs up to 16 kbit, blocks of 36 kbit (at most 72 bits wide) above."""
    if bits <= 16 * 1024:
        luts = ceil(bits / LUTRAM_BITS)
        return Resources(luts, ceil(1.2 * luts))
    return Resources(bram36=max(ceil(bits / BRAM_BITS), ceil(width / 72)))
