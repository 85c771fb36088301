"""Where the time goes between two arrays of real numbers, and what power it takes where a board can tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pyqkit.errors import UserError

if TYPE_CHECKING:
    from pyqkit.runtime.device import Turn
    from pyqkit.runtime.dma import Transfers
    from pyqkit.runtime.loaded import Loaded
    from pyqkit.runtime.numbers import Numbers
    from pyqkit.runtime.pipeline import Job

STAGES = ("encode", "pack", "copy", "compute", "unpack", "decode")
_SENSOR_SECONDS = 1.0  # that a last sample may take


class Subject(Protocol):
    """What can be measured: a driver, or a network on an array.

    Attributes
    ----------
    batch : int
    name : str
        Of the network.
    """

    batch: int

    @property
    def name(self) -> str: ...

    @property
    def loaded(self) -> Loaded:
        """The overlay that it runs on."""

    @property
    def cycles(self) -> float:
        """From a frame to the next (estimated)."""

    _numbers: Numbers

    def _timed(self, x: np.ndarray, clock: Clock, compute: Callable[[Job], None]) -> None:
        """A buffer of frames, stage by stage; `compute` runs a transfer and clocks it."""


def measure(subject: Subject, frames: int | None = None, repeats: int = 3) -> dict[str, Any]:
    """Run one buffer of random frames, stage by stage, without overlap.

    Parameters
    ----------
    subject : Subject
    frames : int, optional
        At most its `batch`, which is the default.
    repeats : int
        The fastest of these is reported for each stage.

    Returns
    -------
    dict
        network, board, source, frames, clock_mhz; seconds (encode, pack, copy with flush and invalidate,
        compute with both transfers, unpack, decode); frames_per_second of compute, None unless measured;
        power, watts by rail with the number of samples, or None; estimated: frames_per_second of the build's
        report at the clock that was read back.
    """
    count = subject.batch if frames is None else frames
    if not 1 <= count <= subject.batch or repeats < 1:
        raise UserError(
            f"1 to {subject.batch} frames and at least one repeat were expected, but {count} "
            f"and {repeats} came; load with a larger batch="
        )
    x, loaded, clock = subject._numbers.drawn(count), subject.loaded, Clock()
    meter = _Meter(loaded._backend.rails())
    for _ in loaded._device.run(partial(_repeated, subject, x, repeats, clock, meter)):
        pass
    seconds = {stage: min(values) for stage, values in clock.times.items()}
    mhz = loaded.clock_mhz
    return {
        "network": subject.name,
        "board": loaded.board,
        "source": loaded.source,
        "frames": count,
        "clock_mhz": mhz,
        "seconds": seconds,
        "frames_per_second": count / seconds["compute"] if loaded.source == "measured" else None,
        "power": meter.result(),
        "estimated": {"source": "estimated", "frames_per_second": mhz * 1e6 / subject.cycles},
    }


def _repeated(
    subject: Subject, x: np.ndarray, repeats: int, clock: Clock, meter: _Meter, turn: Turn
) -> Iterator[None]:
    """The stages of a call, one after the other, as often as they are to be measured."""

    def compute(transfer: Job) -> None:
        with meter.during(turn):
            clock.took("compute", turn.do(partial(_seconds, transfer)))

    for _ in range(repeats):
        clock.begin()
        subject._timed(x, clock, compute)
        yield


def _seconds(transfer: Job, transfers: Transfers) -> float:
    began = time.perf_counter()
    transfer(transfers)
    return time.perf_counter() - began


class Clock:
    """Seconds of each stage, once for each time that stages are gone through.

    Attributes
    ----------
    times : dict of str to list of float
    """

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self._last = 0.0

    def begin(self) -> None:
        """Go through the stages anew."""
        for values in self.times.values():
            values.append(0.0)
        self._last = time.perf_counter()

    def done(self, stage: str) -> None:
        """What has passed since the last stage was this one."""
        self.took(stage, time.perf_counter() - self._last)

    def took(self, stage: str, seconds: float) -> None:
        """A stage that was measured elsewhere."""
        self.times[stage][-1] += seconds
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
