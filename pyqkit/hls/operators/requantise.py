"""Requantisers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.dataflow.passes import at_shift
from pyqkit.dataflow.streams import codes
from pyqkit.dataflow.thresholds import SearchTable, built, search_table
from pyqkit.errors import UserError
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.hls.emitter import Emitter, emits
from pyqkit.hls.operators.lookup import look_up

_WIDEST = 64  # bits of a product of a rescaler


@emits("threshold")
def threshold(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Threshold)
    e.include("requantise")
    (tensor,) = e.graph.input_tensors(op)
    source, passes = e.input(op), e.variants(op)
    variants = built(passes, source.lanes)
    searches = [search_table(one, tensor) for one in variants]
    search, falling = searches[0], np.concatenate([one.falling for one in variants])
    shared = len(search.codes) == 1
    # Where channels have codes of their own, the place comes out, and another process looks it up.
    lanes, bits = source.lanes, op.format.bits if shared else search.steps
    out = e.output(op, lanes) if shared else e.stream(f"{op.name}_places", bits, lanes)
    place = f"{e.everywhere(f'{op.name}_codes', search.codes[0])}[place]" if shared else "place"
    table = e.struct(
        f"{op.name}_table",
        {
            "threshold": [_step(e, op, step, source.lanes, searches) for step in range(search.steps)],
            "falling": e.of_channels(f"{op.name}_falling", falling.astype(np.int64), source.lanes),
            "code": ("int place", place),
        },
    )
    channels = len(variants[0].falling)
    pixels = tensor.pixels * tensor.shape[2] // channels
    numbers = f"{bits}, {pixels}, {channels}, {lanes}, {search.steps}"
    e.process(
        op.name,
        f"pyqkit::threshold<{e.format(tensor.format)}, {numbers}, {table}>",
        f"{source.name}, {out.name}",
        codes(tensor) // lanes,
        switched=len(variants) == len(passes),
    )
    if not shared:
        look_up(e, op, out, search.codes[None], tensor)


def _step(
    e: Emitter, op: Threshold, step: int, lanes: int, searches: Sequence[SearchTable]
) -> tuple[str, str]:
    """The comparison of one step, with a memory for each lane."""
    limits = np.concatenate([search.of_step(step) for search in searches])
    choices = limits.shape[1]
    banks = limits.reshape(-1, lanes, choices).swapaxes(0, 1).reshape(lanes, -1)
    memory = e.banks(f"{op.name}_thresholds_{step}", banks)
    parameters = f"pyqkit::Step<{step}>, int word, int lane, int above"
    return parameters, f"{memory}[lane][word * {choices} + above]"


@emits("rescale")
def rescale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Rescale)
    e.include("requantise")
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    variants = e.variants(op)
    shift = max(one.shift for one in variants)
    bits = max(one.scaled_bits(tensor) + shift - one.shift for one in variants)
    if bits > _WIDEST:
        raise UserError(
            f"products of at most {_WIDEST} bits were expected in {op.name}, but those of all its passes "
            f"have {bits} in C++; take SystemVerilog (backend and engine rtl), or compile with --reuse off"
        )
    functions, multipliers = {}, at_shift(variants, "multiplier", shift)
    for word, values in (("multiplier", multipliers), ("offset", at_shift(variants, "offset", shift))):
        functions[word] = e.of_channels(f"{op.name}_{word}s", values.astype(np.int64), source.lanes)
    table = e.struct(f"{op.name}_table", functions)
    widths = f"{signed_bits(multipliers)}, {bits}"
    numbers = (
        f"{op.format.bits}, {tensor.pixels}, {tensor.shape[2]}, {source.lanes}, {widths}, "
        f"{shift}, {str(op.relu).lower()}"
    )
    limits = f"{op.format.low}LL, {op.format.high}LL, {op.format.zero_point}"
    e.process(
        op.name,
        f"pyqkit::rescale<{e.format(tensor.format)}, {numbers}, {table}>",
        f"{source.name}, {out.name}, {limits}",
        codes(tensor) // source.lanes,
        switched=True,
    )
