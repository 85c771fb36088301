"""Schedules of a whole design: its latency, and how deep FIFOs must be to cost no cycle.

A dataflow network in which every FIFO holds what a schedule needs runs at least as fast as that schedule, and
cannot deadlock, whatever the stalls at its ends. The schedule used is the one in which input beats come at
the even pace of the slowest block and every block works as early as it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.formats.port import End
from pyqkit.rtl.emitter import Block, Fifo
from pyqkit.rtl.loop_timing import Enter, Leave
from pyqkit.rtl.timing import FIFO_LATENCY, AnyTimes, Schedule, Times, flat, in_turn

_FRAMES = 3  # after which schedules repeat from frame to frame
_PIECE = 1 << 18  # words that are looked at at a time
_LATEST = 2**31 - 2**24  # that 32 bits count, latencies aside


def interval(blocks: list[Block]) -> int:
    """Cycles between frames: the slowest block, or a loop that begins anew when it has been passed."""
    return max([0, *map(_cycles, blocks), *turns(blocks).values()])


def turns(blocks: Sequence[Block]) -> dict[str, int]:
    """Cycles between frames of each loop, by the operator with which they enter it."""
    entries = [place for place, block in enumerate(blocks) if isinstance(block.timing, Enter)]
    return {blocks[place].owner: _turn(blocks, place) for place in entries}


def pace(blocks: list[Block], stream: str) -> int:
    """Cycles between frames of one stream: the slowest block or loop on the way to it."""
    behind, slowest = {stream}, 0
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        if behind & {out.name for out in block.outputs}:
            behind |= {source.name for source in block.inputs}
            turn = _turn(blocks, place) if isinstance(block.timing, Enter) else 0
            slowest = max(slowest, _cycles(block), turn)
    return slowest


def _cycles(block: Block) -> int:
    return 0 if block.timing is None else block.timing.cycles * block.passes


def _turn(blocks: Sequence[Block], place: int) -> int:
    """Cycles between frames of the loop that begins at a place, if the next one is always there."""
    entry = blocks[place].timing
    assert isinstance(entry, Enter)
    if entry.turn is None:
        waiting = np.zeros(_FRAMES * entry.words, np.int64)
        left = _left(_loop(blocks, place), waiting, _FRAMES * entry.passes)
        ends = left[entry.words * entry.passes - 1 :: entry.words * entry.passes]
        entry.turn = int(ends[-1] - ends[-2])
    return entry.turn


def _loop(blocks: Sequence[Block], place: int) -> Sequence[Block]:
    """Blocks from where frames enter a loop to where they leave it."""
    return blocks[
        place : next(i for i in range(place, len(blocks)) if isinstance(blocks[i].timing, Leave)) + 1
    ]


def _left(loop: Sequence[Block], outside: Times, count: int) -> Times:
    """When words leave a loop in the first `count` passes of all frames, one pass known after the other."""
    entry = loop[0].timing
    assert isinstance(entry, Enter)
    left = outside[:0]
    for done in range(1, count + 1):
        known = outside[: -(-done // entry.passes) * entry.words], entry.coming_back(left)
        times: dict[str, AnyTimes] = dict(zip((stream.name for stream in loop[0].inputs), known))
        for block in loop:
            _, produced = _times(block, [times.pop(stream.name) for stream in block.inputs])
            times.update((stream.name, produced) for stream in block.outputs)
        left = flat(produced)
    return left


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
            ended = max(ended, int(flat(move.produced[0])[-1]))
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
    """Depth of every FIFO that has none yet, by edge (tensor, reader): the network keeps its interval then.

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
            derived = move.block.words is None
            arrived = [_Held(move.block.edge, flat(move.consumed[0]))] if derived else []
        for out, produced in zip(move.block.outputs, move.produced):
            wires[out.name] = produced, arrived
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
    produced: Sequence[AnyTimes]


def _moves(blocks: list[Block], given: Mapping[str, Times]) -> Iterator[_Move]:
    """All blocks in turn; `given` says when the words of the inputs come.

    Times that have been read are forgotten, and have 32 bits while these suffice: a large frame has millions
    of words on every stream.
    """
    longest = max(int(times[-1]) for times in given.values())
    # No block needs more than to take the words of all frames in turn, and then to give its own.
    longest += sum(2 * _FRAMES * _cycles(block) for block in blocks)
    kind = np.int32 if longest < _LATEST else np.int64
    produced: dict[str, AnyTimes] = {name: times.astype(kind) for name, times in given.items()}
    for place, block in enumerate(blocks):
        timing = block.timing
        if isinstance(timing, Enter):
            outside, back = (stream.name for stream in block.inputs)
            words = flat(produced[outside])
            gone = _left(_loop(blocks, place), words, len(words) // timing.words * timing.passes)
            produced[back] = timing.coming_back(gone)
        taken, given_on = _times(block, [produced.pop(stream.name) for stream in block.inputs])
        left = timing.apart(flat(given_on)) if isinstance(timing, Leave) else [given_on] * len(block.outputs)
        produced.update(zip((stream.name for stream in block.outputs), left))
        yield _Move(block, taken, left)


def _times(block: Block, available: Sequence[AnyTimes]) -> Schedule:
    """When a block takes the words of its inputs, and when all that it gives leave it."""
    if isinstance(block, Fifo):
        written = flat(available[0])
        return [written], in_turn(written) + FIFO_LATENCY
    return (available, available[0]) if block.timing is None else block.timing.schedule(available)
