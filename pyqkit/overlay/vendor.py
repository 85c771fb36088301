"""Overlays for real boards.

A folder with everything that AMD's tools need, and the run of the tools where they are installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import Any

from pyqkit import backends, untrusted
from pyqkit.errors import MissingToolError, UserError
from pyqkit.files import replacing_all, replacing_folder
from pyqkit.overlay import array_block, array_sources, counters, hwh, install, seal, sources
from pyqkit.overlay.array import ArrayPlan
from pyqkit.overlay.manifest import OverlayError
from pyqkit.overlay.plan import NetworkPlan, Plan, check_target, plan
from pyqkit.programs import started

_HLS_LAUNCHERS = ("vitis_hls", "vitis-run")  # up to 2024.2, and since then
_PROPAGATED = {"c_s_axis_s2mm_tdata_width"}  # Vivado takes it from the stream
# What the accelerator's IP block looks like: VLNV, streams in and out before their numbers, clock, reset.
_PINS = {
    "hls": (hwh.ACCELERATOR_VLNV, "in", "out", "ap_clk", "ap_rst_n"),
    "rtl": ("pyqkit.io:rtl:network:1.0", "s_axis", "m_axis", "aclk", "aresetn"),
}
_CONTENTS = "contents.json"  # names of a project's files, so that none but these is ever replaced
_MOST = 2**20  # bytes of these names
# What is not named there but comes from the tools.
_OF_TOOLS = ("work/", "overlay/", ".Xil/", "vitis_hls.log")
# Beside the project's own files it holds the modules that `seal` imports, so that it needs no pyqkit.
_MODULES = (
    "digest.py",
    "errors.py",
    "names.py",
    "overlay/bitfile.py",
    "overlay/hwh.py",
    "overlay/seal.py",
    "untrusted.py",
)


class VendorToolsMissing(MissingToolError):
    """AMD's tools are not on this machine; everything up to them was done."""

    exit_code = 3


class BuildFailed(UserError):
    """One of AMD's tools ended with an error, or timing did not close."""

    exit_code = 1


def make(
    build: Path,
    target: Path,
    backend: str = backends.DEFAULT,
    name: str | None = None,
    force: bool = False,
    with_counters: bool = False,
) -> Path:
    """Build an overlay with AMD's tools, going on where an earlier call ended.

    Parameters
    ----------
    build : Path
        Build folder.
    target : Path
        Folder for NAME.bit, NAME.hwh, NAME.json and NAME.zip, and for the folders ``project/BACKEND`` that
        the tools work in.
    backend : {"rtl", "hls"}
        The accelerator as SystemVerilog, or as C++ for Vitis HLS.
    with_counters : bool
        Whether cycles and stalls are counted.

    Returns
    -------
    Path
        The .bit file.

    Raises
    ------
    VendorToolsMissing
        After the project has been written, where a tool is missing.
    BuildFailed
        If a tool fails or timing does not close.
    """
    backends.check(backend)
    return make_planned(plan(build, name, backend, with_counters), target, backend, force)


def make_planned(planned: Plan, target: Path, backend: str, force: bool = False) -> Path:
    """`make` of any plan."""
    bit = target / f"{planned.name}.bit"
    check_target(bit, force)
    project = write_project(planned, target / "project" / backend, backend, force)
    missing = missing_tool(backend)
    if missing:
        raise VendorToolsMissing(
            f"{missing} was expected to go on, but it is not on PATH; copy the folder {project}, "
            "which holds all that is needed, to a machine "
            "that has it, type 'make' there, and copy its folder overlay back"
        )
    _run(project)
    # The last completes it.
    made = [project / "overlay" / f"{planned.name}{ending}" for ending in (".json", *reversed(seal.ENDINGS))]
    with replacing_all([target / file.name for file in made], force) as beside:
        for file in made:
            shutil.copyfile(file, beside / file.name)
    return bit


def missing_tool(backend: str) -> str | None:
    """The first tool that a build needs and this machine does not have."""
    if backend == "hls" and not any(map(shutil.which, _HLS_LAUNCHERS)):
        return f"Vitis HLS ({' or '.join(_HLS_LAUNCHERS)})"
    return None if shutil.which("vivado") else "Vivado"


# ---- the project -------------------------------------------------------------------------------------------


def write_project(planned: Plan, folder: Path, backend: str, force: bool = False) -> Path:
    """Write the folder that the tools work in.

    One that is there with the same content is kept, with what the tools did.

    Raises
    ------
    OverlayError
        If a folder with other content is there and `force` is not given.
    """
    files = _files(planned, backend)
    if folder.exists():
        if all(
            (folder / name).is_file() and (folder / name).read_bytes() == content
            for name, content in files.items()
        ):
            return folder
        if not force:
            raise OverlayError(
                f"the project of {planned.source} was expected in {folder}, but another one is "
                "there; pass --force to replace it"
            )
    with replacing_folder(folder, force, "a project", _listing) as beside:
        for name, content in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def _listing(folder: Path) -> set[str] | None:
    """Files of a project, and the folders that the tools write into."""
    try:
        names = [str(name) for name in untrusted.json_data(untrusted.content(folder / _CONTENTS, _MOST))]
    except (OSError, ValueError, TypeError):
        return None
    # It lists files alone.
    return None if any(name.endswith("/") for name in names) else {_CONTENTS, *names, *_OF_TOOLS}


def _files(planned: Plan, backend: str) -> dict[str, bytes]:
    """Every file of a project, by its path in it."""
    package = Path(__file__).parent.parent
    files = {
        str(p.relative_to(install.folder())): p.read_bytes()
        for p in [
            *install.folder().glob("*.tcl"),
            *install.folder().glob("shells/*.tcl"),
            install.folder() / "Makefile",
        ]
    }
    files |= {f"pyqkit/{name}": (package / name).read_bytes() for name in _MODULES}
    files |= {"pyqkit/__init__.py": b"", "pyqkit/overlay/__init__.py": b""}
    files |= _sources(planned, backend)
    if any(block.vlnv == counters.VLNV for block in planned.design.blocks):
        files["pqk_counters.v"] = (install.folder() / "pqk_counters.v").read_bytes()
    files["build.zip"] = planned.packed
    files["settings.tcl"] = _settings(planned, backend).encode()
    files[_CONTENTS] = json.dumps([*files, seal.FACTS], indent=1).encode()
    files[seal.FACTS] = json.dumps(planned.describe(emulated=False).to_json(), indent=1).encode()
    return files


def _sources(planned: Plan, backend: str) -> dict[str, bytes]:
    if isinstance(planned, ArrayPlan):
        return array_sources.of(planned)
    assert isinstance(planned, NetworkPlan)
    return sources.of(planned, backend)


def _top(planned: Plan, backend: str) -> str:
    """What is packaged."""
    if isinstance(planned, ArrayPlan):
        return array_sources.top(planned)
    assert isinstance(planned, NetworkPlan)
    return sources.top(planned) if backend == "rtl" else "network"


def _settings(planned: Plan, backend: str) -> str:
    """What the Tcl has to know, as one dictionary."""
    design, board = planned.design, planned.board
    dmas = [block for block in design.blocks if block.vlnv == hwh.DMA_VLNV]
    vlnv, given, taken, clock, reset = _PINS[backend]
    entries: dict[str, Any] = {
        "name": _word(planned.name),
        "part": _word(board.part),
        "board_part": _word(board.board_part),
        "family": _word(board.family),
        "clock_mhz": f"{design.clock_mhz:.6f}",
        "vlnv": vlnv if planned.machine is None else array_block.VLNV,
        "top": _top(planned, backend),
        "input": f"{given}_0",
        "outputs": "{" + " ".join(f"{taken}_{index}" for index in range(len(dmas))) + "}",
        "clock_pin": clock,
        "reset_pin": reset,
        "dma_vlnv": hwh.DMA_VLNV,
        "dmas": "{\n" + "".join(_dma_settings(dma) for dma in dmas) + "  }",
        "counters": "{" + "".join(map(_counters_settings, design.blocks)) + "}",
        "control": "{" + "".join(map(_control_settings, design.blocks)) + "}",
    }
    body = "".join(f"  {key} {value}\n" for key, value in entries.items())
    return f"# What this overlay is, written by pyqkit.\nset settings {{\n{body}}}\n"


def _word(value: str) -> str:
    """One word of Tcl that stands for `value` and does nothing, whatever is in it."""
    kept = (c if c.isascii() and (c.isalnum() or c in "_.:+-") else f"\\U{ord(c):08x}" for c in value)
    return "".join(kept) or "{}"


def _dma_settings(dma: hwh.Block) -> str:
    parameters = " ".join(
        f"CONFIG.{key} {value}" for key, value in dma.parameters.items() if key not in _PROPAGATED
    )
    return f"    {dma.name} {{address {dma.address:#x} size {dma.size:#x} parameters {{{parameters}}}}}\n"


def _counters_settings(block: hwh.Block) -> str:
    if block.vlnv != counters.VLNV:
        return ""
    parameters = " ".join(f"CONFIG.{key.upper()} {value}" for key, value in block.parameters.items())
    return f"vlnv {block.vlnv} address {block.address:#x} size {block.size:#x} parameters {{{parameters}}}"


def _control_settings(block: hwh.Block) -> str:
    """Registers of the accelerator itself."""
    if block.name != hwh.ACCELERATOR or block.address is None:
        return ""
    return f"interface {array_block.CONTROL} address {block.address:#x} size {block.size:#x}"


# ---- the tools ---------------------------------------------------------------------------------------------


def _run(project: Path) -> None:
    """`make` in a project, its output passed on as it comes; errors are repeated at the end."""
    errors: list[str] = []
    # Where no line is marked as an error: the last ones that are neither make's nor a trace.
    said: deque[str] = deque(maxlen=3)
    command = ["make", "-C", str(project)]
    with started(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            if line.startswith(("ERROR", "CRITICAL WARNING", "pyqkit:")):
                errors.append(line.strip())
            elif line.strip() and not line.startswith((" ", '"', "make")):
                said.append(line.strip())
        run.wait()
    if run.returncode:
        what = " | ".join(errors[-5:] or said)
        raise BuildFailed(
            f"the tools were expected to end well, but they say: {what}; mend that and call this "
            "again, it goes on from there"
        )
