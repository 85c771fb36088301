"""Convolution: a sliding window and a matrix-vector unit."""

from __future__ import annotations

from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.resources import Resources, dot_product, fifo, memory
from pyqkit.hardware.survey import Estimate, Site, estimates
from pyqkit.hls.emitter import FIFO_WORDS

_CONTROL = Resources(100, 160, 120)  # counters and addresses of the two processes


@estimates("convolution")
def convolution(site: Site) -> Estimate:
    op, tensor, folding = site.op, site.inputs[0], site.folding
    assert isinstance(op, Convolution)
    parallel = folding.pe * folding.simd
    products = op.macs(site.inputs) // parallel
    units = dot_product(tensor.format, op.weight_format, folding.simd, site.output.format.bits) * folding.pe
    weights = memory(parallel * op.weight_format.bits, op.weights.size // parallel)
    if op.shifts is not None:
        weights += memory(parallel * 4, op.weights.size // parallel)
    kept = memory(folding.simd * tensor.format.bits, op.weights[0].size // folding.simd)  # the window, reused by the output folds
    lines = line_memory(op, tensor, max(folding.simd, site.lanes[0]))
    stream = fifo(folding.simd * tensor.format.bits, FIFO_WORDS)
    cycles = max(products, words_in(tensor, site.lanes[0]))  # the window is read while the next one is filled
    return Estimate(folding.pe, cycles, units + weights + kept + lines + stream + _CONTROL)


def words_in(tensor: Tensor, lanes: int) -> int:
    """Words of a frame, each of which takes a cycle to come in."""
    return tensor.pixels * tensor.shape[2] // lanes


def line_memory(op: Operator, tensor: Tensor, lanes: int) -> Resources:
    """Rows that a sliding window keeps."""
    kernel = getattr(op, "kernel", None) or op.window  # type: ignore[attr-defined]
    dilation = getattr(op, "dilation", (1, 1))
    span = (kernel[0] - 1) * dilation[0] + 1
    return memory(lanes * tensor.format.bits, -(-span * tensor.shape[1] * tensor.shape[2] // lanes))
