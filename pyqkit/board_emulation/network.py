"""The accelerator as a block.

Frames in, frames out, computed by any function from packed frames to packed frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.streams import Stream

Engine = Callable[[np.ndarray], Sequence[np.ndarray]]
IN_FLIGHT = 2  # frames that it takes before the first must have left; a real pipeline holds about as many
_AHEAD = 64  # frames that are computed at once if the DMA already has them


class Output:
    """A stream out of an accelerator, with the results that are to leave on it."""

    def __init__(self, stream: Stream, frame_bytes: int) -> None:
        self.stream, self.frame_bytes = stream, frame_bytes
        self.results: deque[tuple[np.ndarray, bool]] = deque()  # bytes by frame, and whether TLAST ends them

    def step(self) -> bool:
        """Give what can be; whether anything moved."""
        moved = False
        while self.results and self.stream.room:
            result, ends = self.results.popleft()
            count = min(len(result), self.stream.room)
            self.stream.put(result[:count], ends and count == len(result))
            if count < len(result):
                self.results.appendleft((result[count:], ends))
            moved = True
        return moved


class Network:
    """A streaming accelerator: it runs whenever a whole frame has come.

    Parameters
    ----------
    name : str
    engine : callable
        uint8 of shape (frames, input bytes) to one such array an output.
    given : (Stream, int)
        Its input, and the bytes of a frame there.
    taken : sequence of (Stream, int)
        The same of its outputs. One that nobody reads soon keeps the others waiting, as in a real pipeline:
        none runs ahead of another by more than `IN_FLIGHT` frames.
    frames_per_packet : int or None
        TLAST is set on the last beat of every so many frames; None: of the frames that came with TLAST.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        given: tuple[Stream, int],
        taken: Sequence[tuple[Stream, int]],
        frames_per_packet: int | None = None,
    ) -> None:
        self.name, self.engine, self.frames_per_packet = name, engine, frames_per_packet
        self.given, self.input_bytes = given
        self.outputs = [Output(*output) for output in taken]
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._frame = np.empty(0, np.uint8)  # of the frame that is coming in
        self._frames = 0  # since the last TLAST
        # Frames that will probably come, with their results.
        self._ahead: deque[tuple[np.ndarray, tuple[np.ndarray, ...]]] = deque()
        for output in self.outputs:
            output.results.clear()

    def step(self) -> bool:
        """Take, compute and give what can be; whether anything moved."""
        moved = any([output.step() for output in self.outputs])
        while all(len(output.results) < IN_FLIGHT for output in self.outputs):
            # A TLAST within a frame is ignored, as by the C++.
            data, last = self.given.take(self.input_bytes - len(self._frame))
            if not len(data):
                break
            moved = True
            self._frame = np.concatenate([self._frame, data])
            if len(self._frame) == self.input_bytes:
                self._frames += 1
                ends = last if self.frames_per_packet is None else self._frames == self.frames_per_packet
                self._frames = 0 if ends else self._frames
                for output, result in zip(self.outputs, self._compute(self._frame)):
                    output.results.append((result, ends))
                self._frame = np.empty(0, np.uint8)
        return moved

    def _compute(self, frame: np.ndarray) -> tuple[np.ndarray, ...]:
        """The results of a frame.

        Those that follow in the DMA's buffer are computed with it, and used if they come unchanged.
        """
        if not self._ahead or not np.array_equal(self._ahead[0][0], frame):
            following = self.given.upcoming((_AHEAD - 1) * self.input_bytes)
            whole = len(following) // self.input_bytes
            frames = np.concatenate([frame, following[: whole * self.input_bytes]]).reshape(
                -1, self.input_bytes
            )
            found = [np.asarray(result) for result in self.engine(frames)]
            for output, result in zip(self.outputs, found, strict=True):
                if result.shape != (len(frames), output.frame_bytes) or result.dtype != np.uint8:
                    raise BoardFault(
                        f"results of {output.frame_bytes} bytes a frame were expected from the engine of "
                        f"{self.name}, but {result.shape} of {result.dtype} came; mend the engine"
                    )
            self._ahead = deque(zip(frames, zip(*found)))
        return self._ahead.popleft()[1]

    @property
    def state(self) -> str:
        """For messages."""
        waiting = [output.stream.name for output in self.outputs if output.results]
        if waiting:
            return f"{self.name} has results that nobody takes" + (
                f" on {' and '.join(waiting)}" if len(self.outputs) > 1 else ""
            )
        if len(self._frame):
            return (
                f"{self.name} waits for {self.input_bytes - len(self._frame)} of the "
                f"{self.input_bytes} bytes of a frame"
            )
        return f"{self.name} waits for a frame of {self.input_bytes} bytes"
