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


class Said:
    """Figures as the sentences of the page have them."""

    def __init__(self) -> None:
        self.lines = [microscopiq.read(seed) for seed in range(microscopiq.SEEDS)]

    def nats(self, model: str, condition: str, method: str, other: str, seed: int = 0) -> str:
        """By how much one is better or worse."""
        of = self.lines[seed]
        change = microscopiq.difference(of[model, condition, method], of[model, condition, other])[0]
        return f"{abs(change):.2f}"

    def more(self, model: str, condition: str, method: str, digits: int = 2) -> str:
        """Per cent of perplexity more than float."""
        of = self.lines[0]
        ratio = of[model, condition, method].perplexity / of[model, condition, "float"].perplexity
        return f"{100 * (ratio - 1):.{digits}f}"


def test_sentences_say_what_the_rows_say() -> None:
    said = Said()
    seeds = [
        [said.nats("chargpt", "inject8", "msq2", f"gptq2.matched{order}", seed) for seed in range(3)]
        for order in ("", ".ordered")
    ]
    docstrings = [said.nats("docstrings", "inject8", "msq2", f"gptq2.matched{o}") for o in ("", ".ordered")]
    four = {
        model: [said.nats(model, "inject4", "msq2", f"gptq2.matched{order}") for order in ("", ".ordered")]
        for model in ("chargpt", "stories260k")
    }
    stories = [
        microscopiq.verdict(of["stories260k", "inject8", "msq2"], theirs)
        for of in said.lines
        for theirs in microscopiq.rivals(of, of["stories260k", "inject8", "msq2"])
    ]
    assert [stories.count(sign) for sign in (-1, 0, 1)] == [6, 2, 1]
    whole = {
        method: said.more("stories260k", "natural", method, 0)
        for method in (
            *("msq4", "gptq4.matched", "mxint4", "msq4.shifted", "msq4.scaled", "msq4.aimed", "msq4.even"),
            "msq4.inputs",
        )
    }
    expected = [
        f"{seeds[0][0]}, {seeds[0][1]} and {seeds[0][2]} nats against GPTQ in the natural order",
        f"by {seeds[1][0]}, {seeds[1][1]} and {seeds[1][2]} against GPTQ that begins with the largest inputs",
        f"on `docstrings` by {docstrings[0]} and {docstrings[1]}",
        f"worse by {said.nats('stories260k', 'inject8', 'msq2', 'gptq2.g32', 1)}.",
        f"by {four['chargpt'][0]} and {four['chargpt'][1]} nats on `chargpt`, "
        f"by {four['stories260k'][0]} and {four['stories260k'][1]} on `stories260k`",
        f"+{said.more('docstrings', 'natural', 'msq4')} %, "
        f"with outliers +{said.more('docstrings', 'inject8', 'msq4')} %",
        f"(`msq4.swept`, +{said.more('chargpt', 'natural', 'msq4.swept')} % at 4.25 bits)",
        f"+{said.more('chargpt', 'natural', 'msq4')} % along outputs",
        f"+{said.more('chargpt', 'natural', 'msq4.inputs')} % along inputs",
        f"+{whole['msq4']} % along outputs, where GPTQ of as many bits has +{whole['gptq4.matched']} %",
        f"`mxint4` alone has +{whole['mxint4']} %",
        f"leaves +{whole['msq4.shifted']} %, a float16 and sweeps +{whole['msq4.scaled']} %, "
        f"aiming at the float layers +{whole['msq4.aimed']} %, even channels +{whole['msq4.even']} %",
        f"along inputs it has +{whole['msq4.inputs']} %",
        f"costs `chargpt` {said.more('chargpt', 'natural', 'float.kv2', 1)} % of perplexity",
        f"`docstrings` {said.more('docstrings', 'natural', 'float.kv2', 1)} % (`float.kv2`)",
    ]
    text = " ".join(microscopiq.PAGE.read_text().split())
    assert [words for words in expected if words not in text] == []


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
