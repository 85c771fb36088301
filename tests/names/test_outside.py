"""Files that others may have written: their names do not reach a path, a script or a terminal as they are."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit import boards, build_folder, frames
from pyqkit.digest import own_digest
from pyqkit.errors import UserError, plain
from pyqkit.hardware import folding
from pyqkit.names import identifier
from pyqkit.overlay import bitfile, emulated, install, seal, vendor, write_hwh
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.overlay.plan import plan
from tests.names.words import BREAKERS, EVIL
from tests.overlays import build, overlay

needs_tcl = pytest.mark.skipif(not shutil.which("tclsh"), reason="tclsh is not installed; apt install tcl")
SENTENCE = re.compile(r"[^\n]*(was|were) expected[^\n]*")


def strings(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where strings are in JSON data; a key counts as the string of its entry's path and None."""
    if isinstance(data, str):
        yield path
    elif isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key, None)
            yield from strings(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from strings(value, (*path, index))


def kind_of(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Paths of one kind differ in numbers and in keys that are names."""
    named = {"files", "folding", "sources", "layers"}
    return tuple(
        "*" if isinstance(key, int) or (at and path[at - 1] in named and key) else key
        for at, key in enumerate(path)
    )


def with_text(data: Any, path: tuple[Any, ...], text: str) -> Any:
    """A copy of JSON data with another string in one place."""
    made = copy.deepcopy(data)
    *way, last = path
    if last is None:
        *way, last = way
    holder = made
    for key in way:
        holder = holder[key]
    if path[-1] is None:
        made_of = {text if key == last else key: value for key, value in holder.items()}
        holder.clear()
        holder.update(made_of)
    else:
        holder[last] = text
    return made


def sealed(folder: Path, manifest: dict[str, Any]) -> Path:
    """A build folder with another manifest, sealed again."""
    (folder / build_folder.MANIFEST).write_text(json.dumps({**manifest, "sha256": own_digest(manifest)}))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(build("ZCU104"), tmp_path / "folder")
    return tmp_path / "folder"


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / build_folder.MANIFEST).read_text())


@pytest.mark.parametrize("text", ["../../evil", "/tmp/evil", "a\nb", 'a"b', "new$", "Größe", EVIL])
@pytest.mark.parametrize("field", ["name", "outputs"])
def test_an_operator_of_a_sealed_folder_names_no_file(folder: Path, text: str, field: str) -> None:
    manifest = manifest_of(folder)
    manifest["graph"]["operators"][0][field] = text if field == "name" else [text]
    with pytest.raises(
        UserError, match="^lower-case letters, digits and underscores, .* were expected as the name of a "
    ) as caught:
        pyqkit.Accelerator.load(sealed(folder, manifest))
    assert str(caught.value).isprintable()


def test_every_string_of_a_build_folder_may_hold_anything(folder: Path) -> None:
    """It is refused in a sentence, or what is generated does not know of it."""
    manifest, before = manifest_of(folder), sorted(folder.parent.rglob("*"))
    expected, accepted = generated(pyqkit.Accelerator.load(folder)), 0
    one_of_a_kind = {
        kind_of(path): path for path in strings(manifest) if path[0] not in ("report", "pyqkit", "sha256")
    }
    for path in one_of_a_kind.values():
        try:
            found = pyqkit.Accelerator.load(sealed(folder, with_text(manifest, path, EVIL)))
        except UserError as error:
            assert str(error).isprintable() and SENTENCE.fullmatch(str(error)), path
            continue
        accepted += 1
        if path == (
            "graph",
            "name",
        ):  # modules and files are called after it: by the identifier nearest to it
            same = sealed(folder, with_text(manifest, path, identifier(EVIL)))
            assert generated(found) == generated(pyqkit.Accelerator.load(same))
            continue
        assert generated(found) == expected, path
    assert accepted and sorted(folder.parent.rglob("*")) == before


def generated(accelerator: Any) -> dict[str, str]:
    from pyqkit.hls.generate import generate
    from pyqkit.rtl import generate as rtl

    graph, foldings = accelerator.graph, accelerator.foldings
    return generate(graph, foldings).files | rtl.generate(graph, foldings).files


@pytest.mark.parametrize(
    "name", ["rtl/../../evil.sv", "rtl/$(touch evil)", "rtl/a;b.sv", "rtl/a b", "/etc/evil", "rtl/", "rtl//a"]
)
def test_files_of_a_build_folder_are_labels(folder: Path, name: str) -> None:
    manifest = manifest_of(folder)
    manifest["files"][name] = manifest["files"]["rtl/pqk_fifo.sv"]
    with pytest.raises(UserError, match="^a manifest that lists files of its folder was expected, but "):
        build_folder.read(sealed(folder, manifest))


# ---- boards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*BREAKERS, EVIL, "x} ; exec touch evil ; set y {", "../up", "a/b", ""])
@pytest.mark.parametrize("key", ["name", "part", "board_part"])
def test_names_of_a_board_are_labels(key: str, text: str) -> None:
    data = {**boards.load("ZCU104").to_json(), key: text}
    with pytest.raises(UserError) as caught:
        boards.from_data(data, "mine.toml")
    assert (
        SENTENCE.fullmatch(str(caught.value))
        and str(caught.value).isprintable()
        and "but mine.toml has" in str(caught.value)
    )


def test_every_string_of_a_board_file_may_hold_anything() -> None:
    data = json.loads(json.dumps({**boards.load("ZCU104").to_json(), "aliases": ["ZCU"]}))
    free = []
    for path in strings(data):
        try:
            boards.from_data(with_text(data, path, EVIL[:400]), "mine.toml")
        except UserError as error:
            assert SENTENCE.fullmatch(str(error)), path
        else:
            free.append(path[0])
    assert set(free) == {"sources", "rails"}  # shown, or looked up


@needs_tcl
def test_tcl_gets_values_and_nothing_else(tmp_path: Path) -> None:
    """Also those that no check has seen."""
    planned = plan(build("ZCU104"))
    for text in [
        *BREAKERS,
        EVIL,
        f"x}} ; exec touch {tmp_path}/evil ; set y {{",
        f"[exec touch {tmp_path}/evil]",
    ]:
        text = text.replace("\0", "")  # nothing hands it to Tcl's command line
        board = replace(planned.board, part=text, board_part=text)
        (tmp_path / "settings.tcl").write_text(
            vendor._settings(replace(planned, name=text, board=board), "rtl")
        )
        script = (
            "source settings.tcl; foreach key {name part board_part} { puts -nonewline [dict get "
            "$settings $key] }"
        )
        (tmp_path / "script.tcl").write_text(f"fconfigure stdout -encoding utf-8 -translation lf; {script}")
        done = subprocess.run(["tclsh", "script.tcl"], cwd=tmp_path, capture_output=True, check=True)
        assert done.stdout.decode() == 3 * text and not done.stderr
    assert not (tmp_path / "evil").exists()


# ---- overlays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a b", "-net", ".net", "größe", "a'b", "x" * 65, *BREAKERS])
def test_names_of_overlays_are_labels(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        OverlayError, match="were expected in the name of an overlay, .* rename the build folder, after which"
    ):
        emulated.write(build("ZCU104"), tmp_path / "overlay", name)
    assert not list(tmp_path.iterdir())
    assert not install.is_installed(name)
    with pytest.raises(OverlayError, match="^an overlay was expected, but "):
        install.locate(name, None)


def test_every_string_of_an_overlay_manifest_may_hold_anything(tmp_path: Path) -> None:
    source = overlay("ZCU104")
    for ending in (".json", *seal.ENDINGS):
        shutil.copyfile(source.with_suffix(ending), tmp_path / source.with_suffix(ending).name)
    where = (tmp_path / source.name).with_suffix(".json")
    manifest, free = json.loads(where.read_text()), set()
    for path in strings(manifest):
        changed = with_text(manifest, path, EVIL)
        where.write_text(json.dumps({**changed, "sha256": own_digest(changed)}))
        try:
            read(where)
        except OverlayError as error:
            assert str(error).isprintable() and SENTENCE.fullmatch(str(error)), path
        else:
            free.add(path[0])
    # The VLNV is compared with what PYNQ finds; older manifests have no machine.
    assert free <= {"sha256", "implementation", "blocks", "machine"}


@pytest.mark.parametrize("name", ["../evil", "..", EVIL])
def test_a_project_of_another_name_is_not_sealed(name: str, tmp_path: Path) -> None:
    planned = plan(build("ZCU104"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "results.json").write_text("{}")
    (tmp_path / "work" / "utilisation.rpt").write_text("| CLB LUTs | 1 |\n| CLB Registers | 1 |\n")
    (tmp_path / "work" / "design.bit").write_bytes(bitfile.write_emulated("x", planned.board.part, {}))
    (tmp_path / "work" / "design.hwh").write_text(write_hwh.write(planned.design))
    (tmp_path / "build.zip").write_bytes(b"")
    facts = planned.describe(emulated=False).to_json()
    (tmp_path / seal.FACTS).write_text(json.dumps({**facts, "name": name}))
    with pytest.raises(UserError, match="^the name of an overlay was expected in facts.json, but "):
        seal.seal(tmp_path)
    assert not (tmp_path / "overlay").exists()


# ---- outputs -----------------------------------------------------------------------------------------------


def test_archives_of_outputs_keep_every_name_apart(tmp_path: Path) -> None:
    """Names are keys as they are, but for what a zip file cannot hold."""
    names = [*BREAKERS, "file", "allow_pickle", "a\0b", "a\0c", "a", "\ud800"]
    frames.write(tmp_path / "y.npz", {name: np.array([index]) for index, name in enumerate(names)})
    with np.load(tmp_path / "y.npz") as found:
        for index, name in enumerate(names):
            assert found[plain(name) if "\0" in name or name == "\ud800" else name] == index
        assert len(found.files) == len(names)


# ---- foldings ----------------------------------------------------------------------------------------------


def test_a_folding_file_of_other_names_is_refused(tmp_path: Path) -> None:
    graph = pyqkit.Accelerator.load(build("ZCU104")).graph
    for text in [*BREAKERS, EVIL]:
        (tmp_path / "fold.json").write_text(json.dumps({text: {"pe": 1, "simd": 1}}))
        with pytest.raises(UserError) as caught:
            folding.read(tmp_path / "fold.json", graph)
        assert SENTENCE.fullmatch(str(caught.value)) and str(caught.value).isprintable()
