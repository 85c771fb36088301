"""What a driver gets out of an accelerator: figures worked out by hand, and what they rest on counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")

from pyqkit import boards, driver_rate, report
from pyqkit.designs import Designs
from pyqkit.driver_rate import ACCESSES, Surroundings, frames_of_a_buffer, from_json, modelled
from pyqkit.errors import UserError
from pyqkit.formats import Integer
from pyqkit.formats.port import End
from pyqkit.report_tables import driver_line
from pyqkit.runtime import Driver
from tests.overlays import frames, overlay

AROUND = Surroundings(64, 1.0, 0.5, 10.0, 100.0, 200.0)
GIVEN = End("x", (10, 10, 8), Integer(8), 8)  # 100 beats of 8 bytes
TAKEN = End("y", (1, 1, 8), Integer(8), 8)  # one beat


def test_each_part_has_its_rate() -> None:
    rate = modelled(GIVEN, [TAKEN], 1e6, 100.0, AROUND)
    assert (rate.bytes_in, rate.bytes_out, rate.frames_per_transfer) == (800, 8, 4096)
    assert rate.dma == 1e6, "100 beats at 100 MHz"
    of_codes, of_starts = 800 * 100e-9 + 8 * 200e-9, 2 * ACCESSES * 10e-6 / 4096
    assert rate.processor == pytest.approx(1 / (of_codes + of_starts))
    assert (rate.limits, rate.frames_per_second, rate.source) == ("processor", rate.processor, "modelled")
    slow = rate.accelerated(1000.0)
    assert (slow.limits, slow.frames_per_second) == ("accelerator", 1000.0)
    assert rate.accelerated(1e6, 0.5).dma == 5e5


@pytest.mark.parametrize(
    ("beat_lanes", "memory_bits", "cycles"),
    [(1, 64, 800), (8, 64, 100), (32, 64, 100), (32, 128, 50), (32, 256, 25), (8, 32, 200)],
)
def test_the_narrower_of_stream_and_port_counts(beat_lanes: int, memory_bits: int, cycles: int) -> None:
    given = replace(GIVEN, shape=(1, 1, 800), lanes=beat_lanes)
    around = replace(AROUND, memory_bits=memory_bits)
    assert modelled(given, [TAKEN], 1e9, 100.0, around).dma == pytest.approx(1e8 / cycles)


def test_outputs_share_the_port() -> None:
    wide = replace(TAKEN, shape=(1, 1, 800))
    assert modelled(GIVEN, [wide], 1e9, 100.0, AROUND).dma == pytest.approx(1e8 / 200), "every other cycle"
    assert modelled(GIVEN, [wide, wide], 1e9, 100.0, AROUND).dma == pytest.approx(1e8 / 400)


def test_buffers_hold_what_fits() -> None:
    assert frames_of_a_buffer(800, 8, 10**9) == 4096
    assert frames_of_a_buffer(1 << 20, 8, 10**9) == 4
    assert frames_of_a_buffer(1 << 24, 8, 10**9) == 1
    assert frames_of_a_buffer(800, 8, 20) == 20
    assert modelled(GIVEN, [TAKEN], 1e6, 100.0, AROUND, (1 << 14) - 1).frames_per_transfer == 20


def test_a_board_file_may_know_better(tmp_path: Path) -> None:
    plain = Surroundings.of("zynq-7000", {})
    assert plain == Surroundings(64, 0.9976, 0.7464, 30.0, 90.0, 200.0)
    text = (boards.folder() / "pynq-z2.toml").read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text + "\n[driver]\naccess_us = 7\ndecode_ns = 1.5\n")
    board = boards.load(mine)
    assert Surroundings.of(board.family, board.driver) == replace(plain, access_us=7.0, decode_ns=1.5)
    for wrong in ("access_us = 0", "access_us = true", "memory_bits = 64", "access_us = 'x'"):
        mine.write_text(f"{text}\n[driver]\n{wrong}\n")
        with pytest.raises(UserError, match="driver as in boards/zcu104.toml was expected"):
            boards.load(mine)


def test_registers_are_accessed_as_often_as_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for probes in ((), ("relu_18", "conv_43")):
        with Driver.load(overlay("ZCU104", *probes), backend="emulated", batch=10) as driver:
            count, backend = Counter[str](), driver._backend
            for name in ("read", "write"):
                monkeypatch.setattr(backend, name, _counted(getattr(backend, name), name, count))
            driver(frames(10))
            count.clear()
            driver(frames(200))
            channels = 2 + len(probes)
            assert 8 * channels * 20 < count.total() < ACCESSES * channels * 20 + 20 * channels


def _counted(access: Any, name: str, count: Counter[str]) -> Any:
    def counted(*arguments: Any) -> Any:
        count[name] += 1
        return access(*arguments)

    return counted


def test_report_and_benchmark_say_what_limits() -> None:
    with Driver.load(overlay("ZCU104"), backend="emulated") as driver:
        found = driver.benchmark(frames=5, repeats=1)["driver"]
        assert found["source"] == "modelled" and found["limits"] in ("accelerator", "DMA", "processor")
        assert found["frames_per_transfer"] == driver.batch
        json.dumps(found)
        driver._backend.clock_mhz = driver.clock_mhz / 2
        slower = driver.benchmark(frames=5, repeats=1)["driver"]
        assert slower["dma"] == pytest.approx(found["dma"] / 2, rel=0.05)


def test_the_report_has_a_line(small: Designs) -> None:
    made = report.build(small)
    assert made.driver is not None and made.driver.accelerator == made.frames_per_second
    line = driver_line(made)
    assert line.startswith("Driver: ") and f"the {made.driver.limits} limits" in line and "(modelled)" in line
    assert from_json(json.loads(json.dumps(made.to_json()["driver"]))) == made.driver
    assert driver_line(replace(made, driver=None)) == ""


@pytest.mark.parametrize(
    ("key", "value"), [("dma", -1.0), ("processor", "fast"), ("surroundings", {}), ("surroundings", None)]
)
def test_what_no_report_says(key: str, value: object) -> None:
    plain = asdict(modelled(GIVEN, [TAKEN], 1e6, 100.0, AROUND))
    assert from_json(plain) == modelled(GIVEN, [TAKEN], 1e6, 100.0, AROUND)
    with pytest.raises((LookupError, TypeError, ValueError)):
        driver_rate.from_json({**plain, key: value})


@pytest.fixture(scope="module")
def small() -> Designs:
    import pyqkit
    from tests.overlays import build

    return pyqkit.Accelerator.load(build("ZCU104")).designs
