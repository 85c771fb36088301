"""The emulated board in figures: packing, register reads, DMA round trips, and 10,000 frames against engine
`exact`.

All times are of this computer, none of hardware. With PYNQ installed the board is driven through PYNQ as
well.

OMP_NUM_THREADS=1 python benchmarks/board_emulation.py [--frames 10000] [--write]
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from records import Run

import pyqkit
import pyqkit.board_emulation
from pyqkit.board_emulation.board import EmulatedBoard
from pyqkit.board_emulation.streams import Stream
from pyqkit.formats.packing import pack, unpack
from pyqkit.overlay import hwh
from pyqkit.overlay.install import locate
from pyqkit.runtime import Driver
from pyqkit.runtime.dma import Dma

RESULTS = Path(__file__).parent / "results" / "board_emulation.json"
CODES = 1 << 20
ROUND_TRIP = 4096  # bytes


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the results file if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args(arguments)
    run = Run(options)
    found: dict[str, Any] = {"source": "emulated; times are of this computer"}
    found["packing"] = [packing(bits) for bits in range(1, 9)]
    found["registers_and_transfers"] = rates()
    if importlib.util.find_spec("pynq"):
        found["registers_and_transfers_through_pynq"] = rates_through_pynq()
    found["long_run"] = long_run(options.frames)
    print(json.dumps(found, indent=1))
    if options.write:
        run.write_json(RESULTS, found)
    return 0


def best(run: Callable[[], Any], repeats: int = 100) -> float:
    """Seconds of the fastest repeat: what the machine can do when nobody else uses it."""
    return in_turns([run], repeats)[0]


def in_turns(runs: list[Callable[[], Any]], repeats: int = 100) -> list[float]:
    """Seconds of the fastest repeat of each.

    They take turns, so that what slows the machine for a while slows all of them.
    """
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, taken in zip(runs, times):
            began = time.perf_counter()
            run()
            taken.append(time.perf_counter() - began)
    return [min(taken) for taken in times]


def packing(bits: int) -> dict[str, Any]:
    """Codes to bytes and back beside numpy's packbits and unpackbits on the same bytes, whose bits are
    already apart.
    """
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (64, CODES // 64)).astype(np.uint8)
    packed = pack(codes, bits)
    apart = (codes[..., None] >> np.arange(bits) & 1).astype(np.uint8).reshape(64, -1)
    assert np.array_equal(packed, np.packbits(apart, axis=-1, bitorder="little")) and np.array_equal(
        unpack(packed, bits, codes.shape[1]), codes
    )
    packs, unpacks, packbits, unpackbits = in_turns(
        [
            lambda: pack(codes, bits),
            lambda: unpack(packed, bits, codes.shape[1]),
            lambda: np.packbits(apart, axis=-1, bitorder="little"),
            lambda: np.unpackbits(packed, axis=-1, bitorder="little"),
        ]
    )
    return {
        "bits": bits,
        "pack_bytes_per_second": round(packed.size / packs),
        "unpack_bytes_per_second": round(packed.size / unpacks),
        "pack_over_packbits": round(packbits / packs, 2),
        "unpack_over_unpackbits": round(unpackbits / unpacks, 2),
    }


class Loop:
    """A block that gives back what it takes."""

    def __init__(self, block: hwh.Block, streams: dict[str, Stream]) -> None:
        self.name, self.given, self.taken = block.name, streams["in_0"], streams["out_0"]

    def step(self) -> bool:
        data, last = self.given.take(self.taken.room)
        if len(data):
            self.taken.put(data, last)
        return bool(len(data))


def looped() -> tuple[EmulatedBoard, int]:
    board = pyqkit.board_emulation.make("ZCU104")
    design = hwh.accelerator_design("loop", board.part, board.family, 187.5, 4, [4])
    board.load(design.blocks, {hwh.ACCELERATOR_VLNV: Loop})
    address = design.blocks[0].address
    assert address is not None
    return board, address


def rates() -> dict[str, int]:
    """Register reads and 4-kB round trips a second, through the registers of the emulated board."""
    board, base = looped()
    given, taken = board.memory.allocate(ROUND_TRIP), board.memory.allocate(ROUND_TRIP)
    dma = Dma(
        lambda offset: board.read(base + offset), lambda offset, value: board.write(base + offset, value)
    )
    dma.reset()

    def trip() -> None:
        dma.start("S2MM", taken.address, ROUND_TRIP)
        dma.start("MM2S", given.address, ROUND_TRIP)
        while dma.ended("S2MM") is None or dma.ended("MM2S") is None:
            pass

    given.host[:] = np.random.default_rng(0).integers(0, 256, ROUND_TRIP, np.uint8)
    reads, trips = 10_000, 500
    seconds = (
        best(lambda: [board.read(base + 4) for _ in range(reads)], 5),
        best(lambda: [trip() for _ in range(trips)], 5),
    )
    assert np.array_equal(given.host, taken.host)
    return {
        "register_reads_per_second": round(reads / seconds[0]),
        "round_trips_4_kB_per_second": round(trips / seconds[1]),
    }


def rates_through_pynq() -> dict[str, Any]:
    """The same through PYNQ's MMIO, DMA driver and buffers."""
    import pynq

    with pyqkit.board_emulation.use("ZCU104"):
        overlay = pynq.Overlay("digits.bit")
        dma, frames = overlay.axi_dma_0, 4
        with Driver.load("digits") as driver:  # for the sizes
            sizes = driver._given.frame_bytes, driver._outputs[0].end.frame_bytes
        given, taken = pynq.allocate((sizes[0],), "u1"), pynq.allocate((sizes[1],), "u1")

        def trip() -> None:
            dma.recvchannel.transfer(taken)
            dma.sendchannel.transfer(given)
            dma.sendchannel.wait()
            dma.recvchannel.wait()

        reads, trips = 10_000, 50 * frames
        seconds = (
            best(lambda: [dma.mmio.read(4) for _ in range(reads)], 5),
            best(lambda: [trip() for _ in range(trips)], 3),
        )
        return {
            "pynq": pynq.__version__,
            "register_reads_per_second": round(reads / seconds[0]),
            "frames_of_digits_one_by_one_per_second": round(trips / seconds[1]),
        }


def long_run(frames: int) -> dict[str, Any]:
    """Frames of random numbers through the driver and the emulated board, in ten calls, against engine
    `exact`.
    """
    bit = locate("digits", "ZCU104")
    compiled = pyqkit.Accelerator.load(bit.with_suffix(".zip"))
    part = -(-frames // 10)
    memory, differing, count, seconds = [], 0, 0, 0.0
    with Driver.load(bit, backend="emulated") as driver:
        random = np.random.default_rng(0)
        tracemalloc.start()
        while count < frames:
            x = random.random((min(part, frames - count), 1, 8, 8), np.float32)
            began = time.perf_counter()
            here = driver.execute(x, codes=True)
            seconds += time.perf_counter() - began
            there = compiled.emulate(x, codes=True)
            end = driver._outputs[0].end
            differing += int(
                (
                    end.to_bytes(here.reshape(len(x), *end.shape))
                    != end.to_bytes(there.reshape(len(x), *end.shape))
                ).sum()
            )
            count += len(x)
            del x, here, there
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        used = driver._backend._board.memory.used
    return {
        "frames": count,
        "bytes_differing": differing,
        "wall_seconds_emulated": round(seconds, 2),
        "python_bytes_after_each_tenth": memory,
        "growth_after_the_second_tenth": memory[-1] - memory[1],
        "board_memory_bytes": used,
        "peak_resident_MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    sys.exit(main())
