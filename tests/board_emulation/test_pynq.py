"""Unmodified PYNQ code on the emulated board, with the real pynq package."""

from __future__ import annotations

import gc
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pynq = pytest.importorskip("pynq", reason="PYNQ is not installed; pip install 'pyqkit[board]'")
pytest.importorskip("onnx")

import pyqkit.board_emulation
from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.streams import Stream
from pyqkit.formats.port import End
from pyqkit.overlay import bitfile, hwh, write_hwh
from tests.overlays import build, expected, frames, overlay

BOARDS = ("ZCU104", "PYNQ-Z2")


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[Any]:
    with pyqkit.board_emulation.use(request.param) as emulation:
        yield emulation


@pytest.fixture
def zcu104() -> Iterator[Any]:
    with pyqkit.board_emulation.use("ZCU104") as emulation:
        yield emulation


def ends() -> tuple[End, End]:
    from pyqkit.build_folder import read

    streams = read(build("ZCU104"))[0]["streams"]
    return End.from_json(streams["inputs"][0]), End.from_json(streams["outputs"][0])


def user_code(path: Path, packed: np.ndarray, result_bytes: int) -> np.ndarray:
    """What a user writes without our driver, as PYNQ's documentation shows it."""
    from pynq import Overlay, allocate

    dma = Overlay(str(path)).axi_dma_0
    source = allocate(packed.shape, np.uint8)
    target = allocate((len(packed), result_bytes), np.uint8)
    source[:] = packed
    dma.recvchannel.transfer(target)
    dma.sendchannel.transfer(source)
    dma.sendchannel.wait()
    dma.recvchannel.wait()
    return target.copy()


def test_frames_through_stock_drivers(board: Any) -> None:
    given, taken = ends()
    x = frames(70)
    codes = pyqkit.Accelerator.load(build("ZCU104")).encode(x)[given.tensor]
    found = user_code(overlay(board.board.name), given.to_bytes(codes), taken.frame_bytes)
    assert_array_equal(taken.from_bytes(found).reshape(70, -1), expected(x, codes=True).reshape(70, -1))


def test_overlay_clocks_and_registers(board: Any) -> None:
    from pynq import Clocks, Overlay
    from pynq.lib.dma import DMA

    ol = Overlay(str(overlay(board.board.name)))
    assert isinstance(ol.axi_dma_0, DMA)
    closed = {"ZCU104": 187.5, "PYNQ-Z2": 100.0}[board.board.name]
    assert Clocks.fclk0_mhz == pytest.approx(closed, rel=1e-4) == board.board.clock.mhz
    Clocks.fclk0_mhz = 50
    assert Clocks.fclk0_mhz == pytest.approx(50, rel=1e-3) == board.board.clock.mhz
    assert 600 < Clocks.cpu_mhz < 1300
    registers = ol.axi_dma_0.register_map
    assert (int(registers.MM2S_DMACR), int(registers.S2MM_DMASR)) == (0x1_0003, 0)
    registers.MM2S_SA = 0x1234_5678
    assert int(registers.MM2S_SA) == 0x1234_5678 == ol.axi_dma_0.mmio.read(0x18)
    assert_array_equal(np.array(ol.axi_dma_0.mmio.array[6:7]), [0x1234_5678])
    assert ol.is_loaded() and ol.ip_dict["axi_dma_0"]["fullpath"] == "axi_dma_0"


def test_one_device_after_another() -> None:
    from pynq import Clocks, Device

    before = getattr(Device, "_active_device", None)
    with pyqkit.board_emulation.use("ZCU104") as first:
        assert (
            repr(first) == "emulated ZCU104 (xczu7ev-ffvc1156-2-e)" and Device.active_device is first.device
        )
        with pyqkit.board_emulation.use("PYNQ-Z2"):
            assert Clocks.fclk0_mhz == 100.0 and Clocks.cpu_mhz == 650.0
        assert Device.active_device is first.device
        assert Clocks.cpu_mhz == pytest.approx(1200, rel=1e-4)
    assert getattr(Device, "_active_device", None) is before


# ---- a user's own block and driver -------------------------------------------------------------------------

GAIN = "example.org:user:gain:1.0"


class Gain:
    """A block of registers: what is written to VALUE times FACTOR is read from RESULT."""

    def __init__(self, block: hwh.Block, streams: dict[str, Stream]) -> None:
        self.name, self.words = block.name, {0x10: 1, 0x18: 0}

    def read(self, offset: int) -> int:
        return self.words[0x10] * self.words[0x18] if offset == 0x20 else self.words[offset]

    def write(self, offset: int, value: int) -> None:
        self.words[offset] = value


@pytest.mark.parametrize("name", BOARDS)
def test_driver_of_a_user(name: str, tmp_path: Path) -> None:
    from pynq import DefaultIP, Overlay

    class GainDriver(DefaultIP):
        bindto = [GAIN]  # noqa: RUF012 - as PYNQ wants it

        def scale(self, value: int, factor: int) -> int:
            self.write(0x10, factor)
            self.register_map.VALUE = value
            return self.read(0x20)

    described = pyqkit.boards.load(name)
    control = (hwh.Interface("s_axi_control", "aximm", False, "control"),)
    registers = {"FACTOR": 0x10, "VALUE": 0x18, "RESULT": 0x20}
    block = hwh.Block("gain_0", GAIN, {}, control, 0x4300_0000, 0x1000, registers)
    design = hwh.Design("gain", described.part, described.family, 100.0, (block,))
    (tmp_path / "gain.hwh").write_text(write_hwh.write(design))
    (tmp_path / "gain.bit").write_bytes(bitfile.write_emulated("gain", described.part, {}))
    try:
        with pyqkit.board_emulation.use(name, models={GAIN: Gain}):
            ol = Overlay(str(tmp_path / "gain.bit"))
            assert isinstance(ol.gain_0, GainDriver) and ol.gain_0.scale(21, 2) == 42
            assert int(ol.gain_0.register_map.RESULT) == 42
            with pytest.raises(BoardFault, match="nothing owns 0x43001000"):
                pynq.MMIO(0x4300_1000, 0x1000).read(0)
        with (
            pyqkit.board_emulation.use(name),
            pytest.raises(BoardFault, match="gain_0 is a example.org:user:gain:1.0; give a model for it"),
        ):
            Overlay(str(tmp_path / "gain.bit"))
    finally:
        GainDriver.unregister()


# ---- mistakes ----------------------------------------------------------------------------------------------


def loaded(board: Any) -> tuple[Any, Any, Any]:
    from pynq import Overlay, allocate

    given, taken = ends()
    dma = Overlay(str(overlay(board.board.name))).axi_dma_0
    return dma, allocate(given.frame_bytes, np.uint8), allocate(taken.frame_bytes, np.uint8)


def test_receiving_without_sending_ends(board: Any) -> None:
    dma, _, target = loaded(board)
    dma.recvchannel.transfer(target)
    with pytest.raises(
        BoardFault,
        match=rf"axi_dma_0 S2MM has received 0 of {target.nbytes} bytes and no TLAST; accelerator_0 waits "
        rf"for a frame",
    ):
        dma.recvchannel.wait()


def test_sending_without_receiving_ends(zcu104: Any) -> None:
    from pynq import allocate

    dma, source, _ = loaded(zcu104)
    many = allocate(1000 * source.nbytes, np.uint8)
    dma.sendchannel.transfer(many)
    with pytest.raises(BoardFault, match="accelerator_0 has results that nobody takes"):
        dma.sendchannel.wait()


def test_results_read_too_early_or_without_invalidate(zcu104: Any) -> None:
    dma, source, target = loaded(zcu104)
    dma.recvchannel.transfer(target)
    dma.sendchannel.transfer(source)
    for read in (
        lambda: target[0],
        lambda: target + 1,
        lambda: target.sum(),
        lambda: np.sort(target),
        lambda: target.tobytes(),
        target.copy,
    ):
        with pytest.raises(
            BoardFault, match=r"an invalidate\(\) was expected before the buffer at 0x[0-9a-f]+ is read"
        ):
            read()
    dma.recvchannel.wait()
    assert target.copy().any() and target[0] == target.tobytes()[0]


def test_registers_written_without_flush(zcu104: Any) -> None:
    dma, source, _ = loaded(zcu104)
    source[:] = 1
    dma.write(0x18, source.physical_address)
    dma.write(0x1C, 0)
    with pytest.raises(BoardFault, match=r"a flush\(\) was expected before a DMA reads the buffer"):
        dma.write(0x28, source.nbytes)


def test_uncached_buffers_need_neither(zcu104: Any) -> None:
    from pynq import allocate

    dma, _, _ = loaded(zcu104)
    given, taken = ends()
    source = allocate(given.frame_bytes, np.uint8, cacheable=False)
    target = allocate(taken.frame_bytes, np.uint8, cacheable=False)
    source[:] = 1
    for offset, buffer in ((0x30, target), (0, source)):
        dma.write(offset + 0x18, buffer.physical_address)
        dma.write(offset + 0x1C, 0)
        dma.write(offset + 0x28, buffer.nbytes)
    assert target.any() and dma.recvchannel.idle


def test_buffers_are_arrays(zcu104: Any) -> None:
    from pynq import allocate

    memory = zcu104.board.memory
    before = memory.used
    a = allocate((4, 5), np.int16)
    assert (
        a.physical_address % 4096 == 0
        and a[1:].physical_address == a.physical_address + 10
        and memory.used == before + 4096
    )
    a[:] = np.arange(20).reshape(4, 5)
    assert_array_equal(a * 2 - a, np.arange(20).reshape(4, 5))
    assert_array_equal(np.concatenate([a, a])[4:, ::-1], np.arange(20).reshape(4, 5)[:, ::-1])
    assert (a.max(), a.mean(), int(a[2, 3])) == (19, 9.5, 13)
    a += 1
    assert isinstance(a, pynq.buffer.PynqBuffer) and a[0, 0] == 1
    view = a[1:3]
    del a
    gc.collect()
    assert memory.used == before + 4096, "a view keeps its buffer"
    del view
    gc.collect()
    assert memory.used == before
    with allocate(10) as b:
        assert b.dtype == np.uint32 and memory.used > before
    assert memory.used == before
    with pytest.raises(BoardFault, match="a buffer of at most .* bytes was expected"):
        allocate(1 << 32, np.uint8)


def test_transfer_that_is_too_long_is_refused_by_pynq(zcu104: Any) -> None:
    from pynq import allocate

    dma, _, _ = loaded(zcu104)
    with pytest.raises(ValueError, match="exceeds the maximum DMA buffer size 67108863"):
        dma.sendchannel.transfer(allocate(1 << 26, np.uint8))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda p: p.with_suffix(".hwh").unlink(),
            r"net\.hwh was expected beside .*net\.bit, but there is none",
        ),
        (
            lambda p: p.write_bytes(p.read_bytes()[:-4]),
            "a bitstream of .* bytes was expected behind the header of",
        ),
        (lambda p: p.write_bytes(b"PK" * 100), "a bitstream with a header was expected"),
        (lambda p: p.with_suffix(".zip").unlink(), "a build folder with manifest.json was expected"),
        (
            lambda p: shutil.copy(overlay("PYNQ-Z2").with_suffix(".zip"), p.with_suffix(".zip")),
            "the build folder that .* was made from was expected",
        ),
        (
            lambda p: shutil.copy(overlay("PYNQ-Z2"), p),
            "a bitstream for xczu7ev-ffvc1156-2-e was expected, but .* is for 7z020clg400",
        ),
        (
            lambda p: p.write_bytes(real_bitstream()),
            "a bitstream for the emulated board was expected, but .* is for real hardware",
        ),
    ],
)
def test_overlays_that_are_damaged_or_for_something_else(
    zcu104: Any, tmp_path: Path, damage: Any, sentence: str
) -> None:
    from pynq import Overlay

    for ending in (".bit", ".hwh", ".zip"):
        shutil.copy(overlay("ZCU104").with_suffix(ending), tmp_path / f"net{ending}")
    damage(tmp_path / "net.bit")
    with warnings.catch_warnings(), pytest.raises(ValueError, match=sentence):
        warnings.simplefilter("ignore")
        Overlay(str(tmp_path / "net.bit"))


def real_bitstream() -> bytes:
    """The beginning of a bitstream of Vivado's, whose content starts with a synchronisation word."""
    raw = bitfile.write_emulated("net", "xczu7ev-ffvc1156-2-e", {})
    size = len(raw) - raw.index(b"emulated bitstream")
    content = bytes.fromhex("ffffffffaa995566") * (size // 8) + b"\xff" * (size % 8)
    return raw[: len(raw) - size] + content
