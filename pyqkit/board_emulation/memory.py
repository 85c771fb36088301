"""Memory that a processor and a DMA share.

Physical addresses, and caches that somebody has to flush and invalidate.
"""

from __future__ import annotations

import bisect
import weakref
from collections.abc import Iterator
from functools import partial

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
        # The host's bytes when caches last agreed.
        self._synchronised = np.zeros(nbytes, np.uint8) if cacheable else self.host
        # Ranges that a DMA wrote and nobody invalidated; apart, and in order.
        self._stale: list[tuple[int, int]] = []
        self.freed = False

    def _unflushed(self, start: int, stop: int) -> np.ndarray:
        return np.flatnonzero(self.host[start:stop] != self._synchronised[start:stop]) + start

    def flush(self, start: int, nbytes: int) -> None:
        """Write what the processor wrote from its caches to memory."""
        if not self.cacheable:
            return
        stop = start + nbytes
        written = self._unflushed(start, stop)
        if any(np.any((written >= first) & (written < last)) for first, last in self._stale):
            raise BoardFault(
                f"an invalidate() was expected before the buffer at {self.address:#x} is written "
                "and flushed, but a DMA has put data "
                "there since, which the flush would overwrite; call invalidate() after the transfer"
            )
        # All but what a DMA wrote, also what seems flushed: a flush that was interrupted may have come half
        # way.
        for first, last in zip(
            [start, *(last for _, last in self._stale)], [*(first for first, _ in self._stale), stop]
        ):
            piece = slice(max(first, start), min(last, stop))
            self._memory[piece] = self._synchronised[piece] = self.host[piece]

    def invalidate(self, start: int, nbytes: int) -> None:
        """Drop what the caches hold, so that the processor sees memory."""
        stop = start + nbytes
        if self.cacheable:
            self.host[start:stop] = self._synchronised[start:stop] = self._memory[start:stop]
        outside = [
            piece
            for first, last in self._stale
            for piece in ((first, min(last, start)), (max(first, stop), last))
        ]
        self._stale = [(first, last) for first, last in outside if first < last]

    def check_alive(self) -> None:
        """Raise `BoardFault` if the memory was given back."""
        if self.freed:
            raise BoardFault(
                f"a buffer that lives was expected, but the one at {self.address:#x} was freed, and its "
                "memory may be another's; copy what you need before you free it"
            )

    def check_fresh(self, start: int, stop: int) -> None:
        """Raise `BoardFault` if the processor is about to read what a DMA wrote before it was invalidated."""
        self.check_alive()
        if any(first < stop and start < last for first, last in self._stale):
            raise BoardFault(
                f"an invalidate() was expected before the buffer at {self.address:#x} is read, but "
                "a DMA has written it since and the caches "
                "hold what was there before; wait for the transfer, then call invalidate()"
            )

    def dma_read(self, start: int, nbytes: int) -> np.ndarray:
        """What a DMA reads."""
        if self.cacheable and len(self._unflushed(start, start + nbytes)):
            raise BoardFault(
                f"a flush() was expected before a DMA reads the buffer at {self.address:#x}, but "
                "the processor has written it since and the "
                "new bytes are only in its caches; call flush() before the transfer"
            )
        return self._memory[start : start + nbytes]

    def dma_write(self, start: int, data: np.ndarray) -> None:
        """What a DMA writes."""
        self._memory[start : start + len(data)] = data
        if self.cacheable and len(data):
            first, last = start, start + len(data)
            touching = [piece for piece in self._stale if piece[0] <= last and first <= piece[1]]
            apart = [piece for piece in self._stale if not (piece[0] <= last and first <= piece[1])]
            self._stale = sorted(
                [*apart, (min([first, *(f for f, _ in touching)]), max([last, *(e for _, e in touching)]))]
            )


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
        self._addresses: list[int] = []  # of the buffers, in order

    def _live(self) -> Iterator[Buffer]:
        for address in list(self._addresses):
            buffer = self._at(address)
            if buffer is not None:
                yield buffer

    def _at(self, address: int) -> Buffer | None:
        """The buffer that begins there; None where one has just gone."""
        found = self._buffers.get(address)
        return found() if found is not None else None

    @property
    def used(self) -> int:
        """Bytes that are allocated, whole pages."""
        return sum(_pages(buffer.nbytes) for buffer in self._live())

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Where nothing is: addresses and sizes."""
        address = self.base
        for buffer in self._live():
            yield address, buffer.address - address
            address = buffer.address + _pages(buffer.nbytes)
        yield address, self.base + self.size - address

    def allocate(self, nbytes: int, cacheable: bool = False) -> Buffer:
        """A new buffer at the lowest address that fits.

        Raises
        ------
        BoardFault
            If there is no such place.
        """
        if nbytes < 1:
            raise BoardFault(
                f"a buffer of at least one byte was expected, but {nbytes:,} were asked for; leave it out"
            )
        address = next((start for start, size in self._gaps() if size >= _pages(nbytes)), None)
        if address is None:
            raise BoardFault(
                f"{self._room()}, but {nbytes:,} were asked for; free buffers or take smaller batches"
            )
        found = Buffer(address, nbytes, cacheable)
        self._buffers[address] = weakref.ref(found, partial(self._forget, address))
        bisect.insort(self._addresses, address)
        return found

    def _room(self) -> str:
        largest = max(size for _, size in self._gaps())
        if largest < PAGE:
            return (
                f"a board with memory left was expected, but buffers hold all {self.size:,} bytes "
                "of the emulated one"
            )
        return (
            f"a buffer of at most {largest:,} bytes was expected, which is the largest piece that "
            f"the emulated board has left of {self.size:,}"
        )

    def _forget(self, address: int, dead: weakref.ref[Buffer]) -> None:
        if self._buffers.get(address) is dead:  # else it was freed, and another may be there
            self._remove(address)

    def _remove(self, address: int) -> None:
        del self._buffers[address]
        self._addresses.remove(address)

    def free(self, buffer: Buffer) -> None:
        """Give a buffer's addresses back; once is enough."""
        if not buffer.freed:
            buffer.freed = True
            self._remove(buffer.address)

    def owner(self, address: int, nbytes: int) -> tuple[Buffer, int] | None:
        """The buffer that holds a whole range, and where the range starts in it."""
        place = bisect.bisect_right(self._addresses, address) - 1
        buffer = self._at(self._addresses[place]) if place >= 0 else None
        if buffer is not None and address + nbytes <= buffer.address + buffer.nbytes:
            return buffer, address - buffer.address
        return None


def _pages(nbytes: int) -> int:
    return -(-max(nbytes, 1) // PAGE) * PAGE
