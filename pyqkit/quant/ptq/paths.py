"""Where a node of a traced network stands in the user's module, and what a new one may be called."""

from __future__ import annotations

from torch import fx, nn


def place(node: fx.Node) -> str:
    """Where a function is called: the path of the module that calls it, and the function's own name."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next(reversed(stack.values()))[0] if stack else ""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
    return f"{path}.{name}" if path else str(name)


def free_path(graph: fx.GraphModule, wanted: str) -> str:
    """The path, or the first with a number behind it that no module or attribute has."""
    taken, path, count = {name for name, _ in graph.named_modules()}, wanted, 0
    while path in taken or _has_attribute(graph, path):
        count += 1
        path = f"{wanted}_{count}"
    return path


def _has_attribute(graph: fx.GraphModule, path: str) -> bool:
    owner, _, name = path.rpartition(".")
    try:
        return hasattr(graph.get_submodule(owner), name)
    except AttributeError:
        return False


def put_module(graph: fx.GraphModule, node: fx.Node, x: fx.Node, made: nn.Module) -> None:
    """Call a module on `x` in the place of a node, under the name of what the node calls."""
    path = free_path(graph, place(node))
    graph.add_submodule(path, made)
    with graph.graph.inserting_before(node):
        stand_in(node, graph.graph.call_module(path, (x,)))


def stand_in(node: fx.Node, made: fx.Node) -> None:
    """Whoever reads a node reads what was made for it, whose shape is known as well."""
    node.replace_all_uses_with(made)
    if "tensor_meta" in node.meta:
        made.meta["tensor_meta"] = node.meta["tensor_meta"]
    node.graph.erase_node(node)
