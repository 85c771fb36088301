"""The report of a compiled network.

What each layer is, takes and needs, which one limits, and what the next step would cost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from pyqkit import backends
from pyqkit.backends import BackendCycles
from pyqkit.designs import Designs
from pyqkit.driver_rate import DriverRate, Surroundings, modelled
from pyqkit.engines import Counts, Engine
from pyqkit.errors import UserError
from pyqkit.graph.folding import Folding, settings
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.reuse import passes, variants
from pyqkit.hardware import clock, reuse
from pyqkit.hardware.fit import Overflow, overflows, sentence
from pyqkit.hardware.folding import exceeded, next_step
from pyqkit.hardware.resources import Resources
from pyqkit.hls.schedule import schedule as hls_schedule
from pyqkit.host.part import StepReport
from pyqkit.rtl.network_timing import NetworkTiming

SIMULATED_FRAMES = 5
# Every layer has these in JSON, null where they mean nothing.
_SETTINGS = ("pe", "simd", "multiplier", "memory", "pixels")


@dataclass(frozen=True)
class Sources:
    """Where figures come from: "estimated", "simulated", "synthesised" or "measured".

    Attributes
    ----------
    cycles : str
        Of interval, latency and rate of the network; the cycles of single layers are always estimated.
    resources : str
    """

    cycles: str = "estimated"
    resources: str = "estimated"


@dataclass(frozen=True)
class LayerReport:
    """An operator of the network.

    Attributes
    ----------
    name, operator : str
        `operator` is its kind.
    input_format, output_format : str
        Names of number formats; of several inputs the first one's.
    weight_format : str or None
        Of an element; None for an operator without weights.
    weight_bits : int
        Bits in which the weights are stored, exponents of blocks included; 0 without weights.
    input_shape, output_shape : tuple of int
        (height, width, channels).
    macs : int
        Multiply-accumulates of a frame.
    folding : Folding or None
        None where nothing is folded.
    probe : bool
        Whether its codes leave the accelerator, to be compared.
    passes : int
        How often a frame goes through it: more than once where equal layers share hardware, whose first one
        it is.
    cycles : int
        Of a frame, all passes.
    busy : float
        Share of the network's interval.
    fifo_words : int
        Depth of the deepest FIFO in front of it.
    resources : Resources
        Rounded, its input FIFOs included.
    """

    name: str
    operator: str
    input_format: str
    weight_format: str | None
    weight_bits: int
    output_format: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    folding: Folding | None
    probe: bool
    passes: int
    cycles: int
    busy: float
    fifo_words: int
    resources: Resources

    @property
    def formats(self) -> str:
        """All formats in words, such as ``e2m1 x int4 -> int12``."""
        read = filter(None, (self.input_format, self.weight_format))
        return f"{' x '.join(read)} -> {self.output_format}"

    @property
    def settings(self) -> dict[str, int | str]:
        """Of the folding by name, such as pe, simd, multiplier and memory; empty where nothing is folded."""
        return {} if self.folding is None else settings(self.folding)

    def to_json(self) -> dict[str, Any]:
        """As plain data: the attributes by their names, settings in the place of the folding."""
        shown: dict[str, Any] = {}
        for name, value in vars(self).items():
            shown |= dict.fromkeys(_SETTINGS) | self.settings if name == "folding" else {name: _plain(value)}
        return shown


@dataclass(frozen=True)
class NextStepReport:
    """The cheapest design that is faster (estimated).

    Attributes
    ----------
    initiation_interval_cycles : int
    frames_per_second : float
    more : Resources
        What it takes more, rounded; less, if negative.
    exceeds : str or None
        As for `Report`.
    layers : dict of str to Folding
        The layers that are folded otherwise.
    """

    initiation_interval_cycles: int
    frames_per_second: float
    more: Resources
    exceeds: str | None
    layers: dict[str, Folding]


@dataclass(frozen=True)
class Use:
    """A resource of the board, and how much of it a design takes.

    Attributes
    ----------
    resource : str
    low, high : float
        Lower and upper figure; they differ for LUTs alone.
    has : int
    """

    resource: str
    low: float
    high: float
    has: int

    @property
    def share(self) -> float:
        """What the design takes of all, by the upper figure; 1 where it takes some of none."""
        return self.high / self.has if self.has else float(self.high > 0)


@dataclass(frozen=True)
class Report:
    """A compiled network, its rate and what it takes.

    Attributes
    ----------
    network, board : str
    clock_mhz : float
    source : str
        Of everything: "estimated" as long as something is.
    sources : Sources
        Of cycles and of resources.
    backend : str
        That the cycles and rates below are of; resources are those of the SystemVerilog.
    backends : dict of str to BackendCycles
        Every backend, by its name; always estimated.
    initiation_interval_cycles : float
        Cycles between frames; a whole number unless they were counted in a simulation.
    latency_cycles : int
        From the first beat of a frame to the last beat of its results.
    frames_per_second : float
    driver : DriverRate or None
        What a driver gets out of that; None for a network of several inputs, which no overlay has.
    macs : int
        Multiply-accumulates of a frame.
    bottleneck : str
        The layer that limits.
    next_step : NextStepReport or None
        None where no folding is faster.
    resources : Resources
        Rounded.
    board_resources : dict of str to int
        What the board has.
    exceeds : str or None
        The resource that the board may have too little of, by the upper figure of LUTs.
    overflow : tuple of Overflow
        What the design takes too much of by any figure; empty for one that may fit.
    notes : tuple of str
    layers : tuple of LayerReport
        In the order of the graph.
    ends : Resources
        Rounded: the ends of the network, those of probes included, and forks.
    host : tuple of StepReport
        What the host computes of the accelerator's outputs; it takes nothing of the board.
    timing : NetworkTiming or None
        Longest paths of the synthesised blocks, where somebody asked for them.
    """

    network: str
    board: str
    clock_mhz: float
    source: str
    sources: Sources
    backend: str
    backends: dict[str, BackendCycles]
    initiation_interval_cycles: float
    latency_cycles: int
    frames_per_second: float
    driver: DriverRate | None
    macs: int
    bottleneck: str
    next_step: NextStepReport | None
    resources: Resources
    board_resources: dict[str, int]
    exceeds: str | None
    overflow: tuple[Overflow, ...]
    notes: tuple[str, ...]
    layers: tuple[LayerReport, ...]
    ends: Resources
    host: tuple[StepReport, ...]
    timing: NetworkTiming | None = None

    @property
    def uses(self) -> tuple[Use, ...]:
        """What the design takes of each resource that the board has."""
        takes, has = self.resources, self.board_resources
        return (
            Use("LUT", takes.lut_low, takes.lut_high, has["lut"]),
            Use("FF", takes.ff, takes.ff, has["ff"]),
            Use("BRAM, 36 kbit", takes.bram36, takes.bram36, has["bram36"]),
            Use("DSP", takes.dsp, takes.dsp, has["dsp"]),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data: the attributes by their names, in their order."""
        plain = {name: _plain(value) for name, value in vars(self).items()}
        return plain | {"layers": [layer.to_json() for layer in self.layers]}


def build(designs: Designs, backend: str = backends.DEFAULT) -> Report:
    """The report of a compiled network, made by a backend; everything is estimated."""
    backends.check(backend)
    compiled, graph, board = designs.compiled, designs.compiled.graph, designs.compiled.board
    total, found = designs.estimator.total(compiled.foldings), backends.cycles(designs)
    own = found[backend]
    layers, over = _layers(designs, backend, own.initiation_interval_cycles), overflows(total, board)
    said = [sentence(over, board)] if over else []
    return Report(
        network=graph.name,
        board=board.name,
        clock_mhz=compiled.clock_mhz,
        source="estimated",
        sources=Sources(),
        backend=backend,
        backends=found,
        **vars(own),
        driver=_driver(designs, own.frames_per_second),
        macs=sum(layer.macs for layer in layers),
        next_step=_next_step(designs, backend, total),
        resources=_rounded(total),
        board_resources=board.resources,
        exceeds=exceeded(total, board) or None,
        overflow=tuple(over),
        notes=(*said, *clock.notes(designs.rtl, board, compiled.clock_mhz), *graph.notes),
        layers=tuple(layers),
        ends=_rounded(designs.estimator.ends(compiled.foldings)),
        host=() if graph.host is None else graph.host.described(graph.result_shapes),
    )


def simulated(report: Report, engine: Engine, graph: Graph) -> Report:
    """A report with interval and latency counted by an engine that has a clock, in a few random frames.

    Raises
    ------
    UserError
        If it is of another backend than the engine simulates.
    """
    if engine.name in backends.BACKENDS and report.backend != engine.name:
        raise UserError(
            f"backend {engine.name} was expected of what is simulated, but {report.backend} came; "
            "leave it out"
        )
    random = np.random.default_rng(0)
    tensors = [graph.tensors[port.tensor] for port in graph.inputs]
    engine.run({t.name: random.choice(t.format.codes, (SIMULATED_FRAMES, *t.shape)) for t in tensors})
    counts = engine.counts
    assert isinstance(counts, Counts), f"engine {engine.name} counts no cycles"
    rate = report.clock_mhz * 1e6 / counts.interval
    return replace(
        report,
        sources=replace(report.sources, cycles="simulated"),
        initiation_interval_cycles=counts.interval,
        latency_cycles=counts.latency,
        frames_per_second=rate,
        driver=report.driver and report.driver.accelerated(rate),
    )


def _driver(designs: Designs, frames_per_second: float) -> DriverRate | None:
    compiled, design = designs.compiled, designs.rtl
    if len(design.inputs) != 1:
        return None
    board = compiled.board
    port = {"memory_bits": int(board.ports["memory_bits"])} if "memory_bits" in board.ports else {}
    around = Surroundings.of(board.family, {**board.driver, **port})
    return modelled(design.inputs[0], design.outputs, frames_per_second, compiled.clock_mhz, around)


def _plain(value: object) -> Any:
    """Dataclasses as dicts, tuples as lists, and what they hold alike."""
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    return [_plain(held) for held in value] if isinstance(value, (tuple, list)) else value


def _rounded(found: Resources) -> Resources:
    return Resources(**found.rounded())


def _next_step(designs: Designs, backend: str, now: Resources) -> NextStepReport | None:
    """The next faster design; by the SystemVerilog's cycles, whichever backend is made of it."""
    compiled, interval = designs.compiled, designs.rtl.interval
    if compiled.reuse is not None:  # a pass waits for the one before
        step = reuse.next_step(designs.search, compiled.foldings, interval)
    elif interval > designs.estimator.interval(compiled.foldings):
        return None  # where an output limits no folding helps
    else:
        step = next_step(designs.search, interval)
    if step is None:
        return None
    cycles = step.interval
    if backend == "hls":
        schedule = hls_schedule(compiled.built, step.foldings)
        cycles = schedule.interval if compiled.reuse is None else cycles + schedule.turn_cycles
    return NextStepReport(
        initiation_interval_cycles=cycles,
        frames_per_second=compiled.clock_mhz * 1e6 / cycles,
        more=_rounded(step.resources + now * -1),
        exceeds=exceeded(step.resources, compiled.board) or None,
        layers={
            name: folding for name, folding in step.foldings.items() if folding != compiled.foldings.get(name)
        },
    )


def _layers(designs: Designs, backend: str, interval: int) -> list[LayerReport]:
    compiled, cycles = designs.compiled, backends.layer_cycles(designs, backend)
    resources = designs.estimator.resources(compiled.foldings)
    return [
        _layer(designs, op, cycles[op.name], interval, resources[op.name]) for op in compiled.built.operators
    ]


def _layer(designs: Designs, op: Operator, cycles: int, interval: int, resources: Resources) -> LayerReport:
    compiled, weights, built = designs.compiled, op.parameter_format, designs.compiled.built
    tensors, (out,) = built.input_tensors(op), built.output_tensors(op)
    return LayerReport(
        name=op.name,
        operator=op.kind,
        input_format=tensors[0].format.name,
        weight_format=None if weights is None else weights.name,
        weight_bits=sum(one.parameter_bits for one in variants(built, op)),
        output_format=out.format.name,
        input_shape=tensors[0].shape,
        output_shape=out.shape,
        macs=sum(one.macs(tensors) for one in variants(built, op)),
        folding=compiled.foldings.get(op.name),
        probe=out.name in built.probes,
        passes=passes(built, op),
        cycles=cycles,
        busy=cycles / interval,
        fifo_words=max(designs.rtl.fifos[name, op.name] for name in op.inputs),
        resources=_rounded(resources),
    )
