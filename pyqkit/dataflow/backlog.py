"""FIFO depths from the schedule, by the demand argument.

Let an operator J have several inputs, and let its output pixel n be the clock. Going back from J, every
tensor T has to have produced N_T(n) pixels by then: the most that any of its readers on the way to J needs. A
reader that needs fewer leaves the difference waiting in its FIFO, so a FIFO that holds the largest difference
over n never blocks the fork in front of it, and one that is smaller blocks it at the n where the difference
is reached. Operators with one input need no such FIFO.

Going back ends where all ways to J lead through one tensor: what waits further up, an operator there has
already been the clock for.
"""

from __future__ import annotations

import numpy as np

from pyqkit.graph.graph import Graph

Edge = tuple[str, str]  # tensor, operator that reads it


def pixels_waiting(graph: Graph) -> dict[Edge, int]:
    """Pixels that have to wait on each edge (tensor, operator); 0 where nothing has to."""
    waiting = {(name, op.name): 0 for op in graph.operators for name in op.inputs}
    for place, join in enumerate(graph.operators):
        if len(join.inputs) > 1:
            for edge, pixels in _demand(graph, place).items():
                waiting[edge] = max(waiting[edge], pixels)
    return waiting


def _demand(graph: Graph, place: int) -> dict[Edge, int]:
    """Largest backlog of every edge on the way to an operator, its output pixels being the clock."""
    needed: dict[str, np.ndarray] = {}  # tensor -> pixels produced by each tick
    edges: dict[Edge, np.ndarray] = {}
    ahead = set[str]()  # tensors whose operators are still to come
    for op in graph.operators[place::-1]:
        if not edges:
            clock = np.arange(graph.output_tensors(op)[0].pixels)
        elif len(ahead) == 1:
            break
        elif ahead.isdisjoint(op.outputs):
            continue
        else:
            clock = next(needed[name] for name in op.outputs if name in needed) - 1
        ahead = (ahead - set(op.outputs)) | set(op.inputs)
        for name, need in zip(op.inputs, op.pixels_needed(graph.input_tensors(op))):
            demand = np.where(clock >= 0, need[np.maximum(clock, 0)], 0)
            edges[name, op.name] = np.maximum(edges.get((name, op.name), 0), demand)
            needed[name] = np.maximum(needed.get(name, 0), demand)
    return {edge: int((needed[edge[0]] - demand).max()) for edge, demand in edges.items()}
