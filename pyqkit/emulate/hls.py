"""Engine `hls`: the generated C++, compiled by g++ into a shared library and called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pyqkit.cache import cache_folder, load
from pyqkit.designs import Designs
from pyqkit.emulate.build import build_shared
from pyqkit.engines import Counts, Say, engine
from pyqkit.errors import UserError
from pyqkit.formats.port import checked_codes
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.hls.generate import Design, generate, library

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-w")


class DeadlockError(UserError):
    """The design stopped with data left to move; names the streams that everything waits for."""


def compile_library(
    files: dict[str, str],
    cache: Path,
    include: Path,
    ap_int: Path | None = None,
    flags: tuple[str, ...] = FLAGS,
) -> Path:
    """Compile generated files with the header library.

    `ap_int` is a folder with AMD's headers, or None for the stand-in.
    """
    # Our bounded streams always.
    folders = [include / "simulation", ap_int or include / "simulation" / "native", include]
    return build_shared(files, ["simulation.cpp"], "hls", cache, flags, folders)


class Simulator:
    """A design, compiled, in a simulation with bounded streams.

    Parameters
    ----------
    design : Design
    cache : Path, optional
        Folder for compiled libraries; `cache_folder()` by default.
    ap_int : Path, optional
        Folder with AMD's headers.
    include : Path, optional
        Header library; the package's own by default.
    flags : tuple of str
        For g++.
    """

    name = "hls"
    counts: Counts | None = None

    def __init__(
        self,
        design: Design,
        cache: Path | None = None,
        ap_int: Path | None = None,
        include: Path | None = None,
        flags: tuple[str, ...] = FLAGS,
    ) -> None:
        self.design = design
        path = compile_library(design.files, cache or cache_folder(), include or library(), ap_int, flags)
        self._library = load(path)

    def run(
        self, codes: dict[str, np.ndarray], progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Stream frames through the design.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Codes of the inputs, (frames, height, width, channels).
        progress : callable, optional
            Called with the number of frames done after each chunk.

        Raises
        ------
        DeadlockError
            If the design cannot go on; names processes and streams.
        """
        codes = {end.tensor: checked_codes(codes[end.tensor], end, end.tensor) for end in self.design.inputs}
        frames = len(next(iter(codes.values())))
        chunk = frames if progress is None else max(1, min(frames, 64))
        parts: list[list[np.ndarray]] = []
        for first in range(0, frames, chunk):
            parts.append(self._chunk({k: v[first : first + chunk] for k, v in codes.items()}))
            if progress is not None:
                progress(min(first + chunk, frames))
        joined = [np.concatenate(column) for column in zip(*parts)]
        return {end.tensor: values for end, values in zip(self.design.outputs, joined)}

    def trips(self) -> dict[str, int]:
        """Trips of the loop of each process in a frame, after a run: cycles, pipelines' depths aside."""
        text = ctypes.create_string_buffer(1 << 20)
        if self._library.trips(text, len(text)):
            raise UserError("the processes of a network were expected, but they do not fit a megabyte")
        lines = (line.rsplit(" ", 1) for line in text.value.decode().splitlines())
        return {process: int(count) for process, count in lines}

    def _chunk(self, codes: dict[str, np.ndarray]) -> list[np.ndarray]:
        frames = len(next(iter(codes.values())))
        given = [end.to_bytes(codes[end.tensor]) for end in self.design.inputs]
        taken = [np.zeros((frames, end.frame_bytes), np.uint8) for end in self.design.outputs]
        buffers = (ctypes.c_void_p * (len(given) + len(taken)))(*(a.ctypes.data for a in (*given, *taken)))
        message = ctypes.create_string_buffer(4096)
        if self._library.run(buffers, frames, message, len(message)):
            raise DeadlockError(
                "the design was expected to finish, but it is deadlocked: "
                f"{message.value.decode()}; deepen the FIFO of a full stream"
            )
        return [end.from_bytes(a) for a, end in zip(taken, self.design.outputs)]


class HlsEngine(Simulator):
    """The network as C++.

    Parameters
    ----------
    graph : Graph
    folding : dict of str to Folding, optional
    cache : Path, optional
        See `Simulator`, as for all others.
    depths : dict of (tensor, operator) to int, optional
        FIFO words that replace the derived ones.
    """

    def __init__(
        self,
        graph: Graph,
        folding: dict[str, Folding] | None = None,
        cache: Path | None = None,
        depths: dict[tuple[str, str], int] | None = None,
        ap_int: Path | None = None,
        include: Path | None = None,
        flags: tuple[str, ...] = FLAGS,
    ) -> None:
        self.graph = graph
        super().__init__(generate(graph, folding, depths), cache, ap_int, include, flags)


@engine("hls")
def make(designs: Designs, say: Say | None = None) -> Simulator:
    """The engine of a compiled network."""
    if say is not None:
        say("g++ compiles the generated C++, unless the cache has it")
    return Simulator(designs.hls)
