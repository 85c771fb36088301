"""What would hang or corrupt a board is a sentence with an array, too, and the array usable afterwards.

Faults are those of the table that `benchmarks/board_faults.py` writes, made at registers beside the driver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

from pyqkit.array.isa import End, Repeat, encode
from pyqkit.board_emulation.axi_dma import ADDRESS, CONTROL, LENGTH, RESET, RUN, SIDES, STATUS
from pyqkit.board_emulation.memory import BoardFault, Buffer
from pyqkit.errors import UserError
from pyqkit.overlay import hwh
from pyqkit.runtime import Array
from tests.arrays import expected, frames, overlay, saved
from tests.overlays import board_of

FRAMES = 3
PAGE = Path(__file__).parents[2] / "benchmarks" / "results" / "board_faults.md"


class Bench:
    """An array, and its registers in the hands of a user who makes mistakes."""

    def __init__(self, array: Array) -> None:
        self.array, self.net = array, array.program(saved("first"))
        self.board = board_of(array)  # type: ignore[arg-type]
        blocks = hwh.read(array.manifest.handoff)
        self.base = next(block.address or 0 for block in blocks if block.name == "axi_dma_0")
        self._kept: list[Buffer] = []

    def content(self, count: int = FRAMES, lasting: bool = True) -> bytes:
        """What a network is sent, all that is loaded once first; if not `lasting`, it ends without TLAST."""
        program = self.net._program
        if not lasting:
            program = replace(program, instructions=tuple(replace(i, last=0) for i in program.instructions))
        codes = np.zeros((count, *self.net._given.codes.shape), np.uint8)
        call = next(program.execution({self.net._given.codes.tensor: codes}))
        return program.setup() + call.content

    def buffer(self, content: bytes | int = 4096, cacheable: bool = False) -> Buffer:
        given = content if isinstance(content, int) else len(content)
        self._kept.append(self.board.memory.allocate(given, cacheable))
        if isinstance(content, bytes):
            self._kept[-1].host[:] = np.frombuffer(content, np.uint8)
        return self._kept[-1]

    def start(self, side: str, buffer: Buffer, nbytes: int | None = None, behind: int = 0) -> None:
        self.board.write(self.base + SIDES[side] + ADDRESS, buffer.address + behind)
        self.board.write(self.base + SIDES[side] + LENGTH, buffer.nbytes if nbytes is None else nbytes)

    def wait(self, side: str) -> None:
        while not self.board.read(self.base + SIDES[side] + STATUS) & 2:
            pass

    def exchange(self, content: bytes, room: int = 4096) -> None:
        self.start("S2MM", self.buffer(room))
        self.start("MM2S", self.buffer(content))
        self.wait("S2MM")

    def run(self) -> None:
        """Start both channels."""
        for side in SIDES.values():
            self.board.write(self.base + side + CONTROL, RUN)

    def check(self) -> None:
        """The user resets the DMA, and the array is usable: the driver finds it halted and loads it again."""
        self.board.write(self.base + CONTROL, RESET)
        x = frames(5)
        assert_array_equal(self.net(x), expected("first", x))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Array.load(overlay("ZCU104"), backend="emulated") as array:
        found = Bench(array)
        found.check()
        yield found


def blocked(bench: Bench) -> None:
    bench.start("MM2S", bench.buffer(bench.content(200)))
    bench.wait("MM2S")


def starved(bench: Bench) -> None:
    bench.start("S2MM", bench.buffer())
    bench.wait("S2MM")


def not_flushed(bench: Bench) -> None:
    bench.start("MM2S", bench.buffer(bench.content(), cacheable=True))


def not_invalidated(bench: Bench) -> None:
    target = bench.buffer(4096, cacheable=True)
    bench.start("S2MM", target)
    bench.start("MM2S", bench.buffer(bench.content()))
    bench.wait("S2MM")
    target.check_fresh(0, 8)


def not_running(bench: Bench) -> None:
    bench.board.write(bench.base + CONTROL, 0)
    bench.start("MM2S", bench.buffer())


def twice(bench: Bench) -> None:
    bench.start("S2MM", bench.buffer())
    bench.start("S2MM", bench.buffer())


# By the name in the table: what is done, and what is said.
TABLE: dict[str, tuple[Callable[[Bench], object], str]] = {
    "no TLAST": (lambda b: b.exchange(b.content(lasting=False)), "and no TLAST"),
    "starved: a wait for what nobody sends": (starved, "has received 0 of 4096 bytes"),
    "blocked: results that nobody takes": (blocked, "has results that nobody takes"),
    "frames go in, nothing comes out": (
        lambda b: b.exchange(b.net._program.setup()),
        "waits for .* an instruction",
    ),
    "no flush before sending": (not_flushed, r"a flush\(\) was expected"),
    "no invalidate before reading": (not_invalidated, r"an invalidate\(\) was expected"),
    "a packet longer than its buffer": (
        lambda b: b.exchange(b.content(), 64),
        "a packet of at most 64 bytes",
    ),
    "a transfer longer than the length register": (
        lambda b: b.start("MM2S", b.buffer(), 1 << 26),
        "a transfer of at most 67108863 bytes",
    ),
    "a transfer of no bytes": (lambda b: b.start("MM2S", b.buffer(), 0), "its length is 0"),
    "a transfer beyond its buffer": (
        lambda b: b.start("MM2S", b.buffer(), 1 << 25),
        "belong to no allocated buffer",
    ),
    "an address that is not aligned": (
        lambda b: b.start("MM2S", b.buffer(), 64, behind=4),
        "an address that is a multiple",
    ),
    "a transfer on a halted channel": (not_running, "DMACR.RS is 0"),
    "two transfers at once": (twice, "was expected to be idle"),
    "an address that nobody owns": (lambda b: b.board.read(0x43C0_0000), "nothing owns 0x43c00000"),
    "more memory than there is": (lambda b: b.buffer(1 << 40), "a buffer of at most"),
}
# Those that only an array has.
OWN: dict[str, tuple[Callable[[Bench], object], str]] = {
    "a frame that was cut off": (
        lambda b: b.exchange(b.content()[:-8]),
        "waits for 8 of the|waits for 8 bytes",
    ),
    "an instruction that comes over the stream": (
        lambda b: b.exchange(encode(b.array.machine, End())),
        "LOAD or REPEAT was expected over the stream",
    ),
    "a program that was never loaded": (
        lambda b: b.exchange(encode(b.array.machine, Repeat(first=1000, count=1))),
        "would compute nonsense, or wait for ever",
    ),
}


@pytest.mark.parametrize("fault", [*TABLE, *OWN])
def test_a_fault_is_a_sentence_and_the_array_usable_afterwards(bench: Bench, fault: str) -> None:
    inject, said = (TABLE | OWN)[fault]
    bench.run()
    with pytest.raises(BoardFault, match=said) as error:
        inject(bench)
    assert "\n" not in str(error.value)
    bench.check()


def test_the_table_is_whole() -> None:
    names = re.findall(r"^\| ([^|]+?) \|", PAGE.read_text(), re.MULTILINE)
    assert names == ["fault", "---", *TABLE]


def test_tlast_that_comes_early(bench: Bench) -> None:
    """Fewer results than the program says."""
    bench.check()
    bench.net(frames(1))
    state = bench.board._blocks[1]._state
    plain = state.send
    state.send = lambda content: plain(content)[:-8]
    with pytest.raises(UserError, match="expected") as error:
        bench.net(frames(2))
    assert "\n" not in str(error.value)
    state.send = plain
    bench.check()
