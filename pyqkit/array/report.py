"""What an array makes of a network: cycles by layer, and where those go that multiply nothing (modelled)."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.array.isa import Run, Unit
from pyqkit.array.program import Program
from pyqkit.array.timing import Span, depths, schedule


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
    filled : float
        Part of the array's products in the cycles in which words enter it that the network needs: the rest
        is what tiles lose, of channels and taps that do not fill them.
    busy : dict of Unit to int
        Cycles that each unit works.
    """

    layers: tuple[str, ...]
    macs: int
    cycles: int
    ideal: float
    filled: float
    busy: dict[Unit, int]

    @property
    def utilisation(self) -> float:
        """Part of the array's products that the network needs, in all cycles."""
        return self.ideal / self.cycles if self.cycles else 0.0

    @property
    def bound(self) -> str:
        """Which unit takes the longest."""
        longest = max(self.busy, key=lambda unit: self.busy[unit])
        return {Unit.LOAD: "load", Unit.COMPUTE: "compute", Unit.POST: "post"}[longest]


@dataclass(frozen=True)
class ArrayReport:
    """Cycles of a program.

    Attributes
    ----------
    frame_cycles : int
        From a frame to the next.
    layers : tuple of LayerCycles
    frame_bytes : (int, int)
        That a frame takes of the stream to the machine and of that from it.
    setup_bytes : int
        That are sent once.
    """

    frame_cycles: int
    layers: tuple[LayerCycles, ...]
    frame_bytes: tuple[int, int]
    setup_bytes: int

    @property
    def ideal_cycles(self) -> float:
        """Cycles of all products if every element were busy."""
        return sum(layer.ideal for layer in self.layers)


def report(program: Program) -> ArrayReport:
    """Cycles of a program, by the closed forms of `timing`."""
    machine = program.machine
    spans = schedule(machine, program.instructions)
    layers = tuple(_layer(program, spans, index) for index in range(len(program.sections)))
    frame = spans[-1].start + depths(machine).repeat
    return ArrayReport(frame, layers, program.frame_bytes, len(program.setup()))


def _layer(program: Program, spans: list[Span], index: int) -> LayerCycles:
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
    return LayerCycles(section.layers, section.macs, cycles, ideal, ideal / entered if entered else 0.0, busy)


def rows(found: ArrayReport) -> list[dict[str, object]]:
    """The report as rows of plain data, a layer each."""
    return [
        {
            "layers": ", ".join(layer.layers),
            "MACs": layer.macs or None,
            "cycles": layer.cycles,
            "utilisation": f"{layer.utilisation:.1%}" if layer.macs else None,
            "tiles filled": f"{layer.filled:.1%}" if layer.macs else None,
            "bound by": layer.bound,
        }
        for layer in found.layers
    ]
