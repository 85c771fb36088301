"""Files of searches that have finished, and what docs/lpq.md says of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import click
import lpq
import lpq_page
from lpq_records import Record, is_kept, keep

from pyqkit.studies.lpq.comparison import Entry, comparison
from tests.studies.lpq.test_lpq import found
from tests.studies.small import SmallSource


def test_the_page_says_what_the_searches_say() -> None:
    text = lpq_page.PAGE.read_text()
    assert text == lpq_page.page(text, lpq_page.read()), "run 'python benchmarks/lpq_page.py'"


def test_a_finished_search_is_kept_as_it_was(tmp_path: Path) -> None:
    keep(tmp_path, found())
    (outcome,) = found().outcomes
    task, record = outcome.task, Record.read(tmp_path / f"{outcome.task.name}.json")
    values = dict(outcome.values)  # type: ignore[arg-type, call-overload]
    assert (record.fitness, record.bits, record.evaluations) == (values["fitness"], values["bits"], 44)
    np.testing.assert_array_equal(record.correct, outcome.arrays["correct"])
    assert record.trace[0][0] == 8 and record.trace[-1][:2] == (44, values["fitness"])
    assert is_kept(tmp_path, task)
    other = replace(task.parameters, compression=0.2)
    assert not is_kept(tmp_path, replace(task, seed=6)) and not is_kept(tmp_path, replace(task, name="other"))
    assert not is_kept(tmp_path, replace(task, parameters=other))


def record(bits: float, hits: int, fitness: float = 0.5) -> Record:
    return Record("", 100, fitness, 0.6, bits, hits / 10, np.arange(1000) < hits, ((20, 0.7, 8, 0.7),), 1.0)


def test_bars_are_judged_by_bits_and_points() -> None:
    found = {
        "resnet20.float": record(32, 900),
        "resnet20.lpq.0": record(4.5, 895),
        "resnet20.lpq.1": record(5.5, 895),
        "resnet20.lpq.2": record(4.5, 880, 0.8),
        "resnet20.random.2": record(4.6, 870, 0.75),
    }
    said = [line for line in lpq_page.section(found).splitlines() if line.startswith("| ResNet-20 |")]
    assert [line.split(": ")[-1].rstrip(" |") for line in said[:3]] == ["met", "missed", "missed"]
    assert "+6.7%" in said[3] and "20" in said[3].split("|")[5]


def test_searches_are_counted_and_parts_compared_with_the_whole() -> None:
    found = {
        "resnet20.lpq.0": record(4.5, 900),
        "resnet20.lpq.1": record(4.5, 850),
        "resnet20.lpq.2": record(4.5, 899),
        "resnet20.mse-greedy": record(4.6, 898),
        "resnet20.ablation.whole.1": record(4.5, 890),
        "resnet20.ablation.kurtosis.1": record(4.5, 850),
    }
    text = lpq_page.section(found)
    assert "* ResNet-20, against mse-greedy search: more accurate in 0 of 3, less in 1; the other 2" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| kurtosis | 1 |")]
    assert row.split("|")[5].startswith(" -4.00 (")


def test_a_name_that_no_search_has_is_refused_before_any_runs() -> None:
    study = comparison([Entry("small", SmallSource(), 44)], 1)
    chosen = lpq.named(study, ("*unlimited*", "small.int?"))
    assert [task.name for task in chosen] == ["small.lpq-unlimited.0", "small.int8", "small.int4"]
    with pytest.raises(click.BadParameter, match="none matches '.any.'; there are small.float"):
        lpq.named(study, ("*int8", "*any*"))
