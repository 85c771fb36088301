"""Cycles and resources of every operator for given foldings, from sketches of its blocks.

They are those of the generated SystemVerilog.

The C++ is folded alike and has the same streams, but its sliding windows read and write in turn and take a
few more cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import (
    FIFO_WORDS,
    chosen_lanes,
    codes,
    entries,
    fifo_words,
    input_port,
    output_reader,
    readers,
)
from pyqkit.discovery import Registry
from pyqkit.graph.folding import Folding, FoldingSpace
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.reuse import variants
from pyqkit.hardware.resources import Resources, fifo, of_parts
from pyqkit.rtl.emitter import Fifo
from pyqkit.rtl.outline import blocks_of, ends_of, is_emitted
from pyqkit.rtl.pipelining import TARGET_MHZ

Foldings = dict[str, Folding]


@dataclass(frozen=True)
class Placed:
    """An operator with its streams and its folding.

    Attributes
    ----------
    op : Operator
    inputs : list of Tensor
    output : Tensor
    lanes : list of int
        Codes in a word of each input stream.
    folding : Folding
    clock_mhz : float
        That its blocks are pipelined for.
    later : tuple of Operator
        What it is in later passes of a frame.
    """

    op: Operator
    inputs: list[Tensor]
    output: Tensor
    lanes: list[int]
    folding: Folding
    clock_mhz: float = TARGET_MHZ
    later: tuple[Operator, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """What a block takes.

    Attributes
    ----------
    lanes : int
        Codes in a word of its output stream.
    cycles : int
        Cycles of a frame, all its passes: those of its slowest block, one word a cycle.
    resources : Resources
        Without the FIFOs between blocks.
    """

    lanes: int
    cycles: int
    resources: Resources


Rule = Callable[[Placed], Estimate]
_rules = Registry[Rule]("pyqkit.hardware.operators")


def estimates(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces what an operator takes."""
    return _rules.register(kind)


def _without_block(placed: Placed) -> Estimate:
    """Of an operator that no accelerator has a block for: nothing, and a note says so (`without_block`)."""
    return Estimate(1, 1, Resources())


def without_block(graph: Graph) -> list[str]:
    """Kinds of a graph's operators that no accelerator has a block for."""
    return sorted({op.kind for op in graph.operators if not op.streamed})


def _rule_for(op: Operator) -> Rule:
    if not op.streamed:
        return _without_block
    rule = _rules.get(op.kind)
    if rule is None and not is_emitted(op):
        raise TypeError(f"no estimate for operator {op.kind}; add a rule to pyqkit/hardware/operators")
    return rule or _from_blocks


def _from_blocks(placed: Placed) -> Estimate:
    """What the blocks take that the operator becomes."""
    blocks, lanes = blocks_of(
        placed.op, placed.inputs, placed.output, placed.lanes, placed.folding, placed.clock_mhz, placed.later
    )
    cycles = max(
        (block.timing.cycles * block.passes for block in blocks if block.timing is not None),
        default=codes(placed.output) // lanes * (1 + len(placed.later)),
    )
    return Estimate(lanes, cycles, of_parts(part for block in blocks for part in block.parts))


class Estimator:
    """A graph with what does not depend on the folding, ready for many foldings.

    Parameters
    ----------
    graph : Graph
    clock_mhz : float
        That blocks are pipelined for.
    """

    def __init__(self, graph: Graph, clock_mhz: float = TARGET_MHZ) -> None:
        self.graph = graph
        self.clock_mhz = clock_mhz
        self.entries = {p.tensor: entries(graph, index) for index, p in enumerate(graph.inputs)}
        self._waiting = pixels_waiting(graph)
        self._places = {
            op.name: (op, graph.input_tensors(op), graph.output_tensors(op)[0]) for op in graph.operators
        }
        self._readers = {name: len(readers(graph, name)) for name, _ in self._waiting}
        numbers: dict[Hashable, int] = {}
        self._signatures = {
            name: numbers.setdefault(self._footprint(op, inputs, output), len(numbers))
            for name, (op, inputs, output) in self._places.items()
        }
        self._spaces = {name: op.folding_space(inputs) for name, (op, inputs, _) in self._places.items()}
        self._known: dict[Hashable, Estimate] = {}
        self._known_fifos: dict[tuple[str, tuple[int, ...]], Resources] = {}
        self._known_ends: dict[Hashable, Resources] = {}
        self._differences: dict[Hashable, Resources] = {}

    def _footprint(self, op: Operator, inputs: list[Tensor], output: Tensor) -> Hashable:
        """What the hardware of an operator depends on in all its passes."""
        return tuple(one.footprint(inputs, [output]) for one in variants(self.graph, op))

    def space(self, op: Operator) -> FoldingSpace:
        """What an operator offers to be folded by."""
        return self._spaces[op.name]

    def is_foldable(self, op: Operator) -> bool:
        """Whether an operator offers anything."""
        return bool(self._spaces[op.name].axes or self._spaces[op.name].choices)

    def placed(self, foldings: Foldings) -> dict[str, Placed]:
        """Every operator in its place."""
        return self._walk(foldings)[0]

    def estimate(self, foldings: Foldings) -> dict[str, Estimate]:
        """What every operator takes."""
        return self._walk(foldings)[1]

    def estimate_at(self, op: Operator, lanes: tuple[int, ...], folding: Folding) -> Estimate:
        """What an operator takes that reads words of `lanes` codes, without the FIFOs in front of it."""
        key = self._signatures[op.name], lanes, folding
        if key not in self._known:
            plain = self._spaces[op.name].plain(folding)
            if folding == plain:
                self._known[key] = _rule_for(op)(self._place(op, lanes, plain))
            else:
                found = self.estimate_at(op, lanes, plain)
                more = self.difference(op, folding)
                self._known[key] = replace(found, resources=found.resources + more)
        return self._known[key]

    def difference(self, op: Operator, folding: Folding) -> Resources:
        """What an operator takes more by its choices, which change neither streams nor cycles."""
        key = self._signatures[op.name], folding
        if key not in self._differences:
            plain = self._spaces[op.name].plain(folding)
            self._differences[key] = Resources() if folding == plain else self._more(op, folding, plain)
        return self._differences[key]

    def _more(self, op: Operator, folding: Folding, plain: Folding) -> Resources:
        lanes = (1,) * len(op.inputs)  # any: choices are of the inside
        chosen = _rule_for(op)(self._place(op, lanes, folding)).resources
        return chosen + self.estimate_at(op, lanes, plain).resources * -1

    def variants(self, op: Operator, folding: Folding) -> dict[Folding, Resources]:
        """Settings of the axes with all choices, and what each takes more than the defaults.

        The defaults come first.

        Choices that take the same are the same hardware, and the first of them stands for all.
        """
        found: dict[Resources, Folding] = {}
        for variant in self._spaces[op.name].variants(folding):
            found.setdefault(self.difference(op, variant), variant)
        return {variant: more for more, variant in found.items()}

    def signature(self, op: Operator) -> int:
        """A number, the same for operators whose estimates are the same."""
        return self._signatures[op.name]

    def fifos_at(self, op: Operator, lanes: tuple[int, ...]) -> Resources:
        """The FIFOs in front of an operator that reads words of `lanes` codes."""
        if (op.name, lanes) not in self._known_fifos:
            total = Resources()
            # An operator that reads a tensor twice has one FIFO for it.
            for name, width in dict(zip(op.inputs, lanes)).items():
                total += fifo(width * self.graph.tensors[name].format.bits, self._words(name, op.name, width))
            self._known_fifos[op.name, lanes] = total
        return self._known_fifos[op.name, lanes]

    def _words(self, name: str, op: str, lanes: int) -> int:
        return fifo_words(
            self.graph.tensors[name].shape[2] // lanes, self._waiting[name, op], self._readers[name]
        )

    def _place(self, op: Operator, lanes: tuple[int, ...], folding: Folding) -> Placed:
        _, inputs, output = self._places[op.name]
        return Placed(
            op, inputs, output, list(lanes), folding, self.clock_mhz, self.graph.later.get(op.name, ())
        )

    def lanes(self, foldings: Foldings) -> dict[str, int]:
        """Codes in a word of every tensor."""
        placed, found = self._walk(foldings)
        return self._entering(foldings) | {p.output.name: found[name].lanes for name, p in placed.items()}

    def _entering(self, foldings: Foldings) -> dict[str, int]:
        return {
            port.tensor: chosen_lanes(foldings, input_port(index), self.entries[port.tensor][0])
            for index, port in enumerate(self.graph.inputs)
        }

    def _walk(self, foldings: Foldings) -> tuple[dict[str, Placed], dict[str, Estimate]]:
        lanes = self._entering(foldings)
        placed, found = {}, {}
        for op, _, output in self._places.values():
            widths, folding = (
                tuple(lanes[name] for name in op.inputs),
                foldings.get(op.name) or self._spaces[op.name].type(),
            )
            placed[op.name] = self._place(op, widths, folding)
            found[op.name] = self.estimate_at(op, widths, folding)
            lanes[output.name] = found[op.name].lanes
        return placed, found

    def interval(self, foldings: Foldings) -> int:
        """Cycles between frames: the slowest operator."""
        return max(e.cycles for e in self.estimate(foldings).values())

    def fifo_words(self, foldings: Foldings) -> dict[tuple[str, str], int]:
        """Depth of the FIFO of each edge (tensor, operator that reads it)."""
        placed = self.placed(foldings)
        return {
            (name, op): self._words(name, op, placed[op].lanes[placed[op].op.inputs.index(name)])
            for name, op in self._waiting
        }

    def resources(self, foldings: Foldings) -> dict[str, Resources]:
        """Each operator with the FIFOs in front of it."""
        placed, found = self._walk(foldings)
        return {
            name: e.resources + self.fifos_at(placed[name].op, tuple(placed[name].lanes))
            for name, e in found.items()
        }

    def ends_at(self, tensor: str, lanes: int, foldings: Foldings) -> Resources:
        """What around a tensor belongs to no operator.

        Ends of the network, with the FIFOs in front of outputs, and the fork where several read it.

        Parameters
        ----------
        tensor : str
        lanes : int
            Codes in a word of it.
        foldings : dict of str to Folding
            Those of output ports are looked at.
        """
        ports = [output_reader(i) for i, port in enumerate(self.graph.outputs) if port.tensor == tensor]
        chosen = {port: foldings[port] for port in ports if port in foldings}
        key = tensor, lanes, tuple(chosen.items())
        if key not in self._known_ends:
            blocks = ends_of(self.graph, tensor, lanes, chosen, self.clock_mhz)
            found = of_parts(part for block in blocks for part in block.parts)
            for block in blocks:
                if isinstance(block, Fifo) and block.edge[1] not in self._places:
                    found += fifo(block.outputs[0].width, FIFO_WORDS)
            self._known_ends[key] = found
        return self._known_ends[key]

    def ends(self, foldings: Foldings) -> Resources:
        """What belongs to no operator, as `ends_at` says of a tensor."""
        lanes = self.lanes(foldings)
        found = (self.ends_at(tensor, width, foldings) for tensor, width in lanes.items())
        return sum(found, Resources())

    def total(self, foldings: Foldings) -> Resources:
        """The network."""
        return sum(self.resources(foldings).values(), self.ends(foldings))
