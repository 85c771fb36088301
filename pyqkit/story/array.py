"""Linear layers of a model on an array: programs that lie in its memories together, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

import numpy as np

from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.machine import Machine
from pyqkit.array.program import Call, Program, executed
from pyqkit.array.shared import together
from pyqkit.array.timing import frame_cycles
from pyqkit.formats.microscopiq.values import BlockActivation, BlockWeight
from pyqkit.formats.port import Port, to_integers
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.story.model import Linear, StoryModel

TOGETHER = 8  # positions of a prompt that a program takes at a time


@dataclass
class Cost:
    """What an array did.

    Attributes
    ----------
    cycles : int
        Modelled.
    transfers, bytes_in, bytes_out : int
        One each way for every call of a program.
    emulating : float
        Seconds of the processor that numpy took in the array's place.
    """

    cycles: int = 0
    transfers: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    emulating: float = 0.0

    def minus(self, other: Cost) -> Cost:
        """What came after another moment."""
        return Cost(*(mine - theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))


class OnArray:
    """Linear layers of a model, each input's layers being a program of one transfer each way.

    Parameters
    ----------
    model : StoryModel
    machine : Machine
        Of family ``microscopiq``.

    Attributes
    ----------
    machine : Machine
    cost : Cost
        Of all calls up to now, without what is sent once.
    setup_bytes : int
        That are sent once.

    Raises
    ------
    UserError
        If the machine does not hold them.
    """

    def __init__(self, model: StoryModel, machine: Machine) -> None:
        self._model, self.machine, self.cost = model, machine, Cost()
        self._state = ArrayState(machine)
        kinds = [(name, count) for count in (1, TOGETHER) for name in model.linears]
        graphs = [_graph(model.linears[name], count) for name, count in kinds]
        placed = together([compile_graph(graph, machine) for graph in graphs])
        self._programs = dict(zip(kinds, zip(graphs, placed)))
        self.setup_bytes = 0
        for program in placed:
            content = program.setup()
            self.setup_bytes += len(content)
            self._state.send(content)

    def __call__(self, name: str, x: np.ndarray) -> list[np.ndarray]:
        """Outputs of the layers that read an input (positions, inputs)."""
        linear = self._model.linears[name]
        codes = linear.activation.of_integers(linear.scaled(x))
        if len(x) > 1:
            codes = np.pad(codes, ((0, -len(x) % TOGETHER), (0, 0)))
        count = 1 if len(x) == 1 else TOGETHER
        parts = [self._sums(name, codes[at : at + count]) for at in range(0, len(codes), count)]
        return linear.real([np.concatenate(some)[: len(x)] for some in zip(*parts)])

    def _sums(self, name: str, codes: np.ndarray) -> list[np.ndarray]:
        graph, program = self._programs[name, len(codes)]
        found = executed(program, {"x": codes[None, :, None]}, self._sent)
        self.cost.cycles += _cycles(program)
        return [
            to_integers(found[port.tensor], graph.tensors[port.tensor].format)[0, :, 0]
            for port in graph.outputs
        ]

    def _sent(self, call: Call) -> np.ndarray:
        self.cost.transfers += 1
        self.cost.bytes_in += len(call.content)
        self.cost.bytes_out += call.result_bytes
        start = process_time()
        found = np.frombuffer(self._state.send(call.content), np.uint8)
        self.cost.emulating += process_time() - start
        return found


def _cycles(program: Program) -> int:
    machine, segments = program.machine, program.segments
    return sum(frame_cycles(machine, program.instructions[s.first : s.last]) for s in segments)


def _graph(linear: Linear, positions: int) -> Graph:
    """Layers that read one input, at several positions, each an output of sums."""
    graph = Graph("linear")
    _input(graph, linear.activation, (positions, 1, linear.inputs))
    for index, (codes, tensor) in enumerate(zip(linear.codes, linear.tensors)):
        name, weights = f"y{index}", codes.T[:, None, None]
        graph.add(Convolution(name, ["x"], [name], weights, BlockWeight(tensor.slots.bits)))
        graph.outputs.append(_port(graph.tensors[name]))
    return graph


def _input(graph: Graph, fmt: BlockActivation, shape: tuple[int, int, int]) -> None:
    graph.tensors["x"] = Tensor.of("x", shape, fmt)
    graph.inputs = [_port(graph.tensors["x"])]


def _port(tensor: Tensor) -> Port:
    order = np.arange(tensor.pixels * tensor.shape[2]).reshape(tensor.shape)
    channels = tensor.shape[2]
    return Port(tensor.name, tensor.name, tensor.shape, order, np.ones(channels), np.zeros(channels))
