"""Changes to the nodes and edges of an ONNX model."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from tests.fuzz.model_words import DOMAINS, NUMBERS, TYPES, Change, a_name, a_node


def _retype(model: Any, random: Random) -> None:
    a_node(model, random).op_type = random.choice((*TYPES, ""))


def _redomain(model: Any, random: Random) -> None:
    a_node(model, random).domain = random.choice(DOMAINS)


def _rewire(model: Any, random: Random) -> None:
    node = a_node(model, random)
    kind = random.randrange(5)
    if kind == 0 or not node.input:
        node.input.append(a_name(model, random))
    elif kind == 1:
        del node.input[random.randrange(len(node.input))]
    elif kind == 2:
        node.input[random.randrange(len(node.input))] = ""
    else:
        node.input[random.randrange(len(node.input))] = a_name(model, random)


def _swap_inputs(model: Any, random: Random) -> None:
    node = a_node(model, random)
    order = list(node.input)
    random.shuffle(order)
    del node.input[:]
    node.input.extend(order)


def _outputs_of_node(model: Any, random: Random) -> None:
    node = a_node(model, random)
    kind = random.randrange(4)
    if kind == 0 or not node.output:
        node.output.append(random.choice(("extra", "", a_name(model, random))))
    elif kind == 1:
        del node.output[-1]
    else:
        node.output[random.randrange(len(node.output))] = random.choice(("", "new", a_name(model, random)))


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
    constant = numpy_helper.from_array(np.array(random.choice(NUMBERS), np.float32), f"{name}_constant")
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


NODE_CHANGES: tuple[Change, ...] = (
    _retype, _redomain, _rewire, _rewire, _swap_inputs, _outputs_of_node, _order, _insert, _insert, _insert,
    _subgraph, _huge_constant, _as_constant_node,
)  # fmt: skip
