"""Cycles and resources of every operator for given foldings: what the generated C++ does, without generating it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, reduce

from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.hardware.fifo import pixels_waiting
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.resources import Resources, fifo
from pyqkit.hls.emitter import fifo_words, largest_lanes

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
        Cycles of a frame: the longest of its loops, one word a cycle.
    resources : Resources
        Without the FIFOs between blocks.
    """

    lanes: int
    cycles: int
    resources: Resources


Rule = Callable[[Site], Estimate]
_rules: dict[str, Rule] = {}


def estimates(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces what an operator takes."""

    def announce(rule: Rule) -> Rule:
        _rules[kind] = rule
        return rule

    return announce


@cache
def _rules_found() -> dict[str, Rule]:
    from pyqkit.hardware import operators

    for module in pkgutil.iter_modules(operators.__path__):
        importlib.import_module(f"{operators.__name__}.{module.name}")
    return _rules


def _rule_for(op: Operator) -> Rule:
    rule = _rules_found().get(op.kind)
    if rule is None:
        raise TypeError(f"no estimate for operator {op.kind}; add a rule to pyqkit/hardware/operators")
    return rule


class Survey:
    """A graph with what does not depend on the folding, ready for many foldings.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._waiting = pixels_waiting(graph)
        self._places = [(op, graph.input_tensors(op), graph.output_tensors(op)[0]) for op in graph.operators]
        self._known: dict[tuple[str, tuple[int, ...], Folding], Estimate] = {}

    def sites(self, foldings: Foldings) -> dict[str, Site]:
        """Every operator in its place."""
        return self._walk(foldings)[0]

    def estimate(self, foldings: Foldings) -> dict[str, Estimate]:
        """What every operator takes."""
        return self._walk(foldings)[1]

    def estimate_at(self, site: Site, folding: Folding) -> Estimate:
        """What the operator of a site would take with another folding."""
        return self._at(replace(site, folding=folding))

    def _at(self, site: Site) -> Estimate:
        key = site.op.name, tuple(site.lanes), site.folding
        if key not in self._known:
            self._known[key] = _rule_for(site.op)(site)
        return self._known[key]

    def _walk(self, foldings: Foldings) -> tuple[dict[str, Site], dict[str, Estimate]]:
        lanes = {}
        for port in self.graph.inputs:
            tensor = self.graph.tensors[port.tensor]
            lanes[port.tensor] = largest_lanes(tensor, tensor.shape[2])
        sites, found = {}, {}
        for op, inputs, output in self._places:
            site = Site(op, inputs, output, [lanes[name] for name in op.inputs], foldings.get(op.name, Folding()))
            sites[op.name], found[op.name] = site, self._at(site)
            lanes[output.name] = found[op.name].lanes
        return sites, found

    def interval(self, foldings: Foldings) -> int:
        """Cycles between frames: the slowest operator."""
        return max(e.cycles for e in self.estimate(foldings).values())

    def fifo_words(self, foldings: Foldings) -> dict[tuple[str, str], int]:
        """Depth of the FIFO of each edge (tensor, operator that reads it)."""
        sites, ends = self.sites(foldings), [port.tensor for port in self.graph.outputs]
        words = {}
        for (name, op), pixels in self._waiting.items():
            lanes = sites[op].lanes[sites[op].op.inputs.index(name)]
            readers = len(self.graph.consumers(name)) + ends.count(name)
            words[name, op] = fifo_words(self.graph.tensors[name].shape[2] // lanes, pixels, readers)
        return words

    def fifos(self, foldings: Foldings) -> dict[str, Resources]:
        """FIFOs in front of each operator."""
        sites = self.sites(foldings)
        total = dict.fromkeys(sites, Resources())
        for (name, op), words in self.fifo_words(foldings).items():
            site = sites[op]
            index = list(site.op.inputs).index(name)
            total[op] += fifo(site.lanes[index] * site.inputs[index].format.bits, words)
        return total

    def resources(self, foldings: Foldings) -> dict[str, Resources]:
        """Each operator with the FIFOs in front of it."""
        fifos = self.fifos(foldings)
        return {name: e.resources + fifos[name] for name, e in self.estimate(foldings).items()}

    def total(self, foldings: Foldings) -> Resources:
        """The network."""
        return reduce(Resources.__add__, self.resources(foldings).values(), Resources())
