"""Engines of arrays: the network as a program for a machine, executed.

Of each machine there is one by its name, which executes instructions on numpy arrays (emulated), and one with
``_hls`` or ``_rtl`` behind the name, whose machine is the generated C++ or the SystemVerilog, simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from pyqkit.array import machine
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph, fitted
from pyqkit.array.execute import ArrayState
from pyqkit.array.families import Language, of
from pyqkit.array.machine import Machine
from pyqkit.array.network import ArrayNetwork, Side
from pyqkit.array.program import Call, executed
from pyqkit.designs import Designs
from pyqkit.emulate.array_hls import HlsArray
from pyqkit.emulate.array_rtl import RtlArray
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.golden import golden
from pyqkit.engines import Counts, Engine, Maker, Say, engine
from pyqkit.errors import UserError, brief
from pyqkit.formats.port import End, Port, checked_codes
from pyqkit.graph.graph import Graph

_CHUNK = 16  # frames of a transfer


class Sender(Protocol):
    """A machine that keeps its memories."""

    def send(self, content: bytes) -> bytes:
        """What it gives for what comes over the stream."""


class ArrayEngine:
    """A graph as a program of an array.

    Parameters
    ----------
    graph : Graph
    array : Machine
    built : callable
        Makes what executes programs of a machine.
    name : str
        The machine's by default.

    Attributes
    ----------
    program : Program
    definition : Graph
        What it computes: the graph, or one with rounded factors where the machine's are too narrow.
    """

    counts: Counts | None = None

    def __init__(
        self, graph: Graph, array: Machine, built: Callable[[Machine], Sender] = ArrayState, name: str = ""
    ) -> None:
        self.name, self._graph = name or array.name, graph
        self.definition, _ = fitted(graph, array)
        self.program = compile_graph(self.definition, array)
        check(self.program, array)
        self._state = built(array)
        self._state.send(self.program.setup())

    def run(
        self, codes: dict[str, np.ndarray], *, progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Codes of the outputs, as `Engine` says."""
        codes = {name: checked_codes(given, self._graph.tensors[name], name) for name, given in codes.items()}
        frames, parts = len(next(iter(codes.values()))), []
        for first in range(0, frames, _CHUNK):
            some = {name: given[first : first + _CHUNK] for name, given in codes.items()}
            parts.append(executed(self.program, some, self._sent))
            if progress is not None:
                progress(min(first + _CHUNK, frames))
        return {port.tensor: np.concatenate([p[port.tensor] for p in parts]) for port in self._graph.outputs}

    def _sent(self, call: Call) -> np.ndarray:
        return np.frombuffer(self._state.send(call.content), np.uint8)


def network(graph: Graph, array: Machine) -> ArrayNetwork:
    """A graph with one input as a program of an array, with golden vectors.

    Raises
    ------
    UserError
        Naming the layer, for what the machine lacks.
    """
    if len(graph.inputs) != 1:
        raise UserError(
            f"a network with one input was expected, but {brief(graph.name)} has {len(graph.inputs)}; join "
            "them in the model, and slice there"
        )
    program = compile_graph(graph, array)
    check(program, array)
    given, wanted = golden(ExactEngine(graph))
    (source,), codes = graph.inputs, {**given, **wanted}
    sides = [_side(graph, port, codes[port.tensor]) for port in (source, *graph.outputs)]
    return ArrayNetwork(program, sides[0], tuple(sides[1:]), graph.host)


def _side(graph: Graph, port: Port, codes: np.ndarray) -> Side:
    tensor = graph.tensors[port.tensor]
    return Side(port, End(tensor.name, tensor.shape, tensor.format, 1), codes)


_BUILT: dict[Language, Callable[[Machine], Sender]] = {"hls": HlsArray, "rtl": RtlArray}


def _maker(array: Machine, name: str, built: Callable[[Machine], Sender]) -> Maker:
    def make(designs: Designs, say: Say | None = None) -> Engine:
        return ArrayEngine(designs.compiled.graph, array, built, name)

    return make


def _announce(array: Machine) -> None:
    engine(array.name)(_maker(array, array.name, ArrayState))
    for language in sorted(of(array).built):
        name = f"{array.name}_{language}"
        engine(name)(_maker(array, name, _BUILT[language]))


for _name in machine.names():
    _announce(machine.named(_name))
