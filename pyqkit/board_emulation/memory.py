"""Memory that a processor and a DMA share: physical addresses, and caches that somebody has to flush and invalidate."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np

from pyqkit.errors import UserError

PAGE = 4096


class BoardFault(UserError):
    """What would hang a real board or corrupt its data: the sentence says what happened and what to do."""


class Buffer:
    """A piece of physically contiguous memory.

    Attributes
    ----------
    address : int
        Physical.
    host : numpy.ndarray, uint8
        As the processor sees it, through its caches.
    """

    def __init__(self, address: int, nbytes: int, cacheable: bool) -> None:
        self.address, self.nbytes, self.cacheable = address, nbytes, cacheable
        self.host = np.zeros(nbytes, np.uint8)
        self._memory = np.zeros(nbytes, np.uint8) if cacheable else self.host
        self._synchronised = np.zeros(nbytes, np.uint8) if cacheable else self.host  # the host's bytes when caches last agreed
        self._stale: list[tuple[int, int]] = []  # ranges that a DMA wrote and nobody invalidated

    def _unflushed(self, start: int, stop: int) -> np.ndarray:
        return np.flatnonzero(self.host[start:stop] != self._synchronised[start:stop]) + start

    def flush(self, start: int, nbytes: int) -> None:
        """Write what the processor wrote from its caches to memory."""
        if not self.cacheable:
            return
        written = self._unflushed(start, start + nbytes)
        for first, last in self._stale:
            if np.any((written >= first) & (written < last)):
                raise BoardFault(
                    f"an invalidate() was expected before the buffer at {self.address:#x} is written and flushed, but a DMA has put data "
                    "there since, which the flush would overwrite; call invalidate() after the transfer"
                )
        self._memory[written] = self._synchronised[written] = self.host[written]

    def invalidate(self, start: int, nbytes: int) -> None:
        """Drop what the caches hold, so that the processor sees memory."""
        stop = start + nbytes
        if self.cacheable:
            self.host[start:stop] = self._synchronised[start:stop] = self._memory[start:stop]
        outside = [piece for first, last in self._stale for piece in ((first, min(last, start)), (max(first, stop), last))]
        self._stale = [(first, last) for first, last in outside if first < last]

    def check_fresh(self, start: int, stop: int) -> None:
        """Raise `BoardFault` if the processor is about to read bytes that a DMA wrote and that were not invalidated."""
        if any(first < stop and start < last for first, last in self._stale):
            raise BoardFault(
                f"an invalidate() was expected before the buffer at {self.address:#x} is read, but a DMA has written it since and the caches "
                "hold what was there before; wait for the transfer, then call invalidate()"
            )

    def dma_read(self, start: int, nbytes: int) -> np.ndarray:
        """What a DMA reads."""
        if self.cacheable and len(self._unflushed(start, start + nbytes)):
            raise BoardFault(
                f"a flush() was expected before a DMA reads the buffer at {self.address:#x}, but the processor has written it since and the "
                "new bytes are only in its caches; call flush() before the transfer"
            )
        return self._memory[start : start + nbytes]

    def dma_write(self, start: int, data: np.ndarray) -> None:
        """What a DMA writes."""
        self._memory[start : start + len(data)] = data
        if self.cacheable and len(data):
            if self._stale and self._stale[-1][1] == start:
                self._stale[-1] = self._stale[-1][0], start + len(data)
            else:
                self._stale.append((start, start + len(data)))


class Memory:
    """The part of DDR that buffers are allocated from.

    A buffer lives as long as somebody refers to it, or until `free`.

    Parameters
    ----------
    base, size : int
        Bytes.
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self._buffers: dict[int, weakref.ref[Buffer]] = {}

    def _live(self) -> Iterator[Buffer]:
        for address in sorted(self._buffers):
            buffer = self._buffers[address]()
            if buffer is None:
                del self._buffers[address]
            else:
                yield buffer

    @property
    def used(self) -> int:
        """Bytes that are allocated, whole pages."""
        return sum(_pages(buffer.nbytes) for buffer in self._live())

    def allocate(self, nbytes: int, cacheable: bool = False) -> Buffer:
        """A new buffer at the lowest address that fits.

        Raises
        ------
        BoardFault
            If there is no such place.
        """
        address = self.base
        for buffer in self._live():
            if buffer.address - address >= _pages(nbytes):
                break
            address = buffer.address + _pages(buffer.nbytes)
        if address + _pages(nbytes) > self.base + self.size:
            raise BoardFault(
                f"a buffer of at most {self.size - self.used:,} bytes was expected, which is what the emulated board has left of "
                f"{self.size:,}, but {nbytes:,} were asked for; free buffers or take smaller batches"
            )
        found = Buffer(address, nbytes, cacheable)
        self._buffers[address] = weakref.ref(found)
        return found

    def free(self, buffer: Buffer) -> None:
        """Give a buffer's addresses back."""
        self._buffers.pop(buffer.address, None)

    def owner(self, address: int, nbytes: int) -> tuple[Buffer, int] | None:
        """The buffer that holds a whole range, and where the range starts in it."""
        for buffer in self._live():
            if buffer.address <= address and address + nbytes <= buffer.address + buffer.nbytes:
                return buffer, address - buffer.address
        return None


def _pages(nbytes: int) -> int:
    return -(-max(nbytes, 1) // PAGE) * PAGE
