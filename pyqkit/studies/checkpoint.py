"""How far a task has come, as a file: arrays in npy format beside one JSON record, in an npz archive.

The record holds what the file belongs to and a hash of everything in it, so a file counts whole or not at
all. Hashes tell damage, not who wrote a file; nothing in one is executed.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from pyqkit import npy, untrusted
from pyqkit.digest import digest, own_digest
from pyqkit.errors import brief
from pyqkit.files import replacing
from pyqkit.studies.json_value import Json, canonical
from pyqkit.studies.study import LAYOUT, State

MAX_FILE = 2**31  # bytes
_RECORD = "record.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes
_KEYS = {
    "layout",
    "study",
    "task",
    "steps",
    "finished",
    "values",
    "arrays",
    "curve",
    "wall_s",
    "cpu_s",
    "run",
    "sha256",
}

Point = Mapping[str, "float | int | str | None"]


@dataclass(frozen=True)
class Checkpoint:
    """A task after some of its steps.

    Attributes
    ----------
    study : str
        Digest of the definition.
    task : str
    steps : int
        Done.
    finished : bool
        `state` is the result then.
    state : State
    curve : tuple of mapping
        Points of the learning curve.
    wall_s, cpu_s : float
        Seconds that the steps took, in all runs together.
    run : int
        Number of the run that did the last of them.
    """

    study: str
    task: str
    steps: int
    finished: bool
    state: State
    curve: tuple[Point, ...]
    wall_s: float
    cpu_s: float
    run: int = 0


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write a file beside its place, and rename it."""
    arrays = {name: _npy(array) for name, array in checkpoint.state.arrays.items()}
    record: dict[str, Any] = {
        "layout": LAYOUT,
        "study": checkpoint.study,
        "task": checkpoint.task,
        "steps": checkpoint.steps,
        "finished": checkpoint.finished,
        "values": checkpoint.state.values,
        "arrays": {name: digest(content) for name, content in arrays.items()},
        "curve": list(checkpoint.curve),
        "wall_s": checkpoint.wall_s,
        "cpu_s": checkpoint.cpu_s,
        "run": checkpoint.run,
    }
    record["sha256"] = own_digest(record)
    with replacing(path) as beside, open(beside, "wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo(_RECORD, _EPOCH), canonical(record))
            for name, content in arrays.items():
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content)
        file.flush()
        os.fsync(file.fileno())  # a rename must not reach the disk before what is renamed


def read(path: Path, study: str, task: str) -> Checkpoint:
    """Read the checkpoint of a task.

    Raises
    ------
    FileNotFoundError
        If there is none.
    OSError, ValueError
        If it cannot be read, is damaged, or belongs to another study or task.
    """
    archive = untrusted.Archive(untrusted.content(path, MAX_FILE))
    if _RECORD not in archive.names:
        raise ValueError(f"it has no {_RECORD}")
    record = untrusted.json_data(archive.content(_RECORD))
    if not isinstance(record, dict) or set(record) != _KEYS:
        raise ValueError("its record is none of a checkpoint")
    if record["sha256"] != own_digest(record):
        raise ValueError("its record is not what was written")
    if (record["layout"], record["study"], record["task"]) != (LAYOUT, study, task):
        raise ValueError(f"it belongs to task {brief(record['task'])} of another study")
    return Checkpoint(
        study,
        task,
        _count(record, "steps"),
        _flag(record),
        State(record["values"], _arrays(archive, record["arrays"])),
        _curve(record["curve"]),
        _seconds(record, "wall_s"),
        _seconds(record, "cpu_s"),
        _count(record, "run"),
    )


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _arrays(archive: untrusted.Archive, hashes: Json) -> dict[str, np.ndarray]:
    if not isinstance(hashes, dict) or {f"{n}.npy" for n in hashes} | {_RECORD} != set(archive.names):
        raise ValueError("its arrays are not those of its record")
    found = {}
    for name, expected in hashes.items():
        content = archive.content(f"{name}.npy")
        if digest(content) != expected:
            raise ValueError(f"array {brief(name)} is not what was written")
        found[name] = npy.from_bytes(content)
    return found


def _count(record: dict[str, Any], key: str) -> int:
    value = record[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} is {brief(value)}")
    return value


def _seconds(record: dict[str, Any], key: str) -> float:
    value = record[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} is {brief(value)}")
    return float(value)


def _flag(record: dict[str, Any]) -> bool:
    if not isinstance(record["finished"], bool):
        raise ValueError(f"finished is {brief(record['finished'])}")
    return record["finished"]


def _curve(points: Json) -> tuple[Point, ...]:
    plain = (float, int, str, type(None))
    if not isinstance(points, list) or not all(
        isinstance(point, dict) and all(isinstance(value, plain) for value in point.values())
        for point in points
    ):
        raise ValueError("its learning curve is none")
    return tuple(cast("list[Point]", points))
