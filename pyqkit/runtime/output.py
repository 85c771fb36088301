"""An output of the accelerator: where its packets lie in a buffer, and how they get there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyqkit.formats.port import End, Port
from pyqkit.runtime.backends import Buffer
from pyqkit.runtime.dma import Dma, receiving

LINE = 64  # bytes: each packet starts on a line of its own, as a DMA without a realignment engine wants it


class Output:
    """A stream out of the accelerator.

    Parameters
    ----------
    port : Port
    end : End
    frames_per_packet : int or None
        As in the manifest.
    batch : int
        Most frames of a buffer.
    """

    def __init__(self, port: Port, end: End, frames_per_packet: int | None, batch: int) -> None:
        self.port, self.end, self._per_packet = port, end, frames_per_packet
        line = LINE if frames_per_packet else 1  # one packet alone starts where the buffer does
        self._stride = -(-self._packet_bytes(batch) // line) * line
        self.buffer_bytes = self._packets(batch) * self._stride

    def _packets(self, frames: int) -> int:
        return -(-frames // self._per_packet) if self._per_packet else 1

    def _packet_bytes(self, frames: int) -> int:
        return (self._per_packet or frames) * self.end.frame_bytes

    def receive(self, dma: Dma, buffer: Buffer, frames: int) -> Iterator[bool]:
        """Receive the results of a buffer packet by packet through its DMA; see `Transfers.run`."""
        expected = self._packet_bytes(frames)
        for packet in range(self._packets(frames)):
            yield from receiving(dma, buffer.address + packet * self._stride, expected)

    def codes(self, content: np.ndarray, frames: int) -> np.ndarray:
        """Codes (frames, height, width, channels) of what was received."""
        rows = content[: self._packets(frames) * self._stride].reshape(self._packets(frames), -1)[
            :, : self._packet_bytes(frames)
        ]
        return self.end.from_bytes(np.ascontiguousarray(rows))[:frames]
