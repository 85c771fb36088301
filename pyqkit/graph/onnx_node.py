"""What ONNX itself says of a node: attributes, shapes, and its value where all inputs are constants.

A model is somebody else's program. So a node is first held against ONNX's own schema and shape inference,
which compute no element; only then is it lowered, or executed if it is one of the operators below, whose cost
is that of the elements they read and write.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from pyqkit.graph import limits
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.host.operation import Typed

# Operators of constants: each does a few steps an element. No loops, branches, functions, random numbers or
# products of matrices.
# fmt: off
FOLDED = frozenset((
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "ConstantOfShape", "Div", "Equal", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "Greater", "Identity", "Less", "Log", "Max", "Min", "Mod",
    "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round", "Shape", "Sigmoid", "Sign", "Size", "Slice",
    "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose", "Unsqueeze", "Where",
))
# fmt: on
# Ranges of attributes by name, whatever the operator: shape inference divides by them, and kernels count with
# them.
_RANGES = {
    "kernel_shape": (1, limits.WINDOW),
    "strides": (1, limits.WINDOW),
    "dilations": (1, limits.WINDOW),
    "group": (1, limits.CHANNELS),
    "pads": (0, limits.PADDING),
}
_NOTHING = Typed(np.dtype(np.float32), ())
_SMALL = 64  # elements of an input that can be a shape, axes or pads

Shape = tuple[int, ...]


# a constant; what is none, by its shape where it is float32; an input that is left out
Input = np.ndarray | Shape | Typed | None


def check_ranges(attributes: dict[str, Any]) -> None:
    """Refuse attributes that no window can have.

    Raises
    ------
    Unlowerable
    """
    for name, (least, most) in _RANGES.items():
        given = attributes.get(name, [])
        for value in given if isinstance(given, list) else [given]:
            if not isinstance(value, int) or not least <= value <= most:
                raise Unlowerable(
                    f"its {name} holds {value!r}, no whole number from {least} to {most}",
                    "change the layer's parameters",
                )


def output_shapes(
    proto: Any,
    opset: int,
    inputs: Sequence[Input],
    most: int = limits.CONSTANT_ELEMENTS,
    needed: Container[str] | None = None,
) -> list[Shape]:
    """Shapes of a node's outputs; () for one that is left out or that nothing needs.

    Parameters and errors as for `outputs`.
    """
    return [typed.shape for typed in outputs(proto, opset, inputs, most, needed)]


def outputs(
    proto: Any,
    opset: int,
    inputs: Sequence[Input],
    most: int = limits.CONSTANT_ELEMENTS,
    needed: Container[str] | None = None,
) -> list[Typed]:
    """Types and shapes of a node's outputs; shape () for one that is left out or that nothing needs.

    Parameters
    ----------
    proto : onnx.NodeProto
        Of ONNX's own domain, with attributes that `check_ranges` has passed.
    opset : int
    inputs : list
        In the order of the node's inputs.
    most : int
        Elements that an output may have.
    needed : names, optional
        Outputs that somebody reads; all without it.

    Raises
    ------
    Unlowerable
        If the node is not what ONNX allows, or its outputs have no shape of their own or too large a one.
    """
    import onnx

    types, data = _described(proto, inputs)
    versions = [onnx.helper.make_opsetid("", opset)]
    try:
        schema = onnx.defs.get_schema(proto.op_type, opset, "")
        found = onnx.shape_inference.infer_node_outputs(schema, proto, types, data, opset_imports=versions)
    except onnx.defs.SchemaError as error:
        raise Unlowerable(f"ONNX has no such operator in op-set {opset}", "export the model again") from error
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
        reason = f"it is no node that ONNX allows ({_sentence(error)})"
        raise Unlowerable(reason, "export the model again") from error
    return [
        _typed(found.get(name), most) if name and (needed is None or name in needed) else _NOTHING
        for name in proto.output
    ]


def _typed(kind: Any, most: int) -> Typed:
    from onnx import helper

    shape, element = _shape(kind, most), kind.tensor_type.elem_type
    return Typed(helper.tensor_dtype_to_np_dtype(element) if element else np.dtype(np.float32), shape)


def _described(proto: Any, inputs: Sequence[Input]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Types of a node's inputs, and the values of those that may be a shape, by name."""
    from onnx import TensorProto, helper, numpy_helper

    types, data = {}, {}
    for name, value in zip(proto.input, inputs):
        if isinstance(value, np.ndarray):
            element = helper.np_dtype_to_tensor_dtype(value.dtype)
            types[name] = helper.make_tensor_type_proto(element, value.shape)
            if value.size <= _SMALL:
                data[name] = numpy_helper.from_array(value, name)
        elif isinstance(value, Typed):
            element = helper.np_dtype_to_tensor_dtype(value.type)
            types[name] = helper.make_tensor_type_proto(element, value.shape)
        elif value is not None:
            types[name] = helper.make_tensor_type_proto(TensorProto.FLOAT, value)
    return types, data


def _sentence(error: Exception) -> str:
    """The first line of what onnx says, without its own marks."""
    return str(error).strip().splitlines()[0].split("] ")[-1].rstrip(".")[:200]


def _shape(kind: Any, most: int) -> Shape:
    dims = kind.tensor_type.shape.dim if kind is not None and kind.tensor_type.HasField("shape") else None
    if dims is None or any(not d.HasField("dim_value") for d in dims):
        raise Unlowerable(
            "the shape of its output depends on more than the shapes of its inputs",
            "fold constants before exporting",
        )
    shape = tuple(int(d.dim_value) for d in dims)
    if any(n < 0 for n in shape):
        raise Unlowerable(
            f"its output would have the shape {shape}", "check its window, strides and pads against its input"
        )
    if len(shape) > limits.AXES or int(np.prod(shape, dtype=object)) > most:
        raise Unlowerable(
            f"its output has the shape {shape[: limits.AXES + 1]}, more than {limits.AXES} axes or "
            f"{most} elements",
            "use a smaller tensor",
        )
    return shape


def folded(proto: Any, opset: int, inputs: Sequence[np.ndarray | None], most: int) -> list[np.ndarray]:
    """Value of a node whose inputs are all constants: one array for each output that has a name.

    Parameters
    ----------
    proto, opset, inputs
        As for `output_shapes`.
    most : int
        Elements that the arrays may have.

    Raises
    ------
    Unlowerable
        If it is none of `FOLDED`, or cannot be computed.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if proto.domain not in ("", "ai.onnx") or proto.op_type not in FOLDED:
        raise Unlowerable(
            "no constant is computed by such a node",
            "fold constants before exporting, for instance with onnxsim",
        )
    output_shapes(proto, opset, inputs, most)
    given = {name: value for name, value in zip(proto.input, inputs) if value is not None}
    ends = [
        [helper.make_value_info(name, helper.make_tensor_type_proto(1, None)) for name in names]
        for names in (given, proto.output)
    ]
    graph = helper.make_graph([proto], "constant", ends[0], [value for value in ends[1] if value.name])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, given)
    except Exception as error:  # whatever the evaluator raises, this node has no value
        raise Unlowerable(
            f"a constant cannot be computed ({_sentence(error) if str(error) else error!r})",
            "fold constants before exporting",
        ) from error
    arrays = [np.asarray(result) for result in results]
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise Unlowerable(
            "it computes a constant that is no array of plain numbers", "store the constant as float32"
        )
    return arrays
