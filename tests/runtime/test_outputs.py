"""Networks with several outputs and with probes on the emulated board.

One DMA an output, each at its own pace.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

import pyqkit
from pyqkit import build_folder, driver_rate
from pyqkit.overlay.emulated import write
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Driver, TransferError
from tests.overlays import board_of, build, expected, frames, overlay
from tests.small_networks import two_heads

PROBES = ("relu_18", "conv_43", "relu_51")


@pytest.fixture
def load(place: tuple[str, str]) -> Iterator[Callable[..., Driver]]:
    """`Driver.load` of the probed overlay, or of another build, on a board with or without PYNQ."""
    board, backend = place
    with contextlib.ExitStack() as stack:
        yield lambda make=lambda board: overlay(board, *PROBES), **options: stack.enter_context(
            Driver.load(make(board), backend=backend, **options)
        )


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Overlays of a network with two outputs, by board."""

    def make(board: str) -> Path:
        folder = tmp_path_factory.mktemp("heads")
        return write(
            pyqkit.compile(two_heads(), board=board, target_fps=2000).save(folder / "heads"),
            folder / "overlay",
        )

    return make


def test_results_are_those_without_probes(load: Callable[..., Driver]) -> None:
    driver = load(batch=7)
    for count in (1, 7, 20):
        assert_array_equal(driver(frames(count)), expected(frames(count)))
        assert_array_equal(driver.execute(frames(count), codes=True), expected(frames(count), codes=True))
    assert driver.selftest() == 0
    found = list(driver.stream(frames(n, seed=n) for n in (3, 12, 1)))
    assert [len(f) for f in found] == [3, 12, 1]
    assert driver.benchmark(frames=5, repeats=1)["source"] == "emulated"


def test_the_selftest_covers_probes(load: Callable[..., Driver]) -> None:
    driver = load()
    key = PROBES[1]
    driver._golden[1][key] = driver._golden[1][key].copy()
    driver._golden[1][key].ravel()[:3] ^= 1
    assert driver.selftest() == 3


def test_several_outputs_come_by_name(load: Callable[..., Driver], heads: Callable[[str], Path]) -> None:
    driver = load(heads, batch=4)
    compiled = pyqkit.Accelerator.load(driver.manifest.build)
    for codes in (False, True):
        found, wanted = (
            driver.execute(frames(10), codes=codes),
            compiled.emulate_outputs(frames(10), codes=codes),
        )
        assert isinstance(found, dict) and list(found) == list(wanted) and len(found) == 2
        for name, values in wanted.items():
            assert_array_equal(found[name], values, err_msg=name)
    assert driver.selftest() == 0


@pytest.mark.parametrize("per_packet", [4, None])
def test_packets_of_several_frames(
    load: Callable[..., Driver], tmp_path: Path, per_packet: int | None
) -> None:
    driver = load(
        lambda board: write(build(board, *PROBES), tmp_path, frames_per_packet=per_packet), batch=10
    )
    for count in (1, 4, 10, 23):
        assert_array_equal(driver(frames(count)), expected(frames(count)))
    assert driver.selftest() == 0


# ---- what can go wrong -------------------------------------------------------------------------------------


def test_an_output_that_gives_nothing_is_named(load: Callable[..., Driver]) -> None:
    driver = load(timeout_s=0.1)
    board = board_of(driver)
    board.patience = None  # as hardware
    board._blocks[-1].outputs[2].step = lambda: False
    with pytest.raises(TransferError) as error:
        driver(frames(40))
    assert "in axi_dma_0 MM2S_DMASR is 0x" in str(
        error.value
    ) and ", in axi_dma_2 S2MM_DMASR is 0x00000000 (a transfer is und" in str(error.value)
    assert_array_equal(
        driver(frames(40)), expected(frames(40)), err_msg="the overlay is loaded again, and all is well"
    )
    board.patience = None
    board._blocks[-1].outputs[2].step = lambda: False
    with pytest.raises(
        TransferError,
        match="all frames were sent and too few results came at axi_dma_2, so the bitstream is probably",
    ):
        driver(frames(1))


def test_a_hang_of_the_emulated_board_names_the_output(load: Callable[..., Driver]) -> None:
    driver = load()
    board_of(driver)._blocks[-1].outputs[2].step = lambda: False
    with pytest.raises(
        pyqkit.errors.UserError,
        match="expected of axi_dma_., .* has results that nobody takes on accelerator_0_out_2",
    ):
        driver(frames(1000))


def test_buffers_of_all_outputs_share_their_bytes(
    load: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_rate, "BUFFER_BYTES", 100_000)
    driver = load()
    together = sum(output.buffer_bytes for output in driver._outputs)
    assert together <= 100_000 < together + together // driver.batch


def test_a_build_with_other_outputs_than_dmas(tmp_path: Path) -> None:
    for ending in (".bit", ".hwh", ".json", ".zip"):
        shutil.copy(overlay("ZCU104", *PROBES).with_suffix(ending), tmp_path / f"residual{ending}")
    path = tmp_path / "residual.json"
    data = json.loads(path.read_text())
    del data["blocks"]["axi_dma_3"]
    path.write_text(json.dumps({**data, "sha256": build_folder.own_digest(data)}))
    with pytest.raises(OverlayError, match=r"but it is not \(it has 4 outputs for 3 DMAs\); compile again"):
        Driver.load(path, backend="emulated")
