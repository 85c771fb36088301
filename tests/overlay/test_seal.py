"""What the tools leave is checked and sealed, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from pyqkit.errors import UserError
from pyqkit.overlay import seal, vendor
from pyqkit.overlay.manifest import read
from tests.overlay.bench import TOOLS, Bench


@pytest.fixture
def finished(bench: Bench) -> Path:
    """A project as the tools leave it."""
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make()
    bench.expect("ZCU104")
    project = bench.project()
    (project / "work").mkdir()
    for ending in ("bit", "hwh"):
        shutil.copy(bench.folder / f"design.{ending}", project / "work" / f"design.{ending}")
    shutil.copy(TOOLS / "utilisation.rpt", project / "work")
    (project / "work" / "results.json").write_text(
        json.dumps({"tool": "Vivado 2023.2", "wns_ns": 0.1, "whs_ns": 0.1})
    )
    return project


def test_results_are_sealed(finished: Path) -> None:
    assert read(seal.seal(finished).with_suffix(".bit")).blocks["axi_dma_0"].address == 0xA000_0000


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        (
            "work/results.json",
            lambda b: b[:-4],
            "the results of Vivado were expected in .*, but they cannot be read",
        ),
        (
            "work/utilisation.rpt",
            lambda b: b.replace(b"CLB LUTs", b"ALMs"),
            "a row Slice LUTs or CLB LUTs was expected",
        ),
        ("work/design.bit", lambda b: b[:-1], "a bitstream of .* bytes was expected behind the header"),
        (
            "work/design.bit",
            lambda b: b.replace(b"xczu7ev-ffvc1156-2-e", b"xczu3eg-sfvc784-2-e\0"),
            "a bitstream for xczu7ev-ffvc1156-2-e was expected",
        ),
        (
            "work/design.hwh",
            lambda b: b.replace(b"0xA000", b"0xB000"),
            "axi_dma_0 was expected at .*, but Vivado has",
        ),
        (
            "work/design.hwh",
            lambda b: b.replace(b"PL0_REF_CTRL__ACT", b"PL9_REF_CTRL__ACT"),
            "a processing system with PL clock 0 was expected",
        ),
    ],
)
def test_results_that_do_not_fit(finished: Path, file: str, change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    path = finished / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=sentence):
        seal.seal(finished)
    assert not (finished / "overlay" / "residual.json").exists()


def test_utilisation_of_7_series() -> None:
    text = (
        "| Slice LUTs* | 8000 | 0 |\n| Slice Registers | 9000 | 0 |\n| Block RAM Tile | 33 | 0 |\n| "
        "DSPs | 4 | 0 |\n"
    )
    assert seal.utilisation(text) == {"lut": 8000, "ff": 9000, "bram36": 33, "dsp": 4}
