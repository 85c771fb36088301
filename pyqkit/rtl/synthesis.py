"""LUTs, flip-flops and memories of SystemVerilog, as Yosys (pyosys) maps it to Xilinx 7-series cells.

A slice's LUT holds one function of six inputs, or two functions of five inputs in all. How far small LUTs
share a site is for place and route to decide, which does not run here, so there are two figures:

    low   greedy pairing: two LUTs share a site if they have at most five inputs together and at most one of
          them feeds a carry chain (whose slot takes only the site's main output); LUTs of six inputs and
          those of wide multiplexers stay alone
    high  none share: LUTs, inverters, and one feed-through for each carry slot that no LUT drives

Nothing here was compared with Vivado.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyqkit.cache import cache_folder
from pyqkit.errors import MissingToolError, UserError
from pyqkit.files import replacing
from pyqkit.rtl.emitter import PREFIX

LABEL = "yosys xc7, before place and route"
_LUTRAM = {
    "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1, "RAM64X1S": 1,
    "RAM128X1S": 2, "RAM256X1S": 4, "RAM32X2S": 2, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
}  # fmt: skip
_CIRCUIT = "circuit.sv"
_SHARED_INPUTS = 5
_SITES_AWAY = 24  # candidates looked at for each LUT, so that large netlists stay quick


@dataclass(frozen=True)
class Synthesis:
    """Cells of one netlist.

    Attributes
    ----------
    lut_low, lut_high : int
        Sites if small LUTs share them as far as greedy pairing goes, and if none does.
    luts : int
        Cells LUT1 to LUT6, nothing else: how peers count.
    ff, carry4, ramb18, ramb36, dsp : int
    lutram : int
        LUT sites used as memory or shift register, not part of the figures above.
    """

    lut_low: int
    lut_high: int
    luts: int
    ff: int
    carry4: int
    ramb18: int
    ramb36: int
    lutram: int
    dsp: int


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
    """

    name: str
    text: str
    tables: Mapping[str, str] = field(default_factory=dict)


def synthesise(
    circuits: Sequence[Circuit],
    library: Mapping[str, str],
    dsp: bool = False,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Synthesis]:
    """Synthesise circuits for the 7 series, without input and output buffers; as many at a time as there are
    processors.

    Each goes through a run of Yosys of its own: the mapper orders its work by names, also by those of
    circuits that it read before, which was seen to move the LUTs of a circuit by a fifth. So a circuit's
    figures depend on its text alone, and Yosys reads it without the prefix of the library: what a module is
    called must not change what it costs.

    Parameters
    ----------
    circuits : sequence of Circuit
    library : mapping of str to str
        SystemVerilog modules by file name, one in a file of its name.
    dsp : bool
        Let Yosys use DSPs.
    cache : Path, optional
        Where results are kept, each under a hash of the text that it depends on; the user's cache folder by
        default.
    progress : callable, optional
        Called with the number of circuits that are done.

    Raises
    ------
    MissingToolError
        Without pyosys.
    UserError
        If Yosys refuses the source, with its first error.
    """
    version = _version()
    circuits = [
        Circuit(*map(_unprefixed, (c.name, c.text)), {_unprefixed(file): t for file, t in c.tables.items()})
        for c in circuits
    ]
    library = {_unprefixed(file): _unprefixed(text) for file, text in library.items()}
    folder = cache or cache_folder() / "synthesis"
    needed = [_closure(c.text, library) for c in circuits]
    kept = [folder / f"{_hash(c, sources, dsp, version)}.json" for c, sources in zip(circuits, needed)]
    waiting = {path: (c, sources) for path, c, sources in zip(kept, circuits, needed) if not path.exists()}
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, _ in enumerate(
                pool.map(lambda path: _synthesise(*waiting[path], dsp, path), waiting), start=1
            ):
                if progress is not None:
                    progress(len(kept) - len(waiting) + done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Synthesis(**json.loads(path.read_text())) for path in kept]


def _unprefixed(text: str) -> str:
    return re.sub(rf"\b{PREFIX}", "", text)


def _synthesise(circuit: Circuit, sources: Mapping[str, str], dsp: bool, kept: Path) -> None:
    script = (
        f"{_mapping(circuit.name, sources, dsp)}; select {circuit.name}; write_json -selected netlist.json"
    )
    found = json.loads(_yosys(script, _files(circuit, sources), "netlist.json"))
    with replacing(kept) as beside:
        beside.write_text(json.dumps(asdict(count(found["modules"][circuit.name]))))


def netlist(circuit: Circuit, library: Mapping[str, str]) -> str:
    """Verilog of the mapped circuit, made of the cells of Yosys's simulation library (`cells_library`)."""
    _version()
    sources = _closure(circuit.text, library)
    script = f"{_mapping(circuit.name, sources, False)}; write_verilog -noattr netlist.v"
    return _yosys(script, _files(circuit, sources), "netlist.v")


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
    """Files of the library that hold the modules which a text names, and those which these name, in the order
    of their names.
    """
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for word in set(re.findall(r"\w+", waiting.pop())):
            name = f"{word}.sv"
            if name in library and name not in found:
                found[name] = library[name]
                waiting.append(library[name])
    return dict(sorted(found.items()))


def _hash(circuit: Circuit, sources: Mapping[str, str], dsp: bool, version: str) -> str:
    key = (circuit.text, sorted(circuit.tables.items()), sources, dsp, version, Path(__file__).read_text())
    return hashlib.sha256(repr(key).encode()).hexdigest()[:32]


def _files(circuit: Circuit, sources: Mapping[str, str]) -> dict[str, str]:
    return {**sources, **circuit.tables, _CIRCUIT: circuit.text}


def _mapping(top: str, sources: Iterable[str], dsp: bool) -> str:
    return (
        f"read_verilog -sv -defer {' '.join([*sources, _CIRCUIT])}; hierarchy -top {top}; "
        f"synth_xilinx -family xc7 -top {top} -flatten -noiopad "
        f"-noclkbuf{'' if dsp else ' -nodsp'}; opt_clean -purge"
    )


def _yosys(script: str, files: Mapping[str, str], made: str) -> str:
    """The file that a script makes of other files, all in a folder of their own."""
    run = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", run, script], cwd=folder, capture_output=True, text=True, check=False
        )
        if not done.returncode and (folder / made).exists():
            return (folder / made).read_text()
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
    said = lines[0].strip() if lines else f"nothing, and ended with code {done.returncode}"
    raise UserError(
        f"SystemVerilog that Yosys can synthesise was expected, but it says: {said}; report this as a bug"
    )


def count(module: dict) -> Synthesis:
    """Count the cells of a flat module in Yosys's JSON form."""
    cells = list(module["cells"].values())
    kinds = Counter(cell["type"] for cell in cells)
    low, feeds = _pair(cells)
    luts = sum(n for kind, n in kinds.items() if kind.startswith("LUT"))
    return Synthesis(
        lut_low=low,
        lut_high=luts + kinds["INV"] + feeds,
        luts=luts,
        ff=sum(n for kind, n in kinds.items() if kind[:3] in ("FDR", "FDS", "FDC", "FDP")),
        carry4=kinds["CARRY4"],
        ramb18=kinds["RAMB18E1"],
        ramb36=kinds["RAMB36E1"],
        lutram=sum(_LUTRAM.get(kind, 0) * n for kind, n in kinds.items()),
        dsp=kinds["DSP48E1"],
    )


def _pair(cells: list[dict]) -> tuple[int, int]:
    """Sites after greedy pairing, and feed-throughs of carry chains."""
    made: dict[int, int] = {}  # net -> LUT that drives it
    inputs: list[frozenset[int]] = []
    alone: set[int] = set()
    for cell in cells:
        if cell["type"].startswith("LUT") or cell["type"] == "INV":
            pins = cell["connections"]
            made[pins["O"][0]] = len(inputs)
            inputs.append(
                frozenset(
                    pins[pin][0] for pin in pins if pin.startswith("I") and isinstance(pins[pin][0], int)
                )
            )
    in_chain: set[int] = set()
    feeds: list[frozenset[int]] = []
    for cell in cells:
        pins = cell["connections"]
        if cell["type"] in ("MUXF7", "MUXF8"):
            alone |= {made[net] for net in (pins["I0"][0], pins["I1"][0]) if net in made}
        elif cell["type"] == "CARRY4":
            for net in pins["S"]:
                lut = made.get(net)
                if isinstance(net, int) and (lut is None or lut in in_chain):
                    feeds.append(frozenset([net]) if lut is None else inputs[lut])
                elif lut is not None:
                    in_chain.add(lut)
    in_chain |= set(range(len(inputs), len(inputs) + len(feeds)))
    inputs += feeds
    return len(inputs) - _pairs(inputs, in_chain, alone), len(feeds)


def _pairs(inputs: list[frozenset[int]], in_chain: set[int], alone: set[int]) -> int:
    """How many pairs greedy search finds, LUTs with most inputs first, each with the partner that shares
    most.
    """
    free = {i for i, pins in enumerate(inputs) if len(pins) <= _SHARED_INPUTS and i not in alone}
    readers: dict[int, list[int]] = {}
    by_size: dict[int, list[int]] = {}
    for i in sorted(free):
        by_size.setdefault(len(inputs[i]), []).append(i)
        for net in inputs[i]:
            readers.setdefault(net, []).append(i)
    found = 0
    for i in sorted(free, key=lambda i: -len(inputs[i])):
        if i not in free:
            continue
        free.discard(i)
        near = [j for net in inputs[i] for j in readers[net][-_SITES_AWAY:] + readers[net][:_SITES_AWAY]]
        for size in range(
            _SHARED_INPUTS - len(inputs[i]), -1, -1
        ):  # strangers may share too, if there is room for both
            waiting = by_size.get(size, [])
            while waiting and waiting[-1] not in free:
                waiting.pop()
            near += waiting[-2:]
        fits = [
            j
            for j in near
            if j in free
            and len(inputs[i] | inputs[j]) <= _SHARED_INPUTS
            and not (i in in_chain and j in in_chain)
        ]
        if fits:
            free.discard(max(fits, key=lambda j: (len(inputs[i] & inputs[j]), len(inputs[j]))))
            found += 1
    return found
