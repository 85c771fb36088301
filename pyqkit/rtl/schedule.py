"""Schedules of a whole design: its latency, and how deep FIFOs must be so that none of them ever costs a
cycle.

A dataflow network in which every FIFO holds what a schedule needs runs at least as fast as that schedule, and
cannot deadlock, whatever the stalls at its ends. The schedule used is the one in which input beats come at
the even pace of the slowest block and every block works as early as it can.
"""

from __future__ import annotations

import numpy as np

from pyqkit.rtl.emitter import Block, Fifo
from pyqkit.rtl.timing import FIFO_LATENCY, Times, in_turn

_FRAMES = 3  # after which schedules repeat from frame to frame


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


def latency(blocks: list[Block], beats: dict[str, int], last: list[str]) -> int:
    """Cycles from the first beat of a frame to its last one, the pipeline being empty and nobody waiting at
    the ends.

    Parameters
    ----------
    blocks : list of Block
    beats : dict of str to int
        Words of a frame on each input stream.
    last : list of str
        Output streams.
    """
    produced, _ = _run(blocks, {name: np.arange(words) for name, words in beats.items()})
    return int(max(produced[name][-1] for name in last))


def words_needed(blocks: list[Block], beats: dict[str, int]) -> dict[tuple[str, str], int]:
    """Depth of every FIFO, by edge (tensor, reader), with which the network keeps its interval."""
    pace = interval(blocks)
    given = {name: np.arange(_FRAMES * words) * pace // words for name, words in beats.items()}
    produced, consumed = _run(blocks, given)
    needed = {}
    for block in blocks:
        if isinstance(block, Fifo):
            written, read = produced[block.inputs[0].name], consumed[block.outputs[0].name]
            # The word at the output is out of the memory; a word enters one cycle after the one before has
            # gone there.
            left = in_turn(np.maximum(written + 1, np.concatenate([[0], read[:-1]])))
            needed[block.edge] = (
                int((np.arange(1, len(written) + 1) - np.searchsorted(left, written)).max()) + 1
            )
    return needed


def _run(blocks: list[Block], given: dict[str, Times]) -> tuple[dict[str, Times], dict[str, Times]]:
    """When the words of each stream are produced and consumed; `given` are those of the inputs."""
    produced, consumed = dict(given), dict[str, Times]()
    for block in blocks:
        available = [produced[stream.name] for stream in block.inputs]
        if isinstance(block, Fifo):
            taken, left = available, in_turn(available[0]) + FIFO_LATENCY
        elif block.timing is None:
            taken, left = available, available[0]
        else:
            taken, left = block.timing.schedule(available)
        consumed.update((stream.name, times) for stream, times in zip(block.inputs, taken))
        produced.update((stream.name, left) for stream in block.outputs)
    return produced, consumed
