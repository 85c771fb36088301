"""The DMA driver against registers that say anything.

Every wait ends, and its message explains the registers.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pyqkit.runtime.dma import Dma, TransferError, Transfers

MM2S, S2MM = 0x04, 0x34  # status registers
IDLE, BUSY = 0x1002, 0x0000


class Registers(dict[int, int]):
    """Registers that remember what is written, and how often each was read."""

    def __init__(self, **status: int) -> None:
        super().__init__({MM2S: status.get("mm2s", BUSY), S2MM: status.get("s2mm", BUSY)})
        self.writes: list[tuple[int, int]] = []
        self.on_read: Callable[[int], None] = lambda offset: None

    def read(self, offset: int) -> int:
        self.on_read(offset)
        return self.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.writes.append((offset, value))

    @property
    def dma(self) -> Dma:
        return Dma(self.read, self.write)

    def wait(self, side: str, timeout_s: float) -> None:
        """Wait for a transfer that is under way."""
        transfers = Transfers([self.dma])
        transfers.run([until_ended(transfers.dmas[0], side)], timeout_s)


def until_ended(dma: Dma, side: str) -> Iterator[bool]:
    while dma.ended(side) is None:
        yield False


def test_a_transfer_is_address_then_length() -> None:
    registers = Registers()
    registers.dma.start("S2MM", 0x8_1234_5678, 100)
    assert registers.writes == [(0x48, 0x1234_5678), (0x4C, 8), (0x58, 100)]


def test_reset_starts_both_channels() -> None:
    registers = Registers()
    registers.dma.reset()
    assert registers.writes == [(0x00, 4), (0x00, 1), (0x30, 1)]


def test_reset_that_does_not_end() -> None:
    registers = Registers()
    registers[0x00] = 4
    with pytest.raises(
        TransferError, match=r"within 1 s, but MM2S_DMACR is 0x00000004; its clock is probably stopped"
    ):
        registers.dma.reset()


def test_a_transfer_that_has_ended_says_the_length_that_came() -> None:
    registers = Registers(s2mm=IDLE)
    registers[0x58] = 12
    assert registers.dma.ended("S2MM") == 12 and registers.dma.ended("MM2S") is None
    registers.wait("S2MM", 0)


@pytest.mark.parametrize(
    ("mm2s", "s2mm", "meaning"),
    [
        (
            IDLE,
            BUSY,
            "all frames were sent and too few results came, so the bitstream is probably of another "
            "network, or TLAST is missing",
        ),
        (
            BUSY,
            BUSY,
            "the accelerator neither takes frames nor gives results, so it is probably in reset or "
            "its clock is stopped",
        ),
    ],
)
def test_waits_end_and_say_what_the_registers_mean(mm2s: int, s2mm: int, meaning: str) -> None:
    registers = Registers(mm2s=mm2s, s2mm=s2mm)
    began = time.monotonic()
    with pytest.raises(TransferError) as error:
        registers.wait("S2MM", 0.05)
    assert 0.05 <= time.monotonic() - began < 1
    words = {IDLE: "idle", BUSY: "a transfer is under way"}
    assert (
        f"within 0.05 s, but MM2S_DMASR is {mm2s:#010x} ({words[mm2s]}) and S2MM_DMASR is "
        f"{s2mm:#010x} ({words[s2mm]}); {meaning}" in str(error.value)
    )


def test_sender_that_is_stuck() -> None:
    with pytest.raises(
        TransferError,
        match="takes no more frames while no result is missing, so its input has probably another size",
    ):
        Registers(mm2s=BUSY, s2mm=IDLE).wait("MM2S", 0.01)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (0x4011, "halted, internal error: a length of 0, or a packet that is longer than its buffer"),
        (0x4021, "halted, slave error: memory refused the access"),
        (0x4041, "halted, decode error: an address that no memory has"),
    ],
)
def test_errors_are_spelled_out_at_once(status: int, word: str) -> None:
    with pytest.raises(TransferError, match=re.escape(f"S2MM_DMASR is {status:#010x} ({word})")):
        Registers(s2mm=status).wait("S2MM", 1000)


def test_a_halted_channel_is_not_waited_for() -> None:
    with pytest.raises(TransferError, match=r"something has stopped it: MM2S_DMASR is 0x00000001 \(halted\)"):
        Registers(mm2s=1).wait("MM2S", 1000)


def test_another_thread_can_end_a_wait() -> None:
    cancelled = threading.Event()
    transfers = Transfers([Registers().dma], cancelled.is_set)
    threading.Timer(0.02, cancelled.set).start()
    with pytest.raises(TransferError, match="it was cancelled"):
        transfers.run([until_ended(transfers.dmas[0], "S2MM")], 1000)


def test_waiting_polls_and_then_rests() -> None:
    reads = []
    registers = Registers()
    registers.on_read = reads.append
    with pytest.raises(TransferError):
        registers.wait("S2MM", 0.1)
    registers[S2MM] = IDLE
    assert 10 < len(reads) < 20_000
