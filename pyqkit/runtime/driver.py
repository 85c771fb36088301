"""`Driver`: an overlay on a device, called with frames of real numbers.

numpy is all that it needs beside the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit import build_folder, driver_rate
from pyqkit.driver_rate import DriverRate, frames_of_a_buffer
from pyqkit.formats.input_frames import Seen
from pyqkit.formats.port import End, Port
from pyqkit.formats.reading import DAMAGE, check, describe
from pyqkit.host.part import HostPart
from pyqkit.overlay import hwh
from pyqkit.overlay.manifest import Manifest, OverlayError
from pyqkit.runtime import counters
from pyqkit.runtime.backends import Backend
from pyqkit.runtime.counters import Counts
from pyqkit.runtime.device import Turn
from pyqkit.runtime.dma import Transfers, sending
from pyqkit.runtime.loaded import Loaded, estimated_timeout, opened, timeout
from pyqkit.runtime.numbers import Numbers, Results
from pyqkit.runtime.options import check_options
from pyqkit.runtime.output import LINE, Output
from pyqkit.runtime.pipeline import Job, Steps, overlapped, pieces

if TYPE_CHECKING:
    from pyqkit.runtime.benchmark import Clock


class _Slot:
    """A set of buffers: frames on their way in, results on their way out."""

    def __init__(self, backend: Backend, given: int, taken: Iterable[int]) -> None:
        self.given, self.taken = backend.allocate(given), [backend.allocate(nbytes) for nbytes in taken]


class Driver(Loaded):
    """An overlay that is loaded and ready; see `load`.

    Attributes
    ----------
    manifest : Manifest
    source : {"measured", "emulated"}
        What its times and results come from.
    batch : int
        Frames of a buffer, which one transfer moves; larger inputs are cut into pieces of that size.
    timeout_s : float
        For a buffer.

    Examples
    --------
    An overlay that comes with the package, on the emulated board where there is no other:

    >>> import numpy as np
    >>> from pyqkit.runtime import Driver
    >>> with Driver.load("digits", board="PYNQ-Z2") as driver:
    ...     driver.selftest(), driver(np.zeros((3, 1, 8, 8), np.float32)).shape
    (0, (3, 10))
    """

    def __init__(
        self, manifest: Manifest, backend: Backend, batch: int | None = None, timeout_s: float | None = None
    ) -> None:
        super().__init__(manifest, backend)
        self._per_packet = manifest.frames_per_packet
        taken = self._read_build()
        self.batch = self._batch(batch, [end.frame_bytes for _, end in taken])
        self._outputs = [Output(*ends, self._per_packet, self.batch) for ends in taken]
        sizes = (
            self._padded(self.batch) * self._given.frame_bytes,
            [output.buffer_bytes for output in self._outputs],
        )
        self._slots = [_Slot(backend, *sizes) for _ in range(2)]
        self.timeout_s = timeout(timeout_s, self._default_timeout())
        self._open()

    def _read_build(self) -> list[tuple[Port, End]]:
        """Read what the packed build folder says; returns its outputs."""
        build, arrays = build_folder.read(self.manifest.build)
        try:
            (given,) = build["streams"]["inputs"]
            self._given = End.from_json(given)
            self._input = Port.from_json(build["graph"]["inputs"][0], arrays, self._given)
            ends = [End.from_json(entry) for entry in build["streams"]["outputs"]]
            ports = [
                Port.from_json(entry, arrays, end) for entry, end in zip(build["graph"]["outputs"], ends)
            ]
            shapes = {port.onnx_name: port.onnx_shape for port in ports if not port.probe}
            host = build["graph"].get("host")
            check(self._input.limits is not None, "its input has no limits")
            part = None if host is None else HostPart.from_json(host, arrays, shapes)
            self._numbers = Numbers((self._input, self._given), list(zip(ports, ends)), part)
            check(
                len(ports) == len(ends) == len(self.manifest.dmas),
                f"it has {len(ends)} outputs for {len(self.manifest.dmas)} DMAs",
            )
            report = build["report"]
            self._interval, self._latency = (
                int(report["initiation_interval_cycles"]),
                int(report["latency_cycles"]),
            )
            rate = report.get("driver")  # reports from before there was one do not say
            self._rate: DriverRate | None = None if rate is None else driver_rate.from_json(rate)
        except DAMAGE as error:
            raise OverlayError(
                f"a build folder as pyqkit writes it was expected in {self.manifest.build}, but it "
                f"is not ({describe(error)}); compile again"
            ) from error
        self._golden = build_folder.load_golden(
            self.manifest.build, {self._given.tensor: self._given}, {end.tensor: end for end in ends}
        )
        return list(zip(ports, ends))

    def _batch(self, wanted: int | None, taken: list[int]) -> int:
        """Frames of a buffer; `taken` are the bytes of a frame at the outputs.

        A buffer goes in one transfer, so the length registers of the DMAs bound it.
        """
        per, line = self._per_packet or 1, LINE if self._per_packet else 1
        lengths = [self._given.frame_bytes, *(-(-nbytes // line) * line for nbytes in taken)]
        longest = hwh.longest_transfer(hwh.read(self.manifest.handoff))
        most = longest // max(lengths) // per * per
        if not most:
            raise OverlayError(
                f"packets of at most {longest:,} bytes were expected, which is what one transfer can hold, "
                f"but {per} frames have {per * max(lengths):,}; build the overlay with wider length registers"
            )
        if wanted is None:
            return max(1, frames_of_a_buffer(lengths[0], sum(lengths[1:]), most) // per) * per
        if not 1 <= wanted <= most:
            raise OverlayError(
                f"a batch of 1 to {most} frames was expected, which is what one transfer can hold, but "
                f"{wanted} came; leave it out, calls take any number of frames"
            )
        return wanted

    def _padded(self, frames: int) -> int:
        """Frames to send so that the last packet is whole."""
        return -(-frames // self._per_packet) * self._per_packet if self._per_packet else frames

    def _default_timeout(self) -> float:
        frame = self._given.frame_bytes + sum(output.end.frame_bytes for output in self._outputs)
        cycles = self._latency + self._interval * self.batch
        return estimated_timeout(cycles, self.batch * frame, self._backend.clock_mhz)

    # ---- loading -------------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        path: str | Path,
        board: str | None = None,
        backend: str = "auto",
        *,
        batch: int | None = None,
        timeout_s: float | None = None,
        clock_mhz: float | None = None,
        overclock: bool = False,
    ) -> Driver:
        """Load an overlay onto a device.

        Parameters
        ----------
        path : str or Path
            Its .bit file, or the folder that holds it alone; or the name alone of one that is installed.
        board : str, optional
            The board to run on, where the image does not say; for an emulated overlay the one to emulate.
        backend : {"auto", "pynq", "emulated"}
            "pynq" is PYNQ's active device, "emulated" the emulated board without pynq. "auto" takes PYNQ for
            a real bitstream; for an emulated one too, if `pyqkit.board_emulation.use` has made an emulated
            device active.
        batch : int, optional
            Frames of a buffer and so of a packet, by default as many as fit into 4 MiB, at most 4,096, and no
            more than the DMAs move in a transfer.
        timeout_s : float, optional
            For a buffer; by default from the estimated cycles.
        clock_mhz : float, optional
            At most what the design was closed for, which is the default.
        overclock : bool
            Allow more than that.

        Raises
        ------
        OverlayError
            If a file is missing or was edited, if the overlay is for another board, if PYNQ finds its blocks
            elsewhere, if the device is in use, or if an option is none.
        """
        check_options(batch=batch, timeout_s=timeout_s)
        manifest, chosen = opened(path, board, backend, clock_mhz, overclock, array=False)
        try:
            return cls(manifest, chosen, batch, timeout_s)
        except BaseException:
            chosen.close()
            raise

    def counters(self, clear: bool = False) -> Counts:
        """Cycles, frames and stalls that an overlay with counters has seen, and clear them if asked to.

        Raises
        ------
        OverlayError
            If the overlay has no counters.
        """
        with self._device.access:
            return counters.read(self.manifest, self._backend, clear)

    def _free(self) -> None:
        self._slots.clear()

    # ---- running -------------------------------------------------------------------------------------------

    def __call__(self, x: np.ndarray) -> Results:
        """`execute`."""
        return self.execute(x)

    def execute(self, x: np.ndarray, codes: bool = False) -> Results:
        """Run frames.

        Parameters
        ----------
        x : numpy.ndarray, shape (frames, *input shape)
            Real numbers, as the ONNX graph takes them. Any number of frames.
        codes : bool
            Return raw codes instead of real numbers.

        Returns
        -------
        numpy.ndarray, shape (frames, *output shape)
            What the ONNX file gives, float32 unless the host computes another type of it; or codes of the
            accelerator's outputs. An array of its own; of several outputs a dictionary of arrays, by their
            names in the ONNX graph. Probes are no outputs of the network; see `compare`.

        Raises
        ------
        UserError
            For an input that does not fit, and `TransferError` for a transfer that fails or does not end.
        """
        (found,) = self.stream([x], codes)
        return found

    def stream(self, batches: Iterable[np.ndarray], codes: bool = False) -> Iterator[Results]:
        """Run arrays of frames, one after the other.

        While one is on the device the next is encoded and the last decoded.

        Parameters
        ----------
        batches : iterable of numpy.ndarray
            Each as for `execute`.

        Yields
        ------
        numpy.ndarray or dict of str to numpy.ndarray
            Results in the order of the inputs, as `execute` returns them.
        """
        for found in self._pipeline(self._numbers.encode(x) for x in batches):
            yield self._numbers.decode(found, codes)

    @property
    def seen(self) -> Seen | None:
        """What the last array of frames held beside what the input holds: how many values saturate.

        The first array that holds strange ones is warned of.
        """
        return self._numbers.seen

    def _pipeline(self, arrays: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Codes of inputs to codes of every output, (frames, height, width, channels), double-buffered."""
        return self._device.run(partial(self._frames, arrays))

    def _frames(self, arrays: Iterable[np.ndarray], turn: Turn) -> Iterator[list[np.ndarray]]:
        return overlapped(turn, pieces(arrays, self.batch), partial(self._piece, list(self._slots)))

    def _piece(self, slots: Sequence[_Slot], index: int, codes: np.ndarray) -> Steps:
        """A buffer of frames: one transfer each way."""
        slot = slots[index]
        self._fill(slot, self._given.to_bytes(codes))
        yield partial(self._transfer, slot, len(codes))
        return self._unpacked(self._copied(slot), len(codes))

    def _fill(self, slot: _Slot, packed: np.ndarray) -> None:
        content = packed.reshape(-1)
        slot.given.array[: len(content)] = content
        slot.given.array[len(content) : self._padded(len(packed)) * self._given.frame_bytes] = 0
        slot.given.flush()

    def _transfer(self, slot: _Slot, frames: int, transfers: Transfers) -> None:
        """Send a buffer whole, and receive its results packet by packet, each output at its own pace."""
        ends = zip(self._outputs, transfers.dmas, slot.taken)
        receivers = [output.receive(dma, buffer, frames) for output, dma, buffer in ends]
        sent = sending(transfers.dmas[0], slot.given.address, self._padded(frames) * self._given.frame_bytes)
        transfers.run([*receivers, sent], self.timeout_s)  # all receive before anything is sent

    def _copied(self, slot: _Slot) -> list[np.ndarray]:
        for buffer in slot.taken:
            buffer.invalidate()
        return [buffer.copy() for buffer in slot.taken]

    def _unpacked(self, contents: list[np.ndarray], frames: int) -> list[np.ndarray]:
        return [output.codes(content, frames) for output, content in zip(self._outputs, contents)]

    # ---- checking ------------------------------------------------------------------------------------------

    def selftest(self) -> int:
        """Differing codes on the golden vectors of the build folder; 0 is what must come."""
        given, wanted = self._golden
        (found,) = self._pipeline([given[self._given.tensor]])
        return sum(
            int((values != wanted[output.end.tensor]).sum()) for values, output in zip(found, self._outputs)
        )

    def compare(self, x: np.ndarray) -> dict[str, Any]:
        """Count codes that differ from those of the engine `exact`, per layer where the build has probes.

        See `pyqkit.runtime.compare.compare`.
        """
        from pyqkit.runtime.compare import compare

        return compare(self, x)

    def benchmark(self, frames: int | None = None, repeats: int = 3) -> dict[str, Any]:
        """Seconds of each stage; see `pyqkit.runtime.benchmark.measure`.

        It also has `driver`: what the report says at this clock, modelled, or None.
        """
        from pyqkit.runtime.benchmark import measure

        found, rate, mhz = measure(self, frames, repeats), self._rate, self.clock_mhz
        if rate is None:
            return {**found, "driver": None}
        modelled = rate.accelerated(mhz * 1e6 / self.cycles, mhz / self.manifest.clock_mhz)
        return {**found, "driver": {**vars(modelled), "surroundings": dict(vars(modelled.surroundings))}}

    @property
    def name(self) -> str:
        """Of the network."""
        return self.manifest.name

    @property
    def loaded(self) -> Driver:
        """What a benchmark is told of device and board."""
        return self

    @property
    def cycles(self) -> float:
        """From a frame to the next (estimated)."""
        return self._interval

    def _timed(self, x: np.ndarray, clock: Clock, compute: Callable[[Job], None]) -> None:
        slot = self._slots[0]
        codes = self._numbers.codes(x)
        clock.done("encode")
        packed = self._given.to_bytes(codes)
        clock.done("pack")
        self._fill(slot, packed)
        clock.done("copy")
        compute(partial(self._transfer, slot, len(x)))
        content = self._copied(slot)
        clock.done("copy")
        found = self._unpacked(content, len(x))
        clock.done("unpack")
        self._numbers.decode(found, codes=False)
        clock.done("decode")
