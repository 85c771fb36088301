"""Engine `rtl`.

The generated SystemVerilog, compiled by Verilator and g++, simulated cycle by cycle and driven from Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.cache import cache_folder, load
from pyqkit.designs import Designs
from pyqkit.emulate.hls import DeadlockError
from pyqkit.emulate.verilator import FLAGS, MODEL, WAVES, Tracing, compile_model
from pyqkit.engines import Counts, Say, engine
from pyqkit.errors import UserError
from pyqkit.formats.port import checked_codes
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.rtl.generate import Design, generate, library
from pyqkit.rtl.pipelining import TARGET_MHZ

_CYCLES_A_CALL = 10_000  # between which progress is shown and Ctrl-C is heard


@dataclass(frozen=True)
class Stalls:
    """Random back-pressure on every stream.

    Each waits in a cycle with this probability (in steps of 1/256).
    """

    probability: float = 0.25
    seed: int = 1


class Simulator:
    """A design, compiled, and frames that stream through it back to back.

    Parameters
    ----------
    design : Design
    cache : Path, optional
        Folder for compiled models; `cache_folder()` by default.
    stalls : Stalls, optional
        Random back-pressure on every stream, those inside included.
    trace : path, optional
        File of all signals.
    tracing : Tracing
        What is in that file; waves in FST format by default.
    include : Path, optional
        Library of blocks; the package's own by default.
    flags : tuple of str
        For g++.
    say : callable, optional
        Called with a word on what is being built.

    Attributes
    ----------
    design : Design
    counts : Counts or None
        Cycles of the last run.
    """

    name = "rtl"

    def __init__(
        self,
        design: Design,
        cache: Path | None = None,
        stalls: Stalls | None = None,
        trace: str | Path | None = None,
        include: Path | None = None,
        flags: tuple[str, ...] = FLAGS,
        say: Say | None = None,
        tracing: Tracing = WAVES,
    ) -> None:
        self.design, self.stalls, self.trace = design, stalls, trace
        self.counts: Counts | None = None
        traced = None if trace is None else tracing
        self._folder = compile_model(
            design, cache or cache_folder(), include or library(), flags, traced, say
        )
        self._library = load(self._folder / MODEL)
        self._library.start.restype = ctypes.c_void_p
        if say is not None:
            say("simulating")

    def run(
        self, codes: dict[str, np.ndarray], progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Stream frames through the design; see `Engine.run`.

        Raises
        ------
        DeadlockError
            If nothing moves any more; names the streams and the cycle.
        """
        codes = {end.tensor: checked_codes(codes[end.tensor], end, end.tensor) for end in self.design.inputs}
        frames = len(next(iter(codes.values())))
        given = [np.ascontiguousarray(end.to_bytes(codes[end.tensor])) for end in self.design.inputs]
        taken = [np.zeros((frames, end.frame_bytes), np.uint8) for end in self.design.outputs]
        buffers = (ctypes.c_void_p * (len(given) + len(taken)))(*(a.ctypes.data for a in (*given, *taken)))
        first, ends = np.full(frames, -1, np.int64), np.full((len(taken), frames), -1, np.int64)
        stalls = self.stalls or Stalls(0, 0)
        patience = 1000 + int(8 * self.design.interval / (1 - min(stalls.probability, 0.9)))
        simulation = self._library.start(
            str(self._folder).encode(),
            buffers,
            ctypes.c_int64(frames),
            ctypes.c_void_p(first.ctypes.data),
            ctypes.c_void_p(ends.ctypes.data),
            ctypes.c_int64(patience),
            round(stalls.probability * 256),
            ctypes.c_uint64(stalls.seed),
            str(self.trace or "").encode(),
        )
        if simulation is None:
            raise UserError(
                f"a compiled model was expected in {self._folder}, but the folder is gone; run the "
                "engine again"
            )
        try:
            self._finish(ctypes.c_void_p(simulation), progress)
        finally:
            self._library.finish(ctypes.c_void_p(simulation))
        self.counts = Counts(first, ends)
        return {end.tensor: end.from_bytes(a) for a, end in zip(taken, self.design.outputs)}

    def _finish(self, simulation: ctypes.c_void_p, progress: Callable[[int], None] | None) -> None:
        done, message = ctypes.c_int64(), ctypes.create_string_buffer(4096)
        while True:
            status = self._library.advance(
                simulation, ctypes.c_int64(_CYCLES_A_CALL), ctypes.byref(done), message, len(message)
            )
            if progress is not None:
                progress(done.value)
            if status == 1:
                return
            if status == 2:
                raise DeadlockError(
                    f"the design was expected to finish, but it stopped {message.value.decode()}; "
                    "deepen the FIFO of a full stream"
                )


class RtlEngine(Simulator):
    """The network as SystemVerilog, cycle by cycle.

    Parameters
    ----------
    graph : Graph
    folding : dict of str to Folding, optional
    cache : Path, optional
        See `Simulator`, as for all others.
    depths : dict of (tensor, operator) to int, optional
        FIFO words that replace the derived ones.
    clock_mhz : float
        That blocks are pipelined for.
    """

    def __init__(
        self,
        graph: Graph,
        folding: dict[str, Folding] | None = None,
        cache: Path | None = None,
        depths: dict[tuple[str, str], int] | None = None,
        stalls: Stalls | None = None,
        trace: str | Path | None = None,
        include: Path | None = None,
        flags: tuple[str, ...] = FLAGS,
        say: Say | None = None,
        clock_mhz: float = TARGET_MHZ,
    ) -> None:
        self.graph = graph
        design = generate(graph, folding, depths, clock_mhz)
        super().__init__(design, cache, stalls, trace, include, flags, say)


@engine("rtl")
def make(designs: Designs, say: Say | None = None) -> Simulator:
    """The engine of a compiled network."""
    return Simulator(designs.rtl, say=say)
