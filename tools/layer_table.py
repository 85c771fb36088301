"""Write docs/layers.md: which layers become operators, which attributes are taken, what is refused.

Names and attributes are those of the rules of `pyqkit.graph.lowering.rules`; what a rule refuses is read off
its source: every `Unlowerable` that it, or a function beside it that it calls, raises. ``--check`` only
compares.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import FunctionType, ModuleType

from pyqkit.graph import importer, onnx_node
from pyqkit.graph.lowering import ends, real, sums, view
from pyqkit.graph.lowering import rules as lowering_rules
from pyqkit.graph.lowering.layers import MISSING, Layer, Missing
from pyqkit.graph.lowering.rules import OWN, QONNX, Rule, rules
from pyqkit.host.operation import Operation, kinds

PAGE = Path(__file__).parent.parent / "docs" / "layers.md"
NODES = "pyqkit.graph.lowering.nodes"
SHARED = (
    lowering_rules,
    onnx_node,
    real,
    view,
    sums,
    importer,
    ends,
)  # what these refuse, every layer may meet
HEAD = """# Layers

<!-- written by tools/layer_table.py (make layer-table) from pyqkit/graph/lowering; edits are overwritten -->

What a network may be made of. A layer of PyTorch or Brevitas becomes nodes of an ONNX file when it is
exported, and each node type has one rule here, which says which attributes it understands. Everything else is
refused by the name of the node and of the layer, with what to do instead; nothing is left out silently. What
is `…` in a sentence below is a name or a number in the message.

What lies between two quantisers is exact: scales, biases, batch norms and activation functions fold into the
next quantiser ([numbers.md](numbers.md)). So every convolution and linear layer needs quantised weights and a
quantised input, and the network's input needs a quantiser. Number formats are those of
[formats.md](formats.md), sizes those of [limits.md](limits.md). [CONTRIBUTING.md](../CONTRIBUTING.md) says
how to add a layer.
"""

ENDS = """The accelerator ends at the last tensor that is a scale times codes and an offset. These nodes, and
those that only move elements, may stand between it and an output of the network: the runtime computes them
with numpy, on a board too. Inside the network, those that have a rule above need a quantiser behind them, and
the others are refused.
"""

Refusal = tuple[str, str]  # why, and what to do instead


# ---- what is refused, from the source ----------------------------------------------------------------------


def refusals(rule: Rule) -> list[Refusal]:
    """What a rule refuses, in the order of its source, then that of the functions that it calls."""
    return _once(_raised(inspect.unwrap(rule.lower), set()))


def _raised(function: Callable, seen: set[Callable]) -> Iterator[Refusal]:
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield from _raises(tree)
    for called in _called(function, tree):
        if called not in seen:
            yield from _raised(called, seen)


def _called(function: Callable, tree: ast.AST) -> Iterator[FunctionType]:
    """Functions of the rule's module, or of another with rules, that a function names."""
    for node in ast.walk(tree):
        found = inspect.getmodule(function).__dict__.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(found, FunctionType) and found.__module__.startswith((function.__module__, NODES)):
            yield found


def _raises(tree: ast.AST) -> Iterator[Refusal]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            call = node.exc
            if isinstance(call.func, ast.Name) and call.func.id == "Unlowerable" and len(call.args) == 2:
                yield _text(call.args[0]), _text(call.args[1])


def _text(node: ast.expr) -> str:
    """A sentence of the source; what it takes from values is ``…``."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _once(found: Iterable[Refusal]) -> list[Refusal]:
    return list(dict.fromkeys(found))


def shared_refusals(modules: Sequence[ModuleType] = SHARED) -> list[Refusal]:
    """What any node may be refused for."""
    return _once(refusal for module in modules for refusal in _raises(ast.parse(inspect.getsource(module))))


# ---- the page ----------------------------------------------------------------------------------------------


def names(layer: Layer) -> str:
    """What a layer is called in PyTorch and Brevitas."""
    return ", ".join(f"`{name}`" for name in (*layer.torch, *(f"brevitas.nn.{n}" for n in layer.brevitas)))


def attributes(rule: Rule) -> str:
    """Attributes that are understood."""
    only = {f"{name}={value!r}" for name, value in rule.only.items()}
    return ", ".join(f"`{name}`" for name in sorted({*rule.attributes, *only})) or "none"


def domain(rule: Rule) -> str:
    """Whose operator it is."""
    return {QONNX: "QONNX", OWN: "pyqkit"}.get(
        rule.domains, "ONNX" if "" in rule.domains else rule.domains[0]
    )


def overview(found: Sequence[Rule]) -> str:
    """One row a node type."""
    rows = [
        "| PyTorch, Brevitas | node | attributes that are taken | which of them |",
        "| --- | --- | --- | --- |",
    ]
    for rule in found:
        layer = rule.layer
        node = f"[{layer.node}](#{layer.node.lower()})" if refusals(rule) else layer.node
        rows.append(f"| {names(layer)} | {node} ({domain(rule)}) | {attributes(rule)} | {layer.note} |")
    return "\n".join(rows)


def at_the_end(found: Iterable[type[Operation]]) -> str:
    """One row a node type that the host computes."""
    rows = ["| PyTorch | node | attributes that are taken |", "| --- | --- | --- |"]
    types = {node: (name, cls) for cls in found for node, name in cls.types.items()}
    for node, (name, cls) in sorted(types.items(), key=lambda entry: entry[0].lower()):
        taken = ", ".join(f"`{key}`" for key in sorted(cls.attributes)) or "none"
        rows.append(f"| `{name}` | {node} | {taken} |")
    return "\n".join(rows)


def refused(found: Sequence[Refusal]) -> str:
    """One row a sentence."""
    rows = ["| refused | do instead |", "| --- | --- |"]
    rows += [f"| {_cell(reason)} | {_cell(remedy)} |" for reason, remedy in found]
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


def missing(found: Iterable[Missing]) -> str:
    """One row a reason, with the layers that have no operator for it."""
    rows = ["| PyTorch, Brevitas | node | why | do instead |", "| --- | --- | --- | --- |"]
    for (reason, remedy), entries in groupby(found, key=lambda entry: (entry.reason, entry.remedy)):
        layers = [entry.layer for entry in entries]
        called = ", ".join(dict.fromkeys(text for layer in layers if (text := names(layer) or layer.note)))
        nodes = ", ".join(layer.node for layer in layers)
        rows.append(f"| {called} | {nodes} | {_cell(reason)} | {_cell(remedy)} |")
    return "\n".join(rows)


def page() -> str:
    """The whole page."""
    found = sorted(rules().values(), key=lambda rule: rule.layer.node.lower())
    parts = [HEAD, "## What is taken\n", overview(found)]
    parts += ["\n## What the host computes at the end\n", ENDS, at_the_end(kinds().values())]
    parts += ["\n## Layers without an operator\n", missing(MISSING.values())]
    parts += ["\n## What is refused of any layer\n", refused(shared_refusals())]
    parts += ["\n## What is refused of one layer"]
    for rule in found:
        sentences = refusals(rule)
        if sentences:
            parts += [f"\n### {rule.layer.node}\n", refused(sentences)]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Write or compare."""
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    if "--check" in sys.argv:
        print(f"{PAGE.name} is not what the rules give; run 'make layer-table'")
        return 1
    PAGE.write_text(page())
    print(f"{PAGE.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
