"""A short run of every fuzzer; ``make fuzz`` runs them for longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("onnx")

from tests.fuzz.readers import by_name
from tests.fuzz.sandbox import ROOT


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One process for all, so that what they need is imported once."""
    path = tmp_path_factory.mktemp("fuzz") / "outcomes.json"
    command = [sys.executable, "-m", "tests.fuzz", "--short", "--minutes", "5", "--json", str(path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert path.is_file(), done.stderr
    return {outcome["reader"]: outcome for outcome in json.loads(path.read_text())["readers"]}


@pytest.mark.parametrize("name", sorted(by_name()))
def test_no_reader_falls(outcomes: dict[str, Any], name: str) -> None:
    outcome = outcomes[name]
    assert outcome["distinct"] == []
    assert outcome["inputs"] == by_name()[name].short
    assert 0 < outcome["refused"] < outcome["inputs"]  # spoiled inputs are refused, sound ones are not
