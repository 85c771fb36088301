"""Pooling, and operators that move codes."""

from __future__ import annotations

from math import gcd

from pyqkit.graph.ops.layout import Pad, Permute, Reshape
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.hardware.operators.convolution import line_memory, words_in
from pyqkit.hardware.resources import Resources, adder, comparator, fifo, memory
from pyqkit.hardware.survey import Estimate, Site, estimates
from pyqkit.hls.emitter import FIFO_WORDS

_CONTROL = Resources(30, 50, 40)


def _pool(site: Site, unit: Resources, kept_bits: int) -> Estimate:
    op, (tensor,), (lanes,) = site.op, site.inputs, site.lanes
    assert isinstance(op, (MaxPool, SumPool))
    channels = tensor.shape[2]
    windows = site.output.pixels * op.window[0] * op.window[1] * channels // lanes
    total = unit * lanes + memory(lanes * kept_bits, channels // lanes) + _CONTROL
    if tuple(op.window) == tensor.shape[:2] and not any(op.padding):
        return Estimate(lanes, windows, total)  # a window of the whole frame is the stream itself
    total += line_memory(op, tensor, lanes) + fifo(lanes * tensor.format.bits, FIFO_WORDS) + _CONTROL
    return Estimate(lanes, max(windows, words_in(tensor, lanes)), total)


@estimates("max_pool")
def max_pool(site: Site) -> Estimate:
    bits = site.inputs[0].format.bits
    return _pool(site, comparator(bits) + Resources(bits, bits, bits), bits)


@estimates("sum_pool")
def sum_pool(site: Site) -> Estimate:
    bits = site.output.format.bits
    return _pool(site, adder(bits), bits)


def _moved(site: Site, lanes: int, cycles: int, extra: Resources | None = None) -> Estimate:
    width = lanes * site.output.format.bits
    return Estimate(lanes, cycles, Resources(width, 2 * width, width) + _CONTROL + (extra or Resources()))


@estimates("permute")
def permute(site: Site) -> Estimate:
    op, (tensor,) = site.op, site.inputs
    assert isinstance(op, Permute)
    lanes = gcd(site.lanes[0], len(op.channels))
    cycles = tensor.pixels * max(tensor.shape[2] // site.lanes[0], len(op.channels) // lanes)  # a pixel comes in while the last one leaves
    return _moved(site, lanes, cycles, memory(tensor.format.bits, tensor.shape[2]) * lanes)


@estimates("slice")
def take_slice(site: Site) -> Estimate:
    return _moved(site, site.lanes[0], site.inputs[0].pixels * site.inputs[0].shape[2] // site.lanes[0])


@estimates("pad")
def pad(site: Site) -> Estimate:
    op = site.op
    assert isinstance(op, Pad)
    lanes = gcd(site.lanes[0], op.before[2], op.after[2])
    return _moved(site, lanes, site.output.pixels * site.output.shape[2] // lanes)


@estimates("concat")
def concat(site: Site) -> Estimate:
    lanes = gcd(*site.lanes)
    return _moved(site, lanes, site.output.pixels * site.output.shape[2] // lanes)


@estimates("reshape")
def reshape(site: Site) -> Estimate:
    op = site.op
    assert isinstance(op, Reshape)
    count = site.output.pixels * site.output.shape[2]
    lanes = gcd(site.lanes[0], op.shape[2])
    return _moved(site, lanes, count // lanes)
