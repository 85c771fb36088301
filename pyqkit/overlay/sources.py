"""Sources of a project: generated ones, and what AMD's tools alone need.

A top in Verilog, golden vectors and test benches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pyqkit import build_folder, npy
from pyqkit.emulate.golden import GOLDEN_FRAMES
from pyqkit.formats.port import End
from pyqkit.overlay import install, ooc
from pyqkit.overlay.plan import NetworkPlan

_PATIENCE = 20  # how many times its cycles a simulation with stalls is waited for


def of(planned: NetworkPlan, backend: str) -> dict[str, bytes]:
    """Sources of a backend and golden vectors, by their paths in a project."""
    return (_hls(planned) if backend == "hls" else _rtl(planned)) | _golden(planned)


def top(planned: NetworkPlan) -> str:
    """The module in Verilog that is packaged."""
    return planned.designs.rtl.accelerator.removesuffix("accelerator") + "top"


def _hls(planned: NetworkPlan) -> dict[str, bytes]:
    """All headers beside each other, so that no option names a folder, whose path may have blanks."""
    found = {
        f"hls/{Path(name).name}": content
        for name, content in planned.contents.items()
        if name.startswith("hls/") and "simulation" not in name
    }
    found |= {"hls/top.cpp": b'// What Vitis HLS compiles.\n#include "network.hpp"\n'}
    found |= {"hls/golden.hpp": (install.folder() / "golden.hpp").read_bytes()}
    return found | {"hls/test_bench.cpp": hls_bench(planned).encode()}


def _rtl(planned: NetworkPlan) -> dict[str, bytes]:
    found = {name: content for name, content in planned.contents.items() if name.startswith("rtl/")}
    found |= {f"rtl/{top(planned)}.v": verilog_top(planned).encode()}
    period = 1000 / planned.design.clock_mhz
    found |= {"ooc/blocks.sv": ooc.text(planned.designs.rtl).encode()}
    found |= {"ooc/clock.xdc": f"create_clock -name clock -period {period:.4f} [get_ports clock]\n".encode()}
    found |= {"golden/golden.sv": (install.folder() / "golden.sv").read_bytes()}
    return found | {"golden/bench.sv": rtl_bench(planned).encode()}


def _golden(planned: NetworkPlan) -> dict[str, bytes]:
    """Golden vectors as hexadecimal digits, a beat a line."""
    vectors, found = npy.archive(planned.contents[build_folder.GOLDEN]), {}
    for side, stream, ends in (("input", "in", planned.inputs), ("output", "out", planned.outputs)):
        for index, end in enumerate(ends):
            beats = end.to_bytes(vectors[f"{side}.{end.tensor}"]).reshape(-1, end.beat_bytes)
            found[f"golden/{stream}_{index}.hex"] = digits(beats)
    return found


def digits(beats: np.ndarray) -> bytes:
    """Beats (beats, bytes) as hexadecimal digits, one a line."""
    return "".join(f"{beat[::-1].tobytes().hex()}\n" for beat in beats).encode()


# ---- the top -----------------------------------------------------------------------------------------------


def verilog_top(planned: NetworkPlan) -> str:
    """The accelerator with its ports in plain Verilog."""
    streams = [(f"s_axis_{i}", end.beat_bytes) for i, end in enumerate(planned.inputs)]
    streams += [(f"m_axis_{i}", end.beat_bytes) for i, end in enumerate(planned.outputs)]
    wires = ["aclk", "aresetn"]
    wires += [f"{bus}_t{wire}" for bus, _ in streams for wire in ("valid", "ready", "data", "last")]
    connections = ",\n".join(f"      .{wire}({wire})" for wire in wires)
    inside = f"  {planned.designs.rtl.accelerator} accelerator (\n{connections}\n  );\n"
    return wrapped(top(planned), streams, inside)


def wrapped(
    name: str, streams: Sequence[tuple[str, int]], inside: str, more: Sequence[str] = (), control: str = ""
) -> str:
    """A module in plain Verilog, as Vivado's packager and its block designs want the top.

    Parameters
    ----------
    streams : sequence of (str, int)
        Streams in (``s_...``) and out, with the bytes of a beat.
    inside : str
        What is in it.
    more : sequence of str
        Further ports, those of the bus `control`.
    """
    buses = ":".join([bus for bus, _ in streams] + [control] * bool(control))
    clock = f"ASSOCIATED_BUSIF {buses}, ASSOCIATED_RESET aresetn"
    ports = [
        _attributes("clock:1.0 aclk CLK", clock) + "    input wire aclk",
        _attributes("reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW") + "    input wire aresetn",
    ]
    for bus, beat_bytes in streams:
        given, taken = ("input", "output") if bus.startswith("s") else ("output", "input")
        ports += [
            f"    {given} wire {bus}_tvalid",
            f"    {taken} wire {bus}_tready",
            f"    {given} wire [{8 * beat_bytes - 1}:0] {bus}_tdata",
            f"    {given} wire {bus}_tlast",
        ]
    ports += [f"    {port}" for port in more]
    return (
        "// The accelerator in plain Verilog, as Vivado packages it; written by pyqkit.\n"
        f"`default_nettype none\nmodule {name} (\n{f',{chr(10)}'.join(ports)}\n);\n"
        f"{inside}endmodule\n`default_nettype wire\n"
    )


def _attributes(signal: str, parameters: str) -> str:
    """What tells the packager which interface a port belongs to."""
    info = f'X_INTERFACE_INFO = "xilinx.com:signal:{signal}"'
    return f'    (* {info}, X_INTERFACE_PARAMETER = "{parameters}" *)\n'


# ---- test benches ------------------------------------------------------------------------------------------


def hls_bench(planned: NetworkPlan) -> str:
    """A test bench in C++, for the C simulation of Vitis HLS and its simulation of what it made."""
    named = [(f"in_{i}", end) for i, end in enumerate(planned.inputs)]
    results = [(f"out_{i}", end) for i, end in enumerate(planned.outputs)]
    types = {name: f"hls::stream<pyqkit::Beat<{end.beat_bytes}> >" for name, end in named + results}
    declared = ", ".join(f"{kind} &{name}" for name, kind in types.items())
    streams = "".join(f'  {kind} {name}("{name}");\n' for name, kind in types.items())
    sent = "".join(f'  golden::send<{_counts(end)}>("{name}.hex", {name});\n' for name, end in named)
    compared = "".join(
        f'  wrong += golden::differing<{_counts(end)}>("{name}.hex", {name});\n' for name, end in results
    )
    call = ", ".join(types)
    return (
        "// Golden vectors through the network, written by pyqkit.\n"
        f'#include "golden.hpp"\n\nvoid network({declared});\n\nint main() {{\n'
        f"{streams}{sent}  for (int frame = 0; frame < {GOLDEN_FRAMES}; ++frame) network({call});\n"
        f"  int wrong = 0;\n{compared}  return wrong != 0;\n}}\n"
    )


def _counts(end: End) -> str:
    return f"{end.beat_bytes}, {end.beats}, {GOLDEN_FRAMES}"


class Beats(Protocol):
    """Of a stream: how many beats a frame has, and how wide they are."""

    @property
    def beats(self) -> int: ...

    @property
    def beat_bytes(self) -> int: ...


def rtl_bench(planned: NetworkPlan) -> str:
    """A test bench in SystemVerilog around the packaged top."""
    design = planned.designs.rtl
    limit = _PATIENCE * (design.latency + GOLDEN_FRAMES * design.interval)
    return bench(top(planned), (planned.inputs, planned.outputs), GOLDEN_FRAMES, limit)


def bench(
    name: str, streams: tuple[Sequence[Beats], Sequence[Beats]], frames: int, limit: int, wires: str = ""
) -> str:
    """A test bench around a top of `wrapped`: golden vectors with stalls at random.

    Parameters
    ----------
    streams : (sequence, sequence)
        In and out.
    limit : int
        Cycles after which nothing is waited for.
    wires : str
        Declarations of further ports.
    """
    given, taken = streams
    outputs = [f"m_axis_{i}" for i in range(len(taken))]
    ends = _ends("source", "s_axis", "in", given, frames) + _ends("sink", "m_axis", "out", taken, frames)
    done, wrong = (f" {sign} ".join(f"{output}_{what}" for output in outputs) for sign, what in _SUMS)
    said = f"%0d of {frames * sum(end.beats for end in taken)} beats differ"
    return (
        "// Golden vectors through the accelerator, written by pyqkit.\n"
        "`timescale 1ns / 1ps\n`default_nettype none\nmodule bench;\n"
        "  logic aclk = 0, aresetn = 0;\n  int cycles = 0;\n  always #5 aclk = !aclk;\n"
        f"{wires}{ends}  {name} accelerator (.*);\n"
        "  always_ff @(posedge aclk) begin\n    cycles <= cycles + 1;\n    aresetn <= cycles > 20;\n"
        f"    if ({done}) begin\n"
        f'      $display("golden vectors: {said}", {wrong});\n      $finish;\n'
        f"    end else if (cycles > {limit}) begin\n"
        f'      $display("golden vectors: no result in {limit} cycles");\n      $finish;\n'
        "    end\n  end\nendmodule\n`default_nettype wire\n"
    )


_SUMS = (("&&", "done"), ("+", "wrong"))


def _ends(side: str, stream: str, file: str, ends: Sequence[Beats], frames: int) -> str:
    """Wires of streams, and what gives or takes their golden vectors."""
    text = ""
    for index, end in enumerate(ends):
        name, bits = f"{stream}_{index}", 8 * end.beat_bytes
        more = ("done", "wrong") if side == "sink" else ()
        text += f"  wire {name}_tvalid, {name}_tready, {name}_tlast;\n  wire [{bits - 1}:0] {name}_tdata;\n"
        text += f"  wire {name}_done;\n  wire [31:0] {name}_wrong;\n" if more else ""
        counts = f".BITS({bits}), .BEATS({end.beats}), .FRAMES({frames})"
        wires = ", ".join(f".{wire}({name}_{wire})" for wire in ("tvalid", "tready", "tdata", "tlast", *more))
        text += f'  pqk_golden_{side} #({counts}, .FILE("{file}_{index}.hex")) {name} (\n'
        text += f"      .clock(aclk), .reset(!aresetn), {wires}\n  );\n"
    return text
