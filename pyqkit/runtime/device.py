"""Who drives the device: one call at a time, whose worker alone touches registers.

It also knows whether the device's state can be trusted.

An interrupt may end a call between any two steps of its thread, and end its cleaning up as well. So nothing
here waits for a step that comes later:

* The state is untrusted from before the first register is written until after the last result has been taken,
  when one
  assignment makes it trusted. In an untrusted state the next call loads the overlay again before anything
  else.
* Whether a call is under way is asked of the interpreter (a generator that has ended has no frame), not of a
  flag or a lock.
* Only workers touch registers: threads that no interrupt reaches. Every access asks, under a lock, whether
  the worker's turn is
  the last one taken; a worker whose call has ended comes to rest by itself.
"""

from __future__ import annotations

import _thread
import os
import queue
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from types import GeneratorType
from typing import Any, TypeVar

from pyqkit.overlay.manifest import Manifest, OverlayError
from pyqkit.runtime.backends import Backend
from pyqkit.runtime.dma import Dma, TransferError, Transfers

T = TypeVar("T")
_LOOK_SECONDS = 0.2  # between looks of who waits at whether there is still something to wait for
_ACCESS_SECONDS = (
    60.0  # that an access of a worker before this one may take, the loading of an overlay included
)


class Device:
    """An overlay on a backend, and the turns that calls take on it.

    Parameters
    ----------
    manifest : Manifest
    backend : Backend
        With the overlay freshly loaded.
    """

    def __init__(self, manifest: Manifest, backend: Backend) -> None:
        self.manifest, self.backend = manifest, backend
        self.number = 0  # of the turn taken last
        self.trusted = False
        self.closed = False
        self.access = threading.Lock()
        self.generation = 0  # counts how often the programmable logic was empty, or may have been
        self._fresh = True  # loaded, and nothing sent since
        self._left: list[int] = []  # registers as the last transfer left them
        self._calls: list[weakref.ref[Generator[Any, None, None]]] = []
        self._process = os.getpid()
        for _ in self.run(lambda turn: iter([turn.do(_nothing)])):  # lets the DMAs run
            pass

    def run(self, work: Callable[[Turn], Iterator[T]]) -> Iterator[T]:
        """`work` as an iterator that has the device from its first step to its end."""
        turn = Turn(self)
        steps = self._steps(turn, work)
        turn.call = weakref.ref(steps)
        return steps

    def _steps(self, turn: Turn, work: Callable[[Turn], Iterator[T]]) -> Generator[T, None, None]:
        self._take(turn)
        try:
            yield from work(turn)
            self.trusted = turn.begun or self.trusted
        finally:
            turn.leave()

    def _take(self, turn: Turn) -> None:
        if self.closed:
            raise OverlayError(
                f"an accelerator that is open was expected, but {self.manifest.name} was closed; "
                "load it again"
            )
        if os.getpid() != self._process:
            raise OverlayError(
                f"the process that loaded {self.manifest.name} was expected to use it, but this is a fork of "
                "it; load the overlay here, after the other process has closed it"
            )
        self._calls.append(turn.call)  # of two threads one comes first
        for other in list(self._calls):
            if other is turn.call:
                break
            busy = _under_way(other)
            with suppress(ValueError):  # another thread may have removed it
                self._calls.remove(turn.call if busy else other)
            if busy:
                raise OverlayError(
                    "an idle accelerator was expected, but another call or stream of it is under "
                    "way; end that one first"
                )
        turn.number = self.number = self.number + 1

    def prepare(self, turn: Turn, trusted: bool) -> None:
        """Make the accelerator empty and its DMAs run; a worker does this first.

        Who else used the DMAs, or loaded another overlay, since the last call left other registers than that
        call did.
        """
        if trusted and self.backend.loaded() and turn.registers() == self._left:
            return
        if not self._fresh:
            turn.touch(lambda backend: backend.reload())
        self._fresh = False
        self.generation += 1
        turn.transfers.reset()

    def leave(self, turn: Turn) -> None:
        """Remember registers, by which the next call sees whether somebody else was there."""
        self._left = turn.registers()

    def close(self) -> None:
        """Take the device from every call, and stop a transfer that may be under way."""
        if self.closed or os.getpid() != self._process:
            return
        self.closed = True
        if not self.trusted:
            self.number += 1
            turn = Turn(self)
            turn.number = self.number
            turn.stop()


def _nothing(transfers: Transfers) -> None:
    """A job."""


def _under_way(call: weakref.ref[Generator[Any, None, None]]) -> bool:
    steps = call()
    return isinstance(steps, GeneratorType) and steps.gi_frame is not None


class Turn:
    """A call's time on the device: jobs for its worker, one after the other, and their results.

    Attributes
    ----------
    transfers : Transfers
        DMAs whose registers only this turn's worker reaches.
    begun : bool
        Whether there was a job.
    """

    def __init__(self, device: Device) -> None:
        self._device = weakref.ref(device)  # a worker keeps no device that nobody else wants
        self.number = 0
        self.begun = False
        self.call: weakref.ref[Generator[Any, None, None]]
        self._found_trusted = False
        self._jobs: queue.SimpleQueue[Callable[[Transfers], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._ended = False
        dmas = [
            self._dma(name, ("MM2S", "S2MM") if index == 0 else ("S2MM",))
            for index, name in enumerate(device.manifest.dmas)
        ]
        self.transfers = Transfers(dmas, self.over)

    def _dma(self, name: str, sides: tuple[str, ...]) -> Dma:
        def read(offset: int) -> int:
            return self.touch(lambda backend: backend.read(name, offset))

        def write(offset: int, value: int) -> None:
            self.touch(lambda backend: backend.write(name, offset, value))

        return Dma(read, write, name, sides)

    def touch(self, access: Callable[[Backend], T]) -> T:
        """An access to the device, if it is still this turn's.

        Raises
        ------
        TransferError
            If it is not.
        """
        device = self._device()
        if device is None:
            raise _superseded()
        if not device.access.acquire(timeout=_ACCESS_SECONDS):
            raise TransferError(
                f"an access to the device was expected to end within {_ACCESS_SECONDS:g} s, but one "
                "has not; restart the board, or this process"
            )
        try:
            if device.number != self.number:
                raise _superseded()
            return access(device.backend)
        finally:
            device.access.release()

    def registers(self) -> list[int]:
        """What the DMAs show."""
        return [word for dma in self.transfers.dmas for word in dma.registers()]

    def over(self) -> bool:
        """Whether the call has ended, in whatever way, or the device is another's."""
        device = self._device()
        return device is None or device.number != self.number or not _under_way(self.call)

    # ---- the call's thread ---------------------------------------------------------------------------------

    def begin(self, job: Callable[[Transfers], Any]) -> None:
        """Give the worker a job; it has the device in no state that can be trusted, from here on."""
        device = self._device()
        if device is None or device.number != self.number:
            raise _superseded()
        if self.begun:
            self._jobs.put(job)
            return
        self._found_trusted = device.trusted
        device.trusted = False
        self._jobs.put(job)
        self.begun = True
        # Not `threading.Thread`, whose `start` is many steps between which an interrupt may come; this is
        # one.
        _thread.start_new_thread(self._work, ())

    def result(self) -> Any:
        """The result of the first job whose result was not taken yet; what the job raised is raised."""
        while True:
            with suppress(queue.Empty):
                found, error = self._results.get(timeout=_LOOK_SECONDS)
                if error is not None:
                    raise error
                return found
            if self._ended and self._results.empty():
                raise _superseded()

    def do(self, job: Callable[[Transfers], T]) -> T:
        """A job from its beginning to its end."""
        self.begin(job)
        return self.result()  # type: ignore[no-any-return]

    def leave(self) -> None:
        """Let the worker end at once rather than when it next looks."""
        self._jobs.put(None)

    # ---- the worker ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._on_device(lambda device: device.prepare(self, self._found_trusted))
            while (job := self._next()) is not None:
                found = job(self.transfers)
                del job  # what it refers to is its caller's alone, once that has the result
                self._on_device(lambda device: device.leave(self))
                self._results.put((found, None))
        except BaseException as error:  # it is the call's to handle
            self._results.put((None, error))
        finally:
            self._ended = True
            self._rest()

    def _on_device(self, act: Callable[[Device], None]) -> None:
        device = self._device()
        if device is None:
            raise _superseded()
        act(device)

    def _next(self) -> Callable[[Transfers], Any] | None:
        while not self.over():
            with suppress(queue.Empty):
                return self._jobs.get(timeout=_LOOK_SECONDS)
        return None

    def _rest(self) -> None:
        """Stop what an interrupted call or a failed transfer has left under way."""
        device = self._device()
        if device is not None and not device.trusted:
            self.stop()

    def stop(self) -> None:
        """Stop the DMAs, which then write no memory any more."""
        for dma in self.transfers.dmas:
            with suppress(Exception):  # the device may be another's by now, or answer no more
                dma.stop()


def _superseded() -> TransferError:
    return TransferError(
        "a call that has the device was expected, but it has ended or the device was closed; run "
        "the frames again"
    )
