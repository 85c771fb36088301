"""Every fault that hangs or corrupts a real board, injected into the emulated one, with the sentence that
comes instead.

python benchmarks/board_faults.py [--write]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from board_emulation import Loop
from records import Run

import pyqkit.board_emulation
from pyqkit.board_emulation.axi_dma import ADDRESS, CONTROL, LENGTH, SIDES, STATUS
from pyqkit.board_emulation.board import EmulatedBoard
from pyqkit.board_emulation.memory import BoardFault, Buffer
from pyqkit.overlay import hwh

RESULTS = Path(__file__).parent / "results" / "board_faults.md"


class Silent(Loop):
    """A block that takes data and gives none."""

    def step(self) -> bool:
        return bool(len(self.given.take(self.given.held)[0]))


class Endless(Loop):
    """A block that never sets TLAST."""

    def step(self) -> bool:
        data, _ = self.given.take(self.taken.room)
        if len(data):
            self.taken.put(data, False)
        return bool(len(data))


class Bench:
    """A board with a DMA and a block between its streams, driven as by a user who makes mistakes."""

    def __init__(self, model: type = Loop) -> None:
        self.board: EmulatedBoard = pyqkit.board_emulation.make("ZCU104", memory_bytes=1 << 20)
        design = hwh.accelerator_design("faults", self.board.part, self.board.family, 187.5, 4, [4])
        self.board.load(design.blocks, {hwh.ACCELERATOR_VLNV: model})
        self.base = design.blocks[0].address or 0
        for side in SIDES.values():
            self.board.write(self.base + side + CONTROL, 1)

    def buffer(self, nbytes: int = 4096, cacheable: bool = False) -> Buffer:
        return self.board.memory.allocate(nbytes, cacheable)

    def start(self, side: str, address: int, nbytes: int) -> None:
        self.board.write(self.base + SIDES[side] + ADDRESS, address)
        self.board.write(self.base + SIDES[side] + LENGTH, nbytes)

    def wait(self, side: str) -> None:
        while not self.board.read(self.base + SIDES[side] + STATUS) & 2:
            pass


def missing_tlast() -> None:
    bench, source, target = (b := Bench(Endless)), b.buffer(), b.buffer()
    bench.start("S2MM", target.address, 4096)
    bench.start("MM2S", source.address, 2048)
    bench.wait("S2MM")


def starved() -> None:
    bench, target = (b := Bench()), b.buffer()
    bench.start("S2MM", target.address, 4096)
    bench.wait("S2MM")


def blocked() -> None:
    bench, source = (b := Bench()), b.buffer(1 << 16)
    bench.start("MM2S", source.address, 1 << 16)
    bench.wait("MM2S")


def nothing_comes_out() -> None:
    bench, source, target = (b := Bench(Silent)), b.buffer(), b.buffer()
    bench.start("S2MM", target.address, 4096)
    bench.start("MM2S", source.address, 4096)
    bench.wait("S2MM")


def missing_flush() -> None:
    bench, source = (b := Bench()), b.buffer(cacheable=True)
    source.host[:] = np.arange(4096, dtype=np.uint32).astype(np.uint8)
    bench.start("MM2S", source.address, 4096)


def missing_invalidate() -> None:
    bench, source, target = (b := Bench()), b.buffer(), b.buffer(cacheable=True)
    bench.start("S2MM", target.address, 1024)
    bench.start("MM2S", source.address, 1024)
    bench.wait("S2MM")
    target.check_fresh(0, 1024)


def overflow() -> None:
    bench, source, target = (b := Bench()), b.buffer(), b.buffer()
    bench.start("S2MM", target.address, 64)
    bench.start("MM2S", source.address, 1024)


def too_long() -> None:
    bench, source = (b := Bench()), b.buffer()
    bench.start("MM2S", source.address, 1 << 26)


def length_zero() -> None:
    bench, source = (b := Bench()), b.buffer()
    bench.start("MM2S", source.address, 0)


def beyond_its_buffer() -> None:
    bench, source = (b := Bench()), b.buffer()
    bench.start("MM2S", source.address, 1 << 20)


def unaligned() -> None:
    bench, source = (b := Bench()), b.buffer()
    bench.start("MM2S", source.address + 4, 64)


def not_running() -> None:
    bench, source = (b := Bench()), b.buffer()
    bench.board.write(bench.base + CONTROL, 0)
    bench.start("MM2S", source.address, 64)


def twice_at_once() -> None:
    bench, target = (b := Bench()), b.buffer()
    bench.start("S2MM", target.address, 64)
    bench.start("S2MM", target.address, 64)


def no_such_register() -> None:
    Bench().board.read(0x43C0_0000)


def too_much_memory() -> None:
    Bench().buffer(1 << 21)


FAULTS: dict[str, Callable[[], None]] = {
    "no TLAST": missing_tlast,
    "starved: a wait for what nobody sends": starved,
    "blocked: results that nobody takes": blocked,
    "frames go in, nothing comes out": nothing_comes_out,
    "no flush before sending": missing_flush,
    "no invalidate before reading": missing_invalidate,
    "a packet longer than its buffer": overflow,
    "a transfer longer than the length register": too_long,
    "a transfer of no bytes": length_zero,
    "a transfer beyond its buffer": beyond_its_buffer,
    "an address that is not aligned": unaligned,
    "a transfer on a halted channel": not_running,
    "two transfers at once": twice_at_once,
    "an address that nobody owns": no_such_register,
    "more memory than there is": too_much_memory,
}


def message(inject: Callable[[], None]) -> str:
    """What the emulated board says to a fault."""
    try:
        inject()
    except BoardFault as fault:
        return str(fault)
    raise AssertionError(f"{inject.__name__} went unnoticed")


def main() -> int:
    """Inject every fault, print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args()
    run = Run(options)
    rows = "".join(f"| {name} | {message(inject)} |\n" for name, inject in FAULTS.items())
    text = f"| fault | what the emulated board says |\n| --- | --- |\n{rows}"
    if options.write:
        run.write_markdown(RESULTS, text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
