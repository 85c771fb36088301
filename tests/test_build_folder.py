"""Build folders.

Whole or not at all, moved and loaded without a difference, and refused where they were changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit import boards, build_folder
from pyqkit.build_folder import BuildFolderError
from pyqkit.digest import own_digest
from pyqkit.errors import UserError
from pyqkit.files import OutputError
from tests.overlays import frames
from tests.small_networks import compiled_for, mixed_layout, residual


@pytest.fixture(scope="module")
def accelerator() -> pyqkit.Accelerator:
    return pyqkit.compile(residual(), board="PYNQ-Z2", target_fps=2000)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return frames(6)


@pytest.fixture(scope="module")
def saved(accelerator: pyqkit.Accelerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accelerator.save(tmp_path_factory.mktemp("saved") / "deep" / "net")


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_has_everything(saved):
    files = {str(p.relative_to(saved)) for p in saved.rglob("*") if p.is_file()}
    assert {
        "manifest.json",
        "arrays.npz",
        "golden.npz",
        "model.onnx",
        "hls/network.hpp",
        "hls/parameters.hpp",
    } <= files
    assert {"hls/include/matrix_vector.hpp", "hls/include/sliding_window.hpp"} <= files
    manifest = json.loads((saved / "manifest.json").read_text())
    assert set(manifest["files"]) == files - {"manifest.json"}
    assert manifest["pyqkit"] == pyqkit.__version__
    assert manifest["board"]["name"] == "PYNQ-Z2" and manifest["clock_mhz"] == 100.0
    assert manifest["report"]["source"] == "estimated"
    assert str(Path.cwd()) not in (saved / "manifest.json").read_text()


@pytest.mark.parametrize("network", [residual, mixed_layout])
def test_saving_moving_and_loading_changes_no_code(network, tmp_path):
    made = pyqkit.compile(network(), target_fps=1000)
    shape = made.graph.inputs[0].onnx_shape
    x = np.random.default_rng(1).normal(0, 2, (9, *shape)).astype(np.float32)
    made.save(tmp_path / "net")
    os.rename(tmp_path / "net", tmp_path / "moved")
    loaded = pyqkit.Accelerator.load(tmp_path / "moved")
    assert (loaded.board, loaded.clock_mhz, loaded.foldings, loaded.compiled.model) == (
        made.board,
        made.clock_mhz,
        made.foldings,
        made.compiled.model,
    )
    assert loaded.report() == made.report()
    for engine in ("exact", "hls"):
        np.testing.assert_array_equal(
            loaded.emulate(x, engine, codes=True), made.emulate(x, engine, codes=True)
        )
        assert loaded.selftest(tmp_path / "moved", engine) == 0
    loaded.save(tmp_path / "again")
    for name in ("arrays.npz", "golden.npz"):
        first, second = (build_folder.load_arrays(tmp_path / folder, name) for folder in ("moved", "again"))
        assert set(first) == set(second)
        for key, values in first.items():
            np.testing.assert_array_equal(values, second[key])


def test_the_generated_source_compiles_from_the_folder_alone(saved, tmp_path):
    shutil.copytree(saved / "hls", tmp_path / "hls")
    include = tmp_path / "hls" / "include"
    command = [
        "g++",
        "-std=c++17",
        "-fsyntax-only",
        "-w",
        *(f"-I{p}" for p in (include / "simulation" / "native", include / "simulation", include)),
    ]
    done = subprocess.run(
        [*command, "simulation.cpp"], cwd=tmp_path / "hls", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_user_board_travels_with_the_folder(tmp_path):
    board = {**boards.load("KV260").to_json(), "name": "MyBoard"}
    compiled_for(tmp_path, board).save(tmp_path / "net")
    (tmp_path / "mine.toml").unlink()
    assert pyqkit.Accelerator.load(tmp_path / "net").board.name == "MyBoard"


def test_loading_needs_neither_torch_nor_onnx(saved, accelerator, x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, pyqkit\n"
        # None: importing them fails
        "sys.modules.update(dict.fromkeys(('torch', 'onnx', 'qonnx', 'brevitas', 'rich', 'matplotlib')))\n"
        f"acc = pyqkit.Accelerator.load({str(saved)!r})\n"
        f"np.save('y.npy', acc(np.load('x.npy'))); acc.report(); print(acc.selftest({str(saved)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), accelerator(x))


def test_selftest_sees_a_wrong_code(saved, accelerator, monkeypatch):
    engine = accelerator.engine("exact")
    right = engine.run

    def wrong(codes, **options):
        found = right(codes, **options)
        next(iter(found.values())).ravel()[3] ^= 1
        return found

    monkeypatch.setattr(engine, "run", wrong)
    assert accelerator.selftest(saved) == 1


def test_nothing_stays_behind_when_writing_fails(accelerator, tmp_path, monkeypatch):
    accelerator.save(tmp_path / "net")
    before = (tmp_path / "net" / "manifest.json").read_bytes()

    written = Path.write_bytes

    def full(path, data):
        if path.name.endswith("_network.sv"):  # behind others
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    for target, force in ((tmp_path / "net", True), (tmp_path / "other", False)):
        with pytest.raises(OutputError) as caught:
            accelerator.save(target, force=force)
        assert str(caught.value) == (
            f"a folder that can be written was expected, but {target} cannot (No space left on "
            "device); choose another place"
        )
    assert names_in(tmp_path) == ["net"]
    assert (tmp_path / "net" / "manifest.json").read_bytes() == before
    assert pyqkit.Accelerator.load(tmp_path / "net").foldings == accelerator.foldings


def test_existing_things_are_kept(accelerator, tmp_path):
    accelerator.save(tmp_path / "net")
    with pytest.raises(OutputError) as caught:
        accelerator.save(tmp_path / "net")
    assert (
        str(caught.value)
        == f"a new folder was expected, but {tmp_path / 'net'} exists; choose another name or pass --force"
    )
    accelerator.save(tmp_path / "net", force=True)
    (tmp_path / "net" / "hls" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        accelerator.save(tmp_path / "net", force=True)
    assert str(caught.value) == (
        f"a build folder and nothing else was expected, but {tmp_path / 'net' / 'hls' / 'thesis.txt'} is not "
        "part of it; move it away or choose another name"
    )
    assert (tmp_path / "net" / "hls" / "thesis.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught:
        accelerator.save(tmp_path / "file", force=True)
    assert (
        str(caught.value)
        == f"a build folder to replace was expected, but {tmp_path / 'file'} is something else; choose "
        "another name"
    )
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("sealed", [True, False])
def test_a_manifest_that_others_wrote_gives_no_file_away(accelerator, tmp_path, sealed):
    """Many a program has a manifest.json with files.

    And one that was mailed may list what the user keeps beside it.
    """
    target = tmp_path / "net"
    (target / "photos").mkdir(parents=True)
    (target / "photos" / "1.jpg").write_text("mine")
    manifest = {"schema": 1, "files": {"photos/" if sealed else "photos/1.jpg": "0"}}
    (target / "manifest.json").write_text(
        json.dumps({**manifest, "sha256": own_digest(manifest) if sealed else ""})
    )
    with pytest.raises(OutputError) as caught:
        accelerator.save(target, force=True)
    assert (
        str(caught.value)
        == f"a build folder to replace was expected, but {target} is something else; choose another name"
    )
    assert (target / "photos" / "1.jpg").read_text() == "mine"


def test_a_folder_of_another_schema_can_be_replaced(accelerator, tmp_path):
    target = accelerator.save(tmp_path / "net")
    manifest = json.loads((target / "manifest.json").read_text()) | {"schema": 0}
    (target / "manifest.json").write_text(json.dumps({**manifest, "sha256": own_digest(manifest)}))
    accelerator.save(target, force=True)
    assert pyqkit.Accelerator.load(target).foldings == accelerator.foldings


def test_every_file_of_a_folder_is_checked(saved, tmp_path):
    listed = json.loads((saved / "manifest.json").read_text())["files"]
    for name in (
        "arrays.npz",
        "golden.npz",
        "model.onnx",
        "hls/network.hpp",
        min(n for n in listed if n.startswith("hls/include")),
    ):
        folder = tmp_path / name.replace("/", "_")
        shutil.copytree(saved, folder)
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(BuildFolderError) as caught:
            pyqkit.Accelerator.load(folder)
        assert str(caught.value) == (
            f"an unchanged file was expected, but {folder / name} is missing or has been edited; "
            "compile the network again"
        )


def forged(saved: Path, folder: Path, change) -> Path:
    """A copy whose manifest is changed and carries the right digest of itself."""
    shutil.copytree(saved, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    manifest["sha256"] = build_folder.own_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda m: m.update(schema=99),
            "a build folder of schema 1 or 2 was expected, but FOLDER has 99; compile the network again",
        ),
        (
            lambda m: m.pop("clock_mhz"),
            "a complete manifest was expected in FOLDER, but clock_mhz is missing; compile the network again",
        ),
        (
            lambda m: m.update(clock_mhz="fast"),
            "a complete manifest was expected in FOLDER, but its clock is fast; compile the network again",
        ),
        (
            lambda m: m["files"].pop("arrays.npz"),
            "a manifest that lists arrays.npz was expected, but FOLDER/manifest.json does not; compile "
            "the network again",
        ),
        *(
            (
                lambda m, name=name: m["files"].update({name: "0"}),
                "a manifest that lists files of its folder was expected, but FOLDER/manifest.json lists "
                "others; compile the network again",
            )
            for name in (
                "../x",
                "/etc/passwd",
                "hls/../../x",
                "manifest.json",
                "hls//x",
                "",
                ".",
                "a\nb",
                "\x1b[2J",
            )
        ),
        (
            lambda m: m["files"].update({"none": "0"}),
            "an unchanged file was expected, but FOLDER/none is missing or has been edited; compile "
            "the network again",
        ),
        (
            lambda m: m["folding"].update(none={"pe": 1, "simd": 1}),
            "foldings of layers were expected in FOLDER/manifest.json, but 'none' is no layer; layers are ",
        ),
        (
            lambda m: m["board"].update(family="alveo"),
            "a board with name, part, board_part, family (zynq-7000 or zynq-mpsoc), clock_mhz and ",
        ),
        (lambda m: m.update(graph=[]), "a graph as pyqkit writes it was expected, but it is damaged ("),
        (
            lambda m: m["graph"].pop("outputs"),
            "a graph as pyqkit writes it was expected, but it is damaged (no 'outputs'); compile the network "
            "again",
        ),
    ],
)
def test_forged_manifests_are_refused(saved, tmp_path, change, sentence):
    folder = forged(saved, tmp_path / "net", change)
    with pytest.raises(UserError) as caught:
        pyqkit.Accelerator.load(folder)
    assert str(caught.value).startswith(sentence.replace("FOLDER", str(folder)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": []}', "[" * 100_000, "\x00"])
def test_manifests_that_are_none(saved, tmp_path, text):
    shutil.copytree(saved, tmp_path / "net")
    path = tmp_path / "net" / "manifest.json"
    path.write_text(text)
    with pytest.raises(BuildFolderError) as caught:
        pyqkit.Accelerator.load(tmp_path / "net")
    start = f"a manifest as pyqkit writes it was expected, but {path} cannot be read ("
    assert str(caught.value).startswith(start) and str(caught.value).endswith("); compile the network again")


def test_pickled_arrays_are_not_opened(tmp_path):
    np.savez(tmp_path / "arrays.npz", allow_pickle=True, x=np.array([{}], dtype=object))
    with pytest.raises(BuildFolderError) as caught:
        build_folder.load_arrays(tmp_path, "arrays.npz")
    assert str(caught.value) == (
        f"arrays were expected in {tmp_path / 'arrays.npz'}, but it cannot be read (its header does not "
        "describe an array of plain numbers); compile the network again"
    )


def test_a_folder_is_read_by_its_path_as_text_too(tmp_path: Path) -> None:
    with pytest.raises(BuildFolderError, match="a build folder with manifest.json was expected"):
        build_folder.read(str(tmp_path / "nothing"))


GOLDEN_DAMAGES = {
    "missing": lambda a: a.pop(min(a)),
    "another": lambda a: a.update(x=a[min(a)]),
    "frames": lambda a: a.update({min(a): a[min(a)][:1]}),
    "no frames": lambda a: a.update({name: array[:0] for name, array in a.items()}),
    "shape": lambda a: a.update({min(a): a[min(a)].reshape(4, 2, 6, 6)}),
    "signed": lambda a: a.update({min(a): a[min(a)].astype(np.int8)}),
    "no code": lambda a: a.update({min(a): a[min(a)] | 0x80}),
}


@pytest.mark.parametrize("damage", GOLDEN_DAMAGES.values(), ids=GOLDEN_DAMAGES)
def test_golden_vectors_reach_an_engine_only_as_codes_of_its_ends(saved, tmp_path, damage):
    golden = build_folder.load_arrays(saved, "golden.npz")
    damage(golden)
    np.savez(tmp_path / "golden.npz", **golden)
    with pytest.raises(BuildFolderError) as caught:
        pyqkit.Accelerator.load(saved).selftest(tmp_path)
    assert str(caught.value) == (
        f"golden vectors of the network were expected in {tmp_path / 'golden.npz'}, but it holds "
        "others; compile the network again"
    )
