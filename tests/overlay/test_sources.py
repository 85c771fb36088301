"""Sources that lie in a build folder are read by nobody.

A folder may have been written and sealed by anyone, or by an older pyqkit.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit import build_folder
from pyqkit.backends import BACKENDS
from pyqkit.digest import digest, own_digest
from pyqkit.overlay import emulated, vendor
from pyqkit.overlay.plan import plan
from pyqkit.runtime import Driver
from tests.graph.qonnx_builder import Builder
from tests.overlays import build, expected, frames
from tests.rtl.bench import needs_verilator

EVIL = "#error EVIL\nexec touch EVIL; $system(`EVIL);\n"
MINE = {
    f"{folder}/{name}": EVIL
    for folder, name in (("hls", "mine.hpp"), ("rtl", "mine.sv"), ("rtl", "mine.hex"), ("work", "mine.tcl"))
}
SOURCES = ("hls/", "rtl/")


def sealed_again(folder: Path, files: dict[str, str], **entries: Any) -> Path:
    """A build folder with these files alone beside arrays, golden vectors and model, and other entries of the
    manifest.
    """
    manifest = json.loads((folder / build_folder.MANIFEST).read_text())
    for name in filter(lambda name: name.startswith(SOURCES), manifest["files"]):
        (folder / name).unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    listed = {
        str(p.relative_to(folder)): p
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != build_folder.MANIFEST
    }
    manifest = {
        **manifest,
        **entries,
        "files": {name: digest(path.read_bytes()) for name, path in listed.items()},
    }
    (folder / build_folder.MANIFEST).write_text(json.dumps({**manifest, "sha256": own_digest(manifest)}))
    build_folder.read(folder)  # whoever checks the digests finds nothing
    return folder


def sources_of(folder: Path) -> list[str]:
    return [
        name
        for name in json.loads((folder / build_folder.MANIFEST).read_text())["files"]
        if name.startswith(SOURCES)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(build("ZCU104"), tmp_path / "mailed" / "residual")
    return tmp_path / "mailed" / "residual"


@pytest.fixture
def evil(folder: Path) -> Path:
    """Every source replaced, and some that pyqkit does not write."""
    return sealed_again(folder, {**dict.fromkeys(sources_of(folder), EVIL), **MINE})


def contents(project: Path) -> dict[str, bytes]:
    """Files of a project, with what its archive holds."""
    files = {str(p.relative_to(project)): p.read_bytes() for p in project.rglob("*") if p.is_file()}
    with zipfile.ZipFile(io.BytesIO(files["build.zip"])) as archive:
        return files | {f"build.zip/{name}": archive.read(name) for name in archive.namelist()}


def test_an_overflow_that_a_folder_claims_is_looked_at(
    folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    report = json.loads((folder / build_folder.MANIFEST).read_text())["report"]
    pyqkit.Accelerator.load(
        sealed_again(folder, {}, report={**report, "overflow": [{"resource": "LUT", "takes": 2, "has": 1}]})
    )
    assert not list(recwarn)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_project_has_what_pyqkit_generates(evil: Path, tmp_path: Path, backend: str) -> None:
    found = contents(vendor.write_project(plan(evil), tmp_path / "evil", backend))
    assert [name for name in found if re.fullmatch(rf"{backend}/(pqk_\w+_)?network\.(hpp|sv)", name)]
    assert not [name for name, content in found.items() if b"EVIL" in content]
    assert found == contents(vendor.write_project(plan(build("ZCU104")), tmp_path / "own", backend))


def test_folders_of_an_older_pyqkit_are_written_anew(folder: Path, tmp_path: Path) -> None:
    """Whatever its sources and streams were: what comes fits together."""
    manifest = json.loads((folder / build_folder.MANIFEST).read_text())
    streams = {side: [{**end, "lanes": 1} for end in ends] for side, ends in manifest["streams"].items()}
    assert streams != manifest["streams"]
    older = plan(
        sealed_again(
            folder, {"hls/accelerator.cpp": "// older\n"}, streams=streams, pyqkit="0.0.1", pages=["more"]
        )
    )
    own = plan(build("ZCU104"))
    assert (older.design, older.manifest, older.contents) == (own.design, own.manifest, own.contents)
    assert json.loads(own.contents[build_folder.MANIFEST]) == manifest  # of the same version: the same folder


@pytest.mark.parametrize("report", [None, [], "none", {}])
def test_a_report_that_is_none_is_made(folder: Path, report: Any) -> None:
    made = plan(sealed_again(folder, {}, report=report)).manifest["report"]
    assert made == plan(build("ZCU104")).manifest["report"]


@pytest.mark.parametrize("engine", ["exact", "hls", pytest.param("rtl", marks=needs_verilator)])
def test_engines_read_no_sources(engine: str, tmp_path: Path) -> None:
    b = Builder(2, 3, 3, seed=0)
    made = pyqkit.compile(
        b.model(b.quantise(b.conv(b.quantise("x", "int4", 0.25), "e2m1", 2, 2, 1), "int4", 0.5))
    )
    folder = made.save(tmp_path / "net")
    loaded = pyqkit.Accelerator.load(sealed_again(folder, dict.fromkeys(sources_of(folder), EVIL)))
    x = np.random.default_rng(0).normal(0, 1, (3, 2, 3, 3))
    np.testing.assert_array_equal(loaded.emulate(x, engine, codes=True), made.emulate(x, codes=True))


def test_emulated_overlays_carry_no_sources_of_others(evil: Path, tmp_path: Path) -> None:
    x, bit = frames(3), emulated.write(evil, tmp_path / "overlay")
    with zipfile.ZipFile(bit.with_suffix(".zip")) as archive:
        assert archive.namelist() == ["manifest.json", "arrays.npz", "golden.npz"]
        assert not [name for name in archive.namelist() if b"EVIL" in archive.read(name)]
    with Driver.load(bit) as driver:
        np.testing.assert_array_equal(driver.execute(x), expected(x))


def test_the_emulated_board_reads_no_sources(evil: Path, tmp_path: Path) -> None:
    """Also of an archive that was put beside the bitstream."""
    x, bit = frames(3), emulated.write(evil, tmp_path / "overlay")
    files = {
        p: (evil / p).read_bytes()
        for p in (build_folder.MANIFEST, *json.loads((evil / build_folder.MANIFEST).read_text())["files"])
    }
    packed = tmp_path / "evil.zip"
    packed.write_bytes(build_folder.packed(files))
    assert b"EVIL" in build_folder.content(packed, "hls/network.hpp")
    np.testing.assert_array_equal(pyqkit.Accelerator.load(packed).emulate(x, "hls"), expected(x))
    assert bit.with_suffix(".zip").read_bytes() == plan(packed, "residual").packed
