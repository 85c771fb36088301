"""Searches that have finished, one small file each: what decides them, what they have found, and where."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from records import write

from pyqkit.studies.lpq.problem import Search
from pyqkit.studies.lpq.result import CodedLayer
from pyqkit.studies.lpq.study import LpqStudy
from pyqkit.studies.runner import Outcome, Results
from pyqkit.studies.study import Task

RESULTS = Path(__file__).parent / "results" / "lpq"
_TRACED = ("evaluations", "fitness", "bits", "divergence")


def layers_found(path: Path) -> list[CodedLayer]:
    """Formats and scales of all layers, from the file of a search."""
    return [CodedLayer.from_json(layer) for layer in json.loads(path.read_text())["values"]["layers"]]


@dataclass(frozen=True)
class Record:
    """One search.

    Attributes
    ----------
    name : str
        Network, method and seed, or label and seed of an ablation.
    evaluations : int
    fitness, divergence, bits : float
        Of the genome found; mean bits of a weight.
    accuracy : float
        Per cent of the test images.
    correct : numpy.ndarray, bool
        By test image.
    trace : tuple of tuple
        Evaluations, fitness, bits and divergence whenever a better genome was found, and at the end.
    cpu_s : float
        Processor time.
    """

    name: str
    evaluations: int
    fitness: float
    divergence: float
    bits: float
    accuracy: float
    correct: np.ndarray
    trace: tuple[tuple[float, ...], ...]
    cpu_s: float

    @classmethod
    def read(cls, path: Path) -> Record:
        """From a file."""
        data = json.loads(path.read_text())
        values = data["values"]
        packed = np.frombuffer(base64.b64decode(data["correct"]), np.uint8)
        return cls(
            data["task"]["name"],
            *(values[name] for name in ("evaluations", "fitness", "divergence", "bits", "accuracy")),
            np.unpackbits(packed, count=data["images"]).astype(bool),
            tuple(map(tuple, data["trace"])),
            data["seconds"]["cpu"],
        )


def is_kept(folder: Path, task: Task[Search]) -> bool:
    """Whether the result of a search, and not of another one of its name, is there."""
    path = folder / f"{task.name}.json"
    if not path.exists():
        return False
    data = json.loads(path.read_text())
    same: bool = (data["version"], data["task"]) == (LpqStudy.version, json.loads(json.dumps(task.to_json())))
    return same


def keep(folder: Path, results: Results[Search]) -> None:
    """Write the result of a study of one search."""
    (outcome,) = results.outcomes
    assert isinstance(outcome.values, Mapping)  # written by `LpqStudy.result`
    correct = outcome.arrays["correct"]
    data: dict[str, Any] = {
        "version": LpqStudy.version,
        "task": outcome.task.to_json(),
        "values": outcome.values,
        "trace": _trace(outcome),
        "images": len(correct),
        "correct": base64.b64encode(np.packbits(correct).tobytes()).decode(),
        "seconds": {"wall": round(outcome.wall_s, 1), "cpu": round(outcome.cpu_s, 1)},
        "provenance": results.runs,
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in data.items())
    write(folder / f"{outcome.task.name}.json", f"{{\n{lines}\n}}\n")


def _trace(outcome: Outcome[Search]) -> list[list[Any]]:
    points = [[point[name] for name in _TRACED] for point in outcome.curve]
    better = [new for old, new in zip([[], *points], points) if not old or new[1] != old[1]]
    return better if better[-1:] == points[-1:] else [*better, *points[-1:]]
