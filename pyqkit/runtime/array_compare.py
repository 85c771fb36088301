"""What an array computes, layer by layer, beside what the definition of its instructions says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.array.execute import ArrayState
from pyqkit.array.trace import Trace, traces
from pyqkit.runtime.device import Turn

if TYPE_CHECKING:
    from pyqkit.runtime.array import Network

_FRAMES = 16  # of a call: all activations come back


@dataclass(frozen=True)
class PartComparison:
    """Words of the stream that one part of a program has sent.

    Attributes
    ----------
    layers : tuple of str
    words, words_differing : int
    frames_differing : tuple of int
    """

    layers: tuple[str, ...]
    words: int
    words_differing: int
    frames_differing: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """What differs on a device.

    Attributes
    ----------
    frames : int
    source : {"measured", "emulated"}
    parts : tuple of PartComparison
        In their order; the results of the network are the last.
    """

    frames: int
    source: str
    parts: tuple[PartComparison, ...]

    @property
    def first(self) -> PartComparison | None:
        """The first part that differs: the fault lies in it, or between it and the part before."""
        return next((part for part in self.parts if part.words_differing), None)


def compare(network: Network, x: np.ndarray) -> Comparison:
    """Run frames on the device, and in numpy, and compare what every layer leaves.

    Nothing has to be compiled for it: the program sends its activations behind each layer.

    Parameters
    ----------
    network : Network
    x : numpy.ndarray, shape (frames, *input shape)
    """
    codes = network._numbers.encode(x)
    wrong: dict[tuple[str, ...], list[np.ndarray]] = {}
    for found in network._array._device.run(partial(_differing, network, codes)):
        for layers, words in found.items():
            wrong.setdefault(layers, []).append(words)
    joined = {layers: np.concatenate(words) for layers, words in wrong.items()}
    parts = tuple(
        PartComparison(
            layers, words.size, int(words.sum()), tuple(np.flatnonzero(words.any(axis=1)).tolist())
        )
        for layers, words in joined.items()
    )
    return Comparison(len(codes), network._array.source, parts)


def _differing(
    network: Network, codes: np.ndarray, turn: Turn
) -> Iterator[dict[tuple[str, ...], np.ndarray]]:
    """Of pieces of frames: which words differ, (frames, words), by layers."""
    program, tensor = network._program, network._given.codes.tensor
    for first in range(0, len(codes), _FRAMES):
        piece = codes[first : first + _FRAMES]
        found: dict[tuple[str, ...], np.ndarray] = {}
        definition = _fresh(network)
        calls = program.execution({tensor: piece})
        call = next(calls)
        while True:
            for trace in traces(program, call, len(piece)):
                here = network._traced(trace, turn)
                there = np.frombuffer(_fresh(network).send(trace.call.content), np.uint8)
                found |= _pieces(trace, len(piece), here, there, program.machine.stream_bits // 8)
            try:
                answer = definition.send(call.content)
                call = calls.send(np.frombuffer(answer, np.uint8))
            except StopIteration:
                break
        yield found


def _fresh(network: Network) -> ArrayState:
    state = ArrayState(network._program.machine)
    for kept in network._kept.needed:
        state.send(kept.program.setup())
    return state


def _pieces(
    trace: Trace, frames: int, here: np.ndarray, there: np.ndarray, word: int
) -> dict[tuple[str, ...], np.ndarray]:
    wrong = (here != there).reshape(frames, -1, word).any(axis=2)
    ends = np.cumsum([count // word for _, count in trace.pieces])
    found: dict[tuple[str, ...], list[np.ndarray]] = {}
    for (layers, count), end in zip(trace.pieces, ends):
        found.setdefault(layers, []).append(wrong[:, end - count // word : end])
    return {layers: np.concatenate(parts, axis=1) for layers, parts in found.items()}
