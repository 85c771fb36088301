"""Schedules of a whole design: its latency, and how deep FIFOs must be to cost no cycle.

A dataflow network in which every FIFO holds what a schedule needs runs at least as fast as that schedule, and
cannot deadlock, whatever the stalls at its ends. The schedule used is the one in which input beats come at
the even pace of the slowest block and every block works as early as it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.formats.port import End
from pyqkit.rtl.emitter import Block, Fifo
from pyqkit.rtl.timing import FIFO_LATENCY, AnyTimes, Times, flat, in_turn

_FRAMES = 3  # after which schedules repeat from frame to frame
_PIECE = 1 << 18  # words that are looked at at a time
_LATEST = 2**31 - 2**24  # that 32 bits count, latencies aside


def interval(blocks: list[Block]) -> int:
    """Cycles between frames: the slowest block."""
    return max((block.timing.cycles for block in blocks if block.timing is not None), default=0)


def pace(blocks: list[Block], stream: str) -> int:
    """Cycles between frames of one stream: the slowest block on the way to it."""
    behind, slowest = {stream}, 0
    for block in reversed(blocks):
        if behind & {out.name for out in block.outputs}:
            behind |= {source.name for source in block.inputs}
            slowest = max(slowest, block.timing.cycles if block.timing is not None else 0)
    return slowest


def _beats(inputs: Sequence[End]) -> dict[str, int]:
    """Words of a frame on each input stream."""
    return {f"in_{i}": end.beats for i, end in enumerate(inputs)}


def latency(blocks: list[Block], inputs: Sequence[End], outputs: Sequence[End]) -> int:
    """Cycles from the first beat of a frame to its last one.

    The pipeline is empty and nobody waits at the ends.

    Parameters
    ----------
    blocks : list of Block
    inputs, outputs : sequence of End
        Of the network; their streams are `in_0`, `in_1`, ... and `out_0`, ...
    """
    ended, last = 0, {f"out_{i}" for i in range(len(outputs))}
    for move in _moves(blocks, {name: np.arange(words) for name, words in _beats(inputs).items()}):
        if any(stream.name in last for stream in move.block.outputs):
            ended = max(ended, int(flat(move.produced)[-1]))
    return ended


@dataclass(frozen=True, eq=False)
class _Held:
    """Words of a FIFO that are on their way to the next one.

    Attributes
    ----------
    edge : (str, str)
        Of the FIFO.
    written, read : numpy.ndarray or None
        When its words went in and out; `read` is None until a block has taken them.
    """

    edge: tuple[str, str]
    written: Times
    read: Times | None = None

    def behind(self, produced: AnyTimes, taken: AnyTimes) -> _Held:
        """The same where the words that were made of them stood at a wire and were taken from it.

        A block takes nothing more before the last word that it has given is gone.
        """
        if self.read is None:
            return replace(self, read=flat(taken))
        if taken is produced:
            return self
        stood, gone = flat(produced), flat(taken)
        if (gone <= stood).all():
            return self
        last = np.searchsorted(stood, self.read, side="right") - 1
        return replace(self, read=np.where(last < 0, self.read, np.maximum(self.read, gone[last])))


def words_needed(blocks: list[Block], inputs: Sequence[End]) -> dict[tuple[str, str], int]:
    """Depth of every FIFO, by edge (tensor, reader), with which the network keeps its interval.

    A join may wait for one of its inputs while other blocks stand between the FIFO of another and it
    (converters, joins of some inputs before), which hold next to nothing: that FIFO is read no faster.
    """
    pace = interval(blocks)
    given = {name: np.arange(_FRAMES * words) * pace // words for name, words in _beats(inputs).items()}
    needed: dict[tuple[str, str], int] = {}
    wires: dict[str, tuple[AnyTimes, list[_Held]]] = {}  # when their words stood there, and of which FIFOs

    def keep(words: list[_Held]) -> None:
        for held in words:
            assert held.read is not None
            needed[held.edge] = max(needed.get(held.edge, 0), _depth(held.written, held.read))

    for move in _moves(blocks, given):
        arrived: list[_Held] = []
        for stream, taken in zip(move.block.inputs, move.consumed):
            produced, held = wires.pop(stream.name, (taken, []))
            arrived += [words.behind(produced, taken) for words in held]
        if isinstance(move.block, Fifo):
            keep(arrived)
            arrived = [_Held(move.block.edge, flat(move.consumed[0]))]
        wires.update((out.name, (move.produced, arrived)) for out in move.block.outputs)
    for _, held in wires.values():
        keep(held)
    return needed


def _depth(written: Times, read: Times) -> int:
    """Words that a FIFO holds at most.

    The word at the output is out of the memory; a word enters one cycle after the one before has gone there.
    """
    left = written + 1
    np.maximum(left[1:], read[:-1], out=left[1:])
    left, most = in_turn(left), 0
    for first in range(0, len(written), _PIECE):
        gone = np.searchsorted(left, written[first : first + _PIECE])
        most = max(most, int((np.arange(first + 1, first + 1 + len(gone)) - gone).max()))
    return most + 1


@dataclass(frozen=True)
class _Move:
    """When a block takes the words of its inputs, and gives those of its outputs."""

    block: Block
    consumed: Sequence[AnyTimes]
    produced: AnyTimes


def _moves(blocks: list[Block], given: dict[str, Times]) -> Iterator[_Move]:
    """All blocks in turn; `given` says when the words of the inputs come.

    Times that have been read are forgotten, and have 32 bits while these suffice: a large frame has millions
    of words on every stream.
    """
    longest = max(int(times[-1]) for times in given.values())
    # No block needs more than to take the words of all frames in turn, and then to give its own.
    longest += sum(2 * _FRAMES * block.timing.cycles for block in blocks if block.timing is not None)
    kind = np.int32 if longest < _LATEST else np.int64
    produced: dict[str, AnyTimes] = {name: times.astype(kind) for name, times in given.items()}
    taken: Sequence[AnyTimes]
    left: AnyTimes
    for block in blocks:
        available = [produced.pop(stream.name) for stream in block.inputs]
        if isinstance(block, Fifo):
            written = flat(available[0])
            taken, left = [written], in_turn(written) + FIFO_LATENCY
        elif block.timing is None:
            taken, left = available, available[0]
        else:
            taken, left = block.timing.schedule(available)
        produced.update((stream.name, left) for stream in block.outputs)
        yield _Move(block, taken, left)
