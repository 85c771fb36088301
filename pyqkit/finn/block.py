"""An operator with the tensors that it reads, apart from its graph, and as attributes of an ONNX node."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from pyqkit.formats.reading import DAMAGE, describe
from pyqkit.graph.fields import array_names
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, GraphError, Operator, Tensor
from pyqkit.graph.ops import by_kind
from pyqkit.graph.serialise import operator_from_json, operator_to_json, tensor_from_json, tensor_to_json
from pyqkit.hardware.estimator import Estimate, Estimator


def array_fields(kind: str) -> list[str]:
    """Names of an operator's arrays, which become tensor attributes."""
    return array_names(by_kind(kind))


@dataclass(frozen=True, eq=False)
class Block:
    """An operator that stands alone.

    Its inputs are called ``in0``, ``in1``, ..., its outputs ``out0``, ..., and itself after its kind.

    Attributes
    ----------
    op : Operator
    inputs : list of Tensor
    """

    op: Operator
    inputs: list[Tensor]

    @classmethod
    def of(cls, op: Operator, inputs: list[Tensor]) -> Block:
        """Cut an operator out of its graph."""
        names = [f"in{i}" for i in range(len(inputs))]
        alone = replace(op, name=op.kind, inputs=names, outputs=[f"out{i}" for i in range(len(op.outputs))])
        return cls(alone, [replace(tensor, name=name) for tensor, name in zip(inputs, names)])

    @cached_property
    def outputs(self) -> list[Tensor]:
        """Tensors that it writes."""
        return self.op.infer(self.inputs)

    def attributes(self) -> dict[str, Any]:
        """Attributes of an ONNX node that `read` understands."""
        arrays: dict[str, np.ndarray] = {}
        text = {
            "operator": operator_to_json(self.op, arrays),
            "tensors": [tensor_to_json(tensor) for tensor in self.inputs],
        }
        named = {
            name.removeprefix(f"{self.op.name}."): numpy_helper.from_array(np.ascontiguousarray(a))
            for name, a in arrays.items()
        }
        return {"operator": json.dumps(text), **named}

    @cached_property
    def _survey(self) -> Estimator:
        graph = Graph(self.op.name, {tensor.name: tensor for tensor in self.inputs})
        graph.add(self.op)
        return Estimator(graph)

    def estimate(self, lanes: list[int], folding: Folding) -> Estimate:
        """Cycles and resources for words of so many codes at each input."""
        return self._survey.estimate_at(self.op, tuple(lanes), folding)


def read(node: NodeProto) -> Block:
    """The operator that a node carries.

    Raises
    ------
    GraphError
        If its attributes are not what `Block.attributes` makes.
    """
    values = {attribute.name: attribute for attribute in node.attribute}
    if "operator" not in values:
        raise GraphError(
            f"a node that carries an operator was expected, but {node.name} carries none; make the "
            "model with to_finn"
        )
    text = values["operator"].s.decode()
    arrays = {name: attribute.t for name, attribute in values.items() if attribute.HasField("t")}
    return _read(text, tuple((name, tensor.SerializeToString()) for name, tensor in sorted(arrays.items())))


@lru_cache(maxsize=256)  # FINN makes a new object for a node whenever it asks one for a width
def _read(text: str, arrays: tuple[tuple[str, bytes], ...]) -> Block:
    try:
        data = json.loads(text)
        name = data["operator"]["name"]
        found = {
            f"{name}.{field}": numpy_helper.to_array(TensorProto.FromString(content))
            for field, content in arrays
        }
        inputs = [tensor_from_json(entry) for entry in data["tensors"]]
        return Block(operator_from_json(data["operator"], found), inputs)
    except GraphError:
        raise
    except DAMAGE as error:
        raise GraphError(
            f"an operator as to_finn writes it was expected, but it is damaged ({describe(error)}); "
            "convert again"
        ) from error
