"""What a sliding window grows with: memory of lines, counters, places."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.rtl.features import Features, bits_for, grows_with, ram

_AXES = (
    ("HEIGHT", "TOP", "ROWS", "STRIDE_ROWS", "KERNEL_ROWS", "DILATION_ROWS"),
    ("WIDTH", "LEFT", "COLUMNS", "STRIDE_COLUMNS", "KERNEL_COLUMNS", "DILATION_COLUMNS"),
)


def _place_bits(p: Mapping[str, int], axis: tuple[str, ...]) -> int:
    """``Y_BITS`` or ``X_BITS`` of the module.

    A place from the padding before an image to that behind.
    """
    size, before, *_ = (p[name] for name in axis)
    return bits_for(max(before + size, _reach(p, axis) + 2))


def _reach(p: Mapping[str, int], axis: tuple[str, ...]) -> int:
    """From the first tap of the first window to the last tap of the last one."""
    _, _, out, stride, kernel, dilation = (p[name] for name in axis)
    return (out - 1) * stride + (kernel - 1) * dilation


@grows_with("sliding_window")
def _sliding_window_features(p: Mapping[str, int]) -> Features:
    words = p["CHANNELS"] // p["LANES_IN"]
    size, parts, width = p["LINE_PIXELS"] * words, p["LANES_IN"] // p["LANES_OUT"], p["BITS"] * p["LANES_IN"]
    found, out = ram(width, size), p["LANES_OUT"] * p["BITS"]
    border = p["TOP"] or p["LEFT"] or any(_reach(p, axis) >= p[axis[0]] for axis in _AXES)
    places = sum(_place_bits(p, axis) for axis in _AXES) if border else 0
    address, pixels = bits_for(size), bits_for(2 * p["LINE_PIXELS"]) + 1
    units = p["CHANNELS"] // p["GROUPS"] // p["LANES_OUT"]
    loops = (
        units,
        units * p["KERNEL_COLUMNS"],
        units * p["KERNEL_COLUMNS"] * p["KERNEL_ROWS"],
        p["REPEAT"] * p["GROUPS"],
        p["COLUMNS"],
        p["ROWS"],
        size,
        words,
        words,
        parts,
    )
    counters = sum(bits_for(n) + 1 for n in loops if n > 1)
    found["places"] = places
    found["addresses"] = address
    found["pixels"] = pixels
    found["counters"] = counters
    found["choosing"] = out * parts if parts > 1 else 0
    found["border"] = out if border else 0
    found["flip-flops"] += 2 * places + 4 * address + 6 * pixels + counters + (out if p["STAGES"] > 2 else 0)
    return found + Features({"one": 1})
