"""Operators that a machine lacks: the host executes them, as the graph defines them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyqkit.formats.reading import check
from pyqkit.graph.fields import Arrays
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.serialise import operator_from_json, operator_to_json, tensor_from_json, tensor_to_json


@dataclass(frozen=True, eq=False)
class HostStep:
    """Operators between segments of a program.

    Attributes
    ----------
    graph : Graph
        Without ports: its tensors that no operator makes are what it reads.
    """

    graph: Graph

    @classmethod
    def of(cls, operators: list[Operator], tensors: dict[str, Tensor]) -> HostStep:
        """Of operators in their order, and the tensors that they read."""
        graph = Graph("host")
        made = {name for op in operators for name in op.outputs}
        graph.tensors = {name: tensors[name] for op in operators for name in op.inputs if name not in made}
        for op in operators:
            graph.add(op)
        return cls(graph)

    @property
    def reads(self) -> tuple[str, ...]:
        """Tensors that it takes."""
        made = {name for op in self.graph.operators for name in op.outputs}
        return tuple(name for name in self.graph.tensors if name not in made)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its operators."""
        return tuple(op.name for op in self.graph.operators)

    def execute(self, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Codes of all that it makes, (frames, height, width, channels), of those that it reads."""
        known = self.graph.execute(codes, keep=True)
        return {name: found for name, found in known.items() if name not in codes}

    def zeros(self) -> dict[str, np.ndarray]:
        """A frame of codes to read, all of them 0."""
        return {
            name: np.zeros((1, *self.graph.tensors[name].shape), self.graph.tensors[name].format.code_dtype)
            for name in self.reads
        }

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        """JSON data, and arrays by name."""
        return {
            "tensors": [tensor_to_json(self.graph.tensors[name]) for name in self.reads],
            "operators": [operator_to_json(op, arrays) for op in self.graph.operators],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], arrays: Arrays) -> HostStep:
        """Read what `to_json` wrote; raises `GraphError` or one of `reading.DAMAGE` for anything else."""
        tensors = {tensor.name: tensor for tensor in map(tensor_from_json, data["tensors"])}
        operators = [operator_from_json(entry, arrays) for entry in data["operators"]]
        check(bool(operators), "a step of the host without operators")
        return cls.of(operators, tensors)
