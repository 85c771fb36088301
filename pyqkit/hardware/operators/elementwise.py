"""Requantisers and residual addition."""

from __future__ import annotations

from math import gcd

import numpy as np

from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.hardware.resources import Resources, adder, comparator, integer_multiplier, memory
from pyqkit.hardware.survey import Estimate, Site, estimates
from pyqkit.hls.emitter import signed_bits

_CONTROL = Resources(30, 50, 40)


def _cycles(site: Site, lanes: int) -> int:
    return site.output.pixels * site.output.shape[2] // lanes


@estimates("threshold")
def threshold(site: Site) -> Estimate:
    op, lanes, bits = site.op, site.lanes[0], site.inputs[0].format.bits
    assert isinstance(op, Threshold)
    steps = max(1, (len(op.format.codes) - 1).bit_length())
    total, depth = _CONTROL, len(op.thresholds) // lanes
    for step in range(steps):  # one comparison a bit of the result, each with a memory of its own
        total += comparator(bits) * lanes + memory(lanes * bits, depth << step)
    return Estimate(lanes, _cycles(site, lanes), total)


@estimates("rescale")
def rescale(site: Site) -> Estimate:
    op, lanes, bits = site.op, site.lanes[0], site.inputs[0].format.bits
    assert isinstance(op, Rescale)
    factor, offset, scaled = signed_bits(op.multiplier), signed_bits(op.offset), op.scaled_bits(site.inputs[0])
    one = adder(scaled) * 2 + comparator(scaled - op.shift) * 2
    if not _one_power_of_two(op.multiplier):
        one += integer_multiplier(bits, factor)
    constants = memory(lanes * (factor + offset), len(op.multiplier) // lanes)
    return Estimate(lanes, _cycles(site, lanes), one * lanes + constants + _CONTROL)


def _one_power_of_two(multiplier: np.ndarray) -> bool:
    first = abs(int(multiplier[0]))
    return bool((multiplier == multiplier[0]).all()) and first & (first - 1) == 0


@estimates("add")
def add(site: Site) -> Estimate:
    op = site.op
    assert isinstance(op, Add)
    lanes, total = gcd(*site.lanes), _CONTROL
    for tensor, factors in zip(site.inputs, op.multipliers):
        total += adder(site.output.format.bits) * lanes
        magnitudes = np.abs(factors)
        if (magnitudes & (magnitudes - 1)).any():  # powers of two are wires
            bits = signed_bits(factors)
            total += integer_multiplier(tensor.format.bits, bits) * lanes + memory(lanes * bits, len(factors) // lanes)
    return Estimate(lanes, _cycles(site, lanes), total)
