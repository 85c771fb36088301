"""What PYNQ documents of DMA, allocate, clocks and overlays, on the emulated device with the pynq package."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pytest

pynq = pytest.importorskip("pynq", reason="PYNQ is not installed; pip install 'pyqkit[board]'")
pytest.importorskip("onnx")

from pyqkit.board_emulation.memory import BoardFault
from pyqkit.overlay import hwh
from tests.overlays import overlay

FRAME, RESULT = 36, 10  # bytes of the network in `tests.overlays`


# ---- DMA ---------------------------------------------------------------------------------------------------


def test_transfers_end_idle_and_say_what_came(dma: Any) -> None:
    source, target = pynq.allocate(FRAME, np.uint8), pynq.allocate(64, np.uint8)
    dma.recvchannel.transfer(target)
    dma.sendchannel.transfer(source)
    dma.sendchannel.wait()
    dma.recvchannel.wait()
    assert (dma.sendchannel.transferred, dma.recvchannel.transferred) == (FRAME, RESULT)
    assert dma.sendchannel.idle and dma.recvchannel.idle and not dma.recvchannel.error
    assert dma.register_map.S2MM_DMASR.IOC_Irq == 1 and dma.register_map.S2MM_LENGTH.Length == RESULT


def test_transfers_that_pynq_refuses(dma: Any) -> None:
    source, target = pynq.allocate(FRAME, np.uint8), pynq.allocate(64, np.uint8)
    with pytest.raises(RuntimeError, match="does not support unaligned transfers"):
        dma.sendchannel.transfer(source, start=4)
    with pytest.raises(AttributeError):
        dma.sendchannel.transfer(np.zeros(FRAME, np.uint8))
    dma.recvchannel.transfer(target)
    dma.sendchannel.transfer(source, nbytes=FRAME // 2)
    dma.sendchannel.wait()
    with pytest.raises(RuntimeError, match="DMA channel not idle"):
        dma.recvchannel.transfer(target)
    dma.recvchannel.stop()
    with pytest.raises(RuntimeError, match="DMA channel not started"):
        dma.recvchannel.transfer(target)


def test_channels_are_started_again_after_a_download(board: Any) -> None:
    loaded = pynq.Overlay(str(overlay("ZCU104")))
    dma, source = loaded.axi_dma_0, pynq.allocate(FRAME, np.uint8)
    loaded.download()
    with pytest.raises(RuntimeError, match="DMA channel not started"):
        dma.sendchannel.transfer(source)
    with pytest.raises(
        BoardFault,
        match=r"write 1 to DMACR first, which is start\(\) of PYNQ's channel and is needed after every "
        r"download",
    ):
        dma.write(0x28, FRAME)
    dma.sendchannel.start()
    dma.sendchannel.transfer(source)
    dma.sendchannel.wait()


# ---- allocate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype"), [(-1, "u1"), (0, "u1"), ((4, -2), "u4"), ((3, 0), "f4"), (4, object), (4, "V0")]
)
def test_buffers_that_cannot_be(board: Any, shape: Any, dtype: Any) -> None:
    with pytest.raises(
        BoardFault,
        match=r"a shape of positive numbers and a type of plain values were expected, but \(.*\) and .* came",
    ):
        pynq.allocate(shape, dtype)
    assert board.board.memory.used == 0


@pytest.mark.parametrize("cacheable", [True, False, 1, 0])
def test_buffers_of_any_type_and_shape(board: Any, cacheable: Any) -> None:
    for shape, dtype in (
        (3, "u1"),
        ((2, 3), np.int16),
        ((4,), "f8"),
        (np.int64(5), "complex64"),
        ([2, 2], "bool"),
        ((), "u4"),
    ):
        buffer = pynq.allocate(shape, dtype, cacheable=cacheable)
        assert buffer.shape == np.empty(shape).shape and buffer.dtype == np.dtype(dtype) and not buffer.any()
        assert buffer.cacheable == bool(cacheable) and buffer.physical_address % 4096 == 0
        buffer[...] = 1
        buffer.flush()
        buffer.invalidate()
        assert buffer.all()
    assert pynq.allocate(4).dtype == np.uint32
    assert pynq.allocate((4, 4))[1:, 2].physical_address % 4096 == 24


def test_a_freed_buffer_is_not_used(board: Any) -> None:
    with pynq.allocate(64, np.uint8) as buffer:
        buffer[:] = 1
    for use in (
        lambda: buffer[0],
        lambda: buffer.sum(),
        lambda: buffer.copy(),
        lambda: buffer.__setitem__(0, 1),
    ):
        with pytest.raises(
            BoardFault, match="a buffer that lives was expected, but the one at 0x60000000 was freed"
        ):
            use()
    other = pynq.allocate(64, np.uint8)
    assert other.physical_address == buffer.device_address
    buffer.freebuffer()
    assert board.board.memory.owner(other.physical_address, 64) is not None, "freed twice frees nobody else's"
    dma = pynq.Overlay(str(overlay("ZCU104"))).axi_dma_0
    other.freebuffer()
    with pytest.raises(BoardFault, match="belong to no allocated buffer"):
        dma.sendchannel.transfer(other)


def test_records_of_buffers_do_not_grow(board: Any) -> None:
    memory = board.board.memory
    kept = [pynq.allocate(16, np.uint8) for _ in range(50)]
    for _ in range(2000):
        pynq.allocate(16, np.uint8)
    assert len(memory._buffers) == len(memory._addresses) == 50
    del kept
    gc.collect()
    assert not memory._buffers and not memory._addresses
    buffer = memory.allocate(4096, cacheable=True)
    for index in range(20_000):
        buffer.dma_write(64 * (index * 7 % 64), np.ones(16, np.uint8))
    assert len(buffer._stale) == 64
    buffer.dma_write(0, np.ones(4096, np.uint8))
    assert buffer._stale == [(0, 4096)]


def test_memory_that_is_used_up(board: Any) -> None:
    memory = board.board.memory
    memory.size = 4 * 4096
    buffers = [pynq.allocate(4096, np.uint8) for _ in range(4)]
    with pytest.raises(
        BoardFault,
        match="a board with memory left was expected, but buffers hold all 16,384 bytes of the emulated "
        "one, but 1",
    ):
        pynq.allocate(1, np.uint8)
    buffers[0].freebuffer()
    buffers[2].freebuffer()
    with pytest.raises(
        BoardFault,
        match="a buffer of at most 4,096 bytes was expected, which is the largest piece that the emulated "
        "board",
    ):
        pynq.allocate(4097, np.uint8)
    assert pynq.allocate(4096, np.uint8).physical_address == memory.base


# ---- clocks and overlays -----------------------------------------------------------------------------------


def test_clocks_are_set_to_what_divisors_reach(board: Any) -> None:
    for wanted, got in ((100, 100), (200, 214.28), (50, 50)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pynq.Clocks.fclk0_mhz = wanted
        assert pynq.Clocks.fclk0_mhz == pytest.approx(got, rel=1e-3) == board.board.clock.mhz
    assert pynq.Clocks.fclk1_mhz == pytest.approx(100, rel=1e-3)


def test_overlays_say_what_is_in_them_and_whether_they_are_loaded(board: Any) -> None:
    first = pynq.Overlay(str(overlay("ZCU104")))
    assert first.is_loaded() and {"axi_dma_0"} <= set(first.ip_dict)
    entry = first.ip_dict["axi_dma_0"]
    assert (entry["phys_addr"], entry["addr_range"], entry["type"]) == (0xA000_0000, 0x1_0000, hwh.DMA_VLNV)
    assert entry["registers"]["MM2S_DMASR"]["fields"]["Halted"]["bit_offset"] == 0
    second = pynq.Overlay(str(overlay("ZCU104")), download=False)
    second.download()
    assert second.is_loaded() and not first.is_loaded()
    with pytest.raises(RuntimeError, match="Overlay not currently loaded"):
        _ = first.axi_dma_0
    with pytest.raises(AttributeError):
        _ = second.no_such_block
    with pytest.raises(OSError):
        pynq.Overlay("no-such-overlay.bit")
