"""Counters of an emulated overlay: they see what passes, and know no cycles."""

from __future__ import annotations

from pyqkit.board_emulation.streams import Stream
from pyqkit.overlay import counters, hwh

_MOST_BEATS = 2**31


class Counters:
    """The registers; frames alone are counted, the others stay 0."""

    def __init__(self, block: hwh.Block, ends: dict[str, Stream]) -> None:
        self.name, self._stream = block.name, ends["m_out"]
        self._frame_bytes = block.number("beats", 1, 1, _MOST_BEATS) * self._stream.beat_bytes
        self._cleared = self._stream.taken

    def read(self, offset: int) -> int:
        """A register."""
        frames = (self._stream.taken - self._cleared) // self._frame_bytes
        return frames if offset == counters.FRAMES else 0

    def write(self, offset: int, value: int) -> None:
        """A write to the first register clears all."""
        if offset == counters.CLEAR:
            self._cleared = self._stream.taken
