"""A study has one result, whatever workers and interruptions it takes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pyqkit.errors import MissingToolError, UserError
from pyqkit.files import OutputError, replacing
from pyqkit.studies import checkpoint
from pyqkit.studies.runner import Results, TaskError, run
from pyqkit.studies.workers import WorkerLostError
from tests.studies.walk import Parameters, Walk

ROOT = Path(__file__).parents[2]
SHORT = Walk(walks=3, seeds=2, steps_each=4)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Results[Parameters]:
    """Of one run in one process."""
    return run(SHORT, tmp_path_factory.mktemp("study") / "walk")


def assert_equal(found: Results[Parameters], expected: Results[Parameters]) -> None:
    assert found.digest == expected.digest
    for one, other in zip(found.outcomes, expected.outcomes, strict=True):
        assert (one.task, one.values, one.curve) == (other.task, other.values, other.curve)
        np.testing.assert_array_equal(one.arrays["place"], other.arrays["place"])


def test_what_a_study_leaves(expected: Results[Parameters], tmp_path: Path) -> None:
    found = run(SHORT, tmp_path / "walk")
    assert_equal(found, expected)
    assert {path.name for path in (tmp_path / "walk").iterdir()} == {
        "study.json",
        "tasks",
        "curves",
        "runs",
        "results.json",
    }
    lines = (tmp_path / "walk/curves/walk1.1.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
    written = json.loads((tmp_path / "walk/results.json").read_text())
    assert written["digest"] == expected.digest and len(written["results"]) == 6
    assert len(written["provenance"]) == 1 and str(tmp_path) not in json.dumps(written)


def test_seeds_and_parameters_decide(expected: Results[Parameters]) -> None:
    places = {o.task.name: o.arrays["place"].tobytes() for o in expected.outcomes}
    assert len(set(places.values())) == len(places)


def test_two_workers_give_the_same(expected: Results[Parameters], tmp_path: Path) -> None:
    assert_equal(run(SHORT, tmp_path / "walk", count=2, every=0.0), expected)


def test_a_dask_cluster_gives_the_same(expected: Results[Parameters], tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=None, silence_logs=50
    ) as cluster:
        found = run(SHORT, tmp_path / "walk", dask=cluster.scheduler_address, every=0.0)
    assert_equal(found, expected)


def test_what_is_missing_for_a_cluster_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingToolError, match=r"distributed was expected for --dask.*pyqkit\[dask\]"):
        run(SHORT, tmp_path / "walk", dask="tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "joblib.externals.loky", None)
    with pytest.raises(MissingToolError, match=r"joblib was expected for 2 workers.*pyqkit\[studies\]"):
        run(SHORT, tmp_path / "walk", count=2, resume=True)


def written(folder: Path) -> int:
    """When something was last kept there, in nanoseconds."""
    return max((path.stat().st_mtime_ns for path in folder.glob("tasks/*.npz")), default=0)


@pytest.mark.parametrize(("workers", "kills"), [(1, 12), (2, 2)], ids=["1", "2"])
def test_killed_at_any_moment(
    workers: int, kills: int, expected: Results[Parameters], tmp_path: Path
) -> None:
    """SIGKILL leaves what the next run goes on from; the result is that of a run which nothing disturbed."""
    study, folder = Walk(walks=3, seeds=2, steps_each=4, pause=0.02), tmp_path / "walk"
    moments, killed = random.Random(workers), 0
    forked = multiprocessing.get_context("fork")
    for _ in range(kills):
        process = forked.Process(
            target=run, args=(study, folder), kwargs={"resume": True, "count": workers, "every": 0.0}
        )
        before, began = written(folder), time.monotonic()
        process.start()
        while written(folder) == before and process.is_alive() and time.monotonic() < began + 30:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.05))
        killed += process.is_alive()
        process.kill()
        process.join()
    assert killed >= kills // 2
    found = run(study, folder, resume=True, every=0.0)
    assert_equal(found, expected)
    assert run(study, folder, resume=True).digest == expected.digest  # nothing left to do


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_interrupted(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """What is done is kept, one sentence says how to go on, and the exit code is that of the signal."""
    folder = tmp_path / "walk"
    command = [sys.executable, "-m", "tests.studies.walk", "walk", "-o", str(folder), "--every", "0"]
    command += ["--pause", "0.2", "--walks", "2", "--steps", "40"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "curves/walk0.0.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "0 of 2 tasks" in said and "are kept in" in said and "go on with --resume" in said
    assert said.splitlines()[-1] == "pyqkit: interrupted"
    kept = len((folder / "curves/walk0.0.jsonl").read_text().splitlines())
    study = Walk(walks=2, steps_each=40)
    results = run(study, folder, resume=True)
    assert len(results.of("walk0.0").curve) == 40 > kept >= 1
    assert [outcome.run for outcome in results.outcomes] == [2, 2]
    assert [record["run"] for record in results.runs] == [1, 2]
    assert len(list((folder / "runs").iterdir())) == 2


def test_a_task_that_fails_does_not_stop_the_others(expected: Results[Parameters], tmp_path: Path) -> None:
    study = Walk(walks=3, seeds=2, steps_each=4, failing="walk1.0")
    with pytest.raises(
        TaskError, match="but 1 tasks failed .walk1.0: ArithmeticError: this walk cannot go on"
    ):
        run(study, tmp_path / "walk")
    done = {path.stem for path in (tmp_path / "walk/tasks").iterdir()}
    assert done == {o.task.name for o in expected.outcomes} - {"walk1.0"}


def test_a_lost_worker_is_said(tmp_path: Path) -> None:
    study = Walk(walks=2, steps_each=3, ends=True)
    with pytest.raises(WorkerLostError, match="its worker process has ended.*go on with --resume"):
        run(study, tmp_path / "walk", count=2)
    assert len(run(Walk(walks=2, steps_each=3), tmp_path / "walk", resume=True).outcomes) == 2


def test_a_full_disk_is_said_and_what_is_kept_goes_on(
    expected: Results[Parameters], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, left = checkpoint.write, iter(range(5))

    def write(found: checkpoint.Checkpoint, path: Path) -> None:
        if next(left, None) is None:
            with replacing(path) as beside:
                beside.write_bytes(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        kept(found, path)

    with monkeypatch.context() as full:
        full.setattr(checkpoint, "write", write)
        with pytest.raises(OutputError, match=r"walk.*cannot \(No space left on device\)"):
            run(SHORT, tmp_path / "walk", every=0.0)
    files = {path.suffix for path in (tmp_path / "walk").rglob("*") if path.is_file()}
    assert files == {".json", ".npz", ".jsonl"}  # nothing half-written
    assert_equal(run(SHORT, tmp_path / "walk", resume=True), expected)


def test_definitions_are_checked(tmp_path: Path) -> None:
    class Twice(Walk):
        def tasks(self):
            return [*super().tasks(), *super().tasks()]

    class Path_(Walk):
        name = "../walk"

    with pytest.raises(UserError, match="of different names were expected, but walk0.0 is there twice"):
        run(Twice(), tmp_path / "walk")
    with pytest.raises(UserError, match="a name of letters, digits"):
        run(Path_(), tmp_path / "walk")
    with pytest.raises(UserError, match="but there are none"):
        run(Walk(walks=0), tmp_path / "walk")
    assert not list(tmp_path.iterdir())
