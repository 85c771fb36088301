"""A board with an accelerator that sums pairs of bytes, and shorthand for its DMA."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyqkit.board_emulation.axi_dma import (
    ADDRESS,
    ADDRESS_MSB,
    CONTROL,
    LENGTH,
    RUN,
    STATUS,
)
from pyqkit.board_emulation.board import EmulatedBoard
from pyqkit.board_emulation.network import Network
from pyqkit.overlay import hwh

MM2S, S2MM = 0x00, 0x30


def sums(frames: np.ndarray) -> np.ndarray:
    """What the engine computes: sums of pairs, as bytes; a frame has 8 bytes, its result 4."""
    return (frames[:, 0::2] + frames[:, 1::2]).astype(np.uint8)


class Design:
    """A board with the accelerator design in it, and shorthand for its DMA."""

    def __init__(self, model: Any = None, **options: Any) -> None:
        family, per_packet = options.pop("family", "zynq-mpsoc"), options.pop("frames_per_packet", 1)
        self.board = EmulatedBoard("test", "xczu7ev-ffvc1156-2-e", family, **options)
        design = hwh.accelerator_design("net", self.board.part, family, 100, 2, [2])
        self.base = design.blocks[0].address
        make_network = model or (
            lambda block, ends: Network(
                block.name, lambda f: [sums(f)], (ends["in_0"], 8), [(ends["out_0"], 4)], per_packet
            )
        )
        self.board.load(design.blocks, {hwh.ACCELERATOR_VLNV: make_network})

    def write(self, offset: int, value: int) -> None:
        self.board.write(self.base + offset, value)

    def read(self, offset: int) -> int:
        return self.board.read(self.base + offset)

    def run(self) -> Design:
        self.write(MM2S + CONTROL, RUN)
        self.write(S2MM + CONTROL, RUN)
        return self

    def start(self, side: int, address: int, nbytes: int) -> None:
        self.write(side + ADDRESS, address & 0xFFFF_FFFF)
        self.write(side + ADDRESS_MSB, address >> 32)
        self.write(side + LENGTH, nbytes)

    def buffer(self, content: Any = None, nbytes: int = 64, cacheable: bool = False) -> Any:
        found = self.board.memory.allocate(nbytes, cacheable)
        if content is not None:
            found.host[: len(content)] = content
        return found


def status(design: Design, side: int) -> int:
    return design.read(side + STATUS)
