"""What a traced network computes of its own parameters and of sizes alone, and never of a frame's numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.passes.shape_prop import ShapeProp

from pyqkit.quant.ptq.parts import Kind, kind
from pyqkit.quant.ptq.paths import free_path

_CALLS = ("call_function", "call_method", "call_module")


def constants(graph: fx.GraphModule, frames: Tensor) -> dict[fx.Node, Any]:
    """What nodes give that no number of the input changes: buffers, sizes, and what is made of them.

    Sizes are those of one frame.
    """
    return _found(graph, frames[:1])


def constants_and_shapes(graph: fx.GraphModule, frames: Tensor) -> dict[fx.Node, Any]:
    """`constants` of a network whose nodes say their shapes from here on (``meta["tensor_meta"]``)."""
    with torch.no_grad():
        ShapeProp(graph).propagate(frames[:1])
    return constants(graph, frames)


def fold_constants(graph: fx.GraphModule, frames: Tensor) -> None:
    """Compute once what no frame changes, such as biases put together, positions and masks; in place.

    What a network only moves stays, and so does what has the size of the batch.
    """
    one, two = (_found(graph, frames[:1].expand(n, *frames.shape[1:])) for n in (1, 2))
    computed: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if _same(one.get(node), two.get(node)) and _computes(graph, node, computed):
            computed.add(node)
    for node in [node for node in computed if not computed.issuperset(node.users)]:
        path = free_path(graph, f"{node.name}_folded")
        graph.register_buffer(path, one[node].detach().clone())
        with graph.graph.inserting_before(node):
            node.replace_all_uses_with(graph.graph.get_attr(path))
    graph.graph.eliminate_dead_code()


def _computes(graph: fx.GraphModule, node: fx.Node, computed: set[fx.Node]) -> bool:
    """Whether a constant is more than another that was moved; one that numbers choose from is more."""
    does = kind(graph, node)
    moved = does is Kind.MOVE and len(node.all_input_nodes) == 1
    return does is not Kind.CONSTANT and (not moved or not computed.isdisjoint(node.all_input_nodes))


def _found(graph: fx.GraphModule, frames: Tensor) -> dict[fx.Node, Any]:
    run = fx.Interpreter(graph, garbage_collect_values=False)
    run.extra_traceback = False
    with torch.no_grad():
        run.run(frames)
    found: dict[fx.Node, Any] = {}
    for node in graph.graph.nodes:
        known = node.op in _CALLS and all(given in found for given in node.all_input_nodes)
        if node.op == "get_attr" or known or _is_size(node):
            found[node] = run.env[node]
    return found


def _is_size(node: fx.Node) -> bool:
    reads = node.target is getattr and node.args[1] in ("shape", "device", "dtype")
    return reads or (node.op == "call_method" and node.target in ("size", "dim"))


def _same(one: Any, two: Any) -> bool:
    """Whether one frame and two give the same tensor."""
    return isinstance(one, Tensor) and one.shape == two.shape and torch.equal(one, two)
