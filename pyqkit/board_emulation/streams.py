"""AXI4-Streams: bounded, so that who writes waits for who reads; packets end where TLAST is set."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np


class Producer(Protocol):
    """What writes a stream."""

    def preview(self, nbytes: int) -> np.ndarray:
        """Up to `nbytes` that would be written next if there were room; a look, without effect."""


class Stream:
    """Bytes on their way from one block to another.

    Parameters
    ----------
    name : str
    beat_bytes : int
    capacity : int
        Bytes that it holds.
    """

    def __init__(self, name: str, beat_bytes: int, capacity: int = 1024) -> None:
        self.name, self.beat_bytes = name, beat_bytes
        self.capacity = max(capacity, beat_bytes)
        self.producer: Producer | None = None
        self._pieces: deque[tuple[np.ndarray, bool]] = deque()  # bytes, and whether TLAST is on the last beat
        self.held = 0
        self.taken = 0  # bytes that have left it, of all time

    @property
    def room(self) -> int:
        """Bytes that can be written now, whole beats."""
        return (self.capacity - self.held) // self.beat_bytes * self.beat_bytes

    def put(self, data: np.ndarray, last: bool) -> None:
        """Write whole beats, at most `room` bytes; `last` sets TLAST on the last of them."""
        if len(data) > self.room:
            raise RuntimeError(f"{len(data)} bytes for {self.room} in stream {self.name}")
        self._pieces.append((np.array(data), last))  # the memory they come from may change
        self.held += len(data)

    def take(self, limit: int) -> tuple[np.ndarray, bool]:
        """Read up to `limit` bytes, not past a TLAST; the flag says whether one came."""
        found, last = [], False
        while self._pieces and limit and not last:
            data, ends = self._pieces.popleft()
            if len(data) > limit:
                self._pieces.appendleft((data[limit:], ends))
                data, ends = data[:limit], False
            found.append(data)
            limit, last = limit - len(data), ends
        taken = np.concatenate(found) if found else np.empty(0, np.uint8)
        self.held -= len(taken)
        self.taken += len(taken)
        return taken, last

    def upcoming(self, nbytes: int) -> np.ndarray:
        """Up to `nbytes` that will be read next, those that the producer still keeps included.

        Nothing is taken.
        """
        pieces = [data for data, _ in self._pieces]
        if nbytes > self.held and self.producer is not None:
            pieces.append(self.producer.preview(nbytes - self.held))
        return np.concatenate(pieces)[:nbytes] if pieces else np.empty(0, np.uint8)

    def clear(self) -> None:
        """Reset."""
        self._pieces.clear()
        self.held = 0
