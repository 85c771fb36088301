"""Arrays of frames on a device: while one piece is there the next is encoded and the last decoded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import numpy as np

from pyqkit.runtime.device import Turn
from pyqkit.runtime.dma import Transfers

Job = Callable[[Transfers], Any]
# Of a piece: jobs for the device, each asked for when the one before has ended; then codes of every output,
# (frames, height, width, channels).
Steps = Generator[Job, None, list[np.ndarray]]


def pieces(arrays: Iterable[np.ndarray], batch: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Pieces that fit a buffer; the flag says whether one is the last of its array."""
    for codes in arrays:
        for first in range(0, len(codes), batch):
            yield codes[first : first + batch], first + batch >= len(codes)


def overlapped(
    turn: Turn, work: Iterable[tuple[np.ndarray, bool]], start: Callable[[int, np.ndarray], Steps]
) -> Iterator[list[np.ndarray]]:
    """Codes of every output for each array; two pieces are under way at a time.

    Parameters
    ----------
    start : callable
        Number of a buffer (0 or 1) and a piece, to its steps.
    """
    pending: list[tuple[Steps, bool]] = []
    parts: list[list[np.ndarray]] = []
    for index, (codes, ends) in enumerate(work):
        if len(pending) == 2:
            yield from _until_room(turn, pending, parts)
        steps = start(index % 2, codes)
        turn.begin(next(steps))
        pending.append((steps, ends))
    while pending:
        yield from _until_room(turn, pending, parts)


def _until_room(
    turn: Turn, pending: list[tuple[Steps, bool]], parts: list[list[np.ndarray]]
) -> Iterator[list[np.ndarray]]:
    """Take results until a piece has ended; yields the codes of an array once all of its pieces have."""
    while True:
        turn.result()
        steps, ends = pending.pop(0)
        try:
            turn.begin(next(steps))
        except StopIteration as done:
            parts.append(done.value)
            break
        pending.append((steps, ends))
    if ends:
        joined = parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts)]
        parts.clear()
        yield joined
