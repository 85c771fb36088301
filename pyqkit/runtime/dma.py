"""Driver of the AXI DMA in direct register mode (PG021): no wait without an end, and registers explained when it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pyqkit.errors import UserError

_SIDES = {"MM2S": 0x00, "S2MM": 0x30}  # memory to stream, and back
_CONTROL, _STATUS, _ADDRESS, _ADDRESS_MSB, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_RUN, _RESET = 0x1, 0x4
_HALTED, _IDLE, _ERRORS = 0x1, 0x2, 0x70
_BITS = {
    0: "halted",
    1: "idle",
    4: "internal error: a length of 0, or a packet that is longer than its buffer",
    5: "slave error: memory refused the access",
    6: "decode error: an address that no memory has",
}
_BUSY_SECONDS = 0.002  # polled without pause; what takes longer may wait for a scheduler


class TransferError(UserError):
    """A transfer that failed or did not end: the sentence says what the registers show and what that probably means."""


class Dma:
    """One AXI DMA with both channels.

    Parameters
    ----------
    read, write : callable
        Access to its registers by byte offset.
    """

    def __init__(self, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        self._read, self._write = read, write
        self.cancelled = threading.Event()  # ends waits of another thread

    def reset(self) -> None:
        """Stop both channels, forget errors, and let them run again."""
        self.cancelled.clear()
        self._write(_CONTROL, _RESET)  # either channel's bit resets both
        limit = time.monotonic() + 1
        while self._read(_CONTROL) & _RESET:
            if time.monotonic() > limit:
                raise TransferError(
                    f"the DMA was expected to come out of reset within 1 s, but MM2S_DMACR is {self._read(_CONTROL):#010x}; "
                    "its clock is probably stopped, so load the overlay again"
                )
        for base in _SIDES.values():
            self._write(base + _CONTROL, _RUN)

    def start(self, side: str, address: int, nbytes: int) -> None:
        """Begin a transfer; `side` is MM2S (to the accelerator) or S2MM (from it)."""
        base = _SIDES[side]
        self._write(base + _ADDRESS, address & 0xFFFF_FFFF)
        self._write(base + _ADDRESS_MSB, address >> 32)
        self._write(base + _LENGTH, nbytes)

    def wait(self, side: str, timeout_s: float) -> int:
        """Wait until a transfer has ended; returns its bytes.

        Raises
        ------
        TransferError
            If the DMA shows an error or `timeout_s` have passed.
        """
        base, began = _SIDES[side], time.monotonic()
        while True:
            status = self._read(base + _STATUS)
            if status & _ERRORS:
                raise TransferError(
                    f"the transfer was expected to succeed, but {self.describe()}; the accelerator starts anew at the next call"
                )
            if status & _IDLE:
                return self._read(base + _LENGTH)
            if status & _HALTED:
                raise TransferError(f"a running DMA was expected, but something has stopped it: {self.describe()}; run the frames again")
            waited = time.monotonic() - began
            if waited > timeout_s:
                raise TransferError(
                    f"the transfer was expected to end within {timeout_s:.3g} s, but {self.describe()}; {self._meaning()}; "
                    "pass a larger timeout_s if the clock was lowered"
                )
            if self.cancelled.is_set():
                raise TransferError("a transfer was expected to end, but it was cancelled; run the frames again")
            if waited > _BUSY_SECONDS:
                time.sleep(0.0001)

    def describe(self) -> str:
        """Both status registers in words."""
        return " and ".join(f"{side}_DMASR is {self._read(base + _STATUS):#010x} ({self._words(base)})" for side, base in _SIDES.items())

    def _words(self, base: int) -> str:
        status = self._read(base + _STATUS)
        found = [word for bit, word in _BITS.items() if status >> bit & 1]
        return ", ".join(found) or "a transfer is under way"

    def _meaning(self) -> str:
        """What an expired wait probably means."""
        sent, received = (self._read(base + _STATUS) & _IDLE for base in _SIDES.values())
        if sent and not received:
            return "all frames were sent and too few results came, so the bitstream is probably of another network, or TLAST is missing"
        if received and not sent:
            return "the accelerator takes no more frames while no result is missing, so its input has probably another size than the manifest says"
        return "the accelerator neither takes frames nor gives results, so it is probably in reset or its clock is stopped"
