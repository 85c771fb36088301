"""A call that is interrupted at any moment, or meets another one: what comes after it is right, and nothing
waits for ever.

benchmarks/board_interrupts.py does the same at every line and thousands of times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

from pyqkit.errors import UserError
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Driver, TransferError
from pyqkit.runtime.device import Device, Turn
from pyqkit.runtime.dma import Transfers
from tests.overlays import board_of, expected, frames, overlay
from tests.runtime.conftest import needs_pynq

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from board_interrupts import Bench, Timed, Traced, watched
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def bench(load: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch) -> Bench:
    # Python prints interrupts of generators that are being closed.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    inputs = [frames(9, seed=seed) for seed in (1, 2)]
    wanted = [expected(x, codes=True) for x in inputs]
    assert not any(np.array_equal(one, other) for one, other in zip(*wanted)), (
        "results of another call are seen as wrong"
    )
    return Bench(load(batch=4), inputs, wanted)


def failures(bench: Bench) -> dict[str, int]:
    return {key: count for key, count in bench.counts.items() if count and key not in ("interrupts", "twice")}


def reloads(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever the overlay is loaded again."""
    found: list[str] = []
    plain = driver._backend.reload
    monkeypatch.setattr(driver._backend, "reload", lambda: (found.append("reload"), plain()))
    return found


# ---- interrupts --------------------------------------------------------------------------------------------


def test_an_interrupt_at_any_line(bench: Bench) -> None:
    assert bench.sweep(step=17, first=3) > 100
    assert failures(bench) == {} and bench.counts["interrupts"] > 5


def test_a_second_interrupt_while_the_first_cleans_up(bench: Bench) -> None:
    draw = random.Random(0)
    bench.sweep(step=19, again=lambda: draw.randrange(20))
    assert failures(bench) == {} and bench.counts["twice"] > 2


@pytest.mark.parametrize("twice", [False, True])
def test_interrupts_at_random_moments(bench: Bench, twice: bool) -> None:
    bench.at_random(15, random.Random(1), longest=0.02, twice=twice)
    assert failures(bench) == {} and bench.counts["interrupts"] == 15


def test_an_interrupt_while_loading(place: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that nobody got is not in use."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    path, moment, came = overlay(place[0]), 0, True
    kept = []  # as an interactive session keeps the last error, with all of its frames
    while came:
        try:
            with Traced(moment) as interrupt:
                Driver.load(path, backend=place[1]).close()
        except KeyboardInterrupt as error:
            kept.append(error)
        came, moment = interrupt.fired > 0, 2 * moment + 5
    with Driver.load(path, backend=place[1]) as driver:
        assert_array_equal(driver(frames(3)), expected(frames(3)))
    assert len(kept) > 5


# ---- workers -----------------------------------------------------------------------------------------------


def test_a_worker_of_an_ended_call_touches_nothing(here: Driver) -> None:
    """The worker is held in the middle of a register access until another call has the device."""
    device, backend = here._device, here._backend
    reached, go_on, touched = threading.Event(), threading.Event(), []
    plain = backend.read

    def job(transfers: Transfers) -> None:
        reached.set()
        go_on.wait(60)
        touched.append("before")
        transfers.dmas[0].start("MM2S", here._slots[0].given.address, 36)
        touched.append("after")

    def interrupted(turn: Turn) -> Iterator[None]:
        turn.begin(job)
        assert reached.wait(60)
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(device.run(interrupted))
    assert not device.trusted and backend.read == plain
    assert_array_equal(here(frames(9)), expected(frames(9)))
    writes: list[Any] = []
    backend.write, plain_write = (lambda *access: writes.append(access)), backend.write
    go_on.set()
    while not touched:
        pass
    assert touched == ["before"] and not writes
    backend.write = plain_write
    assert device.trusted
    assert_array_equal(here(frames(9)), expected(frames(9)))


def test_workers_end(here: Driver) -> None:
    turns = []

    def call(turn: Turn) -> Iterator[None]:
        turns.append(turn)
        yield turn.do(lambda transfers: None)

    list(here._device.run(call))
    next(suspended := here._device.run(call))
    with pytest.raises(
        TransferError,
        match="a call that has the device was expected, but it has ended or the device was closed",
    ):
        here.close()
        turns[1].do(lambda transfers: None)
    del suspended
    with watched(10):
        while not all(turn._ended for turn in turns):
            pass


def test_a_job_that_fails_ends_its_call_and_stops_the_dmas(here: Driver) -> None:
    board = board_of(here)

    def failing(transfers: Transfers) -> None:
        transfers.dmas[0].start("S2MM", here._slots[0].taken[0].address, 10)
        raise LookupError("of the job")

    with pytest.raises(LookupError, match="of the job"):
        list(here._device.run(lambda turn: iter([turn.do(failing)])))
    with watched(10):
        while board._blocks[0].channels["S2MM"].active:
            pass
    assert_array_equal(here(frames(9)), expected(frames(9)))


# ---- several users of a device -----------------------------------------------------------------------------


def test_two_threads_at_once(here: Driver) -> None:
    """One has the device, and the other hears of it."""
    found: list[Any] = []
    barrier = threading.Barrier(4)

    def call(seed: int) -> None:
        barrier.wait()
        for _ in range(5):
            try:
                found.append(np.array_equal(here(frames(9, seed)), wanted[seed]))
            except OverlayError as error:
                found.append(str(error))

    wanted = [expected(frames(9, seed)) for seed in range(4)]
    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 20 and found.count(True) > 0
    assert all(f is True or "another call or stream of it is under way" in f for f in found)
    assert_array_equal(here(frames(9)), expected(frames(9)))


def test_a_call_within_a_signal_handler(here: Driver) -> None:
    said: list[str] = []

    def handler(*_: object) -> None:
        with pytest.raises(OverlayError, match="an idle accelerator was expected") as error:
            here(frames(1))
        said.append(str(error.value))

    network = board_of(here)._blocks[1]
    plain = network.engine
    before = signal.signal(signal.SIGALRM, handler)
    try:
        network.engine = lambda given: (os.kill(os.getpid(), signal.SIGALRM), plain(given))[1]
        assert_array_equal(here(frames(9)), expected(frames(9)))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_does_not_have_the_device(here: Driver) -> None:
    child = os.fork()
    if child == 0:
        try:
            here(frames(1))
        except OverlayError as error:
            here.close()
            os._exit(0 if "this is a fork of it" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert_array_equal(here(frames(9)), expected(frames(9)))


def test_who_used_the_dmas_since_is_noticed(here: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a frame sent, and a frame whose results nobody took, would shift all results that follow."""
    board, base = board_of(here), here.manifest.blocks["axi_dma_0"].address
    loaded = reloads(here, monkeypatch)
    source = board.memory.allocate(36)
    for nbytes in (18, 36):
        assert_array_equal(here(frames(9)), expected(frames(9)))
        del loaded[:]
        board.write(base + 0x18, source.address)
        board.write(base + 0x28, nbytes)
        assert_array_equal(here(frames(9, 1)), expected(frames(9, 1)))
        assert loaded == ["reload"]
    del loaded[:]
    with pytest.raises(ValueError, match="NaN"):
        here(np.full((1, 2, 6, 6), np.nan))
    assert here.selftest() == 0 and not loaded, "what cannot be sent touches nothing"


@needs_pynq
def test_stock_drivers_and_other_overlays_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from pynq import Overlay, allocate

    import pyqkit.board_emulation

    with pyqkit.board_emulation.use("ZCU104"), Driver.load(overlay("ZCU104"), batch=4) as driver:
        loaded = reloads(driver, monkeypatch)
        assert driver.selftest() == 0 and not loaded
        dma = driver._backend._overlay.axi_dma_0
        assert driver.selftest() == 0 and not loaded, "who only looks disturbs nothing"
        dma.sendchannel.transfer(allocate(18, np.uint8))
        assert_array_equal(driver(frames(9)), expected(frames(9)))
        assert len(loaded) == 1
        Overlay(str(overlay("ZCU104", "conv_43")))
        assert_array_equal(driver(frames(9)), expected(frames(9)))
        assert len(loaded) == 2
        stream = driver.stream(frames(4, seed=i) for i in range(6))
        next(stream)
        Overlay(str(overlay("ZCU104")))
        with pytest.raises(
            UserError, match="expected to run before a length is written|something has stopped it"
        ):
            list(stream)
        assert_array_equal(driver(frames(9)), expected(frames(9)))


# ---- the end -----------------------------------------------------------------------------------------------

LEAVE = """
import sys, numpy as np
from pyqkit.runtime import Driver
accelerator = Driver.load(sys.argv[1], backend="emulated", batch=2)
board = accelerator._backend._board
plain = board.write
def write(address, value):
    plain(address, value)
    if value == 4 and sys.is_finalizing() is False and left:
        print("stopped", flush=True)
board.write = write
left = False
stream = accelerator.stream(np.zeros((2, 2, 6, 6), np.float32) for _ in range(10**9))
next(stream)
left = True
"""


def test_a_process_that_ends_in_the_middle_stops_the_dmas(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, str(overlay("ZCU104"))], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("stopped")


def test_an_accelerator_forgotten_in_the_middle_stops_the_dmas() -> None:
    driver = Driver.load(overlay("ZCU104"), backend="emulated", batch=2)
    board = board_of(driver)
    stream = driver.stream(frames(2) for _ in range(10))
    next(stream)
    del driver, stream
    with watched(10):
        while any(channel.active or not channel.flags & 1 for channel in board._blocks[0].channels.values()):
            pass


def test_timed_interrupts_come(here: Driver) -> None:
    """The harness itself: an interrupt ends a call, and one of the board's wrong results is counted."""
    with pytest.raises(KeyboardInterrupt), Timed(1e-4) as interrupt:
        while True:
            here(frames(9))
    assert interrupt.fired == 1
    bench = Bench(
        here, [frames(9), frames(9)], [expected(frames(9), codes=True), expected(frames(9, 1), codes=True)]
    )
    bench.check()
    assert bench.counts["wrong"] == 1
    here.close()
    bench.check()
    assert bench.counts["locked"] == 1
    assert isinstance(here._device, Device)
