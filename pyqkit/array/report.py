"""What an array makes of a network: cycles by layer, and where those go that multiply nothing (modelled)."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

from pyqkit.array.execute import item_bytes
from pyqkit.array.host import HostStep
from pyqkit.array.isa import Post, Run, Unit
from pyqkit.array.machine import Memory
from pyqkit.array.outliers import Outliers, of_sections
from pyqkit.array.program import Program, Section
from pyqkit.array.timing import Span, depths
from pyqkit.array.touches import touched
from pyqkit.array.waits import spans as segment_spans

_RUNS = 3  # of an operator of the host, to time it


@dataclass(frozen=True)
class LayerCycles:
    """A pass of a network over an array.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph that it does.
    macs : int
        Products of a frame.
    cycles : int
        From its first instruction to that of the next pass.
    ideal : float
        Cycles that its products would take if every element were busy.
    peak : int
        Products that the array makes in a cycle then.
    nbytes : int
        Of weights, and of words of activations that are read and written, each once: what would pass a stream
        if nothing stayed on the array.
    filled : float
        Part of the array's products in the cycles in which words enter it that the network needs: the rest
        is what tiles lose, of channels and taps that do not fill them.
    busy : dict of Unit to int
        Cycles that each unit works.
    outliers : Outliers, optional
        Of weights in blocks.
    """

    layers: tuple[str, ...]
    macs: int
    cycles: int
    ideal: float
    peak: int
    nbytes: int
    filled: float
    busy: dict[Unit, int]
    outliers: Outliers | None = None

    @property
    def utilisation(self) -> float:
        """Part of the array's products that the network needs, in all cycles."""
        return self.ideal / self.cycles if self.cycles else 0.0

    @property
    def waiting(self) -> int:
        """Cycles in which the elements have nothing to do: for post-processors, words or a pipeline's end."""
        return max(0, self.cycles - self.busy[Unit.COMPUTE])

    @property
    def intensity(self) -> float:
        """Products of a byte."""
        return self.macs / self.nbytes if self.nbytes else 0.0

    @property
    def bound(self) -> str:
        """Which unit takes the longest."""
        longest = max(self.busy, key=lambda unit: self.busy[unit])
        return str(longest.name).lower()


@dataclass(frozen=True)
class HostTime:
    """Operators that the host does for an array, and the seconds of a frame, measured on this computer."""

    layers: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class ArrayReport:
    """Cycles of a program.

    Attributes
    ----------
    frame_cycles : int
        Of a frame in all segments.
    layers : tuple of LayerCycles
    frame_bytes : (int, int)
        That a frame takes of the stream to the machine and of that from it, in all segments.
    setup_bytes : int
        That are sent once.
    segments : int
        Each is a transfer each way for a batch of frames.
    frame_seconds : float
        That the array takes for a frame (modelled).
    host : tuple of HostTime
        What the host does between segments.
    """

    frame_cycles: int
    layers: tuple[LayerCycles, ...]
    frame_bytes: tuple[int, int]
    setup_bytes: int
    segments: int
    frame_seconds: float
    host: tuple[HostTime, ...]

    @property
    def host_share(self) -> float:
        """Part of a frame's time that the host's operators take, were this computer the board's processor."""
        spent = sum(step.seconds for step in self.host)
        return spent / (spent + self.frame_seconds)

    @property
    def ideal_cycles(self) -> float:
        """Cycles of all products if every element were busy."""
        return sum(layer.ideal for layer in self.layers)


def report(program: Program) -> ArrayReport:
    """Cycles of a program, by the closed forms of `timing`; operators of the host are timed here."""
    machine = program.machine
    spans = [span for found in segment_spans(program) for span in found]
    frame = spans[-1].start + depths(machine).repeat if spans else 0
    sizes = [program.segment_bytes(segment) for segment in program.segments]
    outliers = of_sections(program)
    return ArrayReport(
        frame,
        tuple(_layer(program, spans, index, found) for index, found in enumerate(outliers)),
        (sum(given for given, _ in sizes), sum(taken for _, taken in sizes)),
        len(program.setup()),
        len(sizes),
        frame / (machine.clock_mhz * 1e6),
        tuple(_timed(step) for step in program.steps if isinstance(step, HostStep)),
    )


def _timed(step: HostStep) -> HostTime:
    """The best of a few runs of one frame."""
    codes, spent = step.zeros(), []
    for _ in range(_RUNS):
        begin = process_time()
        step.execute(codes)
        spent.append(process_time() - begin)
    return HostTime(step.layers, min(spent))


def _layer(program: Program, spans: list[Span], index: int, outliers: Outliers | None) -> LayerCycles:
    section = program.sections[index]
    own = spans[section.first : section.last]
    entered = sum(
        span.instruction.tiles * span.instruction.positions
        for span in own
        if isinstance(span.instruction, Run)
    )
    ideal = section.macs / section.peak
    busy = {unit: sum(s.cycles for s in own if s.instruction.unit is unit) for unit in Unit}
    cycles = spans[section.last].start - own[0].start
    filled = ideal / entered if entered else 0.0
    moved = _bytes(program, section)
    peak = section.peak
    return LayerCycles(section.layers, section.macs, cycles, ideal, peak, moved, filled, busy, outliers)


def _bytes(program: Program, section: Section) -> int:
    """Of the items that a pass uses of weights and activations, each once for what it is read or written."""
    machine, used = program.machine, dict[tuple[str, bool], list[tuple[int, int]]]()
    for instruction in program.instructions[section.first : section.last]:
        if isinstance(instruction, (Run, Post)):
            for touch in touched(machine, instruction):
                used.setdefault((touch.what, touch.writes), []).append((touch.first, touch.last))
    sizes = {memory.name: item_bytes(machine, memory) for memory in (Memory.WEIGHTS, Memory.ACTIVATIONS)}
    return sum(_covered(found) * sizes.get(what, 0) for (what, _), found in used.items())


def _covered(ranges: list[tuple[int, int]]) -> int:
    """Items of ranges that may overlap."""
    total = end = 0
    for first, last in sorted(ranges):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total


def rows(found: ArrayReport) -> list[dict[str, object]]:
    """The report as rows of plain data, a layer each."""
    first = next((layer.outliers.row() for layer in found.layers if layer.outliers), {})
    return [
        {
            "layers": ", ".join(layer.layers),
            "MACs": layer.macs or None,
            "cycles": layer.cycles,
            "utilisation": f"{layer.utilisation:.1%}" if layer.macs else None,
            "tiles filled": f"{layer.filled:.1%}" if layer.macs else None,
            "elements wait": layer.waiting,
            "bound by": layer.bound,
            **(layer.outliers.row() if layer.outliers else dict.fromkeys(first)),
        }
        for layer in found.layers
    ]
