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
from pyqkit.graph.lowering.errors import ConversionError, ModelError, Problem, Unlowerable
from pyqkit.graph.lowering.quantise import single_term
from pyqkit.graph.lowering.real import Real, Term, fractions, plain_view, vector_view
from pyqkit.graph.lowering.view import settle

QUANTISERS = ("Quant", "IntQuant", "FloatQuant", "BipolarQuant", "FormatQuant")


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


def load_model(path: Path) -> Any:
    """Read an ONNX file."""
    if not path.is_file():
        raise ModelError(f"an ONNX file was expected at {path}, but there is none; check the path")
    return parse_model(path.read_bytes(), str(path))


def parse_model(content: bytes, path: str) -> Any:
    """Read an ONNX model from the bytes of a file; `path` is for messages."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"an ONNX file was expected, but {path} cannot be read as one; it may be truncated, export it again") from error
    if not model.graph.node:
        raise ModelError(f"an ONNX file with nodes was expected, but {path} has none; it may be truncated, export it again")
    return model


def check_model(model: Any) -> None:
    """Refuse models without quantisers and with dynamic shapes."""
    if not any(node.op_type in QUANTISERS for node in model.graph.node):
        raise ModelError(
            f"a QONNX model with {', '.join(QUANTISERS)} nodes was expected, but none came; quantise the network and export it with "
            "pyqkit.quant.export_qonnx or brevitas.export.export_qonnx"
        )
    initialisers = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in initialisers and (not dims or any(d.dim_value < 1 for d in dims)):
            raise ModelError(f"static shapes were expected, but input {value.name} has a dynamic one; export with a fixed batch of 1")


def read_constants(model: Any) -> dict[str, np.ndarray]:
    """Initialisers of a model by name."""
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


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


def attribute_values(proto: Any) -> dict[str, Any]:
    """Attributes of an ONNX node as Python values."""
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


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


def exact_batch_norm(
    gain: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm as ``factor * x + offset``: the factor rounded to float32, the offset exact.

    The rounding is part of the definition (QONNX folds batch norms the same way): it keeps multipliers at 24 bits.
    """
    factor = (np.float64(1) * gain / np.sqrt(np.float64(1) * variance + epsilon)).astype(np.float32)
    exact = fractions(factor)
    return exact, fractions(bias) - exact * fractions(mean)
