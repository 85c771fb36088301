"""An accelerator with several outputs on the emulated board.

DMAs that only receive, and outputs that wait for one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

import pyqkit
from pyqkit.board_emulation.axi_dma import ADDRESS, CONTROL, IDLE, LENGTH, RESET, RUN, STATUS
from pyqkit.board_emulation.board import EmulatedBoard
from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.network import Network
from pyqkit.formats.port import End
from pyqkit.overlay import hwh
from tests.overlays import build, frames, overlay

MM2S, S2MM = 0x00, 0x30
PROBES = ("relu_18", "conv_43", "relu_51")


class Design:
    """A network that halves frames of 8 bytes, and gives their first two beside that."""

    def __init__(self) -> None:
        self.board = EmulatedBoard("test", "xczu7ev-ffvc1156-2-e", "zynq-mpsoc")
        design = hwh.accelerator_design("net", self.board.part, "zynq-mpsoc", 100, 2, [2, 1])
        self.bases = [block.address for block in design.blocks[:2]]
        self.board.load(design.blocks, {hwh.ACCELERATOR_VLNV: self.network})
        self.write(0, MM2S + CONTROL, RUN)
        for dma in (0, 1):
            self.write(dma, S2MM + CONTROL, RUN)

    def network(self, block: hwh.Block, ends: Any) -> Network:
        return Network(
            block.name,
            lambda f: [f[:, ::2], f[:, :2]],
            (ends["in_0"], 8),
            [(ends["out_0"], 4), (ends["out_1"], 2)],
            frames_per_packet=1,
        )

    def write(self, dma: int, offset: int, value: int) -> None:
        self.board.write(self.bases[dma] + offset, value)

    def read(self, dma: int, offset: int) -> int:
        return self.board.read(self.bases[dma] + offset)

    def start(self, dma: int, side: int, address: int, nbytes: int) -> None:
        self.write(dma, side + ADDRESS, address)
        self.write(dma, side + LENGTH, nbytes)


def test_every_output_comes_through_its_own_dma() -> None:
    d = Design()
    source, first, second = (d.board.memory.allocate(64, cacheable=False) for _ in range(3))
    source.host[:16] = np.arange(16)
    d.start(0, MM2S, source.address, 16)
    for frame in range(2):
        d.start(1, S2MM, second.address + 16 * frame, 2)
        d.start(0, S2MM, first.address + 16 * frame, 4)
        assert d.read(0, S2MM + STATUS) & IDLE and d.read(1, S2MM + STATUS) & IDLE
    assert_array_equal(first.host[[0, 1, 2, 3, 16, 17, 18, 19]], np.arange(0, 16, 2))
    assert_array_equal(second.host[[0, 1, 16, 17]], [0, 1, 8, 9])


def test_an_output_that_nobody_reads_keeps_the_others_waiting() -> None:
    d = Design()
    source, target = (
        d.board.memory.allocate(80_000, cacheable=False),
        d.board.memory.allocate(64, cacheable=False),
    )
    d.start(0, MM2S, source.address, 80_000)
    with pytest.raises(
        BoardFault,
        match=r"accelerator_0 has results that nobody takes on accelerator_0_out_1; send whole frames",
    ):
        for _ in range(10_000):
            d.start(0, S2MM, target.address, 4)
            while not d.read(0, S2MM + STATUS) & IDLE:
                pass


def test_a_dma_that_only_receives_has_no_other_registers() -> None:
    d = Design()
    assert d.read(1, MM2S + STATUS) == 0
    with pytest.raises(
        BoardFault,
        match=r"a register of axi_dma_1 S2MM was expected, which is all that this DMA has, but 0x28 was "
        r"written",
    ):
        d.write(1, MM2S + LENGTH, 8)
    d.write(1, S2MM + CONTROL, RESET)
    assert d.read(1, S2MM + STATUS) == 1 and d.read(0, S2MM + STATUS) == 0, "a reset takes one DMA"


# ---- stock PYNQ --------------------------------------------------------------------------------------------


@pytest.fixture(params=["ZCU104", "PYNQ-Z2"])
def board(request: pytest.FixtureRequest) -> Iterator[str]:
    pytest.importorskip("pynq", reason="PYNQ is not installed; pip install 'pyqkit[board]'")
    import pyqkit.board_emulation

    with pyqkit.board_emulation.use(request.param):
        yield request.param


def test_frames_through_stock_drivers(board: str) -> None:
    """A user without our driver: every output by PYNQ's own DMA driver."""
    from pynq import Overlay, allocate

    from pyqkit.build_folder import read

    streams = read(build(board, *PROBES))[0]["streams"]
    (given,), taken = ([End.from_json(entry) for entry in streams[side]] for side in ("inputs", "outputs"))
    compiled = pyqkit.Accelerator.load(build(board, *PROBES))
    codes = compiled.encode(frames(5))
    wanted = compiled.engine("exact").run(codes)
    overlay_ = Overlay(str(overlay(board, *PROBES)))
    dmas = [getattr(overlay_, f"axi_dma_{index}") for index in range(4)]
    assert [dma.sendchannel is not None for dma in dmas] == [True, False, False, False]
    assert set(overlay_.ip_dict["axi_dma_3"]["registers"]) == {
        "S2MM_DMACR",
        "S2MM_DMASR",
        "S2MM_DA",
        "S2MM_DA_MSB",
        "S2MM_LENGTH",
    }
    packed = given.to_bytes(codes[given.tensor])
    source, targets = (
        allocate(packed.shape[1:], np.uint8),
        [allocate((end.frame_bytes,), np.uint8) for end in taken],
    )
    for frame in range(5):
        source[:] = packed[frame]
        for dma, target in zip(dmas, targets):
            dma.recvchannel.transfer(target)
        dmas[0].sendchannel.transfer(source)
        for dma in dmas:
            dma.recvchannel.wait()
        for end, target in zip(taken, targets):
            assert_array_equal(
                end.from_bytes(np.array(target))[0], wanted[end.tensor][frame], err_msg=end.tensor
            )
