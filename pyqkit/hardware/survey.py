"""Cycles and resources of every operator for given foldings: what the generated SystemVerilog does, from
sketches of its blocks.

The C++ is folded alike and has the same streams, but its sliding windows read and write in turn and take a
few more cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from pyqkit.discovery import Rules
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.fifo import pixels_waiting
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.resources import Resources, fifo, of_parts
from pyqkit.hls.emitter import fifo_words, largest_lanes
from pyqkit.rtl.emitter import is_emitted
from pyqkit.rtl.operators.convolution import unit
from pyqkit.rtl.sketch import blocks_of

Foldings = dict[str, Folding]


@dataclass(frozen=True)
class Site:
    """An operator in its place.

    Attributes
    ----------
    op : Operator
    inputs : list of Tensor
    output : Tensor
    lanes : list of int
        Codes in a word of each input stream.
    folding : Folding
    """

    op: Operator
    inputs: list[Tensor]
    output: Tensor
    lanes: list[int]
    folding: Folding


@dataclass(frozen=True)
class Estimate:
    """What a block takes.

    Attributes
    ----------
    lanes : int
        Codes in a word of its output stream.
    cycles : int
        Cycles of a frame: those of its slowest block, one word a cycle.
    resources : Resources
        Without the FIFOs between blocks.
    """

    lanes: int
    cycles: int
    resources: Resources


Rule = Callable[[Site], Estimate]
_rules = Rules[Rule]("pyqkit.hardware.operators")


def estimates(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces what an operator takes."""
    return _rules.announce(kind)


def _rule_for(op: Operator) -> Rule:
    rule = _rules.get(op.kind)
    if rule is None and not is_emitted(op):
        raise TypeError(f"no estimate for operator {op.kind}; add a rule to pyqkit/hardware/operators")
    return rule or _from_blocks


def _from_blocks(site: Site) -> Estimate:
    """What the blocks take that the operator becomes."""
    blocks, lanes = blocks_of(site.op, site.inputs, site.output, site.lanes, site.folding)
    cycles = max(
        (block.timing.cycles for block in blocks if block.timing is not None),
        default=words_of(site.output, lanes),
    )
    return Estimate(lanes, cycles, of_parts(part for block in blocks for part in block.parts))


def words_of(tensor: Tensor, lanes: int) -> int:
    """Words of a frame."""
    return tensor.pixels * tensor.shape[2] // lanes


def _alike(op: Operator, inputs: list[Tensor], output: Tensor) -> tuple[Hashable, ...]:
    """What an estimate depends on beside the folding: of weights and thresholds only how many there are, and
    of what a layer reads and sums the formats, not the ranges.
    """
    large = {name: value.shape for name, value in vars(op).items() if name in ("weights", "thresholds")}
    own = {
        name: _key(value)
        for name, value in vars(op).items()
        if name not in ("name", "inputs", "outputs", *large)
    }
    ranges = () if isinstance(op, Convolution) else tuple((t.low, t.high) for t in (*inputs, output))
    streams = tuple((t.shape, t.format) for t in (*inputs, output))
    reads = tuple(op.inputs.index(name) for name in op.inputs)
    return op.kind, streams, ranges, reads, tuple(large.items()), tuple(own.items())


def _key(value: object) -> Hashable:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


class Survey:
    """A graph with what does not depend on the folding, ready for many foldings.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.input_lanes = {
            p.tensor: largest_lanes(graph.tensors[p.tensor], graph.tensors[p.tensor].shape[2])
            for p in graph.inputs
        }
        self._waiting = pixels_waiting(graph)
        self._places = {
            op.name: (op, graph.input_tensors(op), graph.output_tensors(op)[0]) for op in graph.operators
        }
        ends = [port.tensor for port in graph.outputs]
        self._readers = {name: len(graph.consumers(name)) + ends.count(name) for name, _ in self._waiting}
        numbers: dict[Hashable, int] = {}
        self._alike = {
            name: numbers.setdefault(_alike(*place), len(numbers)) for name, place in self._places.items()
        }
        self._known: dict[Hashable, Estimate] = {}
        self._known_fifos: dict[tuple[str, tuple[int, ...]], Resources] = {}
        self._differences: dict[Hashable, Resources] = {}

    def sites(self, foldings: Foldings) -> dict[str, Site]:
        """Every operator in its place."""
        return self._walk(foldings)[0]

    def estimate(self, foldings: Foldings) -> dict[str, Estimate]:
        """What every operator takes."""
        return self._walk(foldings)[1]

    def estimate_at(self, op: Operator, lanes: tuple[int, ...], folding: Folding) -> Estimate:
        """What an operator takes that reads words of `lanes` codes, without the FIFOs in front of it."""
        key = self._alike[op.name], lanes, folding.pe, folding.simd
        if key not in self._known:
            self._known[key] = _rule_for(op)(self._site(op, lanes, Folding(folding.pe, folding.simd)))
        found = self._known[key]
        return replace(found, resources=found.resources + self.difference(op, folding))

    def difference(self, op: Operator, folding: Folding) -> Resources:
        """What a layer takes more by its kinds of multipliers and memory, which concern its matrix-vector
        unit alone.
        """
        plain = Folding(folding.pe, folding.simd)
        if folding == plain:
            return Resources()
        key = self._alike[op.name], folding
        if key not in self._differences:
            assert isinstance(op, Convolution)
            _, (activations,), result = self._places[op.name]
            with_kinds, without = (
                of_parts(unit(op, activations.format, result.format, f).parts) for f in (folding, plain)
            )
            self._differences[key] = with_kinds + without * -1
        return self._differences[key]

    def alike(self, op: Operator) -> int:
        """A number, the same for operators whose estimates are the same."""
        return self._alike[op.name]

    def fifos_at(self, op: Operator, lanes: tuple[int, ...]) -> Resources:
        """The FIFOs in front of an operator that reads words of `lanes` codes."""
        if (op.name, lanes) not in self._known_fifos:
            total = Resources()
            for name, width in dict(
                zip(op.inputs, lanes)
            ).items():  # an operator that reads a tensor twice has one FIFO for it
                total += fifo(width * self.graph.tensors[name].format.bits, self._words(name, op.name, width))
            self._known_fifos[op.name, lanes] = total
        return self._known_fifos[op.name, lanes]

    def _words(self, name: str, op: str, lanes: int) -> int:
        return fifo_words(
            self.graph.tensors[name].shape[2] // lanes, self._waiting[name, op], self._readers[name]
        )

    def _site(self, op: Operator, lanes: tuple[int, ...], folding: Folding) -> Site:
        _, inputs, output = self._places[op.name]
        return Site(op, inputs, output, list(lanes), folding)

    def _walk(self, foldings: Foldings) -> tuple[dict[str, Site], dict[str, Estimate]]:
        lanes = dict(self.input_lanes)
        sites, found = {}, {}
        for op, _, output in self._places.values():
            widths, folding = tuple(lanes[name] for name in op.inputs), foldings.get(op.name, Folding())
            sites[op.name] = self._site(op, widths, folding)
            found[op.name] = self.estimate_at(op, widths, folding)
            lanes[output.name] = found[op.name].lanes
        return sites, found

    def interval(self, foldings: Foldings) -> int:
        """Cycles between frames: the slowest operator."""
        return max(e.cycles for e in self.estimate(foldings).values())

    def fifo_words(self, foldings: Foldings) -> dict[tuple[str, str], int]:
        """Depth of the FIFO of each edge (tensor, operator that reads it)."""
        sites = self.sites(foldings)
        return {
            (name, op): self._words(name, op, sites[op].lanes[sites[op].op.inputs.index(name)])
            for name, op in self._waiting
        }

    def resources(self, foldings: Foldings) -> dict[str, Resources]:
        """Each operator with the FIFOs in front of it."""
        sites, found = self._walk(foldings)
        return {
            name: e.resources + self.fifos_at(sites[name].op, tuple(sites[name].lanes))
            for name, e in found.items()
        }

    def total(self, foldings: Foldings) -> Resources:
        """The network."""
        return reduce(Resources.__add__, self.resources(foldings).values(), Resources())
