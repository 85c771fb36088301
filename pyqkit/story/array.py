"""Linear layers of a model on an array: programs that lie in its memories together, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
from typing import Protocol

import numpy as np

from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.isa import word_bits
from pyqkit.array.machine import Machine
from pyqkit.array.network import ArrayNetwork, Side
from pyqkit.array.program import Call, Program, executed
from pyqkit.array.shared import together
from pyqkit.array.waits import segment_cycles
from pyqkit.formats.microscopiq.values import BlockActivation, BlockWeight
from pyqkit.formats.port import End, Port, to_integers
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.story.model import Linear, StoryModel

TOGETHER = 8  # positions of a prompt that a program takes at a time


@dataclass(frozen=True)
class Cost:
    """What an array did.

    Attributes
    ----------
    cycles : int
        Modelled.
    transfers, bytes_in, bytes_out : int
        One each way for every segment of a program that is called.
    emulating : float
        Seconds of the processor in the array's place, or in which it waited for one.
    """

    cycles: int = 0
    transfers: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    emulating: float = 0.0

    def plus(self, other: Cost) -> Cost:
        """Both."""
        return Cost(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))

    def minus(self, other: Cost) -> Cost:
        """What came after another moment."""
        return Cost(*(mine - theirs for mine, theirs in zip(vars(self).values(), vars(other).values())))


class Runner(Protocol):
    """Executes a program: codes of its input (frames, height, width, channels) to those of its outputs."""

    def __call__(self, codes: np.ndarray) -> list[np.ndarray]: ...


class Place(Protocol):
    """Puts programs into the memories of an array."""

    def __call__(self, networks: Sequence[ArrayNetwork]) -> Sequence[Runner]: ...


def emulated(networks: Sequence[ArrayNetwork]) -> Sequence[Runner]:
    """Numpy in the place of an array, all programs in its memories together."""
    state = ArrayState(networks[0].program.machine)
    placed = together([network.program for network in networks])
    for program in placed:
        state.send(program.setup())

    def runner(program: Program, network: ArrayNetwork) -> Runner:
        given, outputs = network.input.codes.tensor, [side.codes.tensor for side in network.outputs]

        def sent(call: Call) -> np.ndarray:
            return np.frombuffer(state.send(call.content), np.uint8)

        def run(codes: np.ndarray) -> list[np.ndarray]:
            found = executed(program, {given: codes}, sent)
            return [found[name] for name in outputs]

        return run

    return [runner(*both) for both in zip(placed, networks)]


class OnArray:
    """Linear layers of a model, each input's layers being a program of one transfer each way.

    Parameters
    ----------
    model : StoryModel
    machine : Machine
        Of family ``microscopiq``.
    place : callable
        What executes programs; numpy by default, or `on_device`.

    Attributes
    ----------
    machine : Machine
    cost : Cost
        Of all calls up to now, without what is sent once.

    Raises
    ------
    UserError
        If the machine does not hold them.
    """

    def __init__(self, model: StoryModel, machine: Machine, place: Place = emulated) -> None:
        self._model, self.machine, self.cost = model, machine, Cost()
        kinds = [(name, count) for count in (1, TOGETHER) for name in model.linears]
        networks = [_network(_graph(model.linears[name], count), machine) for name, count in kinds]
        self._runs = dict(zip(kinds, zip(networks, map(_cost, networks), place(networks))))

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
        made, cost, run = self._runs[name, len(codes)]
        start = process_time()
        found = run(codes[None, :, None])
        self.cost = self.cost.plus(cost).plus(Cost(emulating=process_time() - start))
        return [
            to_integers(values.reshape(len(codes), -1), side.codes.format)
            for values, side in zip(found, made.outputs)
        ]


def _network(graph: Graph, machine: Machine) -> ArrayNetwork:
    """With golden vectors of zeros, whose sums are zeros."""

    def side(port: Port) -> Side:
        tensor = graph.tensors[port.tensor]
        zero = np.zeros((1, *tensor.shape), tensor.format.code_dtype)  # the code of 0 in both formats
        return Side(port, End(tensor.name, tensor.shape, tensor.format, 1), zero)

    return ArrayNetwork(
        compile_graph(graph, machine), side(graph.inputs[0]), tuple(map(side, graph.outputs)), None
    )


def _cost(network: ArrayNetwork) -> Cost:
    """Of a call."""
    program, cost = network.program, Cost()
    for segment, cycles in zip(program.segments, segment_cycles(program)):
        given, taken = program.segment_bytes(segment)
        cost = cost.plus(Cost(cycles, 1, word_bits(program.machine) // 8 + given, taken))
    return cost


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
    graph.inputs = [_port(graph.tensors["x"], fmt.limits(np.float32))]


def _port(tensor: Tensor, limits: np.ndarray | None = None) -> Port:
    """Numbers are worth what they are."""
    order = np.arange(tensor.pixels * tensor.shape[2]).reshape(tensor.shape)
    return Port(tensor.name, tensor.name, tensor.shape, order, np.ones(1), np.zeros(1), limits)
