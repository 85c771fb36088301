"""Where the accelerator ends and the host goes on.

An output of the network is walked back to the last tensors that are a scale times codes and an offset: these
are the outputs of the accelerator. What lies between is the host's part, step by step as the ONNX file says,
so that logits may be an output beside the Softmax and the ArgMax that read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np

from pyqkit.graph.graph import Port
from pyqkit.graph.input_format import HINT
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Problem, Unlowerable
from pyqkit.graph.lowering.layers import MISSING
from pyqkit.graph.lowering.real import Real, Term, floats, fractions
from pyqkit.graph.lowering.rules import ONNX, Node, rules
from pyqkit.graph.lowering.session import Hosted, Lowering, Stored, Value, shape_of
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.view import settle
from pyqkit.graph.model import shown
from pyqkit.host import operation as host
from pyqkit.host.operation import Typed, Unsupported
from pyqkit.host.operations.layout import Move
from pyqkit.host.part import HostPart, Result, Step

_FRAME = "frame"  # stands for a tensor where only the places of its elements are asked for
_UNQUANTISED = ("it does not depend on quantised values", HINT)
_UNABSORBED = (
    "it ends in a function that no quantiser absorbs and that the host does not compute",
    "quantise the output, or drop the last activation function",
)


def is_for_host(node_type: str, domain: str) -> bool:
    """Whether the host computes nodes of a type."""
    rule = rules().get(node_type)
    return domain in ONNX and (host.for_type(node_type) is not None or (rule is not None and rule.moves))


def torch_names(node_type: str) -> tuple[str, ...]:
    """What a node type is called in PyTorch; empty where nobody says it."""
    found = rules().get(node_type) or MISSING.get(node_type)
    if found is not None:
        return found.layer.torch
    operation = host.for_type(node_type)
    return () if operation is None else (operation.types[node_type],)


def typed(value: Value | Hosted) -> Typed:
    """Type and shape of an ONNX tensor, its batch of 1 included."""
    if isinstance(value, (np.ndarray, Stored)):
        return Typed(value.dtype if isinstance(value, np.ndarray) else value.type, shape_of(value))
    return Typed(value.type if isinstance(value, Hosted) else np.dtype(np.float32), shape_of(value))


def write_ends(lowering: Lowering, names: Iterable[str]) -> None:
    """Give the graph its outputs, and the host's part behind them, for outputs of the network by name."""
    ends, outputs = _Ends(lowering), list(names)
    for name in outputs:
        ends.walk(name)
    steps = [step for node in ends.in_order() for step in _steps(lowering, node)]
    if lowering.problems or not steps:
        return
    results = tuple(Result(name, _without_batch(lowering.values[name])) for name in outputs)
    part = HostPart(tuple(steps), results)
    found = part.tensors(lowering.graph.result_shapes)
    for result in results:
        if found[result.name] != result.tensor:
            reason = f"the host would give {found[result.name]}, and ONNX says {result.tensor}"
            lowering.problems.append(
                Problem(f"output {shown(result.name)}", reason, "report it with the model")
            )
    lowering.graph.host = part
    lowering.note(f"behind the accelerator the host computes {', '.join(step.type for step in steps)}")


def _without_batch(value: Value | Hosted) -> Typed:
    whole = typed(value)
    return Typed(whole.type, whole.shape[1:])


class _Ends:
    """What lies behind the accelerator: its ports go into the graph, the host's nodes are kept."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self._nodes: set[int] = set()  # by identity
        self._seen: set[str] = set()

    def walk(self, output: str) -> None:
        """Find what an output of the network needs."""
        pending = [output]
        while pending:
            name = pending.pop()
            if name not in self._seen:
                self._seen.add(name)
                pending += self._before(name, output)

    def _before(self, name: str, output: str) -> list[str]:
        """What the host needs for a tensor: nothing where the accelerator ends there."""
        value, maker = self.lowering.values.get(name), self.lowering.makers.get(name)
        if not isinstance(value, (Real, Hosted)) or (isinstance(value, Real) and value.raw):
            return self._refuse(f"output {shown(output)}", *_UNQUANTISED)
        where = f"output {shown(output)}" if name == output or maker is None else _label(maker)
        if isinstance(value, Real) and value.is_linear and value.batch_axis == 0:
            try:
                self.lowering.graph.outputs.append(_port(self.lowering, value, name))
                return []
            except Unlowerable as problem:
                if maker is None or not rules()[maker.type].moves:  # the host moves what no operator does
                    return self._refuse(where, problem.reason, problem.remedy)
        if isinstance(value, Real) and value.batch_axis != 0 and name == output:
            return self._refuse(
                where, "the batch is not its first axis", "move it there, as it is in the input"
            )
        if maker is None or not is_for_host(maker.type, maker.domain):
            return self._refuse(where, *_UNABSORBED)
        self._nodes.add(id(maker))
        return [n for n in maker.sources if n and _varies(self.lowering.values[n])][::-1]

    def _refuse(self, where: str, reason: str, remedy: str) -> list[str]:
        self.lowering.problems.append(Problem(where, reason, remedy))
        return []

    def in_order(self) -> list[Node]:
        """The host's nodes in the order of the file."""
        found = {id(node): node for node in self.lowering.makers.values()}
        return [node for key, node in found.items() if key in self._nodes]


def _label(node: Node) -> str:
    return f"{', '.join((shown(node.name), ' or '.join(torch_names(node.type))))} ({shown(node.type)})"


def _varies(value: Value | Hosted) -> bool:
    return isinstance(value, (Real, Stored, Hosted))


def _port(lowering: Lowering, real: Real, name: str) -> Port:
    if not np.array_equal(np.sort(real.view, axis=None), np.arange(np.prod(real.base))):
        real = settle(lowering, real, name)
    real = single_term(lowering, real, name)
    (term,) = real.terms
    tensor = _own_tensor(lowering, term.tensor, name)
    return Port(tensor, name, real.shape, real.view, floats(term.factor), floats(real.offset))


def _own_tensor(lowering: Lowering, tensor: str, name: str) -> str:
    """`tensor`, or a copy of it where it is an end of the accelerator already: every stream is one tensor."""
    graph = lowering.graph
    taken = tensor in {port.tensor for port in (*graph.inputs, *graph.outputs)}
    return lowering.copy(tensor, name) if taken else tensor


def _steps(lowering: Lowering, node: Node) -> list[Step]:
    """A node as steps of the host; none, and a problem, where the host does not understand it."""
    try:
        return _moves(lowering, node) if host.for_type(node.type) is None else [_computed(lowering, node)]
    except (Unsupported, Unlowerable) as problem:
        lowering.problems.append(Problem(_label(node), problem.reason, problem.remedy))
        return []


def _computed(lowering: Lowering, node: Node) -> Step:
    inputs = tuple(_input(lowering.values[name]) if name else None for name in node.sources)
    found = host.read(host.Node(node.type, lowering.opset, node.attributes, inputs))
    named = zip(node.sources, inputs[: found.arguments])
    given = tuple(value if isinstance(value, np.ndarray) else name for name, value in named)
    return Step(node.name, node.type, found, given, _read_outputs(lowering, node))


def _input(value: Value | Hosted) -> host.Input:
    if isinstance(value, Coded):
        return value.values().astype(np.float32)
    return value if isinstance(value, np.ndarray) else typed(value)


def _moves(lowering: Lowering, node: Node) -> list[Step]:
    """What a node does that only moves elements: the places of its outputs' elements in a frame."""
    rule, shape = rules()[node.type], shape_of(lowering.values[node.sources[0]])[1:]
    size = prod(shape)
    frame = Real(
        (Term(_FRAME, fractions(1, 1)),), fractions(0, 1), (1, size, 1), np.arange(size).reshape(shape)
    )
    rule.check(node)
    moved = rule.lower(lowering, replace(node, inputs=[frame, *node.inputs[1:]]))
    steps = []
    for name, value in zip(_read_outputs(lowering, node), moved):
        assert isinstance(value, Real)  # as it came, seen otherwise
        if value.batch_axis != 0:
            raise Unlowerable("it moves elements across the batch", "keep the batch as the first axis")
        in_order = value.view.size == size and np.array_equal(value.view.ravel(), np.arange(size))
        move = Move(list(value.shape), None if in_order else value.view)
        if name:
            steps.append(Step(node.name, node.type, move, (node.sources[0],), (name,)))
    return steps


def _read_outputs(lowering: Lowering, node: Node) -> tuple[str, ...]:
    return tuple(name if name in lowering.needed else "" for name in node.outputs)
