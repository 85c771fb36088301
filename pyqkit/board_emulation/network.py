"""The accelerator as a block: frames in, frames out, computed by any function from packed frames to packed frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.streams import Stream

Engine = Callable[[np.ndarray], np.ndarray]
IN_FLIGHT = 2  # frames that it takes before the first must have left; a real pipeline holds about as many
_AHEAD = 64  # frames that are computed at once if the DMA already has them


class Network:
    """A streaming accelerator: it runs whenever a whole frame has come.

    Parameters
    ----------
    name : str
    engine : callable
        uint8 of shape (frames, input bytes) to uint8 of shape (frames, output bytes).
    given, taken : Stream
        Its input and its output.
    frame_bytes : tuple of int
        Bytes of a frame at the input and at the output.
    frames_per_packet : int or None
        TLAST is set on the last beat of every so many frames; None: of the frames that came with TLAST.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        given: Stream,
        taken: Stream,
        frame_bytes: tuple[int, int],
        frames_per_packet: int | None = 1,
    ) -> None:
        self.name, self.engine, self.given, self.taken = name, engine, given, taken
        self.input_bytes, self.output_bytes = frame_bytes
        self.frames_per_packet = frames_per_packet
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._frame = np.empty(0, np.uint8)  # of the frame that is coming in
        self._frames = 0  # since the last TLAST
        self._results: deque[tuple[np.ndarray, bool]] = deque()  # bytes that are to leave, by frame, and whether TLAST ends them
        self._ahead: deque[tuple[np.ndarray, np.ndarray]] = deque()  # frames that will probably come, with their results

    def step(self) -> bool:
        """Take, compute and give what can be; whether anything moved."""
        moved = False
        while self._results and self.taken.room:
            result, ends = self._results.popleft()
            count = min(len(result), self.taken.room)
            self.taken.put(result[:count], ends and count == len(result))
            if count < len(result):
                self._results.appendleft((result[count:], ends))
            moved = True
        while len(self._results) < IN_FLIGHT:
            data, last = self.given.take(self.input_bytes - len(self._frame))  # a TLAST within a frame is ignored, as by the C++
            if not len(data):
                break
            moved = True
            self._frame = np.concatenate([self._frame, data])
            if len(self._frame) == self.input_bytes:
                self._frames += 1
                ends = last if self.frames_per_packet is None else self._frames == self.frames_per_packet
                self._frames = 0 if ends else self._frames
                self._results.append((self._compute(self._frame), ends))
                self._frame = np.empty(0, np.uint8)
        return moved

    def _compute(self, frame: np.ndarray) -> np.ndarray:
        """The result of a frame. Those that follow in the DMA's buffer are computed with it, and used if they come unchanged."""
        if not self._ahead or not np.array_equal(self._ahead[0][0], frame):
            following = self.given.upcoming((_AHEAD - 1) * self.input_bytes)
            whole = len(following) // self.input_bytes
            frames = np.concatenate([frame, following[: whole * self.input_bytes]]).reshape(-1, self.input_bytes)
            found = np.asarray(self.engine(frames))
            if found.shape != (len(frames), self.output_bytes) or found.dtype != np.uint8:
                raise BoardFault(
                    f"results of {self.output_bytes} bytes a frame were expected from the engine of {self.name}, but {found.shape} of "
                    f"{found.dtype} came; mend the engine"
                )
            self._ahead = deque(zip(frames, found))
        return self._ahead.popleft()[1]

    @property
    def state(self) -> str:
        """For messages."""
        if self._results:
            return f"{self.name} has results that nobody takes"
        if len(self._frame):
            return f"{self.name} waits for {self.input_bytes - len(self._frame)} of the {self.input_bytes} bytes of a frame"
        return f"{self.name} waits for a frame of {self.input_bytes} bytes"
