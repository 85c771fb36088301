"""The SystemVerilog of a machine: blocks out of ``rtl/array``, and a top module that connects them."""

from __future__ import annotations

from pyqkit.array.families import check_built
from pyqkit.array.machine import Machine
from pyqkit.array.rtl import control, datapath
from pyqkit.array.rtl.elements import of as elements
from pyqkit.array.rtl.writer import Writer
from pyqkit.errors import UserError
from pyqkit.rtl.emitter import PREFIX
from pyqkit.rtl.generate import library

LEAST_ROWS = 4  # a sum is read, added to and written within so many cycles
STREAM_BITS = 64  # in which the instructions that come over the stream have to fit
SERVED = (2, 4, 8, 16)  # columns of a post-processor
_HEAD = """`default_nettype none
module {name} (
    input wire clock,
    input wire reset,
    input wire in_tvalid,
    output wire in_tready,
    input wire [{top}:0] in_tdata,
    input wire in_tlast,
    output wire out_tvalid,
    input wire out_tready,
    output wire [{top}:0] out_tdata,
    output wire out_tlast,
    output wire idle,
    output wire mark
);
"""
_UNUSED = ("in_tlast", "instruction", "load_part", "place_part", "place_address", "scale_lane")
_PARTS = (
    control.issue,
    control.loads,
    control.fill,
    control.run,
    datapath.activations,
    datapath.matrix,
    datapath.accumulators,
    datapath.post,
    datapath.processors,
    datapath.codes,
    datapath.outputs,
)


def sources() -> dict[str, str]:
    """All blocks that an array is built of, by file name."""
    folder = library()
    return {path.name: path.read_text() for path in (*folder.glob("*.sv"), *folder.glob("array/*.sv"))}


def module_name(machine: Machine) -> str:
    """Of the top module."""
    return f"{PREFIX}{machine.name}_array"


def written(out: Writer) -> None:
    """Write wires and blocks of a machine."""
    for part in _PARTS:
        part(out)


def generate(machine: Machine) -> str:
    """The top module of a machine.

    Its ports are the clock, a reset, two AXI4-Streams, ``idle``: it waits for an instruction from the stream,
    and ``mark``: an instruction starts that is marked.

    Raises
    ------
    UserError
        If the blocks do not make such a machine.
    """
    if machine.rows < LEAST_ROWS or machine.stream_bits < STREAM_BITS or machine.post_cycles not in SERVED:
        raise UserError(
            f"at least {LEAST_ROWS} rows, a stream of {STREAM_BITS} bits or more, and post-processors of one "
            f"of {SERVED} cycles were expected in SystemVerilog, but {machine.name} has {machine.rows} rows, "
            f"{machine.stream_bits} bits and {machine.post_cycles} cycles; describe a machine that has them"
        )
    check_built(machine, "rtl")
    out = Writer(machine)
    written(out)
    head = _HEAD.format(name=module_name(machine), top=machine.stream_bits - 1)
    unused = ", ".join((*_UNUSED, *elements(machine).unread))
    body = "".join(out.wires + out.body) + f"  wire unused = &{{{unused}}};\n"
    return head + body + "endmodule\n`default_nettype wire\n"
