"""Pixels that wait where branches join, beside the same argument carried back to the inputs every time."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.dataflow.backlog import Edge, pixels_waiting
from pyqkit.formats import parse
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.pool import MaxPool


def carried_to_the_inputs(graph: Graph) -> dict[Edge, int]:
    waiting = {(name, op.name): 0 for op in graph.operators for name in op.inputs}
    for place, join in enumerate(graph.operators):
        if len(join.inputs) > 1:
            needed: dict[str, np.ndarray] = {}
            demands: dict[Edge, np.ndarray] = {}
            for op in graph.operators[place::-1]:
                pixels = graph.output_tensors(op)[0].pixels
                clock = np.arange(pixels) if op is join else needed.get(op.outputs[0], np.zeros(1, int)) - 1
                if op is join or op.outputs[0] in needed:
                    for name, need in zip(op.inputs, op.pixels_needed(graph.input_tensors(op))):
                        demand = np.where(clock >= 0, need[np.maximum(clock, 0)], 0)
                        demands[name, op.name] = demand
                        needed[name] = np.maximum(needed.get(name, 0), demand)
            for (name, op), demand in demands.items():
                waiting[name, op] = max(waiting[name, op], int((needed[name] - demand).max()))
    return waiting


def random_graph(seed: int) -> Graph:
    """Pools and additions of what was made lately, so that branches nest, overlap and end."""
    random, graph = np.random.default_rng(seed), Graph("random")
    graph.tensors["x"] = Tensor.of("x", (7, 7, 1), parse("int2"))
    made = ["x"]
    for index in range(14):
        op: Operator
        if random.random() < 0.5 or len(made) == 1:
            size = int(random.choice([1, 3, 5]))
            padding = (size // 2,) * 4
            op = MaxPool(
                f"op{index}", [str(random.choice(made[-3:]))], [f"t{index}"], (size, size), (1, 1), padding
            )
        else:
            sources = [str(name) for name in random.choice(made[-4:], 2, replace=False)]
            op = Add(f"op{index}", sources, [f"t{index}"], np.ones((2, 1), np.int64))
        graph.add(op)
        made.append(f"t{index}")
    return graph


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs(seed: int) -> None:
    graph = random_graph(seed)
    found = pixels_waiting(graph)
    assert found == carried_to_the_inputs(graph)


def test_something_waits_in_them() -> None:
    assert max(max(pixels_waiting(random_graph(seed)).values()) for seed in range(20)) > 20
