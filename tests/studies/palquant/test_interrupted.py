"""Trainings that are interrupted or killed end as one that nothing has disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brevitas")
pytest.importorskip("sklearn")

from click.testing import CliRunner

from pyqkit.cli import main

ARGUMENTS = ("study", "palquant", "--arm", "w2a2g2", "--seeds", "1", "--epochs", "6", "--width", "2")
TASK = "w2a2g2.0"


def trained(folder: Path, *more: str) -> dict[str, np.ndarray]:
    found = CliRunner().invoke(main, [*ARGUMENTS, "-o", str(folder), *more])
    assert found.exit_code == 0, found.output
    with np.load(folder / "tasks" / f"{TASK}.npz") as archive:
        return {name: archive[name] for name in archive.files if name.startswith(("hits", "network/"))}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return trained(tmp_path_factory.mktemp("whole") / "study")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["int", "kill"])
def test_the_network_is_that_of_an_undisturbed_run(
    number: signal.Signals, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    curve = folder / "curves" / f"{TASK}.jsonl"
    command = [sys.executable, "-m", "pyqkit", *ARGUMENTS, "-o", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 120
    while not curve.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    kept = len(curve.read_text().splitlines())
    assert 1 <= kept < 6
    if number == signal.SIGINT:
        assert process.returncode == 130 and "go on with --resume" in said
    else:
        assert process.returncode == -signal.SIGKILL
    found = trained(folder, "--resume")
    assert set(found) == set(expected) and len(found) > 20
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
