"""Overlays that are not right, or not there: refused with a sentence, and what exists is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")

from pyqkit import build_folder
from pyqkit.errors import UserError
from pyqkit.overlay import bitfile, hwh
from pyqkit.overlay.emulated import write
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.runtime import Driver
from tests.overlays import build


def edited(copy: Path, **changes: Any) -> None:
    """Change a manifest and sign it again, as who knows how could."""
    path = copy.with_suffix(".json")
    data = {**json.loads(path.read_text()), **changes}
    data["sha256"] = build_folder.own_digest(data)
    path.write_text(json.dumps(data))


def replaced(copy: Path, ending: str, content: bytes) -> None:
    """Change a file, and its hash in the manifest."""
    copy.with_suffix(ending).write_bytes(content)
    files = json.loads(copy.with_suffix(".json").read_text())["files"]
    edited(copy, files={**files, f"residual{ending}": build_folder.digest(content)})


def bit_with(facts: bytes) -> bytes:
    """A bitstream for the emulated board that holds something else."""
    sound = bitfile.write_emulated("residual", "xczu7ev-ffvc1156-2-e", {})
    return sound.replace(b"{}", facts.ljust(2)) if len(facts) <= 2 else sound.replace(b"{}  ", facts.ljust(4))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda p: p.with_suffix(".json").unlink(),
            "an overlay with its manifest was expected at .*, but there is none; make one with "
            "'pyqkit overlay'",
        ),
        (
            lambda p: p.with_suffix(".json").write_text("{"),
            "a manifest as pyqkit writes it was expected, but .* is not",
        ),
        (
            lambda p: p.with_suffix(".json").write_text(
                p.with_suffix(".json").read_text().replace("187.5", "300.0")
            ),
            r"is not \(it has been edited\)",
        ),
        (lambda p: edited(p, schema=99), r"is not \(schema 99\)"),
        (lambda p: edited(p, name="other"), r"is not \(it is about other\)"),
        (lambda p: edited(p, clock_mhz="fast"), r"is not \(clock or kind\)"),
        (lambda p: edited(p, clock_mhz=1e-310), r"is not \(clock or kind\)"),
        (lambda p: edited(p, family="alveo"), r"is not \(family 'alveo'\)"),
        (lambda p: edited(p, boards="ZCU104"), r"is not \(no boards\)"),
        (lambda p: edited(p, files={}), r"is not \(it lists other files\)"),
        (
            lambda p: p.with_suffix(".json").write_text("[" * 100_000),
            r"is not \(it is nested more than 50 levels deep\)",
        ),
        (
            lambda p: p.with_suffix(".json").write_text(" " * (2**20 + 1)),
            r"is not \(it has 1048577 bytes, and at most 1048576 can be read\)",
        ),
        (
            lambda p: replaced(p, ".bit", bit_with(b"[1]")),
            r"the emulated board was expected, but .* is damaged \(it holds no object\)",
        ),
        (lambda p: replaced(p, ".bit", bit_with(b"{")), "the emulated board was expected, but .* is damaged"),
        (lambda p: edited(p, blocks={}), "a manifest as pyqkit writes it was expected, but .* is not"),
        (
            lambda p: p.with_suffix(".hwh").unlink(),
            r"residual\.hwh was expected beside .*, but there is none; copy the four files",
        ),
        (
            lambda p: p.write_bytes(p.read_bytes()[:-3]),
            r"the residual\.bit that .* names was expected, but .* has other content; copy",
        ),
        (
            lambda p: replaced(p, ".bit", p.read_bytes()[:-3]),
            "a bitstream of .* bytes was expected behind the header of",
        ),
        (lambda p: replaced(p, ".zip", b"PK"), "a build folder was expected at .*, but it cannot be read"),
        (
            lambda p: edited(p, boards=["KV260"]),
            r"an overlay for ZCU104 was expected, but .* is for KV260; take the one for this board",
        ),
        (
            lambda p: edited(p, emulated=False),
            "a bitstream for the emulated board was expected, but .* is for real hardware",
        ),
    ],
)
def test_overlays_that_are_damaged(copy: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(copy)
    with pytest.raises(UserError, match=sentence):
        Driver.load(copy, board="ZCU104", backend="emulated")


def test_blocks_at_other_addresses_than_the_manifest_says(copy: Path) -> None:
    replaced(
        copy,
        ".hwh",
        copy.with_suffix(".hwh")
        .read_bytes()
        .replace(b"0xA0000000", b"0xA0010000")
        .replace(b"0xA000FFFF", b"0xA001FFFF"),
    )
    with pytest.raises(
        OverlayError,
        match=r"axi_dma_0 as a xilinx.* at 0xa0010000, 65536 bytes, instead of 0xa0000000, 65536",
    ):
        Driver.load(copy, backend="emulated")


def test_paths_that_hold_none_or_several(copy: Path) -> None:
    assert read(copy.parent).name == read(copy).name == read(copy.with_suffix(".json")).name == "residual"
    with pytest.raises(OverlayError, match="one overlay was expected in .*, but there is none"):
        read(build("ZCU104"))
    for ending in (".bit", ".json"):
        shutil.copy(copy.with_suffix(ending), copy.with_name(f"second{ending}"))
    with pytest.raises(
        OverlayError, match=r"but there is 2 \(residual, second\); give the path of its \.bit file"
    ):
        read(copy.parent)
    with pytest.raises(OverlayError, match="backend auto, pynq or emulated was expected, but 'fpga' came"):
        Driver.load(copy, backend="fpga")


def test_existing_overlays_are_kept(copy: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(
        OverlayError, match="a new overlay was expected, but .* exists; choose another folder or pass --force"
    ):
        write(build("PYNQ-Z2"), copy.parent, "residual")
    assert copy.read_bytes() == before
    write(build("PYNQ-Z2"), copy.parent, "residual", force=True)
    assert read(copy).boards == ("PYNQ-Z2",) and not [
        p for p in copy.parent.iterdir() if p.name.startswith(".")
    ]


def test_the_same_build_gives_the_same_overlay(tmp_path: Path) -> None:
    first, second = (write(build("ZCU104"), tmp_path / name) for name in "ab")
    for ending in (".bit", ".hwh", ".json", ".zip"):
        assert first.with_suffix(ending).read_bytes() == second.with_suffix(ending).read_bytes()
    assert bitfile.read(first).emulated["board"] == "ZCU104" and hwh.read(first.with_suffix(".hwh"))
