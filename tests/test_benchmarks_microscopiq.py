"""Rows of the MicroScopiQ study, and what docs/microscopiq.md says of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import microscopiq

from pyqkit.studies.microscopiq.images import ImageRow
from pyqkit.studies.microscopiq.study import Row
from pyqkit.studies.runner import run
from pyqkit.studies.study import State, Study, Task


@dataclass(frozen=True)
class Measured(Study[Any]):
    """Rows whose losses are a number, or whose hits are all but so many."""

    name = "measured"
    rows: tuple[tuple[Row | ImageRow, float], ...] = ()
    seed: int = 0

    def tasks(self) -> Sequence[Task[Any]]:
        return [Task(row.name, row, self.seed) for row, _ in self.rows]

    def step(self, task: Task[Any], index: int, state: State) -> State:
        number = dict(self.rows)[task.parameters]
        if isinstance(task.parameters, ImageRow):
            hits = np.arange(task.parameters.images) >= number
            return State({"top1": 100 * float(hits.mean()), "bits": 4.5}, {"hits": hits})
        losses = number + np.arange(8) / 1000
        return State(
            {"perplexity": float(np.exp(losses.mean())), "bits": 2.5, "layers": []}, {"losses": losses}
        )


def line(method: str, condition: str = "natural") -> Row:
    return Row("chargpt", condition, method, 64, 64, "")


def test_the_page_says_what_the_rows_say() -> None:
    text = microscopiq.PAGE.read_text()
    assert text == microscopiq.page(text, microscopiq.read()), "run 'python benchmarks/microscopiq.py'"


def test_rows_of_folders_replace_those_that_measure_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microscopiq, "RESULTS", tmp_path / "results.json")

    def write(name: str, study: Measured) -> dict[str, Any]:
        run(study, tmp_path / name)
        found = microscopiq.found([tmp_path / name])
        (tmp_path / "results.json").write_text(json.dumps(found))
        return found

    write("first", Measured(((line("msq2.rtn"), 3.0), (line("msq2"), 2.0), (line("rtn4"), 1.0))))
    write("second", Measured(((line("msq2"), 3.5),)))
    write("third", Measured(((line("msq2.rtn"), 3.0), (line("msq2"), 2.0)), 1))
    image = [ImageRow("resnet20", method, 1, 19, "") for method in ("float", "msq4")]
    found = write("fourth", Measured(((image[0], 1), (image[1], 4))))
    assert len(found["rows"]) == 7 and len(found["provenance"]) == 4
    assert [row["run"] for row in found["rows"]] == [0, 1, 0, 2, 2, 3, 3]

    lines, others = microscopiq.read(), [microscopiq.read(1)]
    assert lines["chargpt", "natural", "msq2"].losses[0] == 3.5
    base = {("chargpt", "natural", "float"): lines["chargpt", "natural", "rtn4"]}
    table = microscopiq.ladder({**lines, **base}, others)
    assert "| compensation | falls |" in table
    assert table.rstrip(" |").endswith("| turned, kept")
    (images,) = microscopiq.image_tables()
    assert "| float | 4.500 | 94.74 |" in images and "| msq4 | 4.500 | 78.95 | -15.79 (" in images
