"""Codes that move because a program has rounded factors: the definition of its graph is another one.

An array whose multipliers are too narrow for a layer's factors computes a graph in which they are rounded
(`pyqkit.array.compiler.fitted`). A layer of it may give another code than the layer of the graph does for the
same inputs. That is allowed where the exact sum lies next to a boundary between the two codes: as near as the
rounding reaches, of factors to whole numbers and of boundaries. Everything else is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyqkit.array.compiler.requantise import Rising, rising
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import Graph, to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Threshold

MOST_MOVED = 1e-4  # of the codes of a network's rounded layers
_STEPS = 1.5  # half a step to a boundary between whole sums, and one in which lines through all of them lie


@dataclass
class Moved:
    """What rounding has moved.

    Attributes
    ----------
    layers : dict of str to int
        Codes that moved, by layer whose factors are rounded.
    codes : int
        Of these layers.
    far : int
        Those that lie farther from a boundary than the rounding reaches.
    differing : int
        Codes of the outputs that differ from the rounded graph's.
    """

    layers: dict[str, int] = field(default_factory=dict)
    codes: int = 0
    far: int = 0
    differing: int = 0

    @property
    def moved(self) -> int:
        """Of all layers."""
        return sum(self.layers.values())

    @property
    def accepted(self) -> bool:
        """Whether it is as few and as near as rounding explains."""
        return self.far == 0 and self.moved <= MOST_MOVED * self.codes

    def to_json(self) -> dict[str, object]:
        """The counts."""
        return {**vars(self), "moved": self.moved, "accepted": self.accepted}


def moved(
    graph: Graph, rounded: Graph, codes: dict[str, np.ndarray], outputs: dict[str, np.ndarray]
) -> Moved:
    """Compare layers of a graph with those of the rounded one, for the inputs that these have.

    Parameters
    ----------
    codes, outputs : dict of str to numpy.ndarray
        Of the inputs, and what came of them, (frames, height, width, channels).
    """
    tensors, found = ExactEngine(rounded).run(codes, keep=True), Moved()
    found.differing = sum(int((tensors[name] != given).sum()) for name, given in outputs.items())
    before = {op.name: op for op in graph.operators}
    for op in rounded.operators:
        own = before.get(op.name)
        if isinstance(op, Threshold) and isinstance(own, Threshold) and op.inputs != own.inputs:
            _compare(found, graph, (own, op), rounded.producer(op.inputs[0]), tensors)
    return found


def _compare(
    found: Moved,
    graph: Graph,
    both: tuple[Threshold, Threshold],
    scaled: object,
    tensors: dict[str, np.ndarray],
) -> None:
    """A layer with its own factors and with rounded ones."""
    own, op = both
    assert isinstance(scaled, Add)
    (tensor,) = graph.input_tensors(own)
    source = graph.producer(tensor.name)
    factors = source.multipliers if isinstance(source, Add) else np.ones((1, tensor.shape[2]), np.int64)
    terms = [to_integers(tensors[name], graph.tensors[name].format) for name in scaled.inputs]
    function = rising(own, tensor.low, tensor.high)
    assert function is not None  # what has no such form has no rounded factors
    sums = sum(term * row for term, row in zip(terms, factors)) * function.sign
    places = _places(own, tensors[op.outputs[0]])
    wanted = function.first + _passed(function, sums)
    at = np.nonzero(places != wanted)
    found.layers[own.name] = len(at[0])
    found.codes += places.size
    scale = np.abs(scaled.multipliers).max(axis=0) / np.abs(factors).max(axis=0)
    size = sum(np.abs(term) for term in terms)
    reach = _STEPS + (size + 1) / scale  # each rounded factor is at most one off
    for one, *ends in zip(zip(*at), wanted[at], places[at]):
        far = _distance(function, int(one[-1]), int(sums[one]), min(ends), max(ends))
        found.far += far > reach[one]


def _passed(function: Rising, sums: np.ndarray) -> np.ndarray:
    """How many thresholds of its channel each sum reaches."""
    rows = function.thresholds
    return np.stack([np.searchsorted(row, sums[..., c], side="right") for c, row in enumerate(rows)], axis=-1)


def _places(op: Threshold, codes: np.ndarray) -> np.ndarray:
    """Places of codes among those of a format, which rise."""
    places = np.zeros(2**op.format.bits, np.int64)
    places[op.format.codes] = np.arange(len(op.format.codes))
    return places[codes]


def _distance(function: Rising, channel: int, value: int, low: int, high: int) -> float:
    """Of a sum from the farthest of the boundaries between two places; infinite where there is none."""
    row = function.thresholds[channel]
    first, last = low - function.first, high - 1 - function.first
    if first < 0 or last >= len(row):
        return float("inf")
    return max(abs(value - row[first] + 0.5), abs(value - row[last] + 0.5))
