"""Who reads and writes the tensors of a graph, while it is built, pruned and replaced."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from pyqkit.formats import parse
from pyqkit.graph.graph import Graph, GraphError, Operator, Port, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Permute


def moved(name: str, source: str) -> Permute:
    return Permute(name, [source], [f"{name}_out"], channels=[0])


def names(operators: list[Operator]) -> list[str]:
    return [op.name for op in operators]


@pytest.fixture
def graph() -> Graph:
    made = Graph("g")
    made.tensors["x"] = Tensor.of("x", (1, 1, 1), parse("int4"))
    made.add(moved("a", "x"))
    made.add(moved("b", "x"))
    made.add(Add("c", ["a_out", "b_out"], ["c_out"], np.ones((2, 1), np.int64)))
    return made


def test_readers_and_writers(graph: Graph) -> None:
    assert names(graph.consumers("x")) == ["a", "b"]
    assert names(graph.consumers("c_out")) == []
    assert graph.producer("x") is None
    producer = graph.producer("b_out")
    assert producer is graph.operators[1]
    graph.add(moved("d", "x"))
    assert names(graph.consumers("x")) == ["a", "b", "d"]
    graph.consumers("x").clear()
    assert names(graph.consumers("x")) == ["a", "b", "d"]


def test_a_name_is_given_once(graph: Graph) -> None:
    with pytest.raises(GraphError, match="a new name was expected for a permute, but b exists"):
        graph.add(moved("b", "c_out"))
    assert names(graph.operators) == ["a", "b", "c"]


def test_pruned_operators_are_forgotten(graph: Graph) -> None:
    graph.add(moved("d", "x"))
    assert names(graph.consumers("x")) == ["a", "b", "d"]
    order = np.zeros(1, int)
    graph.outputs = [Port("a_out", "y", (1,), order, np.ones(1), np.zeros(1))]
    graph.prune()
    assert names(graph.operators) == names(graph.consumers("x")) == ["a"]
    assert graph.producer("c_out") is None
    graph.add(moved("b", "a_out"))
    assert names(graph.consumers("a_out")) == ["b"]


def test_lists_that_are_replaced_or_cut(graph: Graph) -> None:
    assert names(graph.consumers("a_out")) == ["c"]
    graph.operators = [op for op in graph.operators if op.name != "c"]
    assert graph.consumers("a_out") == []
    del graph.operators[1:]
    assert names(graph.consumers("x")) == ["a"]
    assert graph.producer("b_out") is None


def test_a_copy_goes_its_own_way(graph: Graph) -> None:
    other = copy.deepcopy(graph)
    other.add(moved("d", "x"))
    assert names(graph.consumers("x")) == ["a", "b"]
    assert names(other.consumers("x")) == ["a", "b", "d"]
    assert other.consumers("x")[0] is other.operators[0]
