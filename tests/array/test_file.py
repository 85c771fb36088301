"""Programs as files: read as they were written, refused when they were touched."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyqkit.array import file, machine
from pyqkit.array.compiler import compile_graph
from pyqkit.array.isa import ProgramError
from pyqkit.digest import own_digest
from pyqkit.errors import UserError
from tests.array.networks import everything
from tests.array.running import agrees

NET = everything("int4", "int4")
PROGRAM = compile_graph(NET.graph, machine.named("int8x8"))


@pytest.mark.parametrize("words", [16384, 64], ids=["resident", "streamed"])
def test_a_program_is_read_as_it_was_written(words: int, tmp_path: Path) -> None:
    array = replace(machine.named("int8x8"), weight_words=words, program_words=2048)
    file.save(compile_graph(NET.graph, array), tmp_path / "net.zip")
    program = file.load(tmp_path / "net.zip")
    assert file.to_bytes(program) == (tmp_path / "net.zip").read_bytes()
    agrees(NET, program)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_text("mine")
    with pytest.raises(UserError, match="--force"):
        file.save(PROGRAM, tmp_path / "net.zip")
    assert (tmp_path / "net.zip").read_text() == "mine"


def _edited(change: Callable[[dict[str, Any]], object], seal: bool) -> bytes:
    """The file with another description, sealed again or not."""
    archive = zipfile.ZipFile(io.BytesIO(file.to_bytes(PROGRAM)))
    data = json.loads(archive.read(file.MEMBERS.description))
    change(data)
    if seal:
        data["sha256"] = own_digest(data)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        written.writestr(file.MEMBERS.description, json.dumps(data))
        written.writestr(file.MEMBERS.arrays, archive.read(file.MEMBERS.arrays))
    return made.getvalue()


DAMAGED: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: file.to_bytes(PROGRAM)[:-100],
    "flipped": lambda: file.to_bytes(PROGRAM)[:2000] + b"\0\0" + file.to_bytes(PROGRAM)[2002:],
    "text": lambda: b"no program",
    "edited": lambda: _edited(lambda data: data["machine"].update(rows=16), False),
    "other machine": lambda: _edited(lambda data: data["machine"].update(accumulators=1024), True),
    "no machine": lambda: _edited(lambda data: data.pop("machine"), True),
    "planes": lambda: _edited(lambda data: data["steps"][0]["inputs"][0]["layout"].update(planes=9), True),
    "format": lambda: _edited(lambda data: data["steps"][0]["results"][0].update(format="mx32_int8"), True),
    "arrays": lambda: _edited(lambda data: data.update(files={}), True),
    "streamed": lambda: _edited(lambda data: data["steps"][0].update(streamed=[5]), True),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_was_touched_is_refused(damage: str, tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_bytes(DAMAGED[damage]())
    with pytest.raises(ProgramError, match=r"was expected") as caught:
        file.load(tmp_path / "net.zip")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="check the path"):
        file.load(tmp_path / "net.zip")
