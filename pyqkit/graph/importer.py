"""QONNX to dataflow graph: any file with Quant, FloatQuant, BipolarQuant or FormatQuant nodes.

The importer walks the nodes once. Every tensor is a constant, a quantised constant, or a `Real` (an exact description
in terms of integer tensors); each node type has one rule in `pyqkit/graph/lowering/nodes`. Nodes without a rule, and
rules that cannot go on, are collected and reported together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.discovery import import_modules
from pyqkit.graph.graph import Graph, Operator, Port, Tensor
from pyqkit.graph.lowering.errors import ConversionError, Problem, Unlowerable
from pyqkit.graph.lowering.quantise import single_term
from pyqkit.graph.lowering.real import Real, Term, fractions, plain_view, vector_view
from pyqkit.graph.lowering.view import settle
from pyqkit.graph.model import QUANTISERS, ModelError, attribute_values, check_model, load_model, read_constants


@dataclass
class Node:
    """An ONNX node with its attributes as Python values and its inputs looked up."""

    name: str
    type: str
    inputs: list[Any]
    outputs: list[str]
    attributes: dict[str, Any]

    def constant(self, index: int, what: str) -> np.ndarray:
        """Input `index`, which must be a plain constant."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, np.ndarray):
            raise Unlowerable(f"its {what} is no constant", f"export the model with a constant {what}")
        return value

    def real(self, index: int = 0) -> Real:
        """Input `index`, which must depend on the network's input."""
        value = self.inputs[index]
        if not isinstance(value, Real):
            raise Unlowerable(f"its input {index} is a constant", "fold constants before exporting")
        return value


Rule = Callable[["Lowering", Node], "list[Any]"]
_rules: dict[str, Rule] = {}


def handles(*types: str) -> Callable[[Rule], Rule]:
    """Decorator that announces the rule of ONNX node types."""

    def announce(rule: Rule) -> Rule:
        _rules.update(dict.fromkeys(types, rule))
        return rule

    return announce


def rules() -> dict[str, Rule]:
    """All rules by node type."""
    import_modules("pyqkit.graph.lowering.nodes")
    return _rules


@dataclass
class Lowering:
    """State of one conversion."""

    graph: Graph
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    input_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    input_tensors: dict[tuple, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @staticmethod
    def stem(wanted: str) -> str:
        """The layer's part of an ONNX tensor name, fit for C++ and Verilog."""
        layer = re.sub(r"(/act_quant)?(/export_handler)?(/[A-Za-z]+)?_output_\d+$", "", wanted)  # the exporter's decoration
        stem = re.sub(r"\W+", "_", layer).strip("_").lower() or "tensor"
        return stem if stem[0].isalpha() else f"n{stem}"

    def name(self, wanted: str) -> str:
        """A name that nothing has yet."""
        stem = self.stem(wanted)
        found, count = stem, 1
        while found in self.used:
            count += 1
            found = f"{stem}_{count}"
        self.used.add(found)
        return found

    def emit(self, kind: type[Operator], wanted: str, inputs: list[str], **parameters: Any) -> Tensor:
        """Append an operator with one output; operator and tensor get the same, new name."""
        name = self.name(wanted)
        (tensor,) = self.graph.add(kind(name, inputs, [name], **parameters))
        return tensor

    def note(self, sentence: str) -> None:
        """Record a decision for the conversion report."""
        self.graph.notes.append(sentence)


def import_qonnx(source: str | Path | Any) -> Graph:
    """Lower a QONNX model to a dataflow graph.

    Parameters
    ----------
    source : path or onnx.ModelProto
        A model with static shapes and batch 1, quantised with Quant, FloatQuant, BipolarQuant or FormatQuant nodes.

    Returns
    -------
    Graph

    Raises
    ------
    ModelError
        If the file is no such model.
    ConversionError
        If nodes cannot be lowered; names all of them.
    """
    model = source if hasattr(source, "graph") else load_model(Path(source))
    check_model(model)
    lowering = Lowering(Graph(model.graph.name or "network"))
    _read_inputs(lowering, model)
    known = rules()
    for index, proto in enumerate(model.graph.node):
        _lower(lowering, known, proto, index)
    if not lowering.problems:
        _write_outputs(lowering, model)
    if lowering.problems:
        raise ConversionError(lowering.problems)
    lowering.graph.prune()
    return lowering.graph


def _read_inputs(lowering: Lowering, model: Any) -> None:
    lowering.values.update(read_constants(model))
    for value in model.graph.input:
        if value.name in lowering.values:
            continue
        shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)[1:]
        if len(shape) not in (1, 3):
            raise ModelError(
                f"an input of 2 axes (batch, features) or 4 (batch, channels, height, width) was expected, but {value.name} has "
                f"{len(shape) + 1}; reshape it"
            )
        base = (1, 1, shape[0]) if len(shape) == 1 else (shape[1], shape[2], shape[0])
        view = vector_view(shape[0]) if len(shape) == 1 else plain_view(base)
        term = Term(value.name, fractions(1, base[2]))
        lowering.input_shapes[value.name] = shape
        lowering.values[value.name] = Real((term,), fractions(0, base[2]), base, view, raw=True)


def _lower(lowering: Lowering, known: dict[str, Rule], proto: Any, index: int) -> None:
    label = f"{proto.name or f'node {index}'} ({proto.op_type})"
    if any(name and name not in lowering.values for name in proto.input):
        if proto.op_type not in known:  # its input has a problem already, but this one would come next
            lowering.problems.append(Problem(label, "no operator computes this", f"replace it; supported are {', '.join(sorted(known))}"))
        return
    node = Node(
        proto.name or f"{proto.op_type}_{index}",
        proto.op_type,
        [lowering.values[n] if n else None for n in proto.input],
        list(proto.output),
        attribute_values(proto),
    )
    try:
        if proto.op_type not in QUANTISERS and all(v is None or isinstance(v, np.ndarray) for v in node.inputs):
            results = fold(proto, node)
        elif proto.op_type in known:
            results = known[proto.op_type](lowering, node)
        else:
            raise Unlowerable("no operator computes this", f"replace it; supported are {', '.join(sorted(known))}")
    except Unlowerable as problem:
        lowering.problems.append(Problem(label, problem.reason, problem.remedy))
        return
    except ValueError as problem:  # an operator or format refused the parameters
        lowering.problems.append(Problem(label, str(problem), "change the layer's parameters"))
        return
    lowering.values.update(zip(node.outputs, results))


def fold(proto: Any, node: Node) -> list[np.ndarray]:
    """Compute a node whose inputs are all constants."""
    from onnx.reference import ReferenceEvaluator

    if proto.op_type == "Constant" and "value" in node.attributes:
        from onnx import numpy_helper

        return [numpy_helper.to_array(node.attributes["value"])]
    try:
        names = [n for n in proto.input if n]
        results = ReferenceEvaluator(proto).run(None, dict(zip(names, [v for v in node.inputs if v is not None])))
    except Exception as error:  # whatever the evaluator raises, this node has no value
        raise Unlowerable(f"a constant cannot be computed ({error})", "fold constants before exporting") from error
    return [np.asarray(result) for result in results]


def _write_outputs(lowering: Lowering, model: Any) -> None:
    for value in model.graph.output:
        real = lowering.values.get(value.name)
        if not isinstance(real, Real) or real.raw:
            lowering.problems.append(
                Problem(f"output {value.name}", "it does not depend on quantised values", "quantise the network's input")
            )
            continue
        try:
            lowering.graph.outputs.append(_output_port(lowering, real, value.name))
        except Unlowerable as problem:
            lowering.problems.append(Problem(f"output {value.name}", problem.reason, problem.remedy))


def _output_port(lowering: Lowering, real: Real, name: str) -> Port:
    if not real.is_linear:
        raise Unlowerable("it ends in a function that no quantiser absorbs", "quantise the output, or drop the last activation function")
    if (real.view < 0).any():
        real = settle(lowering, real, name)
    real = single_term(lowering, real, name)
    (term,) = real.terms
    scale, offset = (np.array([float(x) for x in values]) for values in (term.factor, real.offset))
    return Port(term.tensor, name, real.shape, real.view, scale, offset)
