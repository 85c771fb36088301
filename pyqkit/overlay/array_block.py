"""The block of an array in a block design: two streams, and the registers of its counters.

The registers are those of ``rtl/array/pqk_array_counters.sv``.
"""

from __future__ import annotations

from dataclasses import replace

from pyqkit.overlay import hwh

VLNV = "pyqkit.io:rtl:array:1.0"
MARKS, CYCLES, INPUT_WAITS, OUTPUT_WAITS = range(
    0, 16, 4
)  # byte offsets of registers; a write to the first clears
RECORD, RECORD_BYTES, RECORDS = 0x1000, 16, 256  # where counters at a mark are, and of how many marks
CONTROL = "s_axi"  # the interface of the registers
_REGISTERS = {"MARKS": MARKS, "CYCLES": CYCLES, "INPUT_WAITS": INPUT_WAITS, "OUTPUT_WAITS": OUTPUT_WAITS}
_BEHIND = 0x10_0000  # bytes from the registers of the DMA
_BYTES = 0x1_0000


def design(name: str, part: str, family: str, clock_mhz: float, stream_bytes: int) -> hwh.Design:
    """The block design of an array between the channels of one DMA; arguments as `hwh.accelerator_design`."""
    made = hwh.accelerator_design(name, part, family, clock_mhz, stream_bytes, [stream_bytes])
    dma, block = made.blocks
    place = (dma.address or 0) + _BEHIND
    ends = (*block.interfaces, hwh.Interface(CONTROL, "aximm", False, "control"))
    own = replace(block, vlnv=VLNV, interfaces=ends, address=place, size=_BYTES, registers=_REGISTERS)
    return replace(made, blocks=(dma, own))
