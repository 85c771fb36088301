"""Checkpoints of studies."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np

from pyqkit.digest import digest, own_digest
from pyqkit.errors import UserError
from pyqkit.studies import checkpoint
from pyqkit.studies.checkpoint import Checkpoint
from pyqkit.studies.study import State
from tests.fuzz.mutators import spoil_bytes, spoil_data
from tests.fuzz.reader import Input, Reader


class Checkpoints(Reader):
    """The state of a task; half of the records are sealed again after they were spoiled."""

    name = "checkpoints"
    suffix = ".npz"

    def seeds(self) -> Sequence[Input]:
        arrays = {"weights": np.arange(12, dtype=np.float32).reshape(3, 4), "flags": np.array([True])}
        state = State({"parts": {"rate": 0.1, "names": ["a", "b"]}}, arrays)
        found = Checkpoint("study", "task", 3, False, state, ({"step": 1, "loss": 0.5},), 1.0, 0.5)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "task.npz"
            checkpoint.write(found, path)
            return [path.read_bytes()]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        if random.random() < 0.3:
            return spoil_bytes(seed, random)
        with zipfile.ZipFile(BytesIO(seed)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        record = json.loads(members["record.json"])
        if random.random() < 0.5:
            record = spoil_data(record, random)
        else:
            name = random.choice(sorted(record["arrays"]))
            members[f"{name}.npy"] = spoil_bytes(members[f"{name}.npy"], random)
            record["arrays"][name] = digest(members[f"{name}.npy"])
        if isinstance(record, dict) and random.random() < 0.8:
            record["sha256"] = own_digest(record)
        members["record.json"] = json.dumps(record).encode()
        file = BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return file.getvalue()

    def call(self, path: Path, output: Path) -> None:
        try:
            found = checkpoint.read(path, "study", "task")
        except (OSError, ValueError, TypeError) as error:  # the study begins the task anew and says why
            raise UserError(f"a checkpoint was expected, but {error}") from error
        if found.task != "task" or found.steps < 0:
            raise AssertionError("a checkpoint of something else")


READERS = [Checkpoints()]
