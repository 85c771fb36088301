"""Requantisers."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from pyqkit.dataflow.passes import at_shift
from pyqkit.dataflow.streams import codes
from pyqkit.dataflow.thresholds import built, search_table
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import (
    Features,
    bits_for,
    decoding_luts,
    decoding_registers,
    grows_with,
    left_to_size,
    pass_counters,
    rom,
)
from pyqkit.rtl.operators.lookup import look_up
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import booth_ns, booth_rows, stages
from pyqkit.rtl.timing import Pipeline

TOGETHER = 4  # lanes that one enable moves; of more, each has its own
NARROW = 40  # bits of an integer up to which constants of a few lanes may become resets, which saves LUTs


@emits("threshold")
def threshold(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Threshold)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    lanes, variants = source.lanes, built(e.variants(op), source.lanes)
    depth = len(variants[0].falling) // lanes
    searches = [search_table(one, tensor) for one in variants]
    search = searches[0]
    steps, thresholds = search.steps, e.names.new(f"{op.name}_thresholds")
    shared = len(op.codes) == 1
    # Where channels have codes of their own, the place comes out, and another block looks it up.
    out = e.output(op, lanes) if shared else e.stream(f"{op.name}_places", steps, lanes)
    width = signed_bits(np.array([tensor.low, tensor.high + 1], dtype=object))
    falls = np.concatenate([one.falling for one in variants])
    for step in range(steps):
        # The module counts from the first comparison.
        stage = np.concatenate([one.of_step(steps - 1 - step) for one in searches])
        _write_limits(e, f"{thresholds}_{step}", stage, falls if step == 0 else None, width, lanes)
    decoding = e.pipelined_decoding(tensor.format, width)
    parameters: Parameters = {"BITS_IN": source.bits, "WIDTH": width, **decoding, "BITS_OUT": out.bits}
    parameters |= {"STEPS": steps, "LANES": lanes, "DEPTH": depth, "THRESHOLDS": f'"{e.prefix}{thresholds}"'}
    parameters |= e.switching(op, tensor.pixels) if len(variants) > 1 else {}
    by_place = search.codes[0] if shared else np.arange(2**steps)
    parameters["CODES"] = e.table(f"{op.name}_codes", by_place, out.bits)
    rows = depth * len(variants)
    held, compared = _threshold_stages(steps, rows, width, e.clock_mhz)
    parameters["HELD"] = sum(1 << step for step, registers in enumerate(held) if registers)
    parameters["COMPARED"] = compared
    if lanes > TOGETHER:
        parameters["APART"] = 1
    if lanes > TOGETHER or width > NARROW:
        small = [s for s in range(steps) if left_to_size(width + (s == 0), rows << s) == "lut"]
        parameters["LOGIC"] = sum(1 << step for step in small)
    latency = int(decoding["DECODE_STAGES"]) + steps * (1 + compared) + sum(held) + 1  # with the code
    timing = Pipeline.every(codes(tensor) // lanes, latency)
    e.block(op.name, "threshold", parameters, {"in": source}, {"out": out}, timing)
    if not shared:
        look_up(e, op, out, search.codes[None], codes(tensor))


def _threshold_stages(steps: int, depth: int, width: int, clock_mhz: float) -> tuple[list[int], int]:
    """Registers behind the memory of each step of a search over integers, and behind all comparisons.

    A block RAM takes much longer than logic; then comes the comparison, and, unless there is a register, the
    memory of the next step.
    """
    in_block = [left_to_size(width + (step == 0), depth << step) == "block" for step in range(steps)]
    comparing = 2.6 + 0.03 * width
    both = 3.0 + 0.02 * width + 0.2 * bits_for(depth << steps - 1)
    compared = stages([both, comparing], clock_mhz)
    longest = comparing if compared else both
    return [
        stages([longest + 2.0 * block, longest], clock_mhz) if block else 0 for block in in_block
    ], compared


def _write_limits(
    e: Emitter, stem: str, stage: np.ndarray, falls: np.ndarray | None, width: int, lanes: int
) -> None:
    """The memories of a comparison, one a lane."""
    for lane in range(lanes):
        falling = None if falls is None else falls[lane::lanes]
        words = _entries(stage[lane::lanes].reshape(-1, 1), falling, width)
        e.file(f"{stem}_{lane:03d}", words, width + (falls is not None))


def _entries(limits: np.ndarray, falling: np.ndarray | None, width: int) -> np.ndarray:
    """Words of a threshold memory (words, 1).

    With the direction of the channel above the threshold if it is to be there.
    """
    if falling is None:
        return limits
    kind = np.int64 if width < 63 else object
    return limits.astype(kind) & ((1 << width) - 1) | falling[:, None].astype(kind) << width


@emits("rescale")
def rescale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Rescale)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    lanes, depth = source.lanes, tensor.shape[2] // source.lanes
    variants = e.variants(op)
    shift = max(one.shift for one in variants)
    largest = max(one.largest_scaled(tensor) << shift - one.shift for one in variants) + 1
    ends = [
        op.format.low,
        op.format.high,
        op.format.low + op.format.zero_point,
        op.format.high + op.format.zero_point,
    ]
    bits = signed_bits(np.array([-largest, largest, *ends], dtype=object))
    width = signed_bits(np.array([tensor.low, tensor.high], dtype=object))
    multipliers, offsets = (at_shift(variants, name, shift) for name in ("multiplier", "offset"))
    pairs = np.stack([multipliers, offsets], axis=1).reshape(depth * len(variants), -1)
    decoding = e.pipelined_decoding(tensor.format, width)
    parameters: Parameters = {
        "BITS_IN": source.bits,
        "WIDTH": width,
        **decoding,
        "PRODUCT_BITS": bits,
    }
    parameters |= {
        "SHIFT": shift,
        "RELU": int(op.relu),
        "LOW": _signed(op.format.low, bits),
        "HIGH": _signed(op.format.high, bits),
    }
    parameters |= {
        "ZERO_POINT_OUT": op.format.zero_point,
        "BITS_OUT": out.bits,
        "LANES": lanes,
        "DEPTH": depth,
    }
    parameters |= e.switching(op, tensor.pixels)
    multiplier = signed_bits(multipliers)
    registers = rescale_stages(width, multiplier, bits, e.clock_mhz)
    parameters |= {"MULTIPLIER_BITS": multiplier, **registers}
    parameters |= e.memory(f"{op.name}_constants", pairs, 2 * lanes, bits, "CONSTANTS", "CONSTANT")
    latency = int(decoding["DECODE_STAGES"]) + sum(registers.values()) + 3  # with product, sum and result
    timing = Pipeline.every(codes(tensor) // lanes, latency)
    e.block(op.name, "rescale", parameters, {"in": source}, {"out": out}, timing)


def rescale_stages(width: int, multiplier: int, bits: int, clock_mhz: float) -> dict[str, int]:
    """Registers of a `rescale`, beside three that it always has.

    Parameters
    ----------
    width, multiplier, bits : int
        Of the integers, their multipliers and the products.
    clock_mhz : float
    """
    rows = booth_rows(width, multiplier)
    chain = 0.03 * bits  # ns of a carry chain
    at_once = 6.0 + 2 * chain  # rounding and clipping in one cycle
    delays = [max(at_once, booth_ns(rows, width))]
    delays += [max(3.2 + chain, booth_ns(ceil(rows / parts), width)) for parts in range(1, rows + 1)]
    depth = stages(delays, clock_mhz)
    if not depth:
        return {"READ_STAGES": 1, "MULTIPLY_STAGES": 0, "ROUND_STAGES": 0}
    return {"READ_STAGES": 2, "MULTIPLY_STAGES": depth - 1, "ROUND_STAGES": 3}


def _signed(value: int, bits: int) -> str:
    return f"{bits}'sh{value & ((1 << bits) - 1):x}"


# ---- what the modules grow with ------------------------------------------------------------------------


@grows_with("threshold")
def _threshold_features(p: Mapping[str, int]) -> Features:
    lanes, steps, width, depth = p["LANES"], p["STEPS"], p["WIDTH"], p["DEPTH"] * p.get("PASSES", 1)
    found = Features()
    for step in range(steps):
        stage = rom(width + (step == 0), depth << step)
        for name, amount in stage.items():
            found[name] += lanes * amount
    compared = p.get("COMPARED", 0)
    stages_held = steps * (1 + compared) + p["HELD"].bit_count()
    found["flip-flops"] += lanes * (
        stages_held * width + (1 + compared) * (steps * (steps - 1) // 2 + steps) + p["BITS_OUT"]
    )
    found["flip-flops"] += stages_held + 1 + stages_held * bits_for(depth)
    found["flip-flops"] += p["DECODE_STAGES"] + lanes * decoding_registers(p, p["BITS_IN"], width)
    found["flip-flops"] += lanes * p.get("APART", 0)
    found += pass_counters(p)
    found["comparators"] = lanes * steps * width
    found["codes"] = lanes * p["BITS_OUT"] * ceil(2**steps / 64) + lanes * decoding_luts(
        p, p["BITS_IN"], width
    )
    return found + Features({"one": 1})


@grows_with("rescale")
def _rescale_features(p: Mapping[str, int]) -> Features:
    lanes, product, width = p["LANES"], p["PRODUCT_BITS"], p["WIDTH"]
    depth = p["DEPTH"] * p.get("PASSES", 1)
    found = rom(2 * lanes * product, depth) + pass_counters(p)
    multiplying, rounding, wide = p["MULTIPLY_STAGES"], p["ROUND_STAGES"], max(width, p["MULTIPLIER_BITS"])
    held = (
        width * p["READ_STAGES"] + product * (2 + rounding) + multiplying * (wide + product) + p["BITS_OUT"]
    )
    held += decoding_registers(p, p["BITS_IN"], width)
    found["flip-flops"] += lanes * held + multiplying
    rows = booth_rows(width, p["MULTIPLIER_BITS"]) * (wide + 3)
    found["multipliers" if depth > 1 else "fixed multipliers"] = lanes * rows
    found["offsets"] = lanes * product if depth > 1 and multiplying > 1 else 0  # shift registers
    found["adders"] = lanes * 2 * product
    return found + Features({"one": 1})
