"""Pooling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.rtl.emitter import Emitter, Stream, emits
from pyqkit.rtl.features import (
    Features,
    bits_for,
    decoding_luts,
    decoding_registers,
    grows_with,
    levels_of,
    ram,
)
from pyqkit.rtl.operators.convolution import slide
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import decode_stages
from pyqkit.rtl.timing import Pipeline

_LATENCY = 2  # the word, the result


def _pool(
    e: Emitter, op: MaxPool | SumPool, fill: int, decode_stages: int = 0
) -> tuple[Stream, Parameters, Pipeline]:
    """The stream of a pool's windows, what every pool is told, and its timing.

    A window of the whole frame is the stream itself, and all its channels are under way at once; otherwise
    the channels of a word have their windows one after the other, as if every word were a group.
    """
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source, positions = e.input(op), op.sliding.positions
    words = tensor.shape[2] // source.lanes
    whole = op.sliding.covers(tensor.shape[:2])
    if not whole:
        source = slide(e, op, op.sliding, source, tensor.shape[:2], words, 1, source.lanes, fill)
    depth = words if whole else 1
    kept = np.zeros((result.pixels * words // depth, positions, depth), bool)
    kept[:, -1] = True
    parameters: Parameters = {
        "BITS": source.bits,
        "LANES": source.lanes,
        "POSITIONS": positions,
        "DEPTH": depth,
    }
    return source, parameters, Pipeline(kept.ravel(), decode_stages + _LATENCY)


@emits("max_pool")
def max_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, MaxPool)
    (tensor,) = e.graph.input_tensors(op)
    fmt = tensor.format
    source, parameters, timing = _pool(e, op, fmt.lowest_code)
    if isinstance(fmt, Integer):
        parameters["SIGNED"] = int(fmt.signed)
    else:
        ranks = np.zeros(2**fmt.bits, np.int64)
        ranks[fmt.codes] = np.arange(len(fmt.codes))
        parameters |= {"TABLE": 1, "RANKS": e.table(f"{op.name}_ranks", ranks, fmt.bits)}
    e.block(op.name, "max_pool", parameters, {"in": source}, {"out": e.output(op, source.lanes)}, timing)


@emits("sum_pool")
def sum_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, SumPool)
    (tensor,) = e.graph.input_tensors(op)
    fmt = tensor.format
    fill = fmt.zero_code if any(op.padding) else 0
    source, parameters, timing = _pool(e, op, fill, decode_stages(fmt, e.clock_mhz))
    out = e.output(op, source.lanes)
    parameters |= {"SUM_BITS": out.bits, **e.pipelined_decoding(fmt, out.bits)}
    e.block(op.name, "sum_pool", parameters, {"in": source}, {"out": out}, timing)


# ---- what the modules grow with ------------------------------------------------------------------------


@grows_with("max_pool")
def _max_pool_features(p: Mapping[str, int]) -> Features:
    compares = p["POSITIONS"] > 1
    ranked = p["BITS"] * (2 if p.get("TABLE") and compares else 1)  # a code, and beside it its rank
    found = _pool_features(p, ranked, ranked, p["BITS"])
    found["comparators"] = p["LANES"] * p["BITS"] * compares
    found["decoders"] = p["LANES"] * decoding_luts(p, p["BITS"], p["BITS"]) if compares else 0
    return found


@grows_with("sum_pool")
def _sum_pool_features(p: Mapping[str, int]) -> Features:
    word = p["SUM_BITS"] - levels_of(p["POSITIONS"])
    found = _pool_features(p, word, p["SUM_BITS"], p["SUM_BITS"])
    found["adders"] = p["LANES"] * p["SUM_BITS"]
    registers = decoding_registers(p, p["BITS"], word)
    found["flip-flops"] += p["DECODE_STAGES"] + p["LANES"] * registers
    found["decoders"] = p["LANES"] * decoding_luts(p, p["BITS"], word)
    return found


def _pool_features(p: Mapping[str, int], word: int, kept: int, out: int) -> Features:
    """Of a pool with so many bits a lane of what enters, is kept and leaves."""
    lanes, depth, positions = p["LANES"], p["DEPTH"], p["POSITIONS"]
    found = ram(lanes * kept, depth)
    if depth <= 1:
        found["flip-flops"] = lanes * kept if positions > 1 else 0
    counters = (bits_for(depth) if depth > 1 else 0) + (bits_for(positions) if positions > 1 else 0)
    written = bits_for(depth) if depth > 1 else 0
    found["flip-flops"] += lanes * (word + out) + 2 + counters + written
    return found + Features({"one": 1, "counters": counters})
