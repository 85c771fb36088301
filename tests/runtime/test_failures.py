"""Failures under way: transfers that do not end, short packets, interrupts; the next call is right again."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

from pyqkit.errors import UserError
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Driver, TransferError
from tests.overlays import board_of, expected, frames


def test_an_accelerator_that_gives_nothing(load: Callable[..., Driver]) -> None:
    driver = load(timeout_s=0.1)
    board = board_of(driver)
    board.patience = None  # as hardware
    board._blocks[1].step = lambda: False
    began = time.monotonic()
    with pytest.raises(TransferError) as error:
        driver(frames(40))
    assert time.monotonic() - began < 2
    assert (
        "expected to end within 0.1 s, but MM2S_DMASR is 0x00000000 (a transfer is under way) and "
        "S2MM_DMASR is 0x00000000" in str(error.value)
    )
    assert "probably in reset or its clock is stopped" in str(error.value)
    assert_array_equal(
        driver(frames(40)), expected(frames(40)), err_msg="the overlay is loaded again, and all is well"
    )
    board.patience = None
    network = board._blocks[1]
    (output,) = network.outputs
    output.frame_bytes += 1
    plain, network.engine = network.engine, lambda f: [np.zeros((len(f), output.frame_bytes), np.uint8)]
    assert plain is not None
    with pytest.raises(UserError):
        driver(frames(3))
    assert_array_equal(driver(frames(3)), expected(frames(3)))


def test_the_default_timeout_follows_the_estimate(here: Driver) -> None:
    assert 1 < here.timeout_s < 1.1
    slow = dataclasses.replace(here.manifest)
    here._interval *= 1_000_000
    assert here._default_timeout() > 100 and slow == here.manifest


def test_short_packets_are_noticed(here: Driver) -> None:
    network = board_of(here)._blocks[1]
    plain = network.engine
    network.outputs[0].frame_bytes -= 1
    network.engine = lambda f: [plain(f)[0][:, :-1]]
    with pytest.raises(
        OverlayError,
        match="packets of 30 bytes were expected from the accelerator, but 27 came; the bitstream is of "
        "another network",
    ):
        here(frames(3))
    assert_array_equal(here(frames(3)), expected(frames(3)))


@pytest.mark.usefixtures("ctrl_c")
def test_interrupt_in_the_middle_of_a_transfer(load: Callable[..., Driver]) -> None:
    driver = load(batch=4)
    network = board_of(driver)._blocks[1]
    plain, calls = network.engine, []

    def interrupted(given: np.ndarray) -> np.ndarray:
        calls.append(len(given))
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        return plain(given)

    network.engine = interrupted
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        driver(frames(40))
    assert threading.active_count() == threads
    assert_array_equal(driver(frames(40)), expected(frames(40)))


def test_streams_that_are_left_and_calls_within(here: Driver) -> None:
    stream = here.stream(frames(7, seed=i) for i in range(9))
    next(stream)
    with pytest.raises(
        OverlayError, match="an idle accelerator was expected, but another call or stream of it is under way"
    ):
        here(frames(1))
    stream.close()
    assert_array_equal(here(frames(9)), expected(frames(9)))

    def failing() -> Iterator[np.ndarray]:
        yield frames(3)
        raise LookupError("the source of a user")

    with pytest.raises(LookupError, match="the source of a user"):
        list(here.stream(failing()))
    assert here.selftest() == 0


def test_closed_is_closed(here: Driver) -> None:
    used = board_of(here).memory.used
    here.close()
    here.close()
    gc.collect()
    assert board_of(here).memory.used == 0 < used
    with pytest.raises(
        OverlayError, match="an accelerator that is open was expected, but residual was closed; load it again"
    ):
        here(frames(1))
