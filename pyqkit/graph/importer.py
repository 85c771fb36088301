"""QONNX to dataflow graph: any file with nodes that quantise, QONNX' or ONNX' own.

The importer walks the nodes once. Every tensor is a constant, a quantised constant, or a `Real` (an exact
description in terms of integer tensors); each node type has one rule in `pyqkit/graph/lowering/nodes`. Nodes
without a rule, and rules that cannot go on, are collected and reported together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.errors import UserError, plain
from pyqkit.graph import limits
from pyqkit.graph.graph import Graph
from pyqkit.graph.input_format import HINT
from pyqkit.graph.layer_names import layer_names, layer_path
from pyqkit.graph.lowering.batches import ACROSS, batch_back, batch_first, forget
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.ends import is_for_host, torch_names, typed, write_ends
from pyqkit.graph.lowering.errors import ConversionError, Problem, Unlowerable
from pyqkit.graph.lowering.input_layout import input_layout
from pyqkit.graph.lowering.layers import MISSING
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.rules import Node, Rule, rules
from pyqkit.graph.lowering.session import Hosted, Lowering, Stored, Value, shape_of
from pyqkit.graph.model import (
    QUANTISERS,
    ModelError,
    attribute_values,
    check_model,
    constant_array,
    has_any_batch,
    is_integer,
    is_tensor,
    label,
    load_model,
    needed_names,
    network_inputs,
    node_name,
    opset_version,
    read_constants,
    shown,
)
from pyqkit.graph.onnx_node import Input, check_ranges, folded, output_shapes, outputs

# Of graphs whose network has no name: by PyTorch's exporters, old and new, and tf2onnx
_EXPORTERS_NAMES = ("", "main_graph", "torch_jit", "torch-jit-export", "tf2onnx")
# What the host computes of its own numbers alone: of the accelerator's it would hide what is wrong with them.
_NEVER_FIRST = ("QuantizeLinear", "DequantizeLinear")
Known = Value | Hosted | None  # None is an input that is left out
# Numbers that a Constant node holds, by the attribute that holds them
_CONSTANTS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def network_name(graph_name: str, source: object) -> str:
    """What a network is called: as its file, or as the graph in it unless an exporter chose that name."""
    if isinstance(source, (str, Path)):
        return plain(Path(source).stem) or "network"
    return "network" if graph_name in _EXPORTERS_NAMES else graph_name


# Inputs that hold the shape of a result, batch included
_SHAPES = {"Reshape": 1, "Expand": 1, "Resize": 3}


def import_qonnx(source: str | Path | Any, name: str = "") -> Graph:
    """Lower a QONNX model to a dataflow graph.

    Parameters
    ----------
    source : path or onnx.ModelProto
        A model with static shapes, quantised with Quant, FloatQuant, BipolarQuant or FormatQuant nodes, or
        with QuantizeLinear and DequantizeLinear. Its batch is 1, or open: then 1 is assumed, and a note says
        so.
    name : str
        Of the network; by default as `network_name` calls it.

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
    model = load_model(Path(source)) if isinstance(source, (str, Path)) else source
    check_model(model)
    graph = Graph(name or network_name(model.graph.name, source))
    lowering = Lowering(graph, opset_version(model), needed_names(model.graph))
    lowering.layers, lowering.at_end = layer_names(model.graph), _at_end(model.graph)
    _read_inputs(lowering, model)
    known = rules()
    for index, proto in enumerate(model.graph.node):
        if lowering.needed.intersection(proto.output):
            _lower(lowering, known, proto, index)
    if not lowering.problems:
        write_ends(lowering, [value.name for value in model.graph.output])
    if not lowering.problems:
        lowering.graph.prune()
        _check_inputs(lowering)
    if lowering.problems:
        unforeseen = next((problem.cause for problem in lowering.problems if problem.cause), None)
        raise ConversionError(lowering.problems) from unforeseen
    return lowering.graph


def _at_end(graph: Any) -> set[str]:
    """Tensors behind which stands nothing but what the host computes."""
    inside: set[str] = set()
    made: set[str] = set()
    for node in reversed(graph.node):
        made.update(node.output)
        if not is_for_host(node.op_type, node.domain) or inside.intersection(node.output):
            inside.update(node.input)
    return made - inside


def _read_inputs(lowering: Lowering, model: Any) -> None:
    constants = read_constants(model)
    lowering.values.update(constants)
    for value in network_inputs(model.graph):
        shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)[1:]
        base, order = input_layout(model.graph, value.name, shape, constants)
        term = Term(value.name, fractions(1, base[2]))
        lowering.input_orders[value.name] = order
        lowering.values[value.name] = Real((term,), fractions(0, base[2]), base, order, raw=True)
        _check_readers(lowering, model.graph, value)
        if not has_any_batch(value):
            lowering.batch = value.type.tensor_type.shape.dim[0].dim_value
        else:
            lowering.note(f"input {shown(value.name)} has a batch of any length: 1 is assumed")


def _check_readers(lowering: Lowering, graph: Any, value: Any) -> None:
    """Whole numbers become real ones first, or ONNX would compute with them modulo 256 or 65,536."""
    if not is_integer(value):
        return
    for index, node in enumerate(graph.node):
        if (
            value.name in node.input
            and node.op_type not in ("Cast", *QUANTISERS)
            and lowering.needed.intersection(node.output)
        ):
            raise ModelError(
                f"a Cast to FLOAT or a quantiser was expected behind the integer input {shown(value.name)}, "
                f"but {label(node, index)} reads it; cast it first"
            )


def _lower(lowering: Lowering, known: dict[str, Rule], proto: Any, index: int) -> None:
    name = _named(proto, index)
    try:
        hosted = _hosted_input(lowering, proto)
        if hosted is not None and not is_for_host(proto.op_type, proto.domain):
            _refuse_inside(lowering, hosted)
            _rule(known, proto)  # which says why, if there is none
            return
        if any(n and n not in lowering.values for n in proto.input):  # its input has a problem already
            if not is_for_host(proto.op_type, proto.domain):
                _rule(known, proto)
            return
        results = _results(lowering, known, proto, index)
    except (Unlowerable, UserError) as problem:
        lowering.problems.append(_problem(name, problem))
    except Exception as problem:  # nobody foresaw it; the other nodes are reported all the same
        reason = f"it breaks the importer ({type(problem).__name__}: {problem})"
        lowering.problems.append(Problem(name, reason, "report it with the model", problem))
    else:
        lowering.values.update((n, result) for n, result in zip(proto.output, results) if n)


def _hosted_input(lowering: Lowering, proto: Any) -> Hosted | None:
    """An input of a node that the host alone can compute, if there is one."""
    values = (lowering.values.get(name) for name in proto.input)
    return next((value for value in values if isinstance(value, Hosted)), None)


def _refuse_inside(lowering: Lowering, hosted: Hosted) -> None:
    """What the host alone can compute has to stand at the end, and a node of the accelerator reads it."""
    if not any(problem.node == hosted.problem.node for problem in lowering.problems):
        lowering.problems.append(hosted.problem)


def _rule(known: dict[str, Rule], proto: Any, node: Node | None = None) -> Rule:
    """The rule of a node's type; its inputs say more of why there is none."""
    rule = known.get(proto.op_type)
    if rule is not None:
        return rule
    missing = MISSING.get(proto.op_type)
    if missing is not None:
        raise Unlowerable(*((missing.reason, missing.remedy) if node is None else missing.refusal(node)))
    raise Unlowerable("no operator computes this", f"replace it; supported are {', '.join(sorted(known))}")


def _named(proto: Any, index: int) -> str:
    """Name of a node in messages, with what its layer is called in PyTorch and in the module."""
    path = layer_path(proto)
    where = f" in layer {shown(path)}" if path else ""
    names = torch_names(proto.op_type)
    if not names:
        return f"{label(proto, index)}{where}"
    return f"{node_name(proto, index)}, {' or '.join(names)} ({proto.op_type}){where}"


def _results(lowering: Lowering, known: dict[str, Rule], proto: Any, index: int) -> Sequence[Value | Hosted]:
    """What a node makes: for each of its outputs an array, a quantised constant, a `Real` or a `Hosted`."""
    given = _for_one_frame(lowering, proto, [lowering.values[n] if n else None for n in proto.input])
    values = [None if isinstance(value, Hosted) else value for value in given]  # no rule ever sees one
    wanted, attributes = proto.name or f"{proto.op_type}_{index}", attribute_values(proto)
    sources = list(proto.input)
    node = Node(wanted, proto.op_type, values, list(proto.output), attributes, proto.domain, sources)
    hosted = _hosted_input(lowering, proto)
    onnxs_own = proto.op_type not in known or known[proto.op_type].shape is None
    constants = [value for value in values if value is None or isinstance(value, np.ndarray)]
    if hosted is None and onnxs_own and len(constants) == len(values):
        return _constants(lowering, proto, node, constants)
    lowering.makers.update((name, node) for name in proto.output if name)
    if hosted is not None:
        return _left_to_host(lowering, proto, given, hosted.problem)
    try:
        return _lowered(lowering, _rule(known, proto, node), proto, node)
    except (Unlowerable, UserError) as error:
        hosts = is_for_host(proto.op_type, proto.domain) and proto.op_type not in _NEVER_FIRST
        if not hosts or any(map(_is_unquantised, values)):
            raise
        try:
            return _left_to_host(lowering, proto, given, _why(known, proto, index, error))
        except Unlowerable:
            if proto.op_type in known:  # what its own rule says of it says more
                raise error from None
            raise


def _for_one_frame(lowering: Lowering, proto: Any, given: list[Known]) -> list[Known]:
    """Inputs of a node; a shape that is written for the file's batch becomes one for a batch of 1."""
    place = _SHAPES.get(proto.op_type)
    if place is None or lowering.batch == 1 or len(given) != place + 1:
        return given
    source, shape = given[0], given[place]
    if not (isinstance(shape, np.ndarray) and shape.size and shape.ravel()[0] == lowering.batch):
        return given
    if source is None or isinstance(source, (np.ndarray, Coded)):  # a constant has no batch
        return given
    if proto.op_type == "Resize" and any(attribute.name == "axes" for attribute in proto.attribute):
        return given  # sizes of some axes
    return [*given[:place], np.concatenate([np.ones(1, shape.dtype), shape.ravel()[1:]])]


def _is_unquantised(value: Value | None) -> bool:
    return isinstance(value, Stored) or (isinstance(value, Real) and value.raw)


def _why(known: dict[str, Rule], proto: Any, index: int, error: Unlowerable | UserError) -> Problem:
    """What is wrong with a node that the host computes, should a node of the accelerator read it."""
    name = _named(proto, index)
    if proto.op_type in known:
        return _problem(name, error)
    return Problem(
        name,
        "the host computes it behind the accelerator, so it has to be at the end of the network",
        "leave it out, or put what follows on the host too",
    )


def _problem(name: str, error: Unlowerable | UserError) -> Problem:
    if isinstance(error, Unlowerable):
        return Problem(name, error.reason, error.remedy)
    # an operator or a format refused the parameters
    return Problem(name, str(error), "change the layer's parameters")


def _left_to_host(lowering: Lowering, proto: Any, given: list[Known], problem: Problem) -> list[Hosted]:
    """What the host computes of a node's inputs, if nothing inside the network reads it."""
    inputs = [_described(value) for value in given]
    found = outputs(proto, lowering.opset, inputs, limits.TENSOR_ELEMENTS, lowering.needed)
    return [Hosted(made.type, made.shape, problem) for made in found]


def _lowered(lowering: Lowering, rule: Rule, proto: Any, node: Node) -> Sequence[Value]:
    aside = None if rule.moves else batch_first(node)
    turned, place = (node, 0) if aside is None else aside
    rule.check(turned)
    check_ranges(node.attributes)
    shapes = _shapes(lowering, rule, proto, node)
    if any(0 in shape for shape in shapes):
        raise Unlowerable("its output has no elements", "export the model again")
    results = rule.lower(lowering, turned)
    if aside is not None:
        results = [batch_back(result, place) for result in results]
        forget(lowering, proto.output)
    if lowering.batch > 1 and any(isinstance(made, Real) and made.batch_axis is None for made in results):
        raise Unlowerable(*ACROSS)
    for index, name in enumerate(proto.output):
        if index >= len(results) and name in lowering.needed:
            raise Unlowerable(
                f"its output {index} is used, and it is not computed", "use its first output alone"
            )
    for name, result, shape in zip(proto.output, results, shapes):
        if name in lowering.needed and shape_of(result) != shape:
            raise Unlowerable(
                f"it would give the shape {shape_of(result)}, and ONNX says {shape}",
                "export the model again with a batch of 1",
            )
    return results


def _shapes(lowering: Lowering, rule: Rule, proto: Any, node: Node) -> list[tuple[int, ...]]:
    """Shapes of what a node makes."""
    if rule.shape is not None:
        return [rule.shape(node)]
    inputs = [_described(value) for value in node.inputs]
    return output_shapes(proto, lowering.opset, inputs, limits.TENSOR_ELEMENTS, lowering.needed)


def _described(value: Known) -> Input:
    if value is None or isinstance(value, np.ndarray):
        return value
    return typed(value)


def _constants(
    lowering: Lowering, proto: Any, node: Node, inputs: list[np.ndarray | None]
) -> list[np.ndarray]:
    """Values of a node whose inputs are all constants."""
    if proto.op_type == "Constant":
        return [_constant(proto, node, lowering.opset, inputs)]
    arrays = folded(proto, lowering.opset, inputs, limits.FOLDED_ELEMENTS - lowering.folded)
    lowering.folded += sum(array.size for array in arrays)
    return arrays


def _constant(proto: Any, node: Node, opset: int, inputs: Sequence[Input]) -> np.ndarray:
    tensor = node.attributes.get("value")
    if len(node.attributes) == 1 and is_tensor(tensor):
        return constant_array(tensor)  # whole numbers too, which PyTorch wrote before op-set 9 allowed them
    output_shapes(proto, opset, inputs)
    ((name, value),) = node.attributes.items()  # one of them, as ONNX's shape inference has checked
    if name not in _CONSTANTS:
        raise Unlowerable(
            f"its {shown(name)} is no dense array of numbers", "store the constant as a dense float32 tensor"
        )
    return np.array(value, _CONSTANTS[name])


def _check_inputs(lowering: Lowering) -> None:
    """One stream goes in: the input is quantised, and in one way."""
    ports = lowering.graph.inputs
    if len(ports) == 1:
        return
    formats = ", ".join(
        f"{lowering.graph.tensors[port.tensor].format} in steps of {port.scale[0]:g}" for port in ports
    )
    lowering.problems.append(
        Problem(
            f"input {shown(ports[0].onnx_name)}",
            f"it is quantised in {len(ports)} ways ({formats})",
            f"quantise it once, and share the result; or {HINT}",
        )
    )
