"""What is there already is kept."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from pyqkit.errors import UserError
from pyqkit.files import OutputError
from pyqkit.overlay import emulated, vendor
from pyqkit.overlay.manifest import OverlayError
from tests.overlay.bench import Bench
from tests.overlays import build


def test_another_project_is_kept(bench: Bench) -> None:
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make()
    before = (bench.project() / "settings.tcl").read_text()
    with pytest.raises(
        OverlayError,
        match=r"the project of .* was expected in .*, but another one is there; pass --force to replace it",
    ):
        bench.make("PYNQ-Z2")
    assert (bench.project() / "settings.tcl").read_text() == before
    with pytest.raises(vendor.VendorToolsMissing, match="^Vivado was expected to go on"):
        bench.make(backend="rtl")  # has a folder of its own
    assert (bench.project() / "settings.tcl").read_text() == before
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make("PYNQ-Z2", force=True)
    assert (bench.project() / "settings.tcl").read_text() != before
    with pytest.raises(
        UserError, match="backend rtl or hls was expected, but 'vhdl' came; leave it out for rtl"
    ):
        bench.make(backend="vhdl")


def test_an_overlay_is_kept(bench: Bench) -> None:
    bench.target.mkdir()
    (bench.target / "residual.bit").write_bytes(b"mine")
    with pytest.raises(
        OverlayError, match="a new overlay was expected, but .* exists; choose another folder or pass --force"
    ):
        bench.make()
    assert (bench.target / "residual.bit").read_bytes() == b"mine"


def test_notes_of_the_user_are_kept(bench: Bench) -> None:
    """A project is replaced with what the tools made of it, but not with anything else."""
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make()
    project = bench.project()
    (project / "work" / "made").mkdir(parents=True)
    (project / "work" / "made" / "by.tools").write_text("")
    (project / "notes.txt").write_text("mine")
    with pytest.raises(
        OutputError,
        match=r"a project and nothing else was expected, but .*notes\.txt is not part of it; move it away",
    ):
        bench.make("PYNQ-Z2", force=True)
    assert (project / "notes.txt").read_text() == "mine" and (project / "hls").is_dir()
    (project / "notes.txt").unlink()
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make("PYNQ-Z2", force=True)
    assert (project / "hls").is_dir() and not (project / "work").exists()


@pytest.mark.parametrize("ending", [".json", ".zip", ".hwh"])
def test_files_beside_an_emulated_overlay_are_kept(bench: Bench, ending: str) -> None:
    bench.target.mkdir()
    mine = bench.target / f"residual{ending}"
    mine.write_text("mine")
    with pytest.raises(
        OutputError,
        match=rf"a new file was expected, but .*residual\{ending} exists; choose another name or pass "
        rf"--force",
    ):
        emulated.write(build("ZCU104"), bench.target, "residual")
    assert [p.name for p in bench.target.iterdir()] == [mine.name] and mine.read_text() == "mine"
