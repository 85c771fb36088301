"""A machine with stubs of AMD's tools."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from pyqkit.overlay import bitfile, hwh, vendor, write_hwh
from pyqkit.overlay.plan import plan
from tests.overlays import build

TOOLS = Path(__file__).parent / "tools"


VIVADO = (
    "while [ $# -gt 0 ]; do case $1 in -mode|-log) shift 2;; -nojournal|-notrace) shift;; -source) "
    'exec tclsh {stubs} vivado "$2";; *) exit 64;; esac; done'
)


LAUNCHERS = {
    "vivado": VIVADO,
    "vitis_hls": '[ "$1" = -f ] && [ $# = 2 ] || exit 64; exec tclsh {stubs} vitis_hls "$2"',
    "vitis-run": '[ "$1 $2 $3" = "--mode hls --tcl" ] && [ $# = 4 ] || exit 64; '
    'exec tclsh {stubs} vitis_hls "$4"',
}


needs_tcl = pytest.mark.skipif(
    not (shutil.which("tclsh") and shutil.which("make")),
    reason="tclsh or make is not installed; apt install tcl make",
)


BOARDS = ("ZCU104", "PYNQ-Z2")


class Bench:
    """A machine with stubs of the tools that are named, and what they recorded."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch
        self.target, self.log, self._bin = folder / "overlays", folder / "log", folder / "bin"
        plain = [
            p
            for p in os.environ["PATH"].split(":")
            if not any((Path(p) / tool).exists() for tool in LAUNCHERS)
        ]
        monkeypatch.setenv("PATH", ":".join([str(self._bin), *plain]))
        monkeypatch.setenv("STUB_LOG", str(self.log))
        self._bin.mkdir()

    def install(self, *tools: str) -> None:
        for tool in tools:
            path = self._bin / tool
            path.write_text("#!/bin/sh\n" + LAUNCHERS[tool].format(stubs=TOOLS / "stubs.tcl") + "\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def expect(self, board: str) -> hwh.Design:
        """What the stub of Vivado gives: the files of this board's design."""
        return self.give(plan(build(board)).design)

    def give(self, design: hwh.Design) -> hwh.Design:
        """The stub of Vivado gives the files of a design."""
        (self.folder / "design.hwh").write_text(write_hwh.write(design))
        (self.folder / "design.bit").write_bytes(bitfile.write_emulated("shell_wrapper", design.part, {}))
        self.set(STUB_HWH=str(self.folder / "design.hwh"), STUB_BIT=str(self.folder / "design.bit"))
        return design

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self._patch.setenv(name, value)

    def make(self, board: str = "ZCU104", backend: str = "hls", force: bool = False) -> Path:
        return vendor.make(build(board), self.target, backend, force=force)

    def project(self, backend: str = "hls") -> Path:
        """Where the tools work."""
        return self.target / "project" / backend

    @property
    def recorded(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines
