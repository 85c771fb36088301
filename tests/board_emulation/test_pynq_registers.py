"""What PYNQ documents of MMIO and register maps, on the emulated device with the pynq package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pynq = pytest.importorskip("pynq", reason="PYNQ is not installed; pip install 'pyqkit[board]'")
pytest.importorskip("onnx")

import pyqkit.board_emulation
from pyqkit.board_emulation.memory import BoardFault
from pyqkit.overlay import hwh
from tests.board_emulation.conftest import Weights
from tests.overlays import overlay


@pytest.mark.parametrize(("base", "length"), [(-0x1000, 4), (0x1000, -4)])
def test_negative_places(board: Any, base: int, length: int) -> None:
    with pytest.raises(ValueError, match="Base address or length cannot be negative"):
        pynq.MMIO(base, length)


def test_offsets_and_data_that_pynq_refuses(weights: tuple[Any, Weights]) -> None:
    mmio, _ = weights
    for call in (lambda: mmio.read(-4), lambda: mmio.write(-4, 1)):
        with pytest.raises(ValueError, match="Offset cannot be negative"):
            call()
    for call in (lambda: mmio.read(2), lambda: mmio.write(2, 1), lambda: mmio.write(0, b"12345")):
        with pytest.raises(MemoryError, match="Unaligned"):
            call()
    for data in (1.5, float("nan"), "1", None):
        with pytest.raises(ValueError, match="Data type must be int or bytes"):
            mmio.write(0, data)
    with pytest.raises(ValueError, match="1, 2, 4 and 8-byte reads"):
        mmio.read(0, 3)


def test_words_bytes_and_orders(weights: tuple[Any, Weights]) -> None:
    mmio, model = weights
    mmio.write(16, bytes(range(16)))
    assert model.words[4:8] == [0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C]
    assert [mmio.read(16, length) for length in (1, 2, 4, 8)] == [
        0x00,
        0x0100,
        0x03020100,
        0x0706050403020100,
    ]
    assert mmio.read(16, 8, word_order="big") == 0x0302010007060504
    mmio.write(0, 0xFFFF_FFFF)
    assert mmio.read(0) == 0xFFFF_FFFF == model.words[0]


def test_a_window_ends_where_it_was_asked_to(dma: Any) -> None:
    """The block goes on behind the window, and another lies before it; neither is reached."""
    base = dma.mmio.base_addr
    small = pynq.MMIO(base, 0x40)
    assert small.array.shape == (16,)
    for call in (
        lambda: small.read(0x48),
        lambda: small.write(0x48, 1),
        lambda: small.array[16],
        lambda: small.array[[0, 16]],
    ):
        with pytest.raises(IndexError):
            call()
    with pytest.raises(IndexError):
        small.write(0x3C, bytes(8))
    inner = pynq.MMIO(base + 0x30, 0x10)
    inner.array[-4] = 0x1003  # the first of four, not a word before the window
    assert dma.mmio.read(0x30) == 0x1_1003 and dma.mmio.read(0x20) == 0
    assert inner.read(0) == 0x1_1003


READINGS = {
    "np.copy": np.copy,
    "tolist": lambda part: part.tolist(),
    "tobytes": lambda part: np.frombuffer(part.tobytes(), np.uint32),
    "frombuffer": lambda part: np.frombuffer(part, np.uint32),
    "memoryview": lambda part: np.array(memoryview(part)),
    "np.array": np.array,
    "np.asarray": np.asarray,
    "iteration": list,
    "arithmetic": lambda part: part + 0,
    "astype": lambda part: part.astype(np.int64),
    "copy": lambda part: part.copy(),
    "indices": lambda part: part[[0, 1, 2, 3]],
    "mask": lambda part: part[np.array([True] * 4)],
    "concatenate": lambda part: np.concatenate([part]),
    "ellipsis": lambda part: part[...],
    "slice of it": lambda part: part[:],
}


@pytest.mark.parametrize("name", READINGS)
def test_whoever_reads_a_slice_reads_registers(
    weights: tuple[Any, Weights], dma_registers: tuple[Any, list[int]], name: str
) -> None:
    mmio, _ = weights
    mmio.write(0, np.arange(5, 9, dtype=np.uint32).tobytes())
    assert_array_equal(READINGS[name](mmio.array[:4]), [5, 6, 7, 8])
    array, wanted = dma_registers
    assert_array_equal(READINGS[name](array[6:10]), wanted[6:10])


@pytest.fixture
def dma_registers() -> tuple[Any, list[int]]:
    """The registers of a DMA on a board of its own."""
    from pyqkit.board_emulation.pynq_device import Window

    board = pyqkit.board_emulation.make("ZCU104")
    blocks = hwh.accelerator_design("net", board.part, board.family, 100, 2, [2]).blocks
    board.load(blocks, {hwh.ACCELERATOR_VLNV: lambda block, streams: None})
    board.write(blocks[0].address + 0x18, 0x6000_1230)
    return Window(board, blocks[0].address, 0x60), [
        0x1_0002,
        1,
        0,
        0,
        0,
        0,
        0x6000_1230,
        0,
        0,
        0,
        0,
        0,
        0x1_0002,
        1,
        *[0] * 10,
    ]


def test_registers_show_in_what_was_mapped_before(dma: Any) -> None:
    """Memory that numpy reads without asking is in step with the registers, also after the overlay was loaded
    again.
    """
    plain, slice_ = np.asarray(dma.mmio.array), dma.mmio.array[12:14]
    assert (plain[0], plain[12]) == (0x1_0003, 0x1_0003)
    dma.write(0x30, 0x1001)
    assert (
        plain[12] == 0x1_1003
        and np.frombuffer(slice_, np.uint32)[0] == 0x1_1003
        and slice_.tolist() == [0x1_1003, 0]
    )
    pynq.Overlay(str(overlay("ZCU104")))
    assert (plain[12], plain[13]) == (0x1_0002, 1)


def test_arrays_of_registers_are_written_over_the_bus(weights: tuple[Any, Weights]) -> None:
    mmio, model = weights
    array = mmio.array
    array[:4] = [1, 2, 3, 4]
    array[[5, 7]] = 9
    array[-1] = 6
    array[:2] += 10
    array[8:10][1] = 8
    np.add(array[:2], 1, out=array[2:4])
    assert model.words[:10] == [11, 12, 12, 13, 0, 9, 0, 9, 0, 8] and model.words[-1] == 6
    with pytest.raises(ValueError, match="could not be broadcast"):
        array[:4] = [1, 2]
    for write in (
        lambda: array.fill(0),
        lambda: np.copyto(array, 0),
        lambda: np.asarray(array).__setitem__(0, 1),
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert model.words[0] == 11, "what would not reach the block raises"
    assert repr(array[:2]) == "array([11, 12], dtype=uint32)"


def test_a_weight_check_of_a_finn_driver(weights: tuple[Any, Weights]) -> None:
    mmio, _ = weights
    layer = np.random.default_rng(0).integers(0, 1 << 32, 300, np.uint32)
    mmio.write(0, layer.tobytes())
    assert_array_equal(np.copy(mmio.array[: layer.shape[0]]), layer)


def test_every_access_is_one_on_the_bus(weights: tuple[Any, Weights]) -> None:
    mmio, model = weights
    part = mmio.array[2:4]
    model.accesses.clear()
    assert part[1] == 0 and mmio.array[2] == 0
    part[0] = 1
    assert model.accesses == [("read", 12), ("read", 8), ("write", 8)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, 1 << 32, -(1 << 31) - 1])
def test_words_that_no_register_holds(board: Any, value: float) -> None:
    with pytest.raises(
        BoardFault,
        match="a word of 32 bits was expected for the register at 0xff5e00c0, but .* came; write an integer",
    ):
        board.board.write(0xFF5E_00C0, value)
    board.board.write(0xFF5E_00C0, -1)
    assert board.board.read(0xFF5E_00C0) == 0xFFFF_FFFF


def test_fields_of_the_dma(dma: Any) -> None:
    registers = dma.register_map
    assert (registers.MM2S_DMACR.RS, registers.MM2S_DMACR.Reset, registers.MM2S_DMACR.IRQThreshold) == (
        1,
        0,
        1,
    )
    assert (registers.MM2S_DMASR.Halted, registers.MM2S_DMASR.Idle, registers.MM2S_DMASR.DMAIntErr) == (
        0,
        0,
        0,
    )
    dma.sendchannel.stop()
    assert (
        registers.MM2S_DMASR.Halted == 1 and registers.MM2S_DMACR.RS == 0 and registers.S2MM_DMASR.Halted == 0
    )
    registers.MM2S_DMACR.RS = 1
    assert dma.sendchannel.running
    registers.S2MM_DMACR.IOC_IrqEn = 1
    assert dma.read(0x30) == 0x1_1003
    registers.S2MM_DA = 0x1234_5678
    assert registers.S2MM_DA.Destination_Address == 0x1234_5678 == dma.read(0x48)
    registers.S2MM_DMACR.Reset = 1
    assert (registers.S2MM_DMACR.Reset, registers.S2MM_DMASR.Halted, registers.S2MM_DMACR.IRQThreshold) == (
        0,
        1,
        1,
    )
    assert "MM2S_DMASR = Register(Halted=1, Idle=0" in repr(registers)
    with pytest.raises(AttributeError):
        registers.MM2S_DMASR.Halted = 0
