"""Whole batches in one packet: one transfer a buffer each way, whatever the number of frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

from pyqkit.board_emulation.axi_dma import Channel
from pyqkit.errors import UserError
from pyqkit.overlay import manifest
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Driver
from tests.overlays import board_of, expected, frames, overlay

PROBES = ("relu_18", "conv_43", "relu_51")


@pytest.fixture
def transfers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every transfer that is started: its channel and its bytes."""
    found: list[tuple[str, int]] = []
    plain = Channel._start

    def start(channel: Channel, length: int) -> None:
        found.append((channel.name, length))
        plain(channel, length)

    monkeypatch.setattr(Channel, "_start", start)
    return found


@pytest.mark.parametrize(
    ("count", "pieces"), [(1, [1]), (7, [7]), (1000, [1000]), (1001, [1000, 1]), (2300, [1000, 1000, 300])]
)
def test_a_batch_is_one_transfer(
    load: Callable[..., Driver], transfers: list[tuple[str, int]], count: int, pieces: list[int]
) -> None:
    driver = load(batch=1000)
    assert_array_equal(driver(frames(count)), expected(frames(count)))
    (output,) = driver._outputs
    assert [n for name, n in transfers if name.endswith("MM2S")] == [
        n * driver._given.frame_bytes for n in pieces
    ]
    assert [n for name, n in transfers if name.endswith("S2MM")] == [
        n * output.end.frame_bytes for n in pieces
    ]


def test_a_stream_of_batches_of_any_size(load: Callable[..., Driver]) -> None:
    driver = load(batch=8)
    counts = [3, 8, 1, 20, 9]
    found = list(driver.stream(frames(n, seed=n) for n in counts))
    for n, values in zip(counts, found):
        assert_array_equal(values, expected(frames(n, seed=n)))


def test_every_output_has_a_packet_of_its_own(
    place: tuple[str, str], transfers: list[tuple[str, int]]
) -> None:
    board, backend = place
    with Driver.load(overlay(board, *PROBES), backend=backend, batch=5) as driver:
        assert_array_equal(driver(frames(12)), expected(frames(12)))
        for index, output in enumerate(driver._outputs):
            sizes = [n for name, n in transfers if name == f"axi_dma_{index} S2MM"]
            assert sizes == [n * output.end.frame_bytes for n in (5, 5, 2)]


def test_a_transfer_that_fails_half_way(load: Callable[..., Driver]) -> None:
    """A packet that never ends, after others that did: a sentence, and the next call is right."""
    driver = load(batch=10, timeout_s=0.1)
    board = board_of(driver)
    board.patience = None  # as hardware
    network = board._blocks[1]
    plain, done = network.engine, []

    def loses_its_last_packet(given: np.ndarray) -> np.ndarray:
        done.append(len(given))
        if sum(done) > 20:
            network.frames_per_packet = 1000  # TLAST stays away
        return plain(given)

    network.engine = loses_its_last_packet
    with pytest.raises(UserError, match="TLAST has not come|internal error"):
        driver(frames(30))
    assert_array_equal(driver(frames(30)), expected(frames(30)))


def test_the_timeout_grows_with_the_packet() -> None:
    with Driver.load(overlay("ZCU104"), backend="emulated", batch=10) as few:
        short = few.timeout_s
    with Driver.load(overlay("ZCU104"), backend="emulated", batch=100_000) as many:
        assert many.timeout_s > short + 1


@pytest.mark.parametrize(("bits", "batch"), [(14, 455), (16, 1820), (26, 4096)])
def test_the_length_register_bounds_a_packet(copy: Path, bits: int, batch: int) -> None:
    """A handoff of another shell; 36 bytes go in a frame, and 10 come."""
    _with_length_register(copy, bits)
    with Driver.load(copy, backend="emulated") as driver:
        assert driver.batch == batch
        assert_array_equal(driver(frames(batch + 1)), expected(frames(batch + 1)))
    if bits == 14:
        with pytest.raises(OverlayError, match="a batch of 1 to 455 frames was expected, .* but 456 came"):
            Driver.load(copy, backend="emulated", batch=456)


def test_a_frame_that_no_transfer_holds(copy: Path) -> None:
    _with_length_register(copy, 8)
    dataclasses.replace(manifest.read(copy), frames_per_packet=8).write(copy.parent)
    with pytest.raises(
        OverlayError, match="packets of at most 255 bytes were expected, .* but 8 frames have 512; build"
    ):
        Driver.load(copy, backend="emulated")


def _with_length_register(path: Path, bits: int) -> None:
    made = manifest.read(path)
    text = made.handoff.read_text()
    wide = 'NAME="c_sg_length_width" VALUE="26"'
    assert wide in text
    made.handoff.write_text(text.replace(wide, f'NAME="c_sg_length_width" VALUE="{bits}"'))
    made.write(path.parent)
