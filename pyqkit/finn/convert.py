"""From pyqkit's graph to a FINN model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from onnx import NodeProto, ValueInfoProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import qonnx_make_model

from pyqkit.errors import UserError
from pyqkit.finn.block import Block
from pyqkit.finn.fork import Fork
from pyqkit.finn.nodes import container, op_type, register
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.names import LONGEST, Identifiers

DOMAIN = "finn.custom_op.fpgadataflow"
WIDEST_CODE = 53  # bits that FINN's widest container, float64, holds exactly


def to_finn(graph: Graph) -> ModelWrapper:
    """A model with one node for every operator, and a ``PqFork`` behind every tensor with several readers.

    Inputs and outputs are codes, of shape (1, height, width, channels); scales stay on the host, in the
    graph's ports, and so does what the host computes of the outputs (`Graph.host`). Every node does one
    product and takes one code a cycle until `passes.Fold` says otherwise.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    ModelWrapper

    Raises
    ------
    UserError
        If a tensor has codes of more than 53 bits, or an output is an input.
    """
    for tensor in graph.tensors.values():
        if tensor.format.bits > WIDEST_CODE:
            raise UserError(
                f"codes of at most {WIDEST_CODE} bits were expected, but {tensor.name} has "
                f"{tensor.format.bits}; FINN keeps codes in "
                "floating point, so quantise before that sum grows so wide"
            )
    ends = {port.tensor for port in graph.inputs} & {port.tensor for port in graph.outputs}
    if ends:
        raise UserError(
            f"an operator between input and output was expected, but {', '.join(ends)} is both; "
            "leave that output out"
        )
    readers = _Readers(graph)
    nodes = [node for port in graph.inputs for node in readers.fork(port.tensor)]
    for op in graph.operators:
        nodes.append(
            _node(op, graph.input_tensors(op), [readers.take(name) for name in op.inputs], op.outputs)
        )
        nodes += [node for name in op.outputs for node in readers.fork(name)]
    inputs = [port.tensor for port in graph.inputs]
    outputs = [readers.take(port.tensor) for port in graph.outputs]
    infos = {name: _info(name, tensor) for name, tensor in readers.tensors.items()}
    made = helper.make_graph(
        nodes,
        graph.name,
        [infos.pop(n) for n in inputs],
        [infos.pop(n) for n in outputs],
        value_info=list(infos.values()),
    )
    model = ModelWrapper(qonnx_make_model(made, producer_name="pyqkit"))
    for name, tensor in readers.tensors.items():
        model.set_tensor_datatype(name, DataType[f"UINT{tensor.format.bits}"])
    return model


class _Readers:
    """Hands every reader of a tensor a copy of its own.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = Identifiers([*graph.tensors, *(op.name for op in graph.operators)], LONGEST)
        count = Counter(name for op in graph.operators for name in op.inputs)
        count.update(port.tensor for port in graph.outputs)
        self._copies = {name: self._named(name, count[name]) for name in graph.tensors}
        self._taken: Counter[str] = Counter()
        self.tensors = {
            copy: tensor for name, tensor in graph.tensors.items() for copy in self._copies[name]
        } | graph.tensors

    def _named(self, name: str, count: int) -> list[str]:
        return (
            [name] * count
            if count < 2
            else [self._names.new(f"{name}_copy_{index}") for index in range(count)]
        )

    def fork(self, name: str) -> list[NodeProto]:
        """The node that makes the copies, if there are several."""
        copies = self._copies[name]
        if len(copies) < 2:
            return []
        return [
            _node(
                Fork(self._names.new(f"{name}_fork"), [name], copies),
                [self._graph.tensors[name]],
                [name],
                copies,
            )
        ]

    def take(self, name: str) -> str:
        """Name of a copy that nobody has."""
        self._taken[name] += 1
        return self._copies[name][self._taken[name] - 1]


def _node(op: Operator, tensors: list[Tensor], inputs: list[str], outputs: list[str]) -> NodeProto:
    attributes: dict[str, Any] = {
        "backend": "fpgadataflow",
        "source": op.name,
        "lanes": [1] * len(inputs),
        "inFIFODepths": [2] * len(inputs),
        "outFIFODepths": [2] * len(outputs),
        **Block.of(op, tensors).attributes(),
    }
    register(op.kind)
    return helper.make_node(op_type(op.kind), inputs, outputs, op.name, domain=DOMAIN, **attributes)


def _info(name: str, tensor: Tensor) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, container(tensor), [1, *tensor.shape])
