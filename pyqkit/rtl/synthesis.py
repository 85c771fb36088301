"""SystemVerilog through Yosys (pip package pyosys), mapped to Xilinx 7-series cells; netlists are kept.

What the cells amount to is counted in `pyqkit.rtl.cells`, how long signals take is worked out in
`pyqkit.rtl.static_timing`. Nothing here was compared with Vivado.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pyqkit.cache import cache_folder, entry, is_kept
from pyqkit.errors import MissingToolError, UserError
from pyqkit.programs import Ended, Job, run_all
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.emitter import PREFIX

LABEL = "yosys xc7, before place and route"
_CIRCUIT = "circuit.sv"
_NETLIST = "netlist.json"
_PACKED = f"{_NETLIST}.gz"
_KEPT = ("type", "port_directions", "connections", "parameters")  # of each cell
Netlist = dict[str, Any]  # a flat module of Yosys's JSON
Measure = TypeVar("Measure")
_RUN = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"


@dataclass(frozen=True)
class Circuit:
    """What is synthesised: a module without parameters, and what it is made of.

    Attributes
    ----------
    name : str
        Of the module.
    text : str
        SystemVerilog that declares it.
    tables : mapping of str to str
        Files that it reads, by name.
    dsp : bool
        Whether Yosys may use DSPs.
    """

    name: str
    text: str
    tables: Mapping[str, str] = field(default_factory=dict)
    dsp: bool = False


def synthesise(
    circuits: Sequence[Circuit],
    library: Mapping[str, str],
    dsp: bool = False,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Synthesis]:
    """The cells that circuits become; as `mapped`."""
    return mapped(circuits, library, count, dsp, cache, progress)


def mapped(
    circuits: Sequence[Circuit],
    library: Mapping[str, str],
    measure: Callable[[Netlist], Measure],
    dsp: bool = False,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Measure]:
    """Map circuits to the 7 series, as many at a time as there are processors, and measure their netlists.

    Without input and output buffers.

    Each goes through a run of Yosys of its own: the mapper orders its work by names, also by those of
    circuits that it read before, which was seen to move the LUTs of a circuit by a fifth. So a circuit's
    figures depend on its text alone. Yosys names cells after modules and lines, so it reads the library
    without its prefix and without default_nettype: what a module is called must not change what it costs.

    Parameters
    ----------
    circuits : sequence of Circuit
    library : mapping of str to str
        SystemVerilog modules by file name, one in a file of its name.
    measure : callable
        Takes a flat module of Yosys's JSON.
    dsp : bool
        Let Yosys use DSPs in all of them.
    cache : Path, optional
        Where netlists are kept, each under a hash of the text that it depends on; the user's cache folder by
        default.
    progress : callable, optional
        Called with the number of different circuits that are done.

    Raises
    ------
    MissingToolError
        Without pyosys.
    UserError
        If Yosys refuses the source, with its first error.
    """
    version = _version()
    circuits = [_renamed(replace(circuit, dsp=circuit.dsp or dsp)) for circuit in circuits]
    library = _renamed_library(library)
    folder = cache or cache_folder()
    runs = {_name(circuit, library, version): circuit for circuit in circuits}
    found = {name: measure(_read(folder / name)) for name in runs if is_kept(folder / name)}
    waiting = {name: circuit for name, circuit in runs.items() if name not in found}
    with tempfile.TemporaryDirectory() as work:
        jobs = (_job(*_flattening(c, library), Path(work) / name) for name, c in waiting.items())
        with run_all(jobs) as all_of_them:
            for ended in all_of_them:
                name = ended.job.folder.name
                made = _lean(json.loads(_made(ended, _NETLIST))["modules"][waiting[name].name])
                found[name] = measure(made)
                _keep(folder, name, made)
                shutil.rmtree(ended.job.folder)
                if progress is not None:
                    progress(len(found))
    return [found[_name(circuit, library, version)] for circuit in circuits]


def _renamed(circuit: Circuit) -> Circuit:
    tables = {_unprefixed(file): content for file, content in circuit.tables.items()}
    return Circuit(_unprefixed(circuit.name), _unprefixed(circuit.text), tables, circuit.dsp)


def _renamed_library(library: Mapping[str, str]) -> dict[str, str]:
    return {_unprefixed(file): _unprefixed(text) for file, text in library.items()}


def _unprefixed(text: str) -> str:
    return re.sub(rf"\b{PREFIX}|^`default_nettype \w+\n", "", text, flags=re.MULTILINE)


def digest(circuit: Circuit, library: Mapping[str, str]) -> str:
    """Of all that the netlist of a circuit depends on, Yosys's version included.

    Raises
    ------
    MissingToolError
        Without pyosys.
    """
    return _name(_renamed(circuit), _renamed_library(library), _version()).removeprefix("netlist_")


def _name(circuit: Circuit, library: Mapping[str, str], version: str) -> str:
    """Entry of the cache: a hash of all that the netlist of a circuit depends on."""
    key = repr((version, _KEPT, *_flattening(circuit, library)))
    return f"netlist_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _lean(module: Netlist) -> Netlist:
    """What counting, timing and simulation read of a netlist."""
    cells = {name: {part: cell[part] for part in _KEPT} for name, cell in module["cells"].items()}
    names = {name: {"bits": e["bits"]} for name, e in module["netnames"].items() if not e["hide_name"]}
    return {"ports": module["ports"], "cells": cells, "netnames": names}


def _read(kept: Path) -> Netlist:
    return json.loads(gzip.decompress((kept / _PACKED).read_bytes()))


def _keep(folder: Path, name: str, found: Netlist) -> None:
    def fill(made: Path, _: Path) -> None:
        (made / _PACKED).write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))

    entry(folder, name, fill)


def _flattening(circuit: Circuit, library: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Script that maps a circuit and writes its netlist, and the files that it reads."""
    sources = _closure(circuit.text, library)
    script = f"{_mapping(circuit, sources)}; select {circuit.name}; write_json -selected {_NETLIST}"
    return script, _files(circuit, sources)


def netlist(circuit: Circuit, library: Mapping[str, str]) -> str:
    """Verilog of the mapped circuit, made of the cells of Yosys's simulation library (`cells_library`)."""
    _version()
    sources = _closure(circuit.text, library)
    script = f"{_mapping(circuit, sources)}; write_verilog -noattr netlist.v"
    return run_yosys(script, _files(circuit, sources), "netlist.v")


def cells_library() -> Path:
    """Yosys's simulation models of the 7-series cells, in Verilog."""
    _version()
    import pyosys

    return Path(pyosys.__file__).parent / "share" / "xilinx" / "cells_sim.v"


def _version() -> str:
    if importlib.util.find_spec("pyosys") is None:
        raise MissingToolError(
            "Yosys was expected, but the package pyosys is not installed; run pip install 'pyqkit[synth]'"
        )
    from importlib.metadata import version

    return version("pyosys")


def _closure(text: str, library: Mapping[str, str]) -> dict[str, str]:
    """Files of the library whose modules a text names, and those which these name, in the order of names."""
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for word in set(re.findall(r"\w+", waiting.pop())):
            name = f"{word}.sv"
            if name in library and name not in found:
                found[name] = library[name]
                waiting.append(library[name])
    return dict(sorted(found.items()))


def _files(circuit: Circuit, sources: Mapping[str, str]) -> dict[str, str]:
    return {**sources, **circuit.tables, _CIRCUIT: circuit.text}


def _mapping(circuit: Circuit, sources: Iterable[str]) -> str:
    top = circuit.name
    return (
        f"read_verilog -sv -defer {' '.join([*sources, _CIRCUIT])}; hierarchy -top {top}; "
        f"synth_xilinx -family xc7 -top {top} -flatten -noiopad -noclkbuf{'' if circuit.dsp else ' -nodsp'}; "
        "opt_clean -purge"
    )


def run_yosys(script: str, files: Mapping[str, str], made: str) -> str:
    """The file that a script of Yosys makes of other files.

    Raises
    ------
    UserError
        If it makes none, with Yosys's first error.
    """
    with tempfile.TemporaryDirectory() as work, run_all([_job(script, files, Path(work) / "run")]) as one:
        (ended,) = one
        return _made(ended, made)


def _job(script: str, files: Mapping[str, str], folder: Path) -> Job:
    """A run of Yosys in a new folder with these files."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return Job((sys.executable, "-c", _RUN, script), folder)


def _made(ended: Ended, name: str) -> str:
    made = ended.job.folder / name
    if not ended.code and made.exists():
        return made.read_text()
    lines = [line for line in ended.said.splitlines() if "ERROR" in line]
    said = lines[0].strip() if lines else f"nothing, and ended with code {ended.code}"
    raise UserError(
        f"SystemVerilog that Yosys can synthesise was expected, but it says: {said}; report this as a bug"
    )
