"""A traced network, executed node by node over all calibration frames.

A step that changes layers in the order of execution sees at each of them the values that the layers before
it produce now; and the whole network is executed once, not once a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import Node, map_arg

Values = dict[Node, Any]


class Walk:
    """Executes a network up to one node, then to the next, on all frames.

    Parameters
    ----------
    network : fx.GraphModule
        In evaluation mode, with one input.
    batches : iterable of Tensor
        Calibration frames. Values that no later node uses are dropped.
    """

    def __init__(self, network: fx.GraphModule, batches: Iterable[Tensor]) -> None:
        self._network, self._batches = network, list(batches)
        self._nodes = list(network.graph.nodes)
        self._next = 0
        self._values: list[Values] = [{} for _ in self._batches]
        self._ends = last_uses(self._nodes)

    def inputs(self, name: str) -> list[Tensor]:
        """Inputs of a module, batch by batch; the module is executed when the walk goes on.

        Modules are asked for in the order of execution.
        """
        given = self._run_to(name).all_input_nodes[0]
        return [values[given] for values in self._values]

    def outputs(self, name: str) -> list[Tensor]:
        """Outputs of a module as it is now; it is executed again when the walk goes on."""
        node = self._run_to(name)
        with torch.no_grad():
            return [evaluate(self._network, node, x, v) for x, v in zip(self._batches, self._values)]

    def give(self, name: str, outputs: Sequence[Tensor]) -> None:
        """Let these be the outputs of the module that was asked for last, instead of executing it again."""
        node = self._run_to(name)
        for values, output in zip(self._values, outputs):
            values[node] = output
            self._drop(node, values)
        self._next += 1

    def after(self, name: str) -> list[Tensor]:
        """Values of the node of that name in the graph, batch by batch."""
        while True:
            node = self._nodes[self._next]
            self._step(node)
            if node.name == name:
                return [values[node] for values in self._values]

    def _run_to(self, name: str) -> Node:
        while self._next < len(self._nodes):
            node = self._nodes[self._next]
            if node.op == "call_module" and node.target == name:
                return node
            self._step(node)
        raise ValueError(f"module {name} is not in the network, or the walk has passed it")

    @torch.no_grad()
    def _step(self, node: Node) -> None:
        for x, values in zip(self._batches, self._values):
            values[node] = evaluate(self._network, node, x, values)
            self._drop(node, values)
        self._next += 1

    def _drop(self, node: Node, values: Values) -> None:
        """What nobody uses after a node."""
        for done in self._ends.get(node, ()):
            values.pop(done, None)


def evaluate(network: fx.GraphModule, node: Node, x: Tensor, values: Values) -> Any:
    """The value of a node, from those of the nodes that it uses; `x` is the input of the network."""
    if node.op == "placeholder":
        return x
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        return getattr(network.get_submodule(owner), name)
    args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "call_module":
        return network.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return args[0] if node.op == "output" else node.target(*args, **kwargs)  # type: ignore[operator]


def last_uses(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """For each node, those whose values nobody uses after it; one that nobody uses at all stays."""
    user = {used: node for node in nodes for used in node.all_input_nodes}
    ends: dict[Node, list[Node]] = {}
    for node, last in user.items():
        ends.setdefault(last, []).append(node)
    return ends
