"""Weights of MicroScopiQ's blocks: memories apart, and behind them what makes codes of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

import numpy as np

from pyqkit.dataflow.micro_blocks import SIDE_BITS, MicroBlocks
from pyqkit.formats.microscopiq.values import SHIFT_BITS
from pyqkit.graph.folding import MEMORIES
from pyqkit.rtl.emitter import Emitter, instance
from pyqkit.rtl.features import bits_for
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import stages

BLOCK_RAM_NS = 2.0  # that a word takes longer to come out of a block RAM than out of a register
_STEP_NS = 4.0  # of the decoder
_SHARED_NS = 0.5  # that a path takes longer for each doubling of the lanes that a digit drives
_STEPS = 4  # flags, what flagged blocks have, and two of the decoder


def reading(clock_mhz: float) -> int:
    """Steps from an address to its weights."""
    return _STEPS + _waiting(clock_mhz)


def multiplying(delays_ns: Sequence[float], lanes: int, clock_mhz: float) -> int:
    """Steps of products in so many lanes that share an activation, which drives the rows of all of them."""
    return stages([ns + _SHARED_NS * log2(lanes) for ns in delays_ns], clock_mhz)


def _waiting(clock_mhz: float) -> int:
    """Steps that words wait behind their memories."""
    return stages((BLOCK_RAM_NS + _STEP_NS, _STEP_NS), clock_mhz)


def _walk(blocks: MicroBlocks) -> Parameters:
    most = max(map(len, blocks.sides))
    return {
        "DEPTH": blocks.words,
        "FOLDS": blocks.folds,
        "REPEAT": blocks.repeat,
        "EXPONENT_DEPTH": len(blocks.exponents),
        "LANES": blocks.lanes,
        "PLACE": bits_for(most),
    }


def _decode(blocks: MicroBlocks) -> Parameters:
    _, pe, simd = blocks.slots.shape
    return {"PE": pe, "SIMD": simd, "BITS": blocks.slot_bits}


def parts(blocks: MicroBlocks, kind: str) -> tuple[Part, ...]:
    """What the resources of memories and decoder are counted by."""
    found = [Part("micro_block_walk", _walk(blocks)), Part("micro_block_decode", _decode(blocks))]
    memories = [
        (blocks.slots[0].size * blocks.slot_bits, blocks.words),
        (blocks.lanes, blocks.words),
        (blocks.exponents.shape[1] * SHIFT_BITS, len(blocks.exponents)),
        *((SIDE_BITS, len(side)) for side in blocks.sides if len(side)),
    ]
    for width, depth in memories:
        numbers: Parameters = {"WIDTH": width, "DEPTH": depth, "MEMORY": MEMORIES.index(kind)}
        found.append(Part("rom", numbers))
    return tuple(found)


def text(e: Emitter, name: str, blocks: MicroBlocks, kind: str, wires: Mapping[str, str]) -> str:
    """Memories and decoder behind the ports ``address`` and ``right`` of a matrix-vector unit."""
    walk, lanes = _walk(blocks), blocks.lanes
    widths = {
        "slots": blocks.slots[0].size * blocks.slot_bits,
        "flags": lanes,
        "flags_beside": lanes,
        "places": lanes * int(walk["PLACE"]),
        "exponent_place": bits_for(len(blocks.exponents)),
        "inliers": blocks.exponents.shape[1] * SHIFT_BITS,
        "sides": lanes * SIDE_BITS,
    }
    own = {key: e.names.new(f"{name}_{key}") for key in widths}
    made = "".join(f"  wire [{width - 1}:0] {own[key]};\n" for key, width in widths.items())
    enabled = {"clock": "clock", "enable": wires["read"]}
    made += _memories(e, name, blocks, kind, {**wires, **own})
    steps: Parameters = {"WIDTH": lanes, "STAGES": 1 + _waiting(e.clock_mhz)}
    ports = enabled | {"d": own["flags"], "q": own["flags_beside"]}
    made += instance("delay", e.names.new(f"{name}_flags_delay"), steps, ports)
    ports = enabled | {"reset": "reset", "address": wires["address"], "flags": own["flags"]}
    ports |= {"places": own["places"], "exponent_address": own["exponent_place"]}
    made += instance("micro_block_walk", e.names.new(f"{name}_walk"), walk, ports)
    ports = enabled | {"slots": own["slots"], "flags": own["flags_beside"], "sides": own["sides"]}
    ports |= {"exponents": own["inliers"], "weights": wires["right"]}
    return made + instance("micro_block_decode", e.names.new(f"{name}_decode"), _decode(blocks), ports)


def _memories(e: Emitter, name: str, blocks: MicroBlocks, kind: str, wires: Mapping[str, str]) -> str:
    """Flags come a step after their address, as what else is read waits for them."""
    waiting, place, at = _waiting(e.clock_mhz), int(_walk(blocks)["PLACE"]), wires["address"]

    def rom(key: str, values: np.ndarray, bits: int, steps: int, ports: tuple[str, str]) -> str:
        lanes = values[0].size
        parameters: Parameters = {"WIDTH": lanes * bits, "DEPTH": len(values)}
        parameters |= e.memory(f"{name}_{key}", values, lanes, bits, "FILE", "VALUE")
        parameters |= {} if kind == "auto" else {"MEMORY": f'"{kind}"'}
        read = {"clock": "clock", "enable": wires["read"], **dict(zip(("address", "data"), ports))}
        return instance("rom", e.names.new(f"{name}_{key}_rom"), parameters | {"STAGES": steps}, read)

    made = rom("slots", blocks.slots, blocks.slot_bits, 2 + waiting, (at, wires["slots"]))
    made += rom("flags", blocks.flags.astype(np.uint8), 1, 1, (at, wires["flags"]))
    read = wires["exponent_place"], wires["inliers"]
    made += rom("exponents", blocks.exponents, SHIFT_BITS, 1 + waiting, read)
    for lane, side in enumerate(blocks.sides):
        found = f"{wires['sides']}[{lane * SIDE_BITS}+:{SIDE_BITS}]"
        read = f"{wires['places']}[{lane * place}+:{bits_for(len(side))}]", found
        made += (
            rom(f"sides_{lane}", side, SIDE_BITS, 1 + waiting, read)
            if len(side)
            else f"  assign {found} = '0;\n"
        )
    return made
