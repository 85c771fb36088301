"""What the blocks grow with that carry streams: FIFOs, converters, forks, pairs and ends."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pyqkit.rtl.features import Features, bits_for, grows_with, ram

_SHORTEST_SHIFT = 3  # registers of which Yosys makes a shift register in LUTs


@grows_with("fifo")
def _fifo(p: Mapping[str, int]) -> Features:
    words = p["DEPTH"] - 1 if p["DEPTH"] >= 3 else 1
    address = bits_for(words)
    found = ram(p["WIDTH"], words)
    found["flip-flops"] += 2 + (words + 1).bit_length() + 2 * address
    return found + Features({"one": 1, "address": address})


@grows_with("width_converter")
def _width_converter(p: Mapping[str, int]) -> Features:
    width, ratio = (
        p["BITS"] * max(p["LANES_IN"], p["LANES_OUT"]),
        max(p["LANES_IN"], p["LANES_OUT"]) // min(p["LANES_IN"], p["LANES_OUT"]),
    )
    narrows = p["LANES_IN"] > p["LANES_OUT"]
    counter = (ratio + 1 - 1).bit_length()
    return Features(
        {"one": 1, "counters": counter, "shifting": width if narrows else 0, "flip-flops": width + counter}
    )


@grows_with("from_axis")
def _from_axis(p: Mapping[str, int]) -> Features:
    return Features({"flip-flops": 2})


@grows_with("frame_end")
@grows_with("to_axis")
def _to_axis(p: Mapping[str, int]) -> Features:
    counter = bits_for(p["BEATS"]) if p["BEATS"] > 1 else 0
    return Features({"counters": counter, "flip-flops": counter})


@grows_with("fork_stream")
def _fork_stream(p: Mapping[str, int]) -> Features:
    return Features({"readers": p["READERS"]})


@grows_with("split")
def _split(p: Mapping[str, int]) -> Features:
    return Features({"readers": 2})


@grows_with("pixel_pairs")
def _pixel_pairs(p: Mapping[str, int]) -> Features:
    width, depth = p["LANES"] * p["BITS"], p["SPAN"] * p["WORDS"]
    counters = bits_for(p["WORDS"]) + bits_for(p["WIDTH"])
    found = Features({"one": 1, "counters": counters, "flip-flops": counters + 3})
    if depth < _SHORTEST_SHIFT:
        return found + Features({"flip-flops": width * depth})
    return found + Features({"memory LUTs": width * (1 if depth <= 32 else ceil(depth / 16))})
