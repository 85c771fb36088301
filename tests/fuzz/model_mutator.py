"""Spoils ONNX models by their structure.

Attributes, types, shapes, names, edges, values, operators, domains, op-sets, counts.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests.fuzz.mutators import FLOATS, INTEGERS, number, text

Change = Callable[[Any, Random], None]

_INT64 = [
    value
    for value in (*INTEGERS, 2**53 + 1, 2**62, 2**63 - 1, -(2**63))
    if abs(value) <= 2**63 - 1 or value == -(2**63)
]
_NUMBERS = (
    *(value for value in FLOATS if value != 1e308),
    1e-15,
    1e-38,
    0.1,
    0.3,
    3.0,
    255.0,
    2.0**24,
    2.0**40,
    1e30,
)
_TYPES = (
    "Abs Add AveragePool BatchNormalization BipolarQuant Cast Clip Concat Constant ConstantOfShape Conv Div "
    "Dropout Einsum Elu Erf Expand Flatten FloatQuant FormatQuant Gather Gemm GlobalAveragePool "
    "GlobalMaxPool HardSigmoid Identity If LeakyRelu Loop MatMul Max MaxPool Mul Neg PRelu Pad Quant "
    "QuantizeLinear Range ReduceMean Relu Reshape Resize Scan Shape Sigmoid Slice Softmax Softplus Split "
    "Squeeze Sub Tanh Tile Transpose Unsqueeze Where"
)
TYPES = tuple(_TYPES.split())
DOMAINS = (
    "", "ai.onnx", "ai.onnx.ml", "com.microsoft", "qonnx.custom_op.general", "qonnx.custom_op.channels_last",
    "onnx.brevitas", "finn.custom_op.general", "pyqkit.custom_op.general", "x",
)  # fmt: skip
_NAMES = (
    "allowzero alpha auto_pad axes axis beta bias ceil_mode count_include_pad dilations end ends epsilon "
    "format group has_inf has_nan has_subnormal keepdims kernel_shape max min mode momentum narrow "
    "noop_with_empty_axes num_outputs pads perm ratio rounding_mode saturation seed shape signed spatial "
    "split start starts steps storage_order strides to training_mode transA transB value value_float "
    "value_floats value_int value_ints value_string"
)
ATTRIBUTES = tuple(_NAMES.split())
_TEXTS = (
    "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "reflect", "edge", "constant", "ROUND", "FLOOR", "CEIL",
    "ROUND_TO_ZERO", "HALF_UP", "UP", "e2m1", "int4", "lp4_0_3", "mx32_e2m1", "e9m9", "int99999",
)  # fmt: skip


def spoil_model(model: Any, random: Random) -> None:
    """One to three changes to a model, in place."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if model.graph.node:
            random.choice(_CHANGES)(model, random)


def _node(model: Any, random: Random) -> Any:
    return random.choice(model.graph.node)


def _whole(random: Random) -> int:
    return random.choice((*_INT64, *range(-3, 6), *range(-3, 6)))


def _name(model: Any, random: Random) -> str:
    """Mostly a tensor that exists."""
    names = [n for node in model.graph.node for n in (*node.input, *node.output)] + [
        t.name for t in model.graph.initializer
    ]
    return (
        random.choice(names)
        if random.random() < 0.9
        else "".join(c for c in text(random) if not "\ud800" <= c <= "\udfff")[:400]
    )


# ---- attributes --------------------------------------------------------------------------------------------


def _value(random: Random) -> Any:
    kind = random.randrange(8)
    if kind < 3:
        return _whole(random)
    if kind == 3:
        return float(np.float32(random.choice(_NUMBERS)))
    if kind == 4:
        return random.choice(_TEXTS)
    if kind == 5:
        return [_whole(random) for _ in range(random.choice((0, 1, 2, 3, 4, 4, 8)))] or b""
    if kind == 6:
        return [float(np.float32(random.choice(_NUMBERS))) for _ in range(2)]
    return numpy_helper.from_array(np.array([random.random()], np.float32))


def _set_attribute(model: Any, random: Random) -> None:
    node = _node(model, random)
    names = [a.name for a in node.attribute]
    name = random.choice(names) if names and random.random() < 0.6 else random.choice(ATTRIBUTES)
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, _value(random))])


def _change_attribute(model: Any, random: Random) -> None:
    """Another value of the same type."""
    found = [
        a
        for node in model.graph.node
        for a in node.attribute
        if a.type in (AttributeProto.INT, AttributeProto.INTS, AttributeProto.STRING)
    ]
    if not found:
        return
    attribute = random.choice(found)
    if attribute.type == AttributeProto.INT:
        attribute.i = _whole(random)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = random.choice((*_TEXTS, "\xff")).encode("latin-1")
    elif attribute.ints and random.random() < 0.8:
        attribute.ints[random.randrange(len(attribute.ints))] = _whole(random)
    else:
        attribute.ints.append(_whole(random))


def _drop_attribute(model: Any, random: Random) -> None:
    node = _node(model, random)
    if node.attribute:
        del node.attribute[random.randrange(len(node.attribute))]


def _break_attribute(model: Any, random: Random) -> None:
    """Twice, of another type than its value, of a type that does not exist, or a reference."""
    node = _node(model, random)
    if not node.attribute:
        return
    attribute = random.choice(node.attribute)
    kind = random.randrange(4)
    if kind == 0:
        node.attribute.append(attribute)
    elif kind == 1:
        attribute.type = random.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 11))
    elif kind == 2:
        attribute.name = random.choice(("", "x", *ATTRIBUTES))
    else:
        attribute.ref_attr_name = "x"


# ---- nodes and edges ---------------------------------------------------------------------------------------


def _retype(model: Any, random: Random) -> None:
    _node(model, random).op_type = random.choice((*TYPES, ""))


def _redomain(model: Any, random: Random) -> None:
    _node(model, random).domain = random.choice(DOMAINS)


def _rewire(model: Any, random: Random) -> None:
    node = _node(model, random)
    kind = random.randrange(5)
    if kind == 0 or not node.input:
        node.input.append(_name(model, random))
    elif kind == 1:
        del node.input[random.randrange(len(node.input))]
    elif kind == 2:
        node.input[random.randrange(len(node.input))] = ""
    else:
        node.input[random.randrange(len(node.input))] = _name(model, random)


def _swap_inputs(model: Any, random: Random) -> None:
    node = _node(model, random)
    order = list(node.input)
    random.shuffle(order)
    del node.input[:]
    node.input.extend(order)


def _outputs_of_node(model: Any, random: Random) -> None:
    node = _node(model, random)
    kind = random.randrange(4)
    if kind == 0 or not node.output:
        node.output.append(random.choice(("extra", "", _name(model, random))))
    elif kind == 1:
        del node.output[-1]
    else:
        node.output[random.randrange(len(node.output))] = random.choice(("", "new", _name(model, random)))


def _order(model: Any, random: Random) -> None:
    nodes = list(model.graph.node)
    kind, at = random.randrange(3), random.randrange(len(nodes))
    if kind == 0:
        nodes.insert(random.randrange(len(nodes)), nodes.pop(at))
    elif kind == 1:
        del nodes[at]
    else:
        nodes.insert(at, nodes[at])
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _insert(model: Any, random: Random) -> None:
    """Another node on an edge, with what such a node usually has."""
    at = random.randrange(len(model.graph.node))
    node = model.graph.node[at]
    if not node.input:
        return
    source, name = node.input[0], f"inserted_{len(model.graph.node)}"
    constant = numpy_helper.from_array(np.array(random.choice(_NUMBERS), np.float32), f"{name}_constant")
    made = {
        "Cast": lambda: helper.make_node(
            "Cast", [source], [name], to=random.choice((1, 3, 6, 7, 9, 10, 11, 16))
        ),
        "Dropout": lambda: helper.make_node("Dropout", [source, "", ""], [name]),
        "Clip": lambda: helper.make_node("Clip", [source, constant.name], [name]),
        "LeakyRelu": lambda: helper.make_node(
            "LeakyRelu", [source], [name], alpha=random.choice((0.1, -0.5, 0.0))
        ),
        "MaxPool": lambda: helper.make_node(
            "MaxPool", [source], [name], kernel_shape=[2, 2], pads=[1, 1, 0, 0]
        ),
        "AveragePool": lambda: helper.make_node("AveragePool", [source], [name], kernel_shape=[2, 1]),
    }
    unary = (
        "Relu",
        "Neg",
        "Identity",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "Elu",
        "Flatten",
        "GlobalMaxPool",
        "Transpose",
        "Shape",
        "Exp",
    )
    kind = random.choice((*unary, *made, "Mul", "Add", "Sub", "Div", "Quant"))
    if kind in made:
        new = made[kind]()
    elif kind in unary:
        new = helper.make_node(kind, [source], [name])
    elif kind == "Quant":
        inputs = [source, constant.name, constant.name, constant.name]
        new = helper.make_node(
            "Quant", inputs, [name], domain="qonnx.custom_op.general", rounding_mode="ROUND"
        )
    else:
        new = helper.make_node(
            kind, random.choice(([source, constant.name], [constant.name, source])), [name]
        )
    model.graph.initializer.append(constant)
    node.input[0] = name
    model.graph.node.insert(at, new)


def _subgraph(model: Any, random: Random) -> None:
    """A loop of very many turns, or a branch, that makes an input of a node."""
    at = random.randrange(len(model.graph.node))
    node = model.graph.node[at]
    if not node.input:
        return
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition_in"], ["condition_out"]),
            helper.make_node("Identity", ["state_in"], ["state_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info(n, k, [])
            for n, k in (("turn", 7), ("condition_in", 9), ("state_in", 1))
        ],
        [helper.make_tensor_value_info(n, k, []) for n, k in (("condition_out", 9), ("state_out", 1))],
    )
    constants = {
        "loop_turns": np.array(2**62),
        "loop_condition": np.array(True),
        "loop_state": np.array(1.0, np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    place = random.randrange(len(node.input))
    node.input[place] = "loop_result"
    model.graph.node.insert(at, helper.make_node("Loop", list(constants), ["loop_result"], body=body))


def _huge_constant(model: Any, random: Random) -> None:
    """A node that makes gigabytes of a few bytes, as an input of another node."""
    at = random.randrange(len(model.graph.node))
    node = model.graph.node[at]
    if not node.input:
        return
    shape = numpy_helper.from_array(
        np.array([random.choice((4, 2**13, 2**31, 2**40)) for _ in range(2)], np.int64), "huge_shape"
    )
    one = numpy_helper.from_array(np.ones((1, 1), np.float32), "huge_one")
    made = random.choice(("ConstantOfShape", "Expand", "Tile"))
    model.graph.initializer.extend([shape, one])
    node.input[random.randrange(len(node.input))] = "huge"
    inputs = ["huge_shape"] if made == "ConstantOfShape" else ["huge_one", "huge_shape"]
    model.graph.node.insert(at, helper.make_node(made, inputs, ["huge"]))


def _as_constant_node(model: Any, random: Random) -> None:
    """An initialiser as a Constant node, in one of its forms."""
    if not model.graph.initializer:
        return
    index = random.randrange(len(model.graph.initializer))
    tensor = model.graph.initializer[index]
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):  # spoiled already
        return
    forms: list[dict[str, Any]] = [{"value": tensor}, {"value_string": "x"}]
    if array.dtype.kind == "f" and array.size < 100:
        forms.append({"value_floats": [float(v) for v in array.ravel()]})
    if array.dtype.kind == "f" and array.size == 1:
        forms.append({"value_float": float(array.ravel()[0])})
    if array.dtype.kind == "i" and array.size < 100:
        forms.append({"value_ints": [int(v) for v in array.ravel()] or [0]})
    node = helper.make_node("Constant", [], [tensor.name], **random.choice(forms))
    del model.graph.initializer[index]
    model.graph.node.insert(0, node)


# ---- initialisers ------------------------------------------------------------------------------------------


def _values(model: Any, random: Random) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    try:
        array = numpy_helper.to_array(tensor).copy()
    except (ValueError, TypeError):  # spoiled already
        return
    if not array.size or array.dtype.kind not in "fi":
        return
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        new = (
            np.array(random.choice(_NUMBERS)).astype(array.dtype)
            if array.dtype.kind == "f"
            else np.array(_whole(random)).astype(array.dtype)
        )
        kind = random.randrange(4)
        if kind == 0:
            flat[:] = new
        elif kind == 1:
            flat *= array.dtype.type(random.choice((-1, 0, 2, 3)))
        else:
            flat[random.randrange(flat.size)] = new
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _tensor(model: Any, random: Random) -> None:
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    kind = random.randrange(7)
    if kind == 0:
        tensor.data_type = random.choice(range(25))
    elif kind == 1 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = _whole(random)
    elif kind == 2:
        tensor.dims.append(_whole(random))
    elif kind == 3:
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]
    elif kind == 4:
        tensor.name = _name(model, random)
    elif kind == 5:
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key = random.choice(("location", "offset", "length"))
        entry.value = random.choice(
            ("/etc/passwd", "../x", "input.onnx", ".", "", "x" * 300, "-1", str(2**62))
        )
    else:
        del model.graph.initializer[list(model.graph.initializer).index(tensor)]


def _reshape_tensor(model: Any, random: Random) -> None:
    """The same numbers on other axes, or some of them, or as another type."""
    if not model.graph.initializer:
        return
    tensor = random.choice(model.graph.initializer)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):  # spoiled already
        return
    kind = random.randrange(6)
    with np.errstate(all="ignore"):
        if kind == 0:
            array = array.reshape(-1)
        elif kind == 1:
            array = array[None]
        elif kind == 2 and array.ndim:
            array = array[: random.choice((0, 1, 2))]
        elif kind == 3 and array.ndim:
            array = array[0]
        elif kind == 4 and array.dtype.kind in "fiu":
            array = array.astype(
                random.choice(
                    (np.float64, np.float16, np.float32, np.int64, np.int32, np.int8, np.uint8, bool)
                )
            )
        else:
            array = np.moveaxis(array, -1, 0) if array.ndim else array[None, None]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


# ---- the graph's ends and frame ----------------------------------------------------------------------------


def _input(model: Any, random: Random) -> None:
    if not model.graph.input:
        return
    value = random.choice(model.graph.input)
    dims = value.type.tensor_type.shape.dim
    kind = random.randrange(7)
    if kind == 0 and dims:
        dims[random.randrange(len(dims))].dim_value = _whole(random)
    elif kind == 1 and dims:
        dims[random.randrange(len(dims))].dim_param = "N"
    elif kind == 2:
        dims.add().dim_value = _whole(random)
    elif kind == 3 and dims:
        del dims[random.randrange(len(dims))]
    elif kind == 4:
        value.type.tensor_type.elem_type = random.choice(range(25))
    elif kind == 5:
        value.name = _name(model, random)
    else:
        model.graph.input.add().CopyFrom(helper.make_tensor_value_info(_name(model, random), 1, [1, 2]))


def _output(model: Any, random: Random) -> None:
    kind = random.randrange(4)
    if kind == 0 and model.graph.output:
        model.graph.output.add().CopyFrom(random.choice(model.graph.output))
    elif kind == 1 and model.graph.output:
        del model.graph.output[random.randrange(len(model.graph.output))]
    elif kind == 2:
        model.graph.output.add().name = _name(model, random)
    else:
        model.graph.value_info.add().CopyFrom(helper.make_tensor_value_info(_name(model, random), 7, [3, -1]))


def _versions(model: Any, random: Random) -> None:
    kind = random.randrange(5)
    if kind == 0 and model.opset_import:
        random.choice(model.opset_import).version = random.choice((*range(30), *_INT64))
    elif kind == 1:
        model.opset_import.add().CopyFrom(
            helper.make_opsetid(random.choice(DOMAINS), random.choice(range(30)))
        )
    elif kind == 2 and model.opset_import:
        del model.opset_import[random.randrange(len(model.opset_import))]
    elif kind == 3:
        model.ir_version = random.choice(_INT64)
    else:
        for entry in model.opset_import:
            if not entry.domain:
                entry.version = random.choice(range(7, 25))


def _function(model: Any, random: Random) -> None:
    kind = random.choice(model.graph.node).op_type
    body = [helper.make_node("Neg", ["a"], ["b"])]
    model.functions.append(
        helper.make_function("", kind or "x", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    )


def _sparse(model: Any, random: Random) -> None:
    values, indices = (
        numpy_helper.from_array(np.array([1], kind), _name(model, random)) for kind in (np.float32, np.int64)
    )
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, indices, [number(random) if random.random() < 0 else 4])
    )


def _graph_name(model: Any, random: Random) -> None:
    model.graph.name = "".join(c for c in text(random) if not "\ud800" <= c <= "\udfff")


_CHANGES: tuple[Change, ...] = (
    _set_attribute, _set_attribute, _change_attribute, _change_attribute, _change_attribute, _drop_attribute,
    _break_attribute, _retype, _redomain, _rewire, _rewire, _swap_inputs, _outputs_of_node, _order, _insert,
    _insert, _insert, _subgraph, _huge_constant, _as_constant_node, _values, _values, _values, _tensor,
    _reshape_tensor, _reshape_tensor, _input, _output, _versions, _function, _sparse, _graph_name,
)  # fmt: skip
