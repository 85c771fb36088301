"""The folder of a study: its definition, checkpoints, learning curves, runs and results.

    study.json          the definition, written once
    tasks/NAME.npz      a checkpoint; of a task that has finished, its result
    curves/NAME.jsonl   the learning curve, a point a line, as far as the checkpoint
    runs/N.json         provenance of each run that worked on it
    results.json        results of all tasks, once all have finished

A checkpoint is the truth; curves and results are written from it again whenever they are needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyqkit import untrusted
from pyqkit.digest import digest
from pyqkit.errors import UserError, brief, listed
from pyqkit.files import replacing, replacing_folder
from pyqkit.studies import checkpoint
from pyqkit.studies.checkpoint import Checkpoint
from pyqkit.studies.json_value import Json, canonical
from pyqkit.studies.study import Definition

MAX_TEXT = 2**26  # bytes of a JSON file
STUDY, RESULTS = "study.json", "results.json"
_FOLDERS = ("tasks", "curves", "runs")
_WORKSHOP = re.compile(r"\.pyqkit-[0-9a-f]{16}\.tmp")  # what a run that was killed leaves beside a file
_WHAT = "a folder of an earlier study"


class StudyFolderError(UserError):
    """A folder that is not that of the study which is to go on in it."""


class Folder:
    """A study's folder, of one run at a time; see `opened`.

    Attributes
    ----------
    path : Path
    definition : Definition
    damaged : dict
        What was wrong with checkpoints that do not count, by task.
    """

    def __init__(self, path: Path, definition: Definition) -> None:
        self.path, self.definition = path, definition
        self.damaged: dict[str, str] = {}
        self._digest = definition.digest

    def checkpoint(self, task: str) -> Checkpoint | None:
        """How far a task has come; None if it has not begun, or its file is damaged."""
        try:
            return checkpoint.read(self.path / "tasks" / f"{task}.npz", self._digest, task)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            self.damaged[task] = str(error)
            return None

    def keep(self, found: Checkpoint) -> None:
        """Write a checkpoint, and its learning curve after it."""
        checkpoint.write(found, self.path / "tasks" / f"{found.task}.npz")
        if found.curve:
            lines = "".join(f"{json.dumps(point)}\n" for point in found.curve)
            _write(self.path / "curves" / f"{found.task}.jsonl", lines)

    def write_run(self, number: int, data: Json) -> None:
        """Provenance of a run."""
        _write(self.path / "runs" / f"{number}.json", f"{json.dumps(data, indent=1)}\n")

    def runs(self) -> list[Json]:
        """Provenance of all runs, the first one first; a damaged file is left out."""
        found = []
        for number in range(1, self.next_run()):
            with contextlib.suppress(OSError, ValueError):
                found.append(
                    untrusted.json_data(untrusted.text(self.path / "runs" / f"{number}.json", MAX_TEXT))
                )
        return found

    def next_run(self) -> int:
        """The number of a run that begins now."""
        numbers = [int(path.stem) for path in (self.path / "runs").glob("*.json") if path.stem.isdigit()]
        return max(numbers, default=0) + 1

    def write_results(self, data: Json) -> None:
        """``results.json``."""
        _write(self.path / RESULTS, f"{json.dumps(data, indent=1)}\n")


@contextmanager
def opened(path: Path, definition: Definition, resume: bool, force: bool) -> Iterator[Folder]:
    """The folder of a study, locked: a new one, or with `resume` what an earlier run has left.

    Parameters
    ----------
    force : bool
        A folder of whatever study takes the second place of an empty one, and is lost.

    Raises
    ------
    StudyFolderError
        With `resume`, if the folder is of another definition, or another run works in it.
    OutputError
        Without `resume`, if there is something, and with `force` something that is no study's.
    """
    if resume and path.exists():
        with _locked(path):
            _check(path, definition)
            for name in _FOLDERS:  # one without files is lost where version control has kept the study
                (path / name).mkdir(exist_ok=True)
            yield Folder(path, definition)
        return
    if force and path.is_dir():
        with _locked(path):  # not while a run works in it
            pass
    if path.exists() and not force:
        raise StudyFolderError(
            f"a new folder was expected, but {path} exists; pass --resume to go on with the study in "
            "it, --force to begin anew, or choose another name"
        )
    with replacing_folder(path, force, _WHAT, _listing) as made:
        for name in _FOLDERS:
            (made / name).mkdir()
        (made / STUDY).write_text(f"{canonical(definition.to_json())}\n")
    with _locked(path):
        yield Folder(path, definition)


def _check(path: Path, definition: Definition) -> None:
    """Compare the definition in a folder with the one that is to go on."""
    try:
        found: Json = untrusted.json_data(untrusted.text(path / STUDY, MAX_TEXT))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StudyFolderError(
            f"the folder of a study was expected, but {path / STUDY} cannot be read ({reason}); choose "
            "another, or pass --force to begin anew"
        ) from None
    if canonical(found) != canonical(definition.to_json()):
        raise StudyFolderError(
            f"the study that began in {path} was expected, but "
            f"{_difference(found, definition.to_json())}; "
            "choose another folder, pass --force to begin anew, or go on with what it began with"
        )


def _difference(found: Json, wanted: dict[str, Json]) -> str:
    """What changed, in words."""
    if not isinstance(found, dict) or set(found) != set(wanted):
        return "it is described otherwise"
    before, now = _described(found["tasks"]), _described(wanted["tasks"])
    for key in ("layout", "study", "version", "threads"):
        if found[key] != wanted[key]:
            return f"its {key} was {brief(found[key])} and is {brief(wanted[key])} now"
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not changed:
        return "its tasks come in another order"
    return f"task {listed(changed, 3)} was defined otherwise"


def _described(tasks: Json) -> dict[str, str]:
    """The definition of each task by its name."""
    described = [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    return {str(task.get("name")): canonical(task) for task in described}


def _listing(folder: Path) -> set[str] | None:
    """What a folder of a study consists of."""
    if not (folder / STUDY).is_file():
        return None
    left = {f"{entry.name}/" for entry in folder.iterdir() if _WORKSHOP.fullmatch(entry.name)}
    return {STUDY, RESULTS, *(f"{name}/" for name in _FOLDERS), *left}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a folder against other runs; the lock ends with the process, whatever ends that."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StudyFolderError(
            f"the folder of a study was expected, but {path} is none ({error.strerror}); choose another name"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyFolderError(
                f"a folder in which nobody works was expected, but another run goes on in {path}; wait "
                "until it ends, or end it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text)


def results_digest(results: Json) -> str:
    """SHA-256 of results: equal for equal results, whatever they took."""
    return digest(canonical(results).encode())
