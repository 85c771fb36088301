"""Where the time goes between two arrays of real numbers, and what power it takes where a board can tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats.input_frames import encode_input

if TYPE_CHECKING:
    from pyqkit.runtime.device import Turn
    from pyqkit.runtime.dma import Transfers
    from pyqkit.runtime.driver import Driver

STAGES = ("encode", "pack", "copy", "compute", "unpack", "decode")
_SENSOR_SECONDS = 1.0  # that a last sample may take


def measure(driver: Driver, frames: int | None = None, repeats: int = 3) -> dict[str, Any]:
    """Run one buffer of random frames, stage by stage, without overlap.

    Parameters
    ----------
    driver : Driver
    frames : int, optional
        At most `driver.batch`, which is the default.
    repeats : int
        The fastest of these is reported for each stage.

    Returns
    -------
    dict
        network, board, source, frames, clock_mhz; seconds (encode, pack, copy with flush and invalidate,
        compute with both transfers, unpack, decode); frames_per_second of compute, None unless measured;
        power, watts by rail with the number of samples, or None; estimated: frames_per_second of the build's
        report at the clock that was read back; driver, as in the report at that clock, modelled, or None.
    """
    count = driver.batch if frames is None else frames
    if not 1 <= count <= driver.batch or repeats < 1:
        raise UserError(
            f"1 to {driver.batch} frames and at least one repeat were expected, but {count} "
            f"and {repeats} came; load with a larger batch="
        )
    x = driver._numbers.drawn(count)
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    meter = _Meter(driver._backend.rails())
    for _ in driver._device.run(partial(_stages, driver, x, repeats, times, meter)):
        pass
    seconds = {stage: min(values) for stage, values in times.items()}
    mhz = driver.clock_mhz
    return {
        "network": driver.manifest.name,
        "board": driver.board,
        "source": driver.source,
        "frames": count,
        "clock_mhz": mhz,
        "seconds": seconds,
        "frames_per_second": count / seconds["compute"] if driver.source == "measured" else None,
        "power": meter.result(),
        "estimated": {"source": "estimated", "frames_per_second": mhz * 1e6 / driver._interval},
        "driver": _modelled(driver, mhz),
    }


def _modelled(driver: Driver, mhz: float) -> dict[str, Any] | None:
    """What a driver gets out of the accelerator at a clock."""
    rate = driver._rate
    if rate is None:
        return None
    found = rate.accelerated(mhz * 1e6 / driver._interval, mhz / driver.manifest.clock_mhz)
    return {**vars(found), "surroundings": dict(vars(found.surroundings))}


def _stages(
    driver: Driver,
    x: np.ndarray,
    repeats: int,
    times: dict[str, list[float]],
    meter: _Meter,
    turn: Turn,
) -> Iterator[None]:
    """The stages of a call, one after the other, as often as they are to be measured."""
    slot = driver._slots[0]
    for _ in range(repeats):
        clock = _Clock(times)
        codes = encode_input(driver._input, driver._given, x)
        clock.done("encode")
        packed = driver._given.to_bytes(codes)
        clock.done("pack")
        driver._fill(slot, packed)
        clock.done("copy")
        with meter.during(turn):
            times["compute"].append(turn.do(partial(_seconds, partial(driver._transfer, slot, len(x)))))
        clock.restart()
        content = driver._copied(slot)
        clock.done("copy", add=True)
        found = driver._unpacked(content, len(x))
        clock.done("unpack")
        driver._numbers.decode(found, codes=False)
        clock.done("decode")
        yield


def _seconds(transfer: Callable[[Transfers], None], transfers: Transfers) -> float:
    began = time.perf_counter()
    transfer(transfers)
    return time.perf_counter() - began


class _Clock:
    def __init__(self, times: dict[str, list[float]]) -> None:
        self._times, self._last = times, time.perf_counter()

    def done(self, stage: str, add: bool = False) -> None:
        now = time.perf_counter()
        if add:
            self._times[stage][-1] += now - self._last
        else:
            self._times[stage].append(now - self._last)
        self.restart()

    def restart(self) -> None:
        self._last = time.perf_counter()


class _Meter:
    """Samples power sensors; a thread, because a sensor takes longer than a frame."""

    def __init__(self, rails: dict[str, Any], period_s: float = 0.01) -> None:
        self._rails, self._period_s = (
            {name: rail for name, rail in rails.items() if getattr(rail, "power", None)},
            period_s,
        )
        self._samples: dict[str, list[float]] = {name: [] for name in self._rails}

    @contextmanager
    def during(self, turn: Turn) -> Iterator[None]:
        """Sample until the block ends, or the call does."""
        stop = threading.Event()
        thread = (
            threading.Thread(target=self._sample, args=(stop, turn), daemon=True) if self._rails else None
        )
        if thread is not None:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if thread is not None:
                thread.join(_SENSOR_SECONDS)

    def _sample(self, stop: threading.Event, turn: Turn) -> None:
        while True:
            for name, rail in self._rails.items():
                self._samples[name].append(float(rail.power.value))
            if stop.wait(self._period_s) or turn.over():
                return

    def result(self) -> dict[str, Any] | None:
        """Mean watts and samples by rail."""
        if not self._rails:
            return None
        return {
            name: {"watts": float(np.mean(values)), "samples": len(values)}
            for name, values in self._samples.items()
        }
