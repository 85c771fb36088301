"""Driver of the AXI DMA in direct register mode (PG021).

No wait without an end, and registers explained when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from pyqkit.errors import UserError
from pyqkit.overlay.manifest import OverlayError

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
    """A transfer that failed or did not end.

    The sentence says what the registers show and what that probably means.
    """


class Dma:
    """One AXI DMA.

    Parameters
    ----------
    read, write : callable
        Access to its registers by byte offset.
    name : str
        Instance, for messages.
    sides : tuple of str
        Its channels: MM2S, S2MM or both.
    """

    def __init__(
        self,
        read: Callable[[int], int],
        write: Callable[[int, int], None],
        name: str = "axi_dma_0",
        sides: tuple[str, ...] = ("MM2S", "S2MM"),
    ) -> None:
        self._read, self._write, self.name, self.sides = read, write, name, sides

    def reset(self) -> None:
        """Stop all channels, forget errors, and let them run again."""
        side = self.sides[0]
        control = _SIDES[side] + _CONTROL
        self.stop()  # either channel's bit resets both
        limit = time.monotonic() + 1
        while self._read(control) & _RESET:
            if time.monotonic() > limit:
                raise TransferError(
                    f"the DMA was expected to come out of reset within 1 s, but {side}_DMACR is "
                    f"{self._read(control):#010x}; its clock is probably stopped, so load the overlay again"
                )
        for side in self.sides:
            self._write(_SIDES[side] + _CONTROL, _RUN)

    def stop(self) -> None:
        """Stop all channels at once, whatever they do; only `reset` lets them run again."""
        self._write(_SIDES[self.sides[0]] + _CONTROL, _RESET)

    def registers(self) -> list[int]:
        """What the channels show of their last transfers: status, address and length of each."""
        return [
            self._read(_SIDES[side] + offset)
            for side in self.sides
            for offset in (_STATUS, _ADDRESS, _ADDRESS_MSB, _LENGTH)
        ]

    def start(self, side: str, address: int, nbytes: int) -> None:
        """Begin a transfer; `side` is MM2S (to the accelerator) or S2MM (from it)."""
        base = _SIDES[side]
        self._write(base + _ADDRESS, address & 0xFFFF_FFFF)
        self._write(base + _ADDRESS_MSB, address >> 32)
        self._write(base + _LENGTH, nbytes)

    def ended(self, side: str) -> int | None:
        """Bytes of a transfer that has ended; None while it is under way.

        Raises
        ------
        TransferError
            If the DMA shows an error.
        """
        status = self._read(_SIDES[side] + _STATUS)
        if status & _ERRORS:
            raise TransferError(
                f"the transfer was expected to succeed, but {self.describe()}; the accelerator "
                "starts anew at the next call"
            )
        if status & _IDLE:
            return self._read(_SIDES[side] + _LENGTH)
        if status & _HALTED:
            raise TransferError(
                f"a running DMA was expected, but something has stopped it: {self.describe()}; run "
                "the frames again"
            )
        return None

    def idle(self, side: str) -> bool:
        """Whether the last transfer has ended."""
        return bool(self._read(_SIDES[side] + _STATUS) & _IDLE)

    def describe(self) -> str:
        """Status registers in words."""
        found = []
        for side in self.sides:
            status = self._read(_SIDES[side] + _STATUS)
            words = ", ".join(word for bit, word in _BITS.items() if status >> bit & 1)
            found.append(f"{side}_DMASR is {status:#010x} ({words or 'a transfer is under way'})")
        return " and ".join(found)


def sending(dma: Dma, address: int, nbytes: int) -> Iterator[bool]:
    """Send from memory; see `Transfers.run`."""
    dma.start("MM2S", address, nbytes)
    while dma.ended("MM2S") is None:
        yield False


def receiving(dma: Dma, address: int, nbytes: int) -> Iterator[bool]:
    """Receive a packet of `nbytes` into memory; see `Transfers.run`.

    Raises
    ------
    OverlayError
        If another number of bytes came.
    """
    dma.start("S2MM", address, nbytes)
    while (came := dma.ended("S2MM")) is None:
        yield False
    if came != nbytes:
        raise OverlayError(
            f"packets of {nbytes} bytes were expected from the accelerator, but {came} came; the bitstream "
            "is of another network"
        )
    yield True


class Transfers:
    """Transfers of several DMAs that go on side by side, none of which waits for another.

    Parameters
    ----------
    dmas : sequence of Dma
        The first sends, all receive.
    cancelled : callable, optional
        Whether nobody waits for the transfers any more.
    """

    def __init__(self, dmas: Sequence[Dma], cancelled: Callable[[], bool] = lambda: False) -> None:
        self.dmas, self._cancelled = dmas, cancelled

    def reset(self) -> None:
        """As `Dma.reset`, of all."""
        for dma in self.dmas:
            dma.reset()

    def run(self, transfers: Iterable[Iterator[bool]], timeout_s: float) -> None:
        """Poll until all have ended.

        Parameters
        ----------
        transfers : iterable of iterators
            Each begins when it is first asked, and says at each look whether a part of it has ended.
        timeout_s : float
            After the last part.

        Raises
        ------
        TransferError
            If a DMA shows an error or `timeout_s` have passed.
        """
        pending, moved_at = list(transfers), time.monotonic()
        while pending:
            looks = [(transfer, next(transfer, None)) for transfer in pending]
            pending = [transfer for transfer, moved in looks if moved is not None]
            now = time.monotonic()
            if any(moved is not False for _, moved in looks):
                moved_at = now
                continue
            waited = now - moved_at
            if waited > timeout_s:
                raise TransferError(
                    f"the transfer was expected to end within {timeout_s:.3g} s, but {self._describe()}; "
                    f"{self._meaning()}; pass a larger timeout_s if the clock was lowered"
                )
            if self._cancelled():
                raise TransferError(
                    "a transfer was expected to end, but it was cancelled; run the frames again"
                )
            if waited > _BUSY_SECONDS:
                time.sleep(0.0001)

    def _describe(self) -> str:
        if len(self.dmas) == 1:
            return self.dmas[0].describe()
        return ", ".join(f"in {dma.name} {dma.describe()}" for dma in self.dmas)

    def _meaning(self) -> str:
        """What an expired wait probably means."""
        sent, received = self.dmas[0].idle("MM2S"), [dma.name for dma in self.dmas if dma.idle("S2MM")]
        missing = " and ".join(dma.name for dma in self.dmas if dma.name not in received)
        if sent and missing:
            where = f" at {missing}" if len(self.dmas) > 1 else ""
            return (
                f"all frames were sent and too few results came{where}, so the bitstream is "
                "probably of another network, or TLAST is missing"
            )
        if received and not missing:
            return (
                "the accelerator takes no more frames while no result is missing, so its input has "
                "probably another size than the manifest says"
            )
        if received:
            return (
                f"{missing} gives nothing while others do, so that output is probably not connected "
                "or has no TLAST"
            )
        return (
            "the accelerator neither takes frames nor gives results, so it is probably in reset or "
            "its clock is stopped"
        )
