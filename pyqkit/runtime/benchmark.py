"""Where the time goes between an array of real numbers and another one, and what power it takes where a board can tell."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats.port import encode_input

if TYPE_CHECKING:
    from pyqkit.runtime.accelerator import Accelerator

STAGES = ("encode", "pack", "copy", "compute", "unpack", "decode")


def measure(accelerator: Accelerator, frames: int | None = None, repeats: int = 3) -> dict[str, Any]:
    """Run one buffer of random frames, stage by stage, without overlap.

    Parameters
    ----------
    accelerator : Accelerator
    frames : int, optional
        At most `accelerator.batch`, which is the default.
    repeats : int
        The fastest of these is reported for each stage.

    Returns
    -------
    dict
        network, board, source, frames, clock_mhz; seconds (encode, pack, copy with flush and invalidate, compute with both
        transfers, unpack, decode); frames_per_second of compute, None unless measured; power, watts by rail with the number
        of samples, or None; estimated: frames_per_second of the build's report at the clock that was read back.
    """
    count = accelerator.batch if frames is None else frames
    if not 1 <= count <= accelerator.batch or repeats < 1:
        raise UserError(
            f"1 to {accelerator.batch} frames and at least one repeat were expected, but {count} and {repeats} came; load with a larger batch="
        )
    port, given = accelerator._input, accelerator._given
    x = np.random.default_rng(0).standard_normal((count, *port.onnx_shape), np.float32)
    if port.limits is not None and len(port.limits):
        x *= np.abs(port.limits[np.isfinite(port.limits)]).max() or 1
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    meter = _Meter(accelerator._backend.rails())
    accelerator._acquire()
    try:
        slot = accelerator._slots[0]
        for _ in range(repeats):
            clock = _Clock(times)
            codes = encode_input(port, given, x)
            clock.done("encode")
            packed = given.to_bytes(codes)
            clock.done("pack")
            accelerator._fill(slot, packed)
            clock.done("copy")
            with meter:
                accelerator._transfer(slot, count)
            clock.done("compute")
            content = accelerator._copied(slot)
            clock.done("copy", add=True)
            found = accelerator._unpacked(content, count)
            clock.done("unpack")
            accelerator._results(found, codes=False)
            clock.done("decode")
    except BaseException:
        accelerator._clean = False
        raise
    finally:
        accelerator._busy.release()
    seconds = {stage: min(values) for stage, values in times.items()}
    mhz = accelerator.clock_mhz
    return {
        "network": accelerator.manifest.name,
        "board": accelerator.board,
        "source": accelerator.source,
        "frames": count,
        "clock_mhz": mhz,
        "seconds": seconds,
        "frames_per_second": count / seconds["compute"] if accelerator.source == "measured" else None,
        "power": meter.result(),
        "estimated": {"source": "estimated", "frames_per_second": mhz * 1e6 / accelerator._interval},
    }


class _Clock:
    def __init__(self, times: dict[str, list[float]]) -> None:
        self._times, self._last = times, time.perf_counter()

    def done(self, stage: str, add: bool = False) -> None:
        now = time.perf_counter()
        if add:
            self._times[stage][-1] += now - self._last
        else:
            self._times[stage].append(now - self._last)
        self._last = time.perf_counter()


class _Meter:
    """Samples power sensors while it is entered; a thread, because a sensor takes longer than a frame."""

    def __init__(self, rails: dict[str, Any], period_s: float = 0.01) -> None:
        self._rails, self._period_s = {name: rail for name, rail in rails.items() if getattr(rail, "power", None)}, period_s
        self._samples: dict[str, list[float]] = {name: [] for name in self._rails}
        self._stop = threading.Event()

    def _sample(self) -> None:
        while True:
            for name, rail in self._rails.items():
                self._samples[name].append(float(rail.power.value))
            if self._stop.wait(self._period_s):
                return

    def __enter__(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._sample, daemon=True) if self._rails else None
        if self._thread is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def result(self) -> dict[str, Any] | None:
        """Mean watts and samples by rail."""
        if not self._rails:
            return None
        return {name: {"watts": float(np.mean(values)), "samples": len(values)} for name, values in self._samples.items()}
