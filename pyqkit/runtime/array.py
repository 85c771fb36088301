"""`Array`: an array on a device, given one network after the other; each is called with frames of numbers.

numpy is all that it needs beside the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit.array.checks import check
from pyqkit.array.isa import word_bits
from pyqkit.array.machine import Machine
from pyqkit.array.marks import Part, marked, parts, segment_parts
from pyqkit.array.network import ArrayNetwork, load
from pyqkit.array.trace import Trace
from pyqkit.driver_rate import frames_of_a_buffer
from pyqkit.formats.input_frames import Seen
from pyqkit.overlay import hwh
from pyqkit.overlay.manifest import Manifest, OverlayError
from pyqkit.runtime.array_compare import Comparison
from pyqkit.runtime.array_counts import PartCounts, Parts, clear, most_frames, recorded
from pyqkit.runtime.array_memories import Memories
from pyqkit.runtime.backends import Backend, Buffer
from pyqkit.runtime.device import Turn
from pyqkit.runtime.dma import Transfers, receiving, sending
from pyqkit.runtime.loaded import Loaded, estimated_timeout, opened, timeout
from pyqkit.runtime.numbers import Numbers, Results
from pyqkit.runtime.options import check_options
from pyqkit.runtime.pipeline import Job, Steps, overlapped, pieces

if TYPE_CHECKING:
    from pyqkit.runtime.benchmark import Clock


class Array(Loaded):
    """An array that is loaded; `program` gives it networks.

    Attributes
    ----------
    machine : Machine
    networks : list of Network
        That it was given, in their order.

    Examples
    --------
    >>> from pyqkit.runtime import Array
    >>> with Array.load("lpa8x8.bit") as array:  # doctest: +SKIP
    ...     digits, letters = array.program("digits.zip"), array.program("letters.zip")
    ...     y, z = digits(x), letters(x)
    """

    def __init__(self, manifest: Manifest, backend: Backend) -> None:
        super().__init__(manifest, backend)
        assert manifest.machine is not None
        self.machine: Machine = manifest.machine
        self.networks: list[Network] = []
        self._memories = Memories(self.machine)
        self._longest = hwh.longest_transfer(hwh.read(manifest.handoff))
        self._open()

    @classmethod
    def load(
        cls,
        path: str | Path,
        board: str | None = None,
        backend: str = "auto",
        *,
        clock_mhz: float | None = None,
        overclock: bool = False,
    ) -> Array:
        """Load the overlay of an array; arguments and errors are those of `Driver.load`."""
        manifest, chosen = opened(path, board, backend, clock_mhz, overclock, array=True)
        try:
            return cls(manifest, chosen)
        except BaseException:
            chosen.close()
            raise

    def program(
        self,
        network: str | Path | ArrayNetwork,
        *,
        batch: int | None = None,
        timeout_s: float | None = None,
    ) -> Network:
        """Give it a network, which is checked before anything is sent.

        Its weights stay in memory; the array gets them with the first call, and again when others have taken
        their place.

        Parameters
        ----------
        network : str, Path or ArrayNetwork
            As ``pyqkit compile --array`` writes it.
        batch, timeout_s : optional
            As for `Driver.load`.

        Raises
        ------
        UserError
            If it is for another machine, was edited, or would not run as it was meant; or if there is no
            memory for it.
        """
        check_options(batch=batch, timeout_s=timeout_s)
        found = network if isinstance(network, ArrayNetwork) else load(network)
        check(found.program, self.machine)
        name = f"network {len(self.networks)}" if network is found else Path(str(network)).stem
        self.networks.append(Network(self, name, found, batch, timeout_s))
        return self.networks[-1]

    def selftest(self) -> int:
        """Differing codes of the network that came with the overlay; 0 is what must come."""
        network = self.program(self.manifest.build)
        try:
            return network.selftest()
        finally:
            network.close()

    def _free(self) -> None:
        self.networks.clear()


class _Slot:
    """Buffers of a call."""

    def __init__(self, backend: Backend, given: int, taken: int) -> None:
        self.given, self.taken = backend.allocate(given), backend.allocate(taken)

    def fill(self, content: bytes) -> None:
        """What is sent."""
        self.given.array[: len(content)] = np.frombuffer(content, np.uint8)
        self.given.flush()

    def copied(self, nbytes: int) -> np.ndarray:
        """What came."""
        self.taken.invalidate()
        return self.taken.copy()[:nbytes]


class Network:
    """A network on an array; see `Array.program`.

    Attributes
    ----------
    name : str
        Of its file.
    batch : int
        Frames of a buffer, which one transfer each way moves for every segment of the program.
    timeout_s : float
        For a transfer.
    parts : tuple of Part
        What the array works on, one after the other, with the cycles of the model.
    """

    def __init__(
        self, array: Array, name: str, network: ArrayNetwork, batch: int | None, timeout_s: float | None
    ) -> None:
        self._array, self._given, self._outputs = array, network.input, network.outputs
        self.parts: tuple[Part, ...] = parts(network.program)
        self._numbers = Numbers(
            (network.input.port, network.input.codes),
            [(side.port, side.codes) for side in network.outputs],
            network.host,
        )
        self.name = name
        program = network.program
        once = max(len(program.setup()), word_bits(array.machine) // 8)  # less, if others have parts of it
        self.batch = self._batch(batch, once, *program.frame_bytes)
        self._kept = array._memories.placed(marked(program), array._backend.allocate)
        self._program = self._kept.program
        self._slots = [_Slot(array._backend, *self._bytes(self.batch)) for _ in range(2)]
        cycles = self.batch * sum(part.cycles for part in self.parts)
        moved = sum(kept.nbytes for kept in self._kept.needed) + sum(self._bytes(self.batch))
        self.timeout_s = timeout(timeout_s, estimated_timeout(cycles, moved, array.clock_mhz))

    def _bytes(self, frames: int) -> tuple[int, int]:
        """Of a call, both ways."""
        given, taken = self._program.frame_bytes
        return word_bits(self._array.machine) // 8 + frames * given, frames * taken

    def _batch(self, wanted: int | None, once: int, given: int, taken: int) -> int:
        """Frames of a buffer; length registers bound it, and what is sent once."""
        longest = self._array._longest
        most = (longest - word_bits(self._array.machine) // 8) // max(given, taken)
        if most < 1 or once > longest:
            raise OverlayError(
                f"transfers of at most {longest:,} bytes were expected, which is what the DMA moves at once, "
                f"but the program takes {max(once, given, taken):,}; compile a smaller network, or build the "
                "overlay with wider length registers"
            )
        if wanted is None:
            return frames_of_a_buffer(given, taken, most)
        if not 1 <= wanted <= most:
            raise OverlayError(
                f"a batch of 1 to {most} frames was expected, which is what one transfer can hold, but "
                f"{wanted} came; leave it out, calls take any number of frames"
            )
        return int(wanted)

    def __repr__(self) -> str:
        return f"Network({self.name!r}, batch={self.batch}) on {self._array!r}"

    # ---- running -------------------------------------------------------------------------------------------

    def __call__(self, x: np.ndarray) -> Results:
        """`execute`."""
        return self.execute(x)

    def execute(self, x: np.ndarray, codes: bool = False) -> Results:
        """Run frames; see `Driver.execute`."""
        (found,) = self.stream([x], codes)
        return found

    def stream(self, batches: Iterable[np.ndarray], codes: bool = False) -> Iterator[Results]:
        """Run arrays of frames, one after the other; see `Driver.stream`."""
        for found in self._pipeline(self._numbers.encode(x) for x in batches):
            yield self._numbers.decode(found, codes)

    @property
    def seen(self) -> Seen | None:
        """As `Driver.seen`."""
        return self._numbers.seen

    def _pipeline(self, arrays: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Codes of inputs to codes of every output, (frames, height, width, channels), double-buffered."""
        return self._array._device.run(partial(self._frames, arrays))

    def _frames(self, arrays: Iterable[np.ndarray], turn: Turn) -> Iterator[list[np.ndarray]]:
        if self not in self._array.networks:
            raise OverlayError(
                f"a network that {self._array.manifest.name} holds was expected, but this one was closed; "
                "give it to the array again"
            )
        return overlapped(turn, pieces(arrays, self.batch), partial(self._piece, list(self._slots)))

    def _piece(self, slots: Sequence[_Slot], index: int, codes: np.ndarray) -> Steps:
        """A buffer of frames: a transfer each way for each segment of the program."""
        slot = slots[index]
        calls = self._program.execution({self._given.codes.tensor: codes})
        call = next(calls)
        while True:
            slot.fill(call.content)
            yield partial(self._transfer, slot, len(call.content), call.result_bytes)
            try:
                call = calls.send(slot.copied(call.result_bytes))
            except StopIteration as done:
                found: dict[str, np.ndarray] = done.value
                return [found[side.codes.tensor] for side in self._outputs]

    def _transfer(self, slot: _Slot, given: int, taken: int, transfers: Transfers) -> None:
        """Send and receive a buffer, what the program needs before it."""
        memories, generation = self._array._memories, self._array._device.generation
        for kept in memories.missing(self._kept, generation):
            self._send(kept.setup, kept.nbytes, transfers)
            memories.put(kept, generation)
        (dma,) = transfers.dmas
        ways = receiving(dma, slot.taken.address, taken), sending(dma, slot.given.address, given)
        transfers.run(ways, self.timeout_s)

    def _send(self, buffer: Buffer, nbytes: int, transfers: Transfers) -> None:
        transfers.run([sending(transfers.dmas[0], buffer.address, nbytes)], self.timeout_s)

    # ---- checking ------------------------------------------------------------------------------------------

    def selftest(self) -> int:
        """Differing codes on the golden vectors of the network; 0 is what must come."""
        (found,) = self._pipeline([self._given.golden])
        return sum(int((values != side.golden).sum()) for values, side in zip(found, self._outputs))

    def counters(self, x: np.ndarray) -> tuple[PartCounts, ...]:
        """Run as many frames as can be recorded, and say what each part took of the last one.

        Cycles are those of the model, and those that were counted where something counts: an emulated board
        has no cycles.
        """
        parts = [segment_parts(self._program, segment) for segment in self._program.segments]
        codes = self._numbers.encode(x)[: min(self.batch, most_frames(parts))]
        (found,) = self._array._device.run(partial(self._counted, codes, parts))
        return found

    def _counted(self, codes: np.ndarray, parts: Parts, turn: Turn) -> Iterator[tuple[PartCounts, ...]]:
        turn.do(lambda _: turn.touch(clear))
        for _ in self._frames([codes], turn):
            yield turn.do(lambda _: turn.touch(partial(recorded, parts, len(codes))))

    def compare(self, x: np.ndarray) -> Comparison:
        """Count what differs from the definition of the array, part by part; see `array_compare`."""
        from pyqkit.runtime.array_compare import compare

        return compare(self, x)

    def _traced(self, trace: Trace, turn: Turn) -> np.ndarray:
        """What comes of a trace; the program has to be sent again after it."""
        slot = _Slot(self._array._backend, len(trace.call.content), trace.call.result_bytes)
        slot.fill(trace.call.content)
        turn.do(partial(self._transfer, slot, len(trace.call.content), trace.call.result_bytes))
        self._array._memories.forget_all()
        return slot.copied(trace.call.result_bytes)

    # ---- measuring -----------------------------------------------------------------------------------------

    def benchmark(self, frames: int | None = None, repeats: int = 3) -> dict[str, Any]:
        """Seconds of each stage; see `pyqkit.runtime.benchmark.measure`."""
        from pyqkit.runtime.benchmark import measure

        return measure(self, frames, repeats)

    @property
    def loaded(self) -> Array:
        """What a benchmark is told of device and board."""
        return self._array

    @property
    def cycles(self) -> float:
        """Of a frame, all segments together (modelled)."""
        return sum(part.cycles for part in self.parts)

    def _timed(self, x: np.ndarray, clock: Clock, compute: Callable[[Job], None]) -> None:
        slot = self._slots[0]
        codes = self._numbers.codes(x)
        clock.done("encode")
        calls = self._program.execution({self._given.codes.tensor: codes})
        call, found = next(calls), None
        while found is None:
            clock.done("pack")
            slot.fill(call.content)
            clock.done("copy")
            compute(partial(self._transfer, slot, len(call.content), call.result_bytes))
            content = slot.copied(call.result_bytes)
            clock.done("copy")
            try:
                call = calls.send(content)
            except StopIteration as done:
                found = [done.value[side.codes.tensor] for side in self._outputs]
        clock.done("unpack")
        self._numbers.decode(found, codes=False)
        clock.done("decode")

    def close(self) -> None:
        """Give its buffers back.

        Raises
        ------
        OverlayError
            If a call is under way.
        """
        if self in self._array.networks:
            for _ in self._array._device.run(lambda turn: iter([turn.do(lambda _: None)])):
                self._array.networks.remove(self)
                self._array._memories.forget(self._kept)
                self._slots.clear()
