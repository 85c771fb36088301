"""Steps of engine `exact` for a number of frames: arrays that stay in place, and calls bound to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from pyqkit.emulate.carrier import from_carrier, write_carriers
from pyqkit.emulate.compute import Call, Compute, bound
from pyqkit.graph.graph import Graph, Operator

Types = dict[str, np.dtype]
_ALIGNED = 64  # bytes: a vector, and a line of the cache


@dataclass(frozen=True)
class Step:
    """What is computed at once.

    Attributes
    ----------
    operators : list of Operator
    inputs : list of str
    result : str
    compute : Compute
    """

    operators: list[Operator]
    inputs: list[str]
    result: str
    compute: Compute


class Plan:
    """All steps for one number of frames; used by one thread at a time.

    Parameters
    ----------
    graph : Graph
    steps : list of Step
    types : dict of str to numpy.dtype
        Of carriers, by tensor.
    frames : int
    wanted : list of str
        Tensors whose codes `run` gives.
    """

    def __init__(self, graph: Graph, steps: list[Step], types: Types, frames: int, wanted: list[str]) -> None:
        self._sources = [graph.tensors[port.tensor] for port in graph.inputs]
        self._wanted = [graph.tensors[name] for name in wanted]
        last = {name: index for index, step in enumerate(steps) for name in step.inputs}
        last |= dict.fromkeys(wanted, len(steps))
        room, self._arrays = _Room(), {}
        for name in (tensor.name for tensor in self._sources):
            self._arrays[name] = room.array(name, (frames, *graph.tensors[name].shape), types[name])
        self._calls: list[Call] = []
        for index, step in enumerate(steps):
            name = step.result
            result = room.array(name, (frames, *graph.tensors[name].shape), types[name])
            self._calls.append(bound(step.compute, [self._arrays[source] for source in step.inputs], result))
            self._arrays[name] = result
            for dead in {*step.inputs, name}:
                if last.get(dead, index) == index:
                    room.free(dead)

    def run(self, codes: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Codes of the tensors that are wanted, of codes of the inputs."""
        for tensor in self._sources:
            write_carriers(codes[tensor.name], tensor, self._arrays[tensor.name])
        for call in self._calls:
            call()
        return [from_carrier(self._arrays[tensor.name], tensor) for tensor in self._wanted]

    def seconds(self, codes: dict[str, np.ndarray]) -> list[float]:
        """What each step takes, once."""
        self.run(codes)  # also warms up; sources are loaded again as others have taken their room
        for tensor in self._sources:
            write_carriers(codes[tensor.name], tensor, self._arrays[tensor.name])
        found = []
        for call in self._calls:
            began = perf_counter()
            call()
            found.append(perf_counter() - began)
        return found


class _Room:
    """Memory of arrays that are not needed any more is that of others: it stays in the cache."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self._taken: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
        """Room for an array, until it is freed by its name."""
        size = math.prod(shape) * kind.itemsize
        fitting = [place for place, block in enumerate(self._free) if block.size >= size]
        place = min(fitting, key=lambda place: self._free[place].size, default=None)
        block = _aligned(size) if place is None else self._free.pop(place)
        self._taken[name] = block
        return block[:size].view(kind).reshape(shape)

    def free(self, name: str) -> None:
        """Let others have it."""
        self._free.append(self._taken.pop(name))


def _aligned(size: int) -> np.ndarray:
    """So many bytes from the beginning of a line of the cache on."""
    block = np.empty(size + _ALIGNED, np.uint8)
    first = -block.ctypes.data % _ALIGNED
    return block[first : first + size]
