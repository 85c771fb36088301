"""The runtime on the emulated board, with and without PYNQ.

Results bit for bit, inputs, clocks, benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

import pyqkit
from pyqkit.errors import UserError
from pyqkit.overlay.emulated import write
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Driver
from tests.overlays import build, expected, frames, overlay

# ---- results -----------------------------------------------------------------------------------------------


def test_any_number_of_frames(load: Callable[..., Driver]) -> None:
    driver = load(batch=7)
    for count in (1, 6, 7, 8, 14, 40):
        x = frames(count, seed=count)
        assert_array_equal(driver(x), expected(x))
        found = driver.execute(x, codes=True)
        assert_array_equal(found, expected(x, codes=True))
    assert driver(x.astype(np.float64)).dtype == np.float32
    again = driver(frames(1))
    again[:] = 0
    assert_array_equal(driver(frames(1)), expected(frames(1)), err_msg="results are arrays of their own")


def test_streams_of_batches(load: Callable[..., Driver]) -> None:
    driver = load(batch=5)
    sizes = (3, 12, 1, 5, 7)
    batches = [frames(n, seed=n) for n in sizes]
    taken = []

    def source() -> Iterator[np.ndarray]:
        for batch in batches:
            taken.append(len(batch))
            yield batch

    results = []
    for found in driver.stream(source()):
        results.append(found)
        assert len(taken) <= len(results) + 2, "no more than two buffers ahead"
    for found, x in zip(results, batches, strict=True):
        assert_array_equal(found, expected(x))
    assert [len(f) for f in driver.stream([], codes=True)] == []


def test_selftest_compare_and_description(load: Callable[..., Driver], place: tuple[str, str]) -> None:
    driver = load()
    assert driver.selftest() == 0
    assert driver.compare(frames(20)) == {
        "frames": 20,
        "codes": 100,
        "codes_differing": 0,
        "frames_differing": [],
        "source": "emulated",
    }
    assert repr(driver).startswith(f"Driver('residual', board='{place[0]}', clock_mhz=") and repr(
        driver
    ).endswith(", emulated)")
    assert (driver.source, driver.board, driver.batch) == ("emulated", place[0], 4096)


def test_differences_are_found(here: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    key, golden = here._outputs[0].end.tensor, here._golden[1]
    golden[key] = golden[key].copy()
    golden[key].ravel()[3] ^= 1
    assert here.selftest() == 1
    plain = here._outputs[0].codes

    def wrong(content: np.ndarray, count: int) -> np.ndarray:
        codes = plain(content, count)
        codes[2:] ^= 1
        return codes

    monkeypatch.setattr(here._outputs[0], "codes", wrong)
    found = here.compare(frames(5))
    assert (found["codes_differing"], found["frames_differing"]) == (15, [2, 3, 4])


@pytest.mark.parametrize("per_packet", [4, None])
def test_packets_of_several_frames(
    place: tuple[str, str], load: Callable[..., Driver], tmp_path: Path, per_packet: int | None
) -> None:
    driver = load(write(build(place[0]), tmp_path, frames_per_packet=per_packet), batch=10)
    for count in (1, 4, 10, 23):
        assert_array_equal(driver(frames(count)), expected(frames(count)))
    assert driver.selftest() == 0


def test_the_package_opens_overlays_and_build_folders() -> None:
    with pyqkit.Accelerator.load(overlay("ZCU104"), batch=3) as driver:
        assert isinstance(driver, Driver) and driver.batch == 3
    with pyqkit.Accelerator.load(overlay("ZCU104").parent) as driver:
        assert isinstance(driver, Driver)
    packed = pyqkit.Accelerator.load(overlay("ZCU104").with_suffix(".zip"))
    assert_array_equal(packed(frames(3)), expected(frames(3)))
    assert packed.selftest(overlay("ZCU104").with_suffix(".zip")) == 0
    with pytest.raises(UserError, match="options were expected for an overlay alone, but batch came"):
        pyqkit.Accelerator.load(build("ZCU104"), batch=3)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("batch", "x", "a whole number of frames was expected as batch=, but 'x' came; leave it out"),
        ("batch", 2.0, "a whole number of frames was expected as batch=, but 2.0 came; leave it out"),
        ("batch", True, "a whole number of frames was expected as batch=, but True came; leave it out"),
        ("timeout_s", "1", "a number of seconds was expected as timeout_s=, but '1' came; leave it out"),
        ("clock_mhz", [100], "a number of MHz was expected as clock_mhz=, but [100] came; leave it out"),
        ("overclock", 1, "True or False was expected as overclock=, but 1 came; leave it out"),
        ("board", 104, "the name of a board was expected as board=, but 104 came; leave it out"),
        ("backend", b"", "the name of a backend was expected as backend=, but b'' came; leave it out"),
    ],
)
def test_options_of_the_wrong_kind(option: str, value: Any, sentence: str) -> None:
    for load in (Driver.load, pyqkit.Accelerator.load):
        with pytest.raises(OverlayError) as caught:
            load(overlay("ZCU104"), **{option: value})
        assert str(caught.value) == sentence


def test_many_frames_and_no_more_memory(here: Driver) -> None:
    memory = here._backend._board.memory
    used = memory.used
    x = frames(500)
    wanted = expected(x)
    for _ in range(4):
        assert_array_equal(here(x), wanted)
    assert memory.used == used
    network = here._backend._board._blocks[1]
    (output,) = network.outputs
    assert network.given.held == output.stream.held == 0 and not output.results


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            np.zeros((0, 2, 6, 6)),
            r"at least one frame was expected, but an array of shape \(0, 2, 6, 6\) came",
        ),
        (np.float32(1), r"at least one frame was expected, but an array of shape \(\) came"),
        (
            np.zeros((2, 6, 6)),
            r"of shape \(frames, 2, 6, 6\) was expected, but \(2, 6, 6\) came; put the frames first",
        ),
        (
            np.zeros((1, 2, 6, 6), complex),
            "real numbers were expected for input x, but an array of complex128 came",
        ),
        (np.full((1, 2, 6, 6), np.nan), "numbers were expected for input x, but NaN came"),
        (np.full((1, 2, 6, 6), "a"), "real numbers were expected for input x, but an array of <U1 came"),
    ],
)
def test_inputs_that_do_not_fit(here: Driver, x: np.ndarray, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        here(x)
    with pytest.raises(UserError, match=sentence):
        list(here.stream([frames(20), x]))
    assert_array_equal(here(frames(3)), expected(frames(3)))


def test_huge_numbers_saturate(here: Driver) -> None:
    x = np.full((2, 2, 6, 6), np.inf, np.float32)
    x[1] = -1e30
    assert_array_equal(here(x), expected(np.clip(x, -8, 8)))


@pytest.mark.parametrize("batch", [0, -1, 1 << 24])
def test_batches_that_no_transfer_holds(batch: int) -> None:
    with pytest.raises(
        OverlayError,
        match=rf"a batch of 1 to \d+ frames was expected, which is what one transfer can hold, but "
        rf"{batch} came",
    ):
        Driver.load(overlay("ZCU104"), batch=batch)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_timeouts_that_end_no_wait(timeout_s: float) -> None:
    with pytest.raises(
        OverlayError,
        match=r"a timeout above 0 s was expected, but .* came; leave it out to have it estimated",
    ):
        Driver.load(overlay("ZCU104"), timeout_s=timeout_s)


def test_a_batch_larger_than_memory(
    place: tuple[str, str], load: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffers that a transfer could hold and the board's memory cannot.

    Calls take any number of frames all the same.
    """
    if place[1] == "pynq":
        import pynq

        monkeypatch.setattr(pynq.Device.active_device.board.memory, "size", 1 << 20)
    else:
        from pyqkit.board_emulation import board

        monkeypatch.setitem(board._MEMORY, "zynq-mpsoc", (0x6000_0000, 1 << 20))
    with pytest.raises(
        UserError,
        match=r"a buffer of at most \d\S* bytes was expected, .* free buffers or take smaller batches",
    ):
        load(batch=100_000)
    assert_array_equal(load(batch=1000)(frames(3000)), expected(frames(3000)))


# ---- clocks ------------------------------------------------------------------------------------------------


def test_clocks_stay_below_what_was_closed(load: Callable[..., Driver], place: tuple[str, str]) -> None:
    closed = {"ZCU104": 187.5, "PYNQ-Z2": 100.0}[place[0]]
    driver = load()
    assert driver.clock_mhz == pytest.approx(closed, rel=1e-4)
    driver.close()
    with pytest.raises(
        OverlayError,
        match=rf"a clock of at most {closed:g} MHz was expected, .* but 400 came; pass overclock=True",
    ):
        load(clock_mhz=400)
    for wanted in (closed - 1, 60):
        driver = load(clock_mhz=wanted)
        assert wanted * 0.8 < driver.clock_mhz <= wanted * 1.001
        assert_array_equal(driver(frames(2)), expected(frames(2)))
        driver.close()
    driver = load(clock_mhz=200, overclock=True)
    assert driver.clock_mhz == pytest.approx({"ZCU104": 187.5, "PYNQ-Z2": 200}[place[0]], rel=1e-4), (
        "PYNQ's nearest would be 214.3"
    )


# ---- benchmark ---------------------------------------------------------------------------------------------


def test_benchmark_separates_stages_and_claims_nothing(
    load: Callable[..., Driver], place: tuple[str, str]
) -> None:
    found = load(batch=30).benchmark(frames=20, repeats=2)
    assert (
        set(found["seconds"]) == {"encode", "pack", "copy", "compute", "unpack", "decode"}
        and min(found["seconds"].values()) > 0
    )
    assert (found["source"], found["frames_per_second"], found["power"]) == ("emulated", None, None)
    assert (found["network"], found["board"], found["frames"]) == ("residual", place[0], 20)
    assert found["estimated"]["source"] == "estimated" and found["estimated"]["frames_per_second"] >= 2000
    json.dumps(found, allow_nan=False)


def test_benchmark_limits_and_power(here: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match="1 to 7 frames and at least one repeat were expected, but 8 and 3 came"
    ):
        here.benchmark(frames=8)

    class Sensor:
        value = 2.5

    class Rail:
        power = Sensor()

    class Silent:
        power = None

    monkeypatch.setattr(here._backend, "rails", lambda: {"INT": Rail(), "12V": Silent()})
    power = here.benchmark()["power"]
    assert set(power) == {"INT"} and power["INT"]["watts"] == 2.5 and power["INT"]["samples"] >= 3
    monkeypatch.setattr(here, "source", "measured")
    assert here.benchmark()["frames_per_second"] > 0
