"""The emulated board without PYNQ: registers, streams, clocks and memory."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pyqkit.board_emulation as board_emulation
from pyqkit.board_emulation import make
from pyqkit.board_emulation.axi_dma import (
    ADDRESS,
    ADDRESS_MSB,
    COMPLETE,
    CONTROL,
    HALTED,
    IDLE,
    LENGTH,
    RESET,
    STATUS,
)
from pyqkit.board_emulation.memory import PAGE, Memory
from pyqkit.board_emulation.streams import Stream
from pyqkit.errors import MissingToolError
from tests.board_emulation.design import MM2S, S2MM, Design, status, sums

# ---- what works --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["zynq-7000", "zynq-mpsoc"])
def test_frames_pass_and_status_bits_follow_the_product_guide(family: str) -> None:
    d = Design(family=family)
    assert status(d, MM2S) == status(d, S2MM) == HALTED
    d.run()
    assert status(d, MM2S) == status(d, S2MM) == 0, "running, and idle only once a transfer has ended"
    source, target = d.buffer(np.arange(24)), d.buffer()
    d.start(MM2S, source.address, 24)
    for frame in range(3):
        assert status(d, S2MM) & IDLE == (IDLE if frame else 0)
        d.start(S2MM, target.address + 16 * frame, 16)
        assert status(d, S2MM) == IDLE | COMPLETE
        assert d.read(S2MM + LENGTH) == 4, "the length of the packet, not of the buffer"
    assert status(d, MM2S) == IDLE | COMPLETE and d.read(MM2S + LENGTH) == 24
    assert_array_equal(
        target.host[[0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 34, 35]], sums(np.arange(24).reshape(3, 8)).ravel()
    )
    d.write(MM2S + STATUS, COMPLETE)
    assert status(d, MM2S) == IDLE, "interrupt bits are cleared by writing ones"
    d.write(MM2S + CONTROL, 0)
    assert status(d, MM2S) & HALTED and not status(d, S2MM) & HALTED
    d.write(S2MM + CONTROL, RESET)
    assert status(d, MM2S) == status(d, S2MM) == HALTED, "a reset takes both channels"
    assert d.read(S2MM + CONTROL) & RESET == 0


def test_addresses_above_4_gib() -> None:
    d = Design()
    d.board.memory = Memory(0x8_0000_0000, 1 << 20)
    for channel in d.board._blocks[0].channels.values():
        channel.memory = d.board.memory
    d.run()
    source, target = d.buffer(np.arange(8)), d.buffer()
    d.start(S2MM, target.address, 4)
    d.start(MM2S, source.address, 8)
    assert (d.read(MM2S + ADDRESS_MSB), d.read(MM2S + ADDRESS)) == (8, source.address & 0xFFFF_FFFF)
    assert_array_equal(target.host[:4], sums(np.arange(8)[None])[0])


def test_who_sends_waits_for_who_receives() -> None:
    d = Design().run()
    count = 2000
    content = np.random.default_rng(0).integers(0, 256, count * 8).astype(np.uint8)
    source, target = d.buffer(content, nbytes=len(content)), d.buffer()
    d.start(MM2S, source.address, len(content))
    dma, network = d.board._blocks
    moved = dma.channels["MM2S"].moved
    assert moved < len(content) // 2, "streams and accelerator hold only so much"
    assert moved <= 1024 + 8 * (1 + 2 + 1024 // 4)
    results = []
    for _ in range(count):
        d.start(S2MM, target.address, 4)
        results.append(target.host[:4].copy())
    assert_array_equal(np.concatenate(results), sums(content.reshape(-1, 8)).ravel())
    assert status(d, MM2S) & IDLE and network.state == "accelerator_0 waits for a frame of 8 bytes"


def test_frames_that_change_under_way_are_computed_as_they_came() -> None:
    """Results are computed ahead from the DMA's buffer.

    Who writes into it while it is being sent gets what hardware would give.
    """
    d = Design().run()
    content = np.arange(80 * 8) % 251
    source, target = d.buffer(content, nbytes=len(content)), d.buffer()
    d.board._blocks[1].given.capacity = 8  # bytes on the way, so that most of the frames are still in memory
    d.board._blocks[1].outputs[0].stream.capacity = 4
    d.start(MM2S, source.address, len(content))
    source.host[20 * 8 :] += 1
    for frame in range(80):
        d.start(S2MM, target.address, 4)
        assert_array_equal(target.host[:4], sums(source.host[frame * 8 : frame * 8 + 8][None])[0])


def test_streams_keep_packets_apart() -> None:
    stream = Stream("s", 2, 16)
    stream.put(np.arange(6, dtype=np.uint8), True)
    stream.put(np.arange(4, dtype=np.uint8), False)
    assert (stream.held, stream.room) == (10, 6)
    for limit, wanted in (
        (4, ([0, 1, 2, 3], False)),
        (10, ([4, 5], True)),
        (10, ([0, 1, 2, 3], False)),
        (10, ([], False)),
    ):
        data, last = stream.take(limit)
        assert (data.tolist(), last) == wanted
    with pytest.raises(RuntimeError, match="18 bytes for 16 in stream s"):
        stream.put(np.zeros(18, np.uint8), False)


@pytest.mark.parametrize(("family", "name"), [("zynq-7000", "PYNQ-Z2"), ("zynq-mpsoc", "ZCU104")])
def test_clocks(family: str, name: str) -> None:
    board = make(name)
    assert board.family == family and board.clock.mhz == pytest.approx(100, rel=1e-4)
    for wanted in (20, 66.6, 125, 150, 199, 214):
        board.clock.mhz = wanted
        assert wanted * 0.75 < board.clock.mhz <= wanted * (1 + 1e-6)
    board.clock.mhz = 200
    assert board.clock.mhz == pytest.approx({"zynq-7000": 200, "zynq-mpsoc": 187.5}[family], rel=1e-4)


def test_memory_is_given_back() -> None:
    memory = Memory(0x1000, 8 * PAGE)
    kept = [memory.allocate(n) for n in (1, PAGE + 1, 100)]
    assert [b.address for b in kept] == [0x1000, 0x1000 + PAGE, 0x1000 + 3 * PAGE] and memory.used == 4 * PAGE
    second = kept.pop(1)
    address = second.address
    memory.free(second)
    assert memory.owner(address, 1) is None and memory.allocate(2 * PAGE).address == address
    del second, kept
    gc.collect()
    assert memory.used == 0
    assert memory.owner(0x1000, 1) is None
    whole = memory.allocate(8 * PAGE)
    assert memory.owner(whole.address + 5, 8 * PAGE - 5) == (whole, 5)
    assert memory.owner(whole.address + 5, 8 * PAGE - 4) is None


def test_without_pynq_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None)
    monkeypatch.delitem(sys.modules, "pyqkit.board_emulation.pynq_device", raising=False)
    with pytest.raises(MissingToolError, match=r"pip install 'pyqkit\[board\]'.*backend='emulated'"):
        board_emulation.use("ZCU104")
