"""The runtime on the emulated board, with and without PYNQ: results bit for bit, checks on loading, and recovery."""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

import pyqkit
from pyqkit import build_folder
from pyqkit.errors import UserError
from pyqkit.overlay import bitfile, hwh
from pyqkit.overlay.emulated import write
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.runtime import Accelerator, TransferError
from tests.overlays import build, expected, frames, overlay

needs_pynq = pytest.mark.skipif(not importlib.util.find_spec("pynq"), reason="PYNQ is not installed; pip install 'pyqkit[board]'")
PLACES = ["ZCU104 emulated", *(pytest.param(f"{name} pynq", marks=needs_pynq) for name in ("ZCU104", "PYNQ-Z2"))]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    board, backend = request.param.split()
    if backend == "emulated":
        yield board, backend
        return
    import pyqkit.board_emulation

    with pyqkit.board_emulation.use(board):
        yield board, backend


@pytest.fixture
def load(place: tuple[str, str]) -> Iterator[Callable[..., Accelerator]]:
    """`Accelerator.load` of the overlay of the place; closed at the end."""
    made = []

    def make(path: Path | None = None, **options: Any) -> Accelerator:
        made.append(Accelerator.load(path or overlay(place[0]), backend=place[1], **options))
        return made[-1]

    yield make
    for accelerator in made:
        accelerator.close()


@pytest.fixture
def here() -> Iterator[Accelerator]:
    """Without PYNQ."""
    with Accelerator.load(overlay("ZCU104"), backend="emulated", batch=7) as accelerator:
        yield accelerator


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the overlay to damage: its .bit."""
    for ending in (".bit", ".hwh", ".json", ".zip"):
        shutil.copy(overlay("ZCU104").with_suffix(ending), tmp_path / f"residual{ending}")
    return tmp_path / "residual.bit"


# ---- results ------------------------------------------------------------------------------------------------------


def test_any_number_of_frames(load: Callable[..., Accelerator]) -> None:
    accelerator = load(batch=7)
    for count in (1, 6, 7, 8, 14, 40):
        x = frames(count, seed=count)
        assert_array_equal(accelerator(x), expected(x))
        found = accelerator.execute(x, codes=True)
        assert_array_equal(found, expected(x, codes=True))
    assert accelerator(x.astype(np.float64)).dtype == np.float32
    again = accelerator(frames(1))
    again[:] = 0
    assert_array_equal(accelerator(frames(1)), expected(frames(1)), err_msg="results are arrays of their own")


def test_streams_of_batches(load: Callable[..., Accelerator]) -> None:
    accelerator = load(batch=5)
    sizes = (3, 12, 1, 5, 7)
    batches = [frames(n, seed=n) for n in sizes]
    taken = []

    def source() -> Iterator[np.ndarray]:
        for batch in batches:
            taken.append(len(batch))
            yield batch

    results = []
    for found in accelerator.stream(source()):
        results.append(found)
        assert len(taken) <= len(results) + 2, "no more than two buffers ahead"
    for found, x in zip(results, batches, strict=True):
        assert_array_equal(found, expected(x))
    assert [len(f) for f in accelerator.stream([], codes=True)] == []


def test_selftest_compare_and_description(load: Callable[..., Accelerator], place: tuple[str, str]) -> None:
    accelerator = load()
    assert accelerator.selftest() == 0
    assert accelerator.compare(frames(20)) == {
        "frames": 20,
        "codes": 100,
        "codes_differing": 0,
        "frames_differing": [],
        "source": "emulated",
    }
    assert repr(accelerator).startswith(f"Accelerator('residual', board='{place[0]}', clock_mhz=") and repr(accelerator).endswith(
        ", emulated)"
    )
    assert (accelerator.source, accelerator.board, accelerator.batch) == ("emulated", place[0], 1024)


def test_differences_are_found(here: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"output.{here._outputs[0].end.tensor}"
    here._golden[key] = here._golden[key].copy()
    here._golden[key].ravel()[3] ^= 1
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
    place: tuple[str, str], load: Callable[..., Accelerator], tmp_path: Path, per_packet: int | None
) -> None:
    accelerator = load(write(build(place[0]), tmp_path, frames_per_packet=per_packet), batch=10)
    for count in (1, 4, 10, 23):
        assert_array_equal(accelerator(frames(count)), expected(frames(count)))
    assert accelerator.selftest() == 0


def test_the_package_opens_overlays_and_build_folders() -> None:
    with pyqkit.Accelerator.load(overlay("ZCU104"), batch=3) as accelerator:
        assert isinstance(accelerator, Accelerator) and accelerator.batch == 3
    with pyqkit.Accelerator.load(overlay("ZCU104").parent) as accelerator:
        assert isinstance(accelerator, Accelerator)
    packed = pyqkit.Accelerator.load(overlay("ZCU104").with_suffix(".zip"))
    assert_array_equal(packed(frames(3)), expected(frames(3)))
    assert packed.selftest(overlay("ZCU104").with_suffix(".zip")) == 0
    with pytest.raises(UserError, match="options were expected for an overlay alone, but batch came"):
        pyqkit.Accelerator.load(build("ZCU104"), batch=3)


def test_many_frames_and_no_more_memory(here: Accelerator) -> None:
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


# ---- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros((0, 2, 6, 6)), r"at least one frame was expected, but an array of shape \(0, 2, 6, 6\) came"),
        (np.float32(1), r"at least one frame was expected, but an array of shape \(\) came"),
        (np.zeros((2, 6, 6)), r"of shape \(frames, 2, 6, 6\) was expected, but \(2, 6, 6\) came; put the frames first"),
        (np.zeros((1, 2, 6, 6), complex), "real numbers were expected for input x, but an array of complex128 came"),
        (np.full((1, 2, 6, 6), np.nan), "numbers were expected for input x, but NaN came"),
        (np.full((1, 2, 6, 6), "a"), "real numbers were expected for input x, but an array of <U1 came"),
    ],
)
def test_inputs_that_do_not_fit(here: Accelerator, x: np.ndarray, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        here(x)
    with pytest.raises(UserError, match=sentence):
        list(here.stream([frames(20), x]))
    assert_array_equal(here(frames(3)), expected(frames(3)))


def test_huge_numbers_saturate(here: Accelerator) -> None:
    x = np.full((2, 2, 6, 6), np.inf, np.float32)
    x[1] = -1e30
    assert_array_equal(here(x), expected(np.clip(x, -8, 8)))


@pytest.mark.parametrize("batch", [0, -1, 1 << 24])
def test_batches_that_no_transfer_holds(batch: int) -> None:
    with pytest.raises(
        OverlayError, match=rf"a batch of 1 to \d+ frames was expected, which is what one transfer can hold, but {batch} came"
    ):
        Accelerator.load(overlay("ZCU104"), batch=batch)


def test_a_batch_larger_than_memory(place: tuple[str, str], load: Callable[..., Accelerator], monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers that a transfer could hold and the board's memory cannot; calls take any number of frames all the same."""
    if place[1] == "pynq":
        import pynq

        monkeypatch.setattr(pynq.Device.active_device.board.memory, "size", 1 << 20)
    else:
        from pyqkit.board_emulation import board

        monkeypatch.setitem(board._MEMORY, "zynq-mpsoc", (0x6000_0000, 1 << 20))
    with pytest.raises(UserError, match=r"a buffer of at most \d\S* bytes was expected, .* free buffers or take smaller batches"):
        load(batch=100_000)
    assert_array_equal(load(batch=1000)(frames(3000)), expected(frames(3000)))


# ---- overlays that are not right ----------------------------------------------------------------------------------


def edited(copy: Path, **changes: Any) -> None:
    """Change a manifest and sign it again, as who knows how could."""
    path = copy.with_suffix(".json")
    data = {**json.loads(path.read_text()), **changes}
    data["sha256"] = build_folder.own_digest(data)
    path.write_text(json.dumps(data))


def replaced(copy: Path, ending: str, content: bytes) -> None:
    """Change a file, and its hash in the manifest."""
    copy.with_suffix(ending).write_bytes(content)
    files = json.loads(copy.with_suffix(".json").read_text())["files"]
    edited(copy, files={**files, f"residual{ending}": build_folder.digest(content)})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda p: p.with_suffix(".json").unlink(),
            "an overlay with its manifest was expected at .*, but there is none; make one with 'pyqkit overlay'",
        ),
        (lambda p: p.with_suffix(".json").write_text("{"), "a manifest as pyqkit writes it was expected, but .* is not"),
        (
            lambda p: p.with_suffix(".json").write_text(p.with_suffix(".json").read_text().replace("187.5", "300.0")),
            r"is not \(it has been edited\)",
        ),
        (lambda p: edited(p, schema=99), r"is not \(schema 99\)"),
        (lambda p: edited(p, name="other"), r"is not \(it is about other\)"),
        (lambda p: edited(p, clock_mhz="fast"), r"is not \(clock or kind\)"),
        (lambda p: edited(p, blocks={}), "a manifest as pyqkit writes it was expected, but .* is not"),
        (lambda p: p.with_suffix(".hwh").unlink(), r"residual\.hwh was expected beside .*, but there is none; copy the four files"),
        (lambda p: p.write_bytes(p.read_bytes()[:-3]), r"the residual\.bit that .* names was expected, but .* has other content; copy"),
        (lambda p: replaced(p, ".bit", p.read_bytes()[:-3]), "a bitstream of .* bytes was expected behind the header of"),
        (lambda p: replaced(p, ".zip", b"PK"), "a build folder was expected at .*, but it cannot be read"),
        (lambda p: edited(p, boards=["KV260"]), r"an overlay for ZCU104 was expected, but .* is for KV260; take the one for this board"),
        (lambda p: edited(p, emulated=False), "a bitstream for the emulated board was expected, but .* is for real hardware"),
    ],
)
def test_overlays_that_are_damaged(copy: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(copy)
    with pytest.raises(UserError, match=sentence):
        Accelerator.load(copy, board="ZCU104", backend="emulated")


def test_blocks_at_other_addresses_than_the_manifest_says(copy: Path) -> None:
    replaced(
        copy, ".hwh", copy.with_suffix(".hwh").read_bytes().replace(b"0xA0000000", b"0xA0010000").replace(b"0xA000FFFF", b"0xA001FFFF")
    )
    with pytest.raises(OverlayError, match=r"axi_dma_0 as a xilinx.* at 0xa0010000, 65536 bytes, instead of 0xa0000000, 65536"):
        Accelerator.load(copy, backend="emulated")


def test_paths_that_hold_none_or_several(copy: Path) -> None:
    assert read(copy.parent).name == read(copy).name == read(copy.with_suffix(".json")).name == "residual"
    with pytest.raises(OverlayError, match="one overlay was expected in .*, but there is none"):
        read(build("ZCU104"))
    for ending in (".bit", ".json"):
        shutil.copy(copy.with_suffix(ending), copy.with_name(f"second{ending}"))
    with pytest.raises(OverlayError, match=r"but there is 2 \(residual, second\); give the path of its \.bit file"):
        read(copy.parent)
    with pytest.raises(OverlayError, match="backend auto, pynq or emulated was expected, but 'fpga' came"):
        Accelerator.load(copy, backend="fpga")


def test_existing_overlays_are_kept(copy: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(OverlayError, match="a new overlay was expected, but .* exists; choose another folder or pass --force"):
        write(build("PYNQ-Z2"), copy.parent, "residual")
    assert copy.read_bytes() == before
    write(build("PYNQ-Z2"), copy.parent, "residual", force=True)
    assert read(copy).boards == ("PYNQ-Z2",) and not [p for p in copy.parent.iterdir() if p.name.startswith(".")]


def test_the_same_build_gives_the_same_overlay(tmp_path: Path) -> None:
    first, second = (write(build("ZCU104"), tmp_path / name) for name in "ab")
    for ending in (".bit", ".hwh", ".json", ".zip"):
        assert first.with_suffix(ending).read_bytes() == second.with_suffix(ending).read_bytes()
    assert bitfile.read(first).emulated["board"] == "ZCU104" and hwh.read(first.with_suffix(".hwh"))


# ---- clocks -------------------------------------------------------------------------------------------------------


def test_clocks_stay_below_what_was_closed(load: Callable[..., Accelerator], place: tuple[str, str]) -> None:
    closed = {"ZCU104": 187.5, "PYNQ-Z2": 100.0}[place[0]]
    accelerator = load()
    assert accelerator.clock_mhz == pytest.approx(closed, rel=1e-4)
    accelerator.close()
    with pytest.raises(OverlayError, match=rf"a clock of at most {closed:g} MHz was expected, .* but 400 came; pass overclock=True"):
        load(clock_mhz=400)
    for wanted in (closed - 1, 60):
        accelerator = load(clock_mhz=wanted)
        assert wanted * 0.8 < accelerator.clock_mhz <= wanted * 1.001
        assert_array_equal(accelerator(frames(2)), expected(frames(2)))
        accelerator.close()
    accelerator = load(clock_mhz=200, overclock=True)
    assert accelerator.clock_mhz == pytest.approx({"ZCU104": 187.5, "PYNQ-Z2": 200}[place[0]], rel=1e-4), "PYNQ's nearest would be 214.3"


# ---- failures under way -------------------------------------------------------------------------------------------


def board_of(accelerator: Accelerator) -> Any:
    backend = accelerator._backend
    return backend._board if hasattr(backend, "_board") else backend._device.board


def test_an_accelerator_that_gives_nothing(load: Callable[..., Accelerator]) -> None:
    accelerator = load(timeout_s=0.1)
    board = board_of(accelerator)
    board.patience = None  # as hardware
    board._blocks[1].step = lambda: False
    began = time.monotonic()
    with pytest.raises(TransferError) as error:
        accelerator(frames(40))
    assert time.monotonic() - began < 2
    assert "expected to end within 0.1 s, but MM2S_DMASR is 0x00000000 (a transfer is under way) and S2MM_DMASR is 0x00000000" in str(
        error.value
    )
    assert "probably in reset or its clock is stopped" in str(error.value)
    assert_array_equal(accelerator(frames(40)), expected(frames(40)), err_msg="the overlay is loaded again, and all is well")
    board.patience = None
    network = board._blocks[1]
    (output,) = network.outputs
    output.frame_bytes += 1
    plain, network.engine = network.engine, lambda f: [np.zeros((len(f), output.frame_bytes), np.uint8)]
    assert plain is not None
    with pytest.raises(UserError):
        accelerator(frames(3))
    assert_array_equal(accelerator(frames(3)), expected(frames(3)))


def test_the_default_timeout_follows_the_estimate(here: Accelerator) -> None:
    assert 1 < here.timeout_s < 1.1
    slow = dataclasses.replace(here.manifest)
    here._interval *= 1_000_000
    assert here._default_timeout() > 100 and slow == here.manifest


def test_short_packets_are_noticed(here: Accelerator) -> None:
    network = board_of(here)._blocks[1]
    plain = network.engine
    network.outputs[0].frame_bytes -= 1
    network.engine = lambda f: [plain(f)[0][:, :-1]]
    with pytest.raises(
        OverlayError, match="packets of 10 bytes were expected from the accelerator, but 9 came; the bitstream is of another network"
    ):
        here(frames(3))
    assert_array_equal(here(frames(3)), expected(frames(3)))


def test_interrupt_in_the_middle_of_a_transfer(load: Callable[..., Accelerator]) -> None:
    accelerator = load(batch=4)
    network = board_of(accelerator)._blocks[1]
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
        accelerator(frames(40))
    assert threading.active_count() == threads
    assert_array_equal(accelerator(frames(40)), expected(frames(40)))


def test_streams_that_are_left_and_calls_within(here: Accelerator) -> None:
    stream = here.stream(frames(7, seed=i) for i in range(9))
    next(stream)
    with pytest.raises(OverlayError, match="an idle accelerator was expected, but another call or stream of it is under way"):
        here(frames(1))
    stream.close()
    assert_array_equal(here(frames(9)), expected(frames(9)))

    def failing() -> Iterator[np.ndarray]:
        yield frames(3)
        raise LookupError("the source of a user")

    with pytest.raises(LookupError, match="the source of a user"):
        list(here.stream(failing()))
    assert here.selftest() == 0


def test_closed_is_closed(here: Accelerator) -> None:
    used = board_of(here).memory.used
    here.close()
    here.close()
    gc.collect()
    assert board_of(here).memory.used == 0 < used
    with pytest.raises(OverlayError, match="an accelerator that is open was expected, but residual was closed; load it again"):
        here(frames(1))


# ---- benchmark ----------------------------------------------------------------------------------------------------


def test_benchmark_separates_stages_and_claims_nothing(load: Callable[..., Accelerator], place: tuple[str, str]) -> None:
    found = load(batch=30).benchmark(frames=20, repeats=2)
    assert set(found["seconds"]) == {"encode", "pack", "copy", "compute", "unpack", "decode"} and min(found["seconds"].values()) > 0
    assert (found["source"], found["frames_per_second"], found["power"]) == ("emulated", None, None)
    assert (found["network"], found["board"], found["frames"]) == ("residual", place[0], 20)
    assert found["estimated"]["source"] == "estimated" and found["estimated"]["frames_per_second"] >= 2000
    json.dumps(found, allow_nan=False)


def test_benchmark_limits_and_power(here: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="1 to 7 frames and at least one repeat were expected, but 8 and 3 came"):
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
