"""Sources of an array's project: its SystemVerilog, the top with its counters, and golden vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array import marks, rtl
from pyqkit.array.execute import ArrayState
from pyqkit.overlay import array_block, install
from pyqkit.overlay.array import ArrayPlan
from pyqkit.overlay.sources import bench, digits, wrapped
from pyqkit.rtl.emitter import PREFIX

_PATIENCE = 20  # how many times its cycles a simulation with stalls is waited for
# Of AXI4-Lite: name, bits, whether the array drives it.
_CONTROL = (
    ("awaddr", 13, False),
    ("awvalid", 1, False),
    ("awready", 1, True),
    ("wdata", 32, False),
    ("wstrb", 4, False),
    ("wvalid", 1, False),
    ("wready", 1, True),
    ("bresp", 2, True),
    ("bvalid", 1, True),
    ("bready", 1, False),
    ("araddr", 13, False),
    ("arvalid", 1, False),
    ("arready", 1, True),
    ("rdata", 32, True),
    ("rresp", 2, True),
    ("rvalid", 1, True),
    ("rready", 1, False),
)


@dataclass(frozen=True)
class _Words:
    """A stream with all words of a golden transfer as one frame."""

    beats: int
    beat_bytes: int


def top(planned: ArrayPlan) -> str:
    """The module in Verilog that is packaged."""
    return f"{PREFIX}{planned.machine.name}_top"


def of(planned: ArrayPlan) -> dict[str, bytes]:
    """Sources and golden vectors, by their paths in a project."""
    machine, name = planned.machine, rtl.module_name(planned.machine)
    found = {f"rtl/{file}": text.encode() for file, text in rtl.sources().items()}
    found |= {f"rtl/{name}.sv": rtl.generate(machine).encode()}
    found |= {f"rtl/{top(planned)}.v": verilog_top(planned).encode()}
    return found | _golden(planned)


def verilog_top(planned: ArrayPlan) -> str:
    """The machine and its counters with their ports in plain Verilog."""
    machine, control = planned.machine, array_block.CONTROL
    beat = machine.stream_bits // 8
    more = [
        f"{'output' if drives else 'input'} wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{control}_{name}"
        for name, bits, drives in _CONTROL
    ]
    connections = "".join(f",\n      .{control}_{name}({control}_{name})" for name, _, _ in _CONTROL)
    given, taken = (
        "".join(f",\n      .{end}_t{wire}({bus}_t{wire})" for wire in ("valid", "ready", "data", "last"))
        for end, bus in (("in", "s_axis_0"), ("out", "m_axis_0"))
    )
    inside = (
        "  wire idle, mark;\n"
        f"  {rtl.module_name(machine)} array (\n      .clock(aclk),\n      .reset(!aresetn),\n"
        f"      .idle(idle),\n      .mark(mark){given}{taken}\n  );\n"
        f"  {PREFIX}array_counters #(\n      .RECORDS({array_block.RECORDS})\n  ) counters (\n"
        "      .clock(aclk),\n      .reset(!aresetn),\n      .mark(mark),\n"
        "      .input_waits(!idle && s_axis_0_tready && !s_axis_0_tvalid),\n"
        f"      .output_waits(m_axis_0_tvalid && !m_axis_0_tready){connections}\n  );\n"
    )
    return wrapped(top(planned), [("s_axis_0", beat), ("m_axis_0", beat)], inside, more, control)


def _golden(planned: ArrayPlan) -> dict[str, bytes]:
    """What is sent for the network that comes with the overlay, and what has to come back."""
    machine, network = planned.machine, planned.network
    program, state = network.program, ArrayState(planned.machine)
    side, beat = network.input, machine.stream_bits // 8
    setup, call = program.setup(), next(program.execution({side.codes.tensor: side.golden}))
    state.send(setup)
    streams = {"in_0": setup + call.content, "out_0": state.send(call.content)}
    words = {key: np.frombuffer(content, np.uint8).reshape(-1, beat) for key, content in streams.items()}
    ends = {key: _Words(len(found), beat) for key, found in words.items()}
    cycles = sum(part.cycles for part in marks.parts(program))
    limit = _PATIENCE * (len(words["in_0"]) + len(side.golden) * cycles)
    control = "".join(
        f"  {'wire' if drives else 'logic'} {f'[{bits - 1}:0] ' if bits > 1 else ''}"
        f"{array_block.CONTROL}_{name}{'' if drives else ' = 0'};\n"
        for name, bits, drives in _CONTROL
    )
    text = bench(top(planned), ([ends["in_0"]], [ends["out_0"]]), 1, limit, control)
    found = {f"golden/{key}.hex": digits(beats) for key, beats in words.items()}
    found |= {"golden/golden.sv": (install.folder() / "golden.sv").read_bytes()}
    return found | {"golden/bench.sv": text.encode()}
