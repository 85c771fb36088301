"""What tests of the emulated board with PYNQ share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyqkit.board_emulation
from pyqkit.board_emulation.streams import Stream
from pyqkit.overlay import bitfile, hwh, write_hwh
from tests.overlays import overlay

WEIGHTS, BASE = "example.org:user:weights:1.0", 0x4300_0000


class Weights:
    """A block with a memory of words, as FINN gives layers whose weights are set at run time."""

    def __init__(self, block: hwh.Block, streams: dict[str, Stream]) -> None:
        self.name, self.words = block.name, [0] * 0x400
        self.accesses: list[tuple[str, int]] = []

    def read(self, offset: int) -> int:
        self.accesses.append(("read", offset))
        return self.words[offset // 4]

    def write(self, offset: int, value: int) -> None:
        self.accesses.append(("write", offset))
        self.words[offset // 4] = value


@pytest.fixture
def board() -> Iterator[Any]:
    with pyqkit.board_emulation.use("ZCU104") as emulation:
        yield emulation


@pytest.fixture
def dma(board: Any) -> Any:
    import pynq

    return pynq.Overlay(str(overlay("ZCU104"))).axi_dma_0


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[tuple[Any, Weights]]:
    """The MMIO of a block of weights, and its model."""
    import pynq

    described = pyqkit.boards.load("ZCU104")
    control = (hwh.Interface("s_axi_control", "aximm", False, "control"),)
    block = hwh.Block("weights_0", WEIGHTS, {}, control, BASE, 0x1000, {"FIRST": 0})
    (tmp_path / "weights.hwh").write_text(
        write_hwh.write(hwh.Design("weights", described.part, described.family, 100.0, (block,)))
    )
    (tmp_path / "weights.bit").write_bytes(bitfile.write_emulated("weights", described.part, {}))
    with pyqkit.board_emulation.use("ZCU104", models={WEIGHTS: Weights}) as emulation:
        mmio = pynq.Overlay(str(tmp_path / "weights.bit")).weights_0.mmio
        (model,) = emulation.board._blocks
        yield mmio, model
