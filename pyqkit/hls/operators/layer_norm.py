"""Layer norm and RMS norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.dataflow.norm import Norm, norm
from pyqkit.dataflow.streams import FIFO_WORDS, codes
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.layer_norm import LayerNorm, LayerNormFolding
from pyqkit.hls.emitter import Emitter, Function, Stream, emits
from pyqkit.hls.wide import check_width, pieces, pieces_for, search_functions

_SUM_PIECES = 2  # of 64 bits, as `hls/layer_norm.hpp` has it


@emits("layer_norm")
def layer_norm(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LayerNorm)
    e.include("layer_norm")
    (tensor,), lanes = e.graph.input_tensors(op), e.folding_of(op, LayerNormFolding).pe
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    words = tensor.shape[2] // lanes
    found = norm(e.variants(op), tensor, words)
    check_width(op, found.bits)
    sizes = _sizes(op, tensor, found, lanes)
    shape, kind = e.numbers(f"{op.name}_shape", sizes), e.format(tensor.format)
    # What comes while the root of a pixel is found waits, a pixel in any case.
    waiting = words + found.segments * found.digits + FIFO_WORDS * (found.segments + 2)
    later = e.stream(f"{op.name}_codes", source.bits, lanes, waiting)
    root = _root(e, op, source, later, found, sizes, shape)
    table = e.struct(
        f"{op.name}_table",
        {
            "gain": _of_channels(e, f"{op.name}_gains", found.gains, lanes, sizes["GAIN_PIECES"]),
            "offset": _of_channels(e, f"{op.name}_offsets", found.offsets, lanes, sizes["OFFSET_PIECES"]),
            "unit": _number(e, f"{op.name}_unit", [found.unit], sizes["PIECES"]),
            **search_functions(e, op.name, found.search, sizes["PIECES"]),
        },
    )
    out = e.output(op, lanes)
    streams = f"{later.name}, {root.name}, {out.name}"
    function = "norm_codes_in_turn" if found.search.in_turn else "norm_codes"
    block = f"pyqkit::{function}<{kind}, {out.bits}, {shape}, {table}>"
    e.process(op.name, block, streams, codes(tensor) // lanes * found.search.pace, switched=True)


def _root(
    e: Emitter,
    op: LayerNorm,
    source: Stream,
    later: Stream,
    found: Norm,
    sizes: dict[str, int],
    shape: str,
) -> Stream:
    """The processes that make the root of every pixel, which hand its codes on to `later`."""
    (tensor,) = e.graph.input_tensors(op)
    kind, state = e.format(tensor.format), _SUM_PIECES + sizes["RADICAND_PIECES"] + 2 * sizes["ROOT_PIECES"]
    root = e.stream(f"{op.name}_moments", 32, state)
    sums = e.struct(
        f"{op.name}_sums",
        {
            name: _number(e, f"{op.name}_{name}", numbers, sizes["RADICAND_PIECES"])
            for name, numbers in (("scale", [found.scale]), ("epsilon", found.epsilons))
        },
    )
    block = f"pyqkit::norm_moments<{kind}, {shape}, {sums}>"
    streams = f"{source.name}, {later.name}, {root.name}"
    e.process(f"{op.name}_moments", block, streams, codes(tensor) // source.lanes, switched=True)
    for segment in range(found.segments):
        next_root = e.stream(f"{op.name}_root_{segment}", 32, state)
        block, streams = f"pyqkit::norm_root<{found.digits}, {shape}>", f"{root.name}, {next_root.name}"
        e.process(f"{op.name}_root_{segment}", block, streams, tensor.pixels * found.digits)
        root = next_root
    return root


def _sizes(op: LayerNorm, tensor: Tensor, found: Norm, lanes: int) -> dict[str, int]:
    channels, largest = tensor.shape[2], max(abs(tensor.low), abs(tensor.high))
    radicand = found.scale * found.most_spread + max(found.epsilons)
    doubled = [2 * limit + 1 for limit in found.search.limits]
    return {
        **{"PIXELS": tensor.pixels, "WORDS": channels // lanes, "LANES": lanes},
        "CENTRED": op.centred,
        "SUM_BITS": signed_range_bits(-channels * largest, channels * largest),
        "SQUARE_BITS": signed_range_bits(-largest, channels * largest**2),
        "RADICAND_BITS": 2 * found.radicand_digits,
        "RADICAND_PIECES": pieces_for([radicand, found.scale]),
        "ROOT_PIECES": pieces_for([1 << found.root_bits + 3]),
        "FRACTION_BITS": found.fraction_bits,
        **{
            "WIDE_BITS": found.bits,
            "STEPS": found.search.steps,
            "PIECES": pieces_for([*doubled, found.unit]),
        },
        **{"GAIN_PIECES": pieces_for(found.gains), "OFFSET_PIECES": pieces_for(found.offsets)},
    }


def _number(e: Emitter, wanted: str, values: Sequence[int], count: int) -> Function:
    """A number by its pieces, or that of every pass."""
    return "int piece", f"{e.everywhere(wanted, pieces(values, count).ravel())}[piece]"


def _of_channels(e: Emitter, wanted: str, values: Sequence[int], lanes: int, count: int) -> Function:
    """A number of each channel by its pieces: a line of memory has those of a word."""
    rows = np.ascontiguousarray(pieces(values, count)).reshape(-1, lanes * count)
    return "int word, int lane, int piece", f"{e.lines(wanted, rows)}[word][lane * {count} + piece]"
