"""Counters of cycles and stalls between the first DMA of an overlay and its accelerator.

The block is `overlays/pqk_counters.v`.
"""

from __future__ import annotations

from dataclasses import replace

from pyqkit.overlay import hwh

NAME, VLNV = "counters_0", "pyqkit.io:rtl:counters:1.0"
CLEAR, CYCLES, FRAMES, INPUT_STALLS, OUTPUT_STALLS = range(0, 20, 4)  # byte offsets of registers
_REGISTERS = {
    "CLEAR": CLEAR,
    "CYCLES": CYCLES,
    "FRAMES": FRAMES,
    "INPUT_STALLS": INPUT_STALLS,
    "OUTPUT_STALLS": OUTPUT_STALLS,
}
_BEHIND = 0x10_0000  # bytes from the registers of the first DMA
_BYTES = 0x1_0000
PASSED = (("s_in", "m_in"), ("s_out", "m_out"))  # streams that go straight through


def added(design: hwh.Design, input_bytes: int, output_bytes: int, beats: int) -> hwh.Design:
    """The same design with counters.

    Parameters
    ----------
    input_bytes, output_bytes : int
        Bytes of a beat of the input and of the first output.
    beats : int
        Of a frame of that output.
    """
    *dmas, network = design.blocks
    given, taken = (
        next(end.bus for end in network.interfaces if end.name == name) for name in ("in_0", "out_0")
    )
    moved = {"in_0": f"{NAME}_m_in", "out_0": f"{NAME}_s_out"}
    ends = (
        hwh.Interface("s_axi", "aximm", False, "control"),
        hwh.Interface("s_in", "axis", False, given),
        hwh.Interface("m_in", "axis", True, moved["in_0"]),
        hwh.Interface("s_out", "axis", False, moved["out_0"]),
        hwh.Interface("m_out", "axis", True, taken),
    )
    parameters = {"in_bits": 8 * input_bytes, "out_bits": 8 * output_bytes, "beats": beats}
    words = {key: str(value) for key, value in parameters.items()}
    place = (dmas[0].address or 0) + _BEHIND
    block = hwh.Block(NAME, VLNV, words, ends, place, _BYTES, _REGISTERS)
    between = tuple(replace(end, bus=moved.get(end.name, end.bus)) for end in network.interfaces)
    return replace(design, blocks=(*dmas, block, replace(network, interfaces=between)))
