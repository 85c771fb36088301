"""FIFO depths from the schedule, by the demand argument.

Let an operator J have several inputs, and let its output pixel n be the clock. Going back from J, every
tensor T has to have produced N_T(n) pixels by then: the most that any of its readers on the way to J needs. A
reader that needs fewer leaves the difference waiting in its FIFO, so a FIFO that holds the largest difference
over n never blocks the fork in front of it, and one that is smaller blocks it at the n where the difference
is reached. Operators with one input need no such FIFO.

In C++ a process reads ahead of what it needs, and waits for that too. Then a tensor has to have produced the
most that any reader takes, while a reader is only sure to have taken what it needs.

Going back ends where all ways to J lead through one tensor: what waits further up, an operator there has
already been the clock for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph

Edge = tuple[str, str]  # tensor, operator that reads it


def pixels_waiting(
    graph: Graph, ahead: bool = False, foldings: Mapping[str, Folding] | None = None
) -> dict[Edge, int]:
    """Pixels that have to wait on each edge (tensor, operator); 0 where nothing has to.

    `ahead` says that operators read ahead, as far as `Operator.pixels_taken` says. Foldings matter where they
    make pixels leave together.
    """
    waiting = {(name, op.name): 0 for op in graph.operators for name in op.inputs}
    for place, join in enumerate(graph.operators):
        if len(join.inputs) > 1:
            for edge, pixels in _demand(graph, place, ahead, foldings or {}).items():
                waiting[edge] = max(waiting[edge], pixels)
    return waiting


def _demand(graph: Graph, place: int, ahead: bool, foldings: Mapping[str, Folding]) -> dict[Edge, int]:
    """Largest backlog of every edge on the way to an operator, its output pixels being the clock."""
    needed: dict[str, np.ndarray] = {}  # tensor -> pixels that readers need at each tick
    taken: dict[str, np.ndarray] = {}  # and that they may take
    edges: dict[Edge, np.ndarray] = {}  # what each surely has taken
    coming = set[str]()  # tensors whose operators are still to come
    for op in graph.operators[place::-1]:
        tensors = graph.input_tensors(op)
        if not edges:
            clock = last = np.arange(graph.output_tensors(op)[0].pixels)
        elif len(coming) == 1:
            break
        elif coming.isdisjoint(op.outputs):
            continue
        else:
            output = next(name for name in op.outputs if name in needed)
            clock, last = needed[output] - 1, taken[output] - 1
        coming = (coming - set(op.outputs)) | set(op.inputs)
        needs, takes = op.pixels_folded(tensors, foldings.get(op.name, op.folding_type()))
        takes = takes if ahead else needs
        for name, least, most in zip(op.inputs, needs, takes):
            demand = _at(least, clock)
            edges[name, op.name] = np.maximum(edges.get((name, op.name), 0), demand)
            needed[name] = np.maximum(needed.get(name, 0), demand)
            taken[name] = np.maximum(taken.get(name, 0), _at(most, last))
    return {edge: int((taken[edge[0]] - demand).max()) for edge, demand in edges.items()}


def _at(pixels: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """Pixels of an input by the output pixel of each tick; none before the first."""
    return np.where(clock >= 0, pixels[np.maximum(clock, 0)], 0)
