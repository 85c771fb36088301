"""A machine in SystemVerilog, simulated by Verilator: bytes to its stream, bytes and cycles back."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.array import rtl
from pyqkit.array.isa import ProgramError
from pyqkit.array.machine import Machine
from pyqkit.cache import cache_folder, load
from pyqkit.emulate.verilator import MODEL, build
from pyqkit.engines import Say

FLAGS = ("-std=c++17", "-O2", "-march=native", "-fPIC", "-w")
HARNESS = Path(__file__).parent / "array_harness.cpp"
_ROOM = 1 << 20  # words that a machine gives in a transfer, and marks


class _Transfer(ctypes.Structure):
    """As the harness has it."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("in_stalls", "out_stalls", "seed", "given", "marks", "cycles", "idle")
    )


@dataclass(frozen=True)
class Answer:
    """What a machine made of some bytes.

    Attributes
    ----------
    content : bytes
        From its stream.
    last : numpy.ndarray of bool
        Whether each word of it was the last of a transfer.
    cycles : int
        From the first word, without stalls, until it was idle.
    marks : numpy.ndarray, uint64
        Cycles in which marked instructions started.
    """

    content: bytes
    last: np.ndarray
    cycles: int
    marks: np.ndarray


class RtlArray:
    """A machine of the generated SystemVerilog, with memories of its own.

    Parameters
    ----------
    machine : Machine
    cache : Path, optional
        Folder for compiled models; `cache_folder()` by default.
    sources : mapping of str to str, optional
        Blocks by file name; those of the package by default.
    flags : tuple of str
        For g++.
    say : callable, optional
        Called with a word on what is being built.
    """

    def __init__(
        self,
        machine: Machine,
        cache: Path | None = None,
        sources: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = FLAGS,
        say: Say | None = None,
    ) -> None:
        self.machine = machine
        top = rtl.module_name(machine)
        files = dict(sources or rtl.sources()) | {f"{top}.sv": rtl.generate(machine)}
        files["harness.cpp"] = HARNESS.read_text()
        self._library = load(build(files, top, cache or cache_folder(), flags, say=say) / MODEL)
        self._library.make.restype = ctypes.c_void_p
        self._model = ctypes.c_void_p(self._library.make())
        weakref.finalize(self, self._library.drop, self._model)

    def send(self, content: bytes) -> bytes:
        """What the machine gives for what comes over the stream, as `ArrayState.send`.

        Raises
        ------
        ProgramError
            If it waits for more.
        """
        return self.transfer(content).content

    def transfer(self, content: bytes, stalls: tuple[int, int] = (0, 0), seed: int = 1) -> Answer:
        """The same with its cycles; `stalls` out of 256 cycles of both streams."""
        size = self.machine.stream_bits // 8
        given, lasts = np.empty(_ROOM * size, np.uint8), np.empty(_ROOM, np.uint8)
        marks, how = np.empty(_ROOM, np.uint64), _Transfer(*stalls, seed, 0, 0, 0, 0)
        self._library.transfer(
            self._model,
            content,
            ctypes.c_int64(len(content) // size),
            ctypes.c_void_p(given.ctypes.data),
            ctypes.c_void_p(lasts.ctypes.data),
            ctypes.c_int64(_ROOM),
            ctypes.c_void_p(marks.ctypes.data),
            ctypes.c_int64(_ROOM),
            ctypes.byref(how),
        )
        if not how.idle:
            raise ProgramError(
                f"whole frames were expected over the stream, but {self.machine.name} stands still since "
                f"cycle {how.cycles}; send all words"
            )
        return Answer(
            given[: how.given * size].tobytes(),
            lasts[: how.given] != 0,
            how.cycles,
            marks[: how.marks].copy(),
        )
