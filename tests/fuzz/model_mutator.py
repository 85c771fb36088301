"""Spoils ONNX models by their structure.

Attributes, types, shapes, names, edges, values, operators, domains, op-sets, counts.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from onnx import AttributeProto, helper, numpy_helper

from tests.fuzz.model_nodes import NODE_CHANGES
from tests.fuzz.model_tensors import TENSOR_CHANGES
from tests.fuzz.model_words import ATTRIBUTES, DOMAINS, INT64, TEXTS, Change, a_name, a_node, a_value, a_whole
from tests.fuzz.mutators import number, text


def spoil_model(model: Any, random: Random) -> None:
    """One to three changes to a model, in place."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if model.graph.node:
            random.choice(_CHANGES)(model, random)


# ---- attributes --------------------------------------------------------------------------------------------


def _set_attribute(model: Any, random: Random) -> None:
    node = a_node(model, random)
    names = [a.name for a in node.attribute]
    name = random.choice(names) if names and random.random() < 0.6 else random.choice(ATTRIBUTES)
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, a_value(random))])


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
        attribute.i = a_whole(random)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = random.choice((*TEXTS, "\xff")).encode("latin-1")
    elif attribute.ints and random.random() < 0.8:
        attribute.ints[random.randrange(len(attribute.ints))] = a_whole(random)
    else:
        attribute.ints.append(a_whole(random))


def _drop_attribute(model: Any, random: Random) -> None:
    node = a_node(model, random)
    if node.attribute:
        del node.attribute[random.randrange(len(node.attribute))]


def _break_attribute(model: Any, random: Random) -> None:
    """Twice, of another type than its value, of a type that does not exist, or a reference."""
    node = a_node(model, random)
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


# ---- the graph's ends and frame ----------------------------------------------------------------------------


def _input(model: Any, random: Random) -> None:
    if not model.graph.input:
        return
    value = random.choice(model.graph.input)
    dims = value.type.tensor_type.shape.dim
    kind = random.randrange(7)
    if kind == 0 and dims:
        dims[random.randrange(len(dims))].dim_value = a_whole(random)
    elif kind == 1 and dims:
        dims[random.randrange(len(dims))].dim_param = "N"
    elif kind == 2:
        dims.add().dim_value = a_whole(random)
    elif kind == 3 and dims:
        del dims[random.randrange(len(dims))]
    elif kind == 4:
        value.type.tensor_type.elem_type = random.choice(range(25))
    elif kind == 5:
        value.name = a_name(model, random)
    else:
        model.graph.input.add().CopyFrom(helper.make_tensor_value_info(a_name(model, random), 1, [1, 2]))


def _output(model: Any, random: Random) -> None:
    kind = random.randrange(4)
    if kind == 0 and model.graph.output:
        model.graph.output.add().CopyFrom(random.choice(model.graph.output))
    elif kind == 1 and model.graph.output:
        del model.graph.output[random.randrange(len(model.graph.output))]
    elif kind == 2:
        model.graph.output.add().name = a_name(model, random)
    else:
        value = helper.make_tensor_value_info(a_name(model, random), 7, [3, -1])
        model.graph.value_info.add().CopyFrom(value)


def _versions(model: Any, random: Random) -> None:
    kind = random.randrange(5)
    if kind == 0 and model.opset_import:
        random.choice(model.opset_import).version = random.choice((*range(30), *INT64))
    elif kind == 1:
        model.opset_import.add().CopyFrom(
            helper.make_opsetid(random.choice(DOMAINS), random.choice(range(30)))
        )
    elif kind == 2 and model.opset_import:
        del model.opset_import[random.randrange(len(model.opset_import))]
    elif kind == 3:
        model.ir_version = random.choice(INT64)
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
        numpy_helper.from_array(np.array([1], kind), a_name(model, random)) for kind in (np.float32, np.int64)
    )
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, indices, [number(random) if random.random() < 0 else 4])
    )


def _graph_name(model: Any, random: Random) -> None:
    model.graph.name = "".join(c for c in text(random) if not "\ud800" <= c <= "\udfff")


_ATTRIBUTE_CHANGES: tuple[Change, ...] = (
    _set_attribute, _set_attribute, _change_attribute, _change_attribute, _change_attribute, _drop_attribute,
    _break_attribute,
)  # fmt: skip
_GRAPH_CHANGES: tuple[Change, ...] = (_input, _output, _versions, _function, _sparse, _graph_name)
_CHANGES = (*_ATTRIBUTE_CHANGES, *NODE_CHANGES, *TENSOR_CHANGES, *_GRAPH_CHANGES)
