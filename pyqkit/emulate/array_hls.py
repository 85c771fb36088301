"""A machine in C++, compiled by g++: bytes to its stream, bytes back."""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path

import numpy as np

from pyqkit.array.hls import Powers, generate
from pyqkit.array.isa import ProgramError
from pyqkit.array.machine import Machine
from pyqkit.cache import cache_folder, load
from pyqkit.emulate.hls import FLAGS, compile_library
from pyqkit.formats.logposit import linear_table
from pyqkit.hls.generate import library

_ROOM = 1 << 20  # words that a machine gives in a transfer
_MESSAGE = 4096


class HlsArray:
    """A machine of the generated C++, with memories of its own.

    Parameters
    ----------
    machine : Machine
    cache : Path, optional
        Folder for compiled libraries; `cache_folder()` by default.
    ap_int : Path, optional
        Folder with AMD's headers.
    include : Path, optional
        Header library; the package's own by default.
    flags : tuple of str
        For g++.
    powers : callable
        As for `pyqkit.array.hls.generate`.
    """

    def __init__(
        self,
        machine: Machine,
        cache: Path | None = None,
        ap_int: Path | None = None,
        include: Path | None = None,
        flags: tuple[str, ...] = FLAGS,
        powers: Powers = linear_table,
    ) -> None:
        self.machine = machine
        files = generate(machine, powers)
        self._library = load(
            compile_library(files, cache or cache_folder(), include or library(), ap_int, flags)
        )
        self._library.make.restype = ctypes.c_void_p
        self._library.transfer.restype = ctypes.c_long
        self._array = ctypes.c_void_p(self._library.make())
        weakref.finalize(self, self._library.drop, self._array)

    def send(self, content: bytes) -> bytes:
        """What a machine gives for what comes over the stream, as `ArrayState.send`.

        Raises
        ------
        ProgramError
            If it waits for more.
        """
        return self.transfer(content)[0]

    def transfer(self, content: bytes) -> tuple[bytes, np.ndarray]:
        """The same, and which of the words are the last of a transfer."""
        size = self.machine.stream_bits // 8
        given, lasts = np.empty(_ROOM * size, np.uint8), np.empty(_ROOM, np.uint8)
        message = ctypes.create_string_buffer(_MESSAGE)
        count = self._library.transfer(
            self._array,
            content,
            ctypes.c_long(len(content) // size),
            ctypes.c_void_p(given.ctypes.data),
            ctypes.c_void_p(lasts.ctypes.data),
            ctypes.c_long(_ROOM),
            message,
            len(message),
        )
        if count < 0:
            raise ProgramError(
                f"whole frames were expected over the stream, but {message.value.decode()}; send all words"
            )
        return given[: count * size].tobytes(), lasts[:count] != 0
