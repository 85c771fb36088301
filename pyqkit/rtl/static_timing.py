"""Static timing of a netlist that Yosys mapped to Xilinx 7-series cells: the longest path between registers.

Delays of cells are those of Yosys's library (`pyqkit.rtl.delays`), those of nets a model: nothing is placed
or routed here, so a figure is ``estimated (logic)``. One clock; paths begin at clocked outputs and input
ports, and end at clocked inputs and output ports: a port counts as a register of the neighbour.

What needs no net, because it lies in one slice: carry to carry, LUT to its own carry slot, wide multiplexer
or flip-flop. The inputs of a LUT are interchangeable, and a router gives the latest signal the fastest pin;
so does this.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pyqkit.errors import UserError
from pyqkit.rtl import delays
from pyqkit.rtl.delays import Cell
from pyqkit.rtl.nets import Nets, is_clock, wired

LABEL = "estimated (logic)"


@dataclass(frozen=True)
class NetModel:
    """A net takes `base` + `slope` x log2(fan-out) ns.

    Attributes
    ----------
    base, slope : float
        In ns, for a 7-series of speed grade -1.
    """

    base: float
    slope: float

    def ns(self, fanout: int) -> float:
        """Delay of a net with so many readers."""
        return self.base + self.slope * math.log2(max(1, fanout))


# An almost empty chip; half a chip, where about 60 % of a path is net; 70 to 80 % of the LUTs taken.
NETS = {"light": NetModel(0.35, 0.06), "typical": NetModel(0.55, 0.10), "dense": NetModel(0.75, 0.13)}


@dataclass(frozen=True)
class Path:
    """A path from a register (or port) to a register (or port).

    Attributes
    ----------
    ns : float
        Setup included.
    levels : int
        Cells between its ends.
    cells : str
        Which, by kind.
    begin, end : str
        What it leaves and reaches: names of the SystemVerilog where Yosys kept them.
    """

    ns: float
    levels: int
    cells: str
    begin: str
    end: str


class Span(NamedTuple):
    """A stretch of a path: its delay in ns, and the cells that it passes."""

    ns: float
    levels: int

    def then(self, ns: float, levels: int) -> Span:
        """Followed by another stretch."""
        return Span(self.ns + ns, self.levels + levels)


@dataclass(frozen=True)
class Edges:
    """What neighbours of a block need to know of its ports.

    Attributes
    ----------
    arrival : dict of str to Span
        From a clock to each output port.
    required : dict of str to Span
        From each input port to a register, its net and the setup included.
    through : dict of (str, str) to Span
        From an input port to an output port without a register.
    """

    arrival: dict[str, Span]
    required: dict[str, Span]
    through: dict[tuple[str, str], Span]


@dataclass(frozen=True)
class _Arc:
    """From a net into a cell's output: delay of the cell, and before it that of the net."""

    net: int
    ns: float
    wire: float


@dataclass(frozen=True)
class _End:
    """A clocked input or an output port that a net reaches, and what it takes from the net's driver on."""

    net: int
    ns: float
    where: str
    is_port: bool = False


def longest_path(
    module: Mapping, library: Mapping[str, Cell], nets: NetModel = NETS["typical"], factor: float = 1
) -> Path:
    """Longest path of a flat module.

    Parameters
    ----------
    module : mapping
        Of Yosys's JSON.
    library : mapping of str to Cell
    nets : NetModel
    factor : float
        What all delays are multiplied by, as from `pyqkit.rtl.delays.speed`.

    Raises
    ------
    UserError
        If there is a combinational loop, or a cell without figures.
    """
    return Timer(module, library, nets, factor).longest


class Timer:
    """Arrival times of a netlist; parameters and errors as for `longest_path`."""

    def __init__(
        self,
        module: Mapping,
        library: Mapping[str, Cell],
        nets: NetModel = NETS["typical"],
        factor: float = 1,
    ) -> None:
        self._nets, self._factor = nets, factor
        self._flop = library["FDRE"]
        self._feed = min(library["LUT1"].through.values())  # of a LUT that passes a signal to its carry slot
        self._cells: Mapping[str, Mapping] = module["cells"]
        self._ports: Mapping[str, Mapping] = module["ports"]
        self._names = _names(module["netnames"])
        self._wires = Nets(module)
        self._starts: dict[int, float] = {}
        self._arcs: dict[int, list[_Arc]] = {}
        # Delays of the pins of a LUT by its output, the fastest first.
        self._pins: dict[int, list[float]] = {}
        self._ends: list[_End] = []
        for name, cell in self._cells.items():
            self._add(name, cell, _figures(cell, library))
        self._add_ports()
        self._order = self._topological()
        self._arrive()

    # ---- the netlist as a graph ----------------------------------------------------------------------

    def _add(self, name: str, cell: Mapping, figures: Cell) -> None:
        pins, kind = cell["connections"], cell["type"]
        outputs = {pin for pin in pins if cell["port_directions"][pin] != "input"}
        for ((source, i), (out, j)), ns in figures.through.items():
            for net in _bits(pins, source, i):
                for made in _bits(pins, out, j):
                    arc = _Arc(net, ns * self._factor, self._wire(net, name, source, i or 0))
                    self._arcs.setdefault(made, []).append(arc)
        if delays.PERMUTED.match(kind):
            pace = sorted(ns * self._factor for ns in figures.through.values())
            self._pins.update((made, pace) for made in _bits(pins, "O", None))
        registered = any("1" in cell["parameters"].get(f"DO{port}_REG", "0") for port in "AB")
        for (pin, i), ns in (figures.registered if registered else figures.clocked).items():
            self._starts.update((net, ns * self._factor) for net in _bits(pins, pin, i))
        if figures.is_clocked:
            for pin in pins.keys() - outputs:
                self._add_ends(name, kind, pin, pins[pin], figures)

    def _add_ends(self, name: str, kind: str, pin: str, bits: Sequence, figures: Cell) -> None:
        known = {index: ns for (named, index), ns in figures.setup.items() if named == pin}
        passes = any(source == pin for (source, _), _ in figures.through)
        if is_clock(pin, kind) or (passes and not known):
            return
        default = known.get(None, delays.unstated_setup(kind, self._flop.setup["CE", None]))
        for index, net in enumerate(bits):
            if isinstance(net, int):
                ns = known.get(index, default) * self._factor + self._wire(net, name, pin)
                self._ends.append(_End(net, ns, f"{self._called(name)}.{pin}"))

    def _add_ports(self) -> None:
        for name, port in self._ports.items():
            for net in wired(port["bits"]):
                if port["direction"] == "output":
                    leaves = self._flop.setup["D", None] + self._nets.ns(1)
                    self._ends.append(_End(net, leaves * self._factor, f"port {name}", True))
                elif not is_clock(name):
                    self._starts.setdefault(net, self._flop.clocked["Q", None] * self._factor)

    def _wire(self, net: int, cell: str, pin: str, index: int = 0) -> float:
        """Delay of a net to a pin of a cell."""
        kind = self._cells[cell]["type"]
        if self._wires.is_beside(net, kind, pin, (cell, index)):
            return 0.0
        feed = self._feed if (kind, pin) == ("CARRY4", "S") else 0.0
        return (self._nets.ns(self._wires.readers[net]) + feed) * self._factor

    def _topological(self) -> list[int]:
        """Nets behind combinational cells, each after those that it depends on."""
        readers: dict[int, list[int]] = {}
        missing = {made: 0 for made in self._arcs}
        for made, arcs in self._arcs.items():
            for arc in arcs:
                if arc.net in missing:
                    readers.setdefault(arc.net, []).append(made)
                    missing[made] += 1
        ready = deque(made for made, count in missing.items() if not count)
        order = []
        while ready:
            order.append(ready.popleft())
            for made in readers.get(order[-1], ()):
                missing[made] -= 1
                if not missing[made]:
                    ready.append(made)
        if len(order) < len(missing):
            loop = [self._named(net) for net, count in missing.items() if count]
            raise UserError(
                f"a netlist without combinational loops was expected, but {len(loop)} signals depend on "
                f"themselves, such as {loop[0]}; put a register between them"
            )
        return order

    # ---- times ---------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Arrival at every net, and for LUTs which pin each signal takes."""
        self._times: dict[int, float] = dict(self._starts)
        self._before: dict[int, int] = {}
        for made in self._order:
            arcs = [arc for arc in self._arcs[made] if arc.net in self._times]
            if made in self._pins:
                late = sorted(arcs, key=lambda arc: -self._times[arc.net] - arc.wire)
                arcs = [_Arc(arc.net, ns, arc.wire) for arc, ns in zip(late, self._pins[made])]
            self._arcs[made] = arcs
            for arc in arcs:
                time = self._times[arc.net] + arc.wire + arc.ns
                if time > self._times.get(made, 0.0):
                    self._times[made], self._before[made] = time, arc.net

    @cached_property
    def longest(self) -> Path:
        """The longest path; 0 ns if there is none."""
        reached = [end for end in self._ends if end.net in self._times]
        if not reached:
            return Path(0.0, 0, "", "", "")
        end = max(reached, key=lambda end: self._times[end.net] + end.ns)
        net, passed = end.net, []
        while net in self._before:
            passed.append(re.sub(r"^LUT\d", "LUT", self._wires.drivers[net][0]))
            net = self._before[net]
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(passed).items()))
        total = round(self._times[end.net] + end.ns, 3)
        return Path(total, len(passed), kinds, self._named(net), end.where)

    @cached_property
    def edges(self) -> Edges:
        """What the neighbours need to know."""
        inputs = {
            name: set(wired(port["bits"]))
            for name, port in self._ports.items()
            if port["direction"] == "input" and not is_clock(name)
        }
        outside = set().union(*inputs.values())
        registers = {net: Span(ns, 0) for net, ns in self._starts.items() if net not in outside}
        arrival = self._at_outputs(self._from(registers))
        required, through = {}, {}
        for name, nets in inputs.items():
            times = self._from(dict.fromkeys(nets, Span(0.0, 0)))
            inner = [times[e.net].then(e.ns, 0) for e in self._ends if e.net in times and not e.is_port]
            required.update({name: max(inner)} if inner else {})
            through.update({(name, out): span for out, span in self._at_outputs(times).items()})
        return Edges(arrival, required, through)

    def _from(self, starts: dict[int, Span]) -> dict[int, Span]:
        """Arrival times of what begins at some nets alone."""
        times = dict(starts)
        for made in self._order:
            reached = [
                times[arc.net].then(arc.wire + arc.ns, 1) for arc in self._arcs[made] if arc.net in times
            ]
            if reached:
                times[made] = max(*reached, times.get(made, Span(0.0, 0)))
        return times

    def _at_outputs(self, times: Mapping[int, Span]) -> dict[str, Span]:
        found = {}
        for name, port in self._ports.items():
            reached = [times[net] for net in wired(port["bits"]) if net in times]
            if port["direction"] == "output" and reached:
                found[name] = max(reached)
        return found

    # ---- names ---------------------------------------------------------------------------------------

    def _named(self, net: int) -> str:
        return self._names.get(net) or ".".join(self._wires.drivers.get(net, ("port", "")))

    def _called(self, cell: str) -> str:
        """A cell by what its output is called, if that has a name."""
        pins, directions = self._cells[cell]["connections"], self._cells[cell]["port_directions"]
        made = [net for pin in pins if directions[pin] != "input" for net in wired(pins[pin])]
        return next((self._names[net] for net in made if net in self._names), self._cells[cell]["type"])


def _figures(cell: Mapping, library: Mapping[str, Cell]) -> Cell:
    if cell["type"] == "DSP48E1":
        return delays.dsp48(cell["parameters"])
    found = library.get(cell["type"])
    if found is None:
        raise UserError(
            f"cells with known delays were expected, but {cell['type']} has none in Yosys's library; "
            "report this as a bug"
        )
    return found


def _bits(pins: Mapping[str, Sequence], pin: str, index: int | None) -> list[int]:
    """Nets at a pin, or at one bit of it; constants are none."""
    bits = pins.get(pin, ())
    return list(wired(bits if index is None else bits[index : index + 1]))


def _names(netnames: Mapping[str, Mapping]) -> dict[int, str]:
    """The shortest name that the source gave each net."""
    found: dict[int, str] = {}
    for name, entry in netnames.items():
        if entry.get("hide_name"):
            continue
        for index, net in enumerate(entry["bits"]):
            text = f"{name}[{index}]" if len(entry["bits"]) > 1 else name
            if isinstance(net, int) and (net not in found or len(text) < len(found[net])):
                found[net] = text
    return found
