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


def line(method: str, condition: str = "natural", data: str = "") -> Row:
    return Row("chargpt", condition, method, 64, 64, data)


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


ORDERS = "", ".ordered"


def test_sentences_of_additions() -> None:
    said = Said()

    def both(model: str, condition: str, kind: str, budget: str = "", seed: int = 0) -> list[str]:
        """Against GPTQ in both orders."""
        names = [f"gptq2.matched{budget}{order}" for order in ORDERS]
        return [said.nats(model, condition, f"msq2{kind}", name, seed) for name in names]

    eight = {kind: both("stories260k", "inject8", kind) for kind in (".scaled", ".aimed")}
    four = {kind: both("chargpt", "inject4", kind) for kind in (".swept", ".scaled", ".aimed")}
    aims = [both(model, "inject8", ".aimed", ".aimed") for model in ("stories260k", "chargpt")]
    chargpt = both("chargpt", "inject4", ".aimed", ".aimed")
    stories, fair = (both("stories260k", "inject4", ".aimed", budget) for budget in ("", ".aimed"))
    natural = both("stories260k", "natural", ".aimed")
    second, third = (
        [both(model, "inject4", "", seed=seed) for model in ("chargpt", "stories260k")] for seed in (1, 2)
    )
    unsure = said.lines[1]["stories260k", "inject8", "msq2.aimed"]
    fairer = [line for line in microscopiq.rivals(said.lines[1], unsure) if ".aimed" in line.method]
    assert [microscopiq.verdict(unsure, line) for line in fairer] == [0, 0]
    aimed = both("stories260k", "natural", ".aimed", ".aimed")
    swept = [
        microscopiq.difference(of["stories260k", "inject8", "msq2.swept"], theirs)
        for of in said.lines
        for theirs in microscopiq.rivals(of, of["stories260k", "inject8", "msq2.swept"])
    ]
    assert len(swept) == 9 and all(high < 0 for _, _, high in swept)
    least = said.nats("stories260k", "inject8", "msq2.swept", "gptq2.g32", 1)
    assert f"{-max(middle for middle, _, _ in swept):.2f}" == least
    whole = [said.more("chargpt", "natural", f"msq4{kind}") for kind in (".aimed", ".even")]
    models = ("chargpt", "stories260k")
    put_in = [said.more(m, "inject8", method) for method in ("msq4.even", "gptq4.matched") for m in models]
    expected = [
        f"with the second seed by {second[0][0]} and {second[0][1]}, and by {second[1][0]} and "
        f"{second[1][1]}; with the third by {third[0][0]} and {third[0][1]}, and by {third[1][0]} and "
        f"{third[1][1]}; on `docstrings`",
        f"leave it +{put_in[0]} % and `stories260k` +{put_in[1]} %, where GPTQ of as many bits has "
        f"+{put_in[2]} % and +{put_in[3]} %.",
        f"on `stories260k` (better by {natural[0]} and {natural[1]}), and GPTQ that aims too is better by "
        f"{aimed[0]} and {aimed[1]};",
        f"leave {said.nats('chargpt', 'natural', 'msq2.aimed', 'gptq2.g64')} against groups of 64.",
        f"With aims it has +{whole[0]} % at 4.33 bits, and with even channels too +{whole[1]} %.",
        f"that stores no bit, it is better in all nine**, by {least} there and more elsewhere.",
        f"a float16 for each output makes it better by {eight['.scaled'][0]} and {eight['.scaled'][1]}, and "
        f"aims by {eight['.aimed'][0]} and {eight['.aimed'][1]};",
        f"natural order is as good ({aims[0][0]}, not sure), the other one worse by {aims[0][1]} "
        f"(with the second seed neither is sure), on `chargpt` by {aims[1][0]} and {aims[1][1]}.",
        f"sweeps leave {four['.swept'][0]} and {four['.swept'][1]} on `chargpt` and a float16 for each "
        f"output {four['.scaled'][0]} and {four['.scaled'][1]};",
        f"in the natural order (better by {four['.aimed'][0]}), and it is better than the other one by "
        f"{four['.aimed'][1]}.",
        f"with aims, by {stories[0]} and {stories[1]}; but **GPTQ that aims too is better again**, by "
        f"{fair[0]} and {fair[1]}, on `chargpt` by {chargpt[0]} and {chargpt[1]}:",
    ]
    text = " ".join(microscopiq.PAGE.read_text().split())
    assert [words for words in expected if words not in text] == []


def test_steps_of_the_ladder_that_keep_the_sign_everywhere() -> None:
    lines = [microscopiq.read(seed) for seed in range(microscopiq.SEEDS)]
    found: dict[str, list[tuple[str, set[str]]]] = {}
    for row in microscopiq.ladder(lines[0], lines[1:]).splitlines()[4:]:
        model, condition, step, *_, words = row.strip("| ").split(" | ")
        found.setdefault(step, []).append((f"{model} {condition}", set(words.split(", "))))
    assert [step for step, places in found.items() if all(words == {"kept"} for _, words in places)] == [
        *("4-bit integers", "2 bits", "outliers beside, an exponent for 128", "compensation"),
        "keys and values in 2 bits",
    ]
    second = found["shared powers of two, 4 bits"]
    others = [place for place, words in second if words != {"turned"}]
    assert others == ["docstrings inject4", "docstrings inject8"]
    eight = dict(found["activations MX-INT-8, migration 0.7"])
    assert [place for place, words in eight.items() if words == {"turned"}] == ["docstrings natural"]
    by_seed = [place for place, words in eight.items() if {"kept", "turned"} <= words]
    assert by_seed == ["stories260k inject4", "docstrings inject4", "docstrings inject8"]
    for place in eight.keys() - {"docstrings natural", *by_seed}:
        assert eight[place] <= {"not sure"} if place.endswith("natural") else "kept" in eight[place]


def test_sentences_say_what_the_rows_say() -> None:
    said = Said()
    seeds = [
        [said.nats("chargpt", "inject8", "msq2", f"gptq2.matched{order}", seed) for seed in range(3)]
        for order in ("", ".ordered")
    ]

    def docstrings(condition: str, method: str, other: str) -> str:
        each = [said.nats("docstrings", condition, method, other, seed) for seed in range(3)]
        return f"{each[0]}, {each[1]} and {each[2]}"

    eight, four_times = (
        [docstrings(condition, "msq2", f"gptq2.matched{order}") for order in ORDERS]
        for condition in ("inject8", "inject4")
    )
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
        f"on `docstrings` by {eight[0]}, and by {eight[1]}.",
        f"by {four_times[0]} in the natural order, by {four_times[1]} in the other one, and with aims on "
        f"both sides by {docstrings('inject4', 'msq2.aimed', 'gptq2.matched.aimed')}.",
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

    again = write("fifth", Measured(((line("msq2", data="of other weights"), 2.5),)))
    kept = [(row.get("model"), row.get("network"), row["method"]) for row in again["rows"]]
    assert kept == [("chargpt", None, "msq2"), (None, "resnet20", "float"), (None, "resnet20", "msq4")]
