"""FIFO depths from the schedule, by the demand argument.

Let an operator J have several inputs, and let its output pixel n be the clock. Going back from J, every
tensor T has to have produced N_T(n) pixels by then: the most that any of its readers on the way to J needs. A
reader that needs fewer leaves the difference waiting in its FIFO, so a FIFO that holds the largest difference
over n never blocks the fork in front of it, and one that is smaller blocks it at the n where the difference
is reached. Operators with one input need no such FIFO.
"""

from __future__ import annotations

import numpy as np

from pyqkit.graph.graph import Graph

Edge = tuple[str, str]  # tensor, operator that reads it


def pixels_waiting(graph: Graph) -> dict[Edge, int]:
    """Pixels that have to wait on each edge (tensor, operator); 0 where nothing has to."""
    waiting = {(name, op.name): 0 for op in graph.operators for name in op.inputs}
    for join in graph.operators:
        if len(join.inputs) > 1:
            for edge, pixels in _demand(graph, join.name).items():
                waiting[edge] = max(waiting[edge], pixels)
    return waiting


def _demand(graph: Graph, join: str) -> dict[Edge, int]:
    """Largest backlog of every edge on the way to one operator, its output pixels being the clock."""
    needed: dict[str, np.ndarray] = {}  # tensor -> pixels produced by each tick
    edges: dict[Edge, np.ndarray] = {}
    started = False
    for op in reversed(graph.operators):
        if op.name == join:
            started = True
            clock = np.arange(graph.output_tensors(op)[0].pixels)
        elif not started or not any(name in needed for name in op.outputs):
            continue
        else:
            clock = next(needed[name] for name in op.outputs if name in needed) - 1
        for name, need in zip(op.inputs, op.pixels_needed(graph.input_tensors(op))):
            demand = np.where(clock >= 0, need[np.maximum(clock, 0)], 0)
            edges[name, op.name] = np.maximum(edges.get((name, op.name), 0), demand)
            needed[name] = np.maximum(needed.get(name, 0), demand)
    return {edge: int((needed[edge[0]] - demand).max()) for edge, demand in edges.items()}
