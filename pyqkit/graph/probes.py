"""Probes.

Layers whose codes leave the accelerator beside its results, so that a board can be compared layer by layer.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from pyqkit.graph.graph import Graph, GraphError, Port, Tensor

_LISTED = 12  # names that fit a sentence


def probe(graph: Graph, names: Sequence[str]) -> None:
    """Make the codes of layers further outputs of a graph, marked as probes, in the order of the graph.

    Parameters
    ----------
    graph : Graph
    names : sequence of str
        Layers as the report lists them, or the ONNX tensors that their quantisers make.

    Raises
    ------
    GraphError
        If a name is no layer, or an output already.
    """
    by_source = {source: tensor for tensor, source in graph.sources.items()}
    layers = [name for op in graph.operators for name in op.outputs]
    wanted = {name if name in layers else by_source.get(name, name) for name in names}
    taken = {port.tensor for port in graph.outputs}
    for name in sorted(wanted):
        if name not in layers:
            raise GraphError(
                f"a layer was expected as a probe, but {name!r} is none; "
                f"{_advice(name, [n for n in layers if n not in taken])}"
            )
        if name in taken:
            raise GraphError(
                f"a layer inside the network was expected as a probe, but {name} is an output "
                "already; leave it out"
            )
    graph.outputs += [_port(graph.tensors[name]) for name in layers if name in wanted]


def _advice(name: str, layers: list[str]) -> str:
    close = difflib.get_close_matches(name, layers, n=3)
    if close:
        return f"take {' or '.join(close)}"
    more = f" and {len(layers) - _LISTED} more, which the report lists" if len(layers) > _LISTED else ""
    return f"there are {', '.join(layers[:_LISTED])}{more}"


def _port(tensor: Tensor) -> Port:
    """Integers as they are.

    Which real number a code inside the network stands for is folded into later thresholds.
    """
    order = np.arange(tensor.pixels * tensor.shape[2]).reshape(tensor.shape).transpose(2, 0, 1)
    return Port(tensor.name, tensor.name, order.shape, order, np.ones(1), np.zeros(1), probe=True)
