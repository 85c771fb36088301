"""An array as a block: it executes what comes over its stream, by the definition of its instructions."""

from __future__ import annotations

import numpy as np

from pyqkit.array.execute import ArrayState, item_words
from pyqkit.array.isa import Load, ProgramError, Repeat, decode, encode, word_bits
from pyqkit.array.machine import Machine, Memory
from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.network import IN_FLIGHT, Output
from pyqkit.board_emulation.streams import Stream


class Array:
    """A machine between two streams.

    Its counters stay 0: it knows no cycles.

    Parameters
    ----------
    name : str
    machine : Machine
    given, taken : Stream
    """

    def __init__(self, name: str, machine: Machine, given: Stream, taken: Stream) -> None:
        self.name, self.given = name, given
        self._state, self._output = ArrayState(machine), Output(taken, 0)
        self._word_bytes = word_bits(machine) // 8
        self._pieces: list[np.ndarray] = []  # of what is to come whole: an instruction, its items, a frame
        self._missing = self._word_bytes
        self._load: bytes = b""  # a LOAD whose items are coming
        self._repeat = Repeat(first=0, count=0)  # its frames are still to come
        self._ends = False  # whether the last of them has the last result of a transfer

    def read(self, offset: int) -> int:
        """A register: 0."""
        return 0

    def write(self, offset: int, value: int) -> None:
        """Nothing is counted."""

    def step(self) -> bool:
        """Take, compute and give what can be; whether anything moved."""
        moved = self._output.step()
        while len(self._output.results) < IN_FLIGHT:
            data, _ = self.given.take(self._missing)
            if not len(data):
                break
            moved = True
            self._pieces.append(data)
            self._missing -= len(data)
            if not self._missing:
                content, self._pieces = np.concatenate(self._pieces).tobytes(), []
                self._missing = self._word_bytes
                self._take(content)
        return moved

    def _take(self, content: bytes) -> None:
        try:
            if self._repeat.count:
                self._frame(content)
            elif self._load:
                self._state.send(self._load + content)
                self._load = b""
            else:
                self._instruction(content)
        except ProgramError as error:
            raise BoardFault(f"{self.name} would compute nonsense, or wait for ever: {error}") from None

    def _instruction(self, content: bytes) -> None:
        machine = self._state.machine
        instruction = decode(machine, content)
        if isinstance(instruction, Repeat) and instruction.count:
            program = self._state.program(instruction.first)
            self._repeat, self._ends = instruction, any(i.last for i in program)
            self._missing = self._bytes([i for i in program if isinstance(i, Load)])
        elif isinstance(instruction, Load) and instruction.count:
            self._load, self._missing = content, self._bytes([instruction])
        else:
            self._state.send(content)  # which says what is wrong

    def _bytes(self, loads: list[Load]) -> int:
        machine = self._state.machine
        words = sum(load.count * item_words(machine, Memory(load.memory)) for load in loads)
        if not words:
            raise ProgramError(
                "a frame was expected to bring something, but it has no LOAD; compile it again"
            )
        return words * machine.stream_bits // 8

    def _frame(self, content: bytes) -> None:
        first, left = self._repeat.first, self._repeat.count - 1
        once = encode(self._state.machine, Repeat(first=first, count=1))
        result = np.frombuffer(self._state.send(once + content), np.uint8)
        self._repeat = Repeat(first=first, count=left)
        self._missing = len(content) if left else self._word_bytes
        if len(result):
            self._output.results.append((result, self._ends and not left))

    @property
    def state(self) -> str:
        """For messages."""
        if self._output.results:
            return f"{self.name} has results that nobody takes"
        what = "a frame" if self._repeat.count else "a LOAD" if self._load else "an instruction"
        return f"{self.name} waits for {self._missing} bytes of {what}"
