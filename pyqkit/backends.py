"""Backends: an accelerator as SystemVerilog or as C++ for Vitis HLS, and the cycles of each (estimated)."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.dataflow.streams import output_reader
from pyqkit.designs import Designs
from pyqkit.errors import UserError

BACKENDS = {"rtl": "SystemVerilog", "hls": "C++"}
DEFAULT = "rtl"


@dataclass(frozen=True)
class BackendCycles:
    """What a backend takes (estimated).

    Attributes
    ----------
    initiation_interval_cycles : int
        Cycles between frames: those of the slowest operator or end, or of a way through layers that share
        hardware.
    latency_cycles : int
        From the first beat of a frame to the last beat of its results. Of the C++ it is that of the
        SystemVerilog, and `pyqkit.hls.schedule.PIPELINE_CYCLES` more for each process.
    frames_per_second : float
    bottleneck : str
        The operator or the stream of an output that limits.
    """

    initiation_interval_cycles: int
    latency_cycles: int
    frames_per_second: float
    bottleneck: str


def check(backend: str) -> None:
    """Refuse what is no backend with a UserError."""
    if backend not in BACKENDS:
        known = " or ".join(BACKENDS)
        raise UserError(f"backend {known} was expected, but {backend!r} came; leave it out for {DEFAULT}")


def cycles(designs: Designs) -> dict[str, BackendCycles]:
    """What every backend takes, by its name."""
    return {backend: _cycles(designs, backend) for backend in BACKENDS}


def layer_cycles(designs: Designs, backend: str) -> dict[str, int]:
    """Cycles of a frame in every operator, by its name."""
    if backend == "hls":
        found = designs.hls_schedule.cycles()
        return {op.name: found.get(op.name, 0) for op in designs.compiled.built.operators}
    return {name: e.cycles for name, e in designs.estimator.estimate(designs.compiled.foldings).items()}


def _turns(designs: Designs, backend: str) -> dict[str, int]:
    """Cycles of all passes of a frame, by the operator where it enters what it passes again."""
    more = designs.hls_schedule.turn_cycles if backend == "hls" else 0
    return {name: turn + more for name, turn in designs.rtl.turns().items()}


def _cycles(designs: Designs, backend: str) -> BackendCycles:
    design = designs.hls_schedule if backend == "hls" else designs.rtl
    latency = designs.rtl.latency + (designs.hls_schedule.pipeline_cycles if backend == "hls" else 0)
    turns = _turns(designs, backend)
    layers, interval = layer_cycles(designs, backend) | turns, max(design.interval, *turns.values(), 0)
    slowest = max(layers, key=lambda name: layers[name])
    if layers[slowest] < interval:  # an output has wider words than a stream, and leaves in more
        found = design.cycles()
        ends = {output_reader(i): port.onnx_name for i, port in enumerate(designs.compiled.graph.outputs)}
        slowest = f"the stream of {max(ends.items(), key=lambda end: found[end[0]])[1]}"
    rate = designs.compiled.clock_mhz * 1e6 / interval
    return BackendCycles(interval, latency, rate, slowest)
