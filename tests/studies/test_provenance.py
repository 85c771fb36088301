"""Figures say where they come from, and nothing about who made them."""

from __future__ import annotations

import argparse
import getpass
import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pyqkit
import pyqkit.studies.provenance as provenance_module
from pyqkit.studies.provenance import Clock, provenance
from tests.studies.walk import main as walk_command

ROOT = Path(__file__).parents[2]


def test_what_it_says() -> None:
    clock = Clock()
    found = provenance("benchmarks/some.py", {"frames": 3, "formats": ("a", "b"), "again": True}, clock, (7,))
    assert (found.program, found.seeds, found.pyqkit) == ("some.py", (7,), pyqkit.__version__)
    assert found.packages["numpy"] == np.__version__
    assert found.wall_s >= 0 and found.cpu_s >= 0 and found.cores >= 1 and found.cpu
    data = json.loads(json.dumps(found.to_json()))
    assert data["arguments"] == {"frames": 3, "formats": ["a", "b"], "again": True}
    assert "`some.py --frames 3 --formats a b --again`" in found.sentence()
    if (ROOT / ".git").exists():
        assert found.commit is not None and found.commit[:7] in found.sentence()


def test_results_are_no_changes_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark that goes on beside what it wrote is of the same commit as when it began."""
    tree = [tmp_path / name for name in ("code.py", "benchmarks/results/rows.json", "docs/page.md")]
    for path in tree:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(provenance_module, "_SOURCE", tmp_path)
    clock = Clock()
    clean = provenance("some.py", {}, clock).commit
    for path in reversed(tree):
        assert clean is not None
        assert provenance("some.py", {}, clock).commit == clean
        path.write_text("2")
    assert provenance("some.py", {}, clock).commit == f"{clean}+changes"


def test_no_user_and_no_path() -> None:
    places = {"data": Path("/home/somebody/data"), "out": "~/out", "more": ["/a/b", "x"], "none": None}
    cases = ["e2m1/e4m3", "int8", "e2m1/data", "int4/int4/int4"]
    found = provenance("/home/somebody/some.py", {**places, "cases": cases}, Clock())
    assert found.arguments == {
        "data": "(path)",
        "out": "(path)",
        "more": ["(path)", "x"],
        "none": None,
        "cases": ["e2m1/e4m3", "int8", "(path)", "(path)"],
    }
    text = json.dumps(found.to_json()) + found.sentence()
    for private in (getpass.getuser(), socket.gethostname(), str(ROOT), "somebody"):
        assert private not in text
    with pytest.raises(TypeError, match="plain data"):
        provenance("some.py", {"x": object()}, Clock())


def test_benchmarks_keep_the_runs_of_merged_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(sys, "argv", ["/somewhere/some.py"])
    from records import Run

    options, file = argparse.Namespace(frames=3), tmp_path / "results.json"
    first = Run(options, seeds=(1,))
    first.write_json(file, {"a": 1})
    first.write_json(file, {"a": 2}, merged=True)  # a run that writes twice stands there once
    assert [run["seeds"] for run in json.loads(file.read_text())["provenance"]] == [[1]]
    later = Run(options, seeds=(2,), clock=Clock(began=first.clock.began.replace(year=2000)))
    later.write_json(file, {"a": 3}, merged=True)
    assert [run["seeds"] for run in json.loads(file.read_text())["provenance"]] == [[1], [2]]
    later.write_json(file, {"a": 4})
    assert [run["seeds"] for run in json.loads(file.read_text())["provenance"]] == [[2]]
    first.write_markdown(tmp_path / "page.md", "| a |\n")
    assert (tmp_path / "page.md").read_text().startswith("| a |\n\nMade by `some.py --frames 3` on ")


def test_the_command_line_of_a_study(tmp_path: Path) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(walk_command, ["walk", "--walks", "1", *arguments])
        return done.exit_code, done.output

    code, said = call("-o", str(tmp_path / "a"), "--json")
    assert code == 0 and json.loads(said)["results"][0]["name"] == "walk0.0"
    code, said = call("-o", str(tmp_path / "a"))
    assert code == 2 and "pass --resume to go on" in said
    code, said = call("-o", str(tmp_path / "a"), "--resume", "--force")
    assert code == 2 and "one of --resume and --force was expected" in said
    code, said = call("-o", str(tmp_path / "a"), "--resume")
    assert code == 0 and "walk0.0" in said and "results" in said
    code, said = call("-o", str(tmp_path / "b"), "--failing", "walk0.0")
    assert code == 1 and "ArithmeticError: this walk cannot go on" in said and "Traceback" not in said
    code, said = call("-o", str(tmp_path / "b"), "--workers", "0")
    assert code == 2 and "--workers" in said
