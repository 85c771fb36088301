"""Networks whose every name is chosen by a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from pyqkit.formats import parse
from pyqkit.graph.ops.layout import Slice
from tests.emulate.networks import Net
from tests.small_networks import residual


def renamed(names: Sequence[str], graph_name: str = "net") -> Any:
    """The network `residual` with these names for its tensors and nodes, in turn, a number behind them from
    the second round on.
    """
    model = residual()
    graph = model.graph
    made: dict[str, str] = {"": ""}

    def rename(old: str) -> str:
        if old not in made:
            count = len(made) - 1
            rounds = count // len(names)
            made[old] = (names[count % len(names)] or "empty") + (str(rounds) if rounds else "")
        return made[old]

    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = rename(value.name)
    for node in graph.node:
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
        node.name = node.doc_string = made[node.name] if all(names) else ""
    graph.name = graph.doc_string = graph_name
    model.doc_string = model.producer_name = model.producer_version = graph_name
    onnx.helper.set_model_props(model, {graph_name: graph_name})
    return model


def chain(names: Sequence[str]) -> Net:
    """A graph with one operator for each name, each called so."""
    net, source = Net(parse("int4"), parse("int4"), shape=(1, 1, 2), frames=3), "x"
    for name in names:
        source = net.add(Slice(name, [source], [name], (0, 0), (1, 1), (1, 1)))
    net.finish(source)
    return net
