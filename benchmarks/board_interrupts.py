"""Interrupts at every moment of a call of the driver, single and double; after each the next call must give
the right codes.

Three ways to interrupt: at every line of the driver and the emulated board in turn, by a trace function that
raises; after a random time, by a signal; and twice, the second time while the call cleans up or in the call
after it, which loads the overlay again.

python benchmarks/board_interrupts.py [--backend emulated|pynq] [--random 2000] [--double 2000]
"""

from __future__ import annotations

import argparse
import collections
import json
import linecache
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import pyqkit
import pyqkit.board_emulation
from pyqkit.overlay.install import locate
from pyqkit.runtime import Driver

TRACED = tuple(str(Path(pyqkit.__file__).parent / part) for part in ("runtime", "board_emulation"))
HUNG_SECONDS = 60.0  # after which the next call counts as hung


class Hung(BaseException):
    """A call did not come back."""


# ---- interrupts --------------------------------------------------------------------------------------------


class Traced:
    """Raise KeyboardInterrupt at the n-th line of the driver, and again some calls later.

    Lines that take a lock do not count: Python looks for signals at calls and jumps back, so none comes
    between the end of the block and the release of the lock, which are one line for a trace function.

    Parameters
    ----------
    moment : int
        From 0.
    again : int, optional
        Calls and returns between the first interrupt and the second; without it there is one.
    """

    def __init__(self, moment: int, again: int | None = None) -> None:
        self._left, self._again = moment, again
        self.fired = 0

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line" and "with self._lock" not in linecache.getline(
            frame.f_code.co_filename, frame.f_lineno
        ):
            if self._left == 0:
                self._fire()
            self._left -= 1
        return self._trace

    def _profile(self, *_: Any) -> None:
        if self.fired == 1 and self._again is not None:
            if self._again == 0:
                sys.setprofile(None)
                self._fire()
            self._again -= 1

    def _fire(self) -> None:
        self.fired += 1
        raise KeyboardInterrupt

    def __enter__(self) -> Traced:
        if self._again is not None:
            sys.setprofile(self._profile)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)


class Timed:
    """Raise KeyboardInterrupt from a signal handler after each of some delays, in seconds."""

    def __init__(self, *delays: float) -> None:
        self._delays = list(delays)
        self.fired = 0

    def _fire(self, *_: object) -> None:
        self.fired += 1
        self._next()
        raise KeyboardInterrupt

    def _next(self) -> None:
        if self._delays:
            signal.setitimer(signal.ITIMER_REAL, self._delays.pop(0))

    def __enter__(self) -> Timed:
        signal.signal(signal.SIGALRM, self._fire)
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def watched(seconds: float = HUNG_SECONDS) -> Iterator[None]:
    """Raise `Hung` if the block does not end in time."""

    def hung(*_: object) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


# ---- trials ------------------------------------------------------------------------------------------------


class Bench:
    """An accelerator, frames for it, and what has come of interrupting it.

    Parameters
    ----------
    driver : Driver
    inputs : list of numpy.ndarray
        Two sets of frames: one for calls that are interrupted, one for those after them.
    wanted : list of numpy.ndarray
        Their codes.
    """

    def __init__(self, driver: Driver, inputs: list[np.ndarray], wanted: list[np.ndarray]) -> None:
        self.driver, self.inputs, self.wanted = driver, inputs, wanted
        self.counts: collections.Counter[str] = collections.Counter()

    def interrupt(self, interrupt: Traced | Timed) -> bool:
        """Make a call that is interrupted; whether an interrupt came."""
        try:
            try:
                with interrupt:
                    found = self.driver.execute(self.inputs[0], codes=True)
                    self.counts["interrupted call wrong"] += int(not np.array_equal(found, self.wanted[0]))
            except KeyboardInterrupt:
                pass
            except Exception as error:
                self.counts[f"interrupted call: {type(error).__name__}"] += 1
            interrupt.__exit__()  # the first may have come too late to be caught within it
        except KeyboardInterrupt:
            interrupt.__exit__()
        if interrupt.fired:
            self.counts["interrupts"] += 1
            self.counts["twice"] += interrupt.fired > 1
        return interrupt.fired > 0

    def check(self) -> None:
        """Make a call that nothing interrupts."""
        try:
            with watched():
                found = self.driver.execute(self.inputs[1], codes=True)
        except Hung:
            self.counts["hung"] += 1
        except Exception as error:
            self.counts["locked"] += 1
            print(f"locked: {type(error).__name__}: {error}", file=sys.stderr)
        else:
            self.counts["wrong"] += int(not np.array_equal(found, self.wanted[1]))

    def sweep(self, first: int = 0, step: int = 1, again: Callable[[], int | None] = lambda: None) -> int:
        """Interrupt at every `step`-th line until a call ends before its moment comes.

        How many there were.
        """
        moment = first
        while self.interrupt(Traced(moment, again())):
            self.check()
            moment += step
        return moment

    def at_random(self, count: int, draw: random.Random, longest: float, twice: bool = False) -> None:
        """Interrupt calls after random times, `count` of them.

        `twice` interrupts each, or the call after it, once more.
        """
        wanted = self.counts["interrupts"] + count
        while self.counts["interrupts"] < wanted:
            again = [10 ** draw.uniform(-6, -3.5)] if twice else []
            first = Timed(draw.uniform(1e-5, longest), *again)
            if not self.interrupt(first):
                continue
            if twice and first.fired == 1:
                second = Timed(draw.uniform(1e-5, longest))
                self.interrupt(second)
                self.counts["interrupts"] -= second.fired
                self.counts["twice"] += second.fired
            self.check()


def counts(bench: Bench) -> dict[str, int]:
    """What has come since the last time; the counts that must be 0 are always there."""
    always = ("interrupts", "twice", "wrong", "hung", "locked")
    found = {key: bench.counts[key] for key in always} | {
        key: count for key, count in bench.counts.items() if count
    }
    bench.counts.clear()
    return found


def seconds(run: Callable[[], Any]) -> float:
    """What a call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def digits(backend: str, stack: ExitStack) -> Bench:
    """The committed overlay `digits`, on the emulated board alone or through PYNQ."""
    if backend == "pynq":
        stack.enter_context(pyqkit.board_emulation.use("ZCU104"))
    bit = locate("digits", "ZCU104")
    driver = stack.enter_context(Driver.load(bit, backend=backend, batch=3))
    compiled = pyqkit.Accelerator.load(bit.with_suffix(".zip"))
    inputs = [np.random.default_rng(seed).random((8, 1, 8, 8), np.float32) for seed in (1, 2)]
    return Bench(driver, inputs, [compiled.emulate(x, codes=True) for x in inputs])


def main() -> int:
    """Interrupt as often as asked, print counts; 1 if a call was wrong, hung or locked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", choices=("emulated", "pynq"), default="emulated")
    parser.add_argument("--random", type=int, default=2000)
    parser.add_argument("--double", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    # An interrupt of a generator that is being closed; Python would print it.
    sys.unraisablehook = lambda _: None
    with ExitStack() as stack:
        bench = digits(options.backend, stack)
        longest = 1.1 * min(seconds(bench.check) for _ in range(3))
        kinds: dict[str, Callable[[], Any]] = {
            "every moment": lambda: bench.sweep(),
            "every moment, twice": lambda: bench.sweep(again=lambda: draw.randrange(40)),
            "random moments": lambda: bench.at_random(options.random, draw, longest),
            "random moments, twice": lambda: bench.at_random(options.double, draw, longest, twice=True),
        }
        found = {}
        for name, run in kinds.items():
            took = seconds(run)
            found[name] = counts(bench)
            print(f"{name}: {json.dumps(found[name])} in {took:.0f} s", flush=True)
    return int(any(kind[key] for kind in found.values() for key in ("wrong", "hung", "locked")))


if __name__ == "__main__":
    sys.exit(main())
