"""What a study reads back is data: whole and its own, or it does not count."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyqkit.errors import UserError
from pyqkit.files import OutputError
from pyqkit.studies import checkpoint
from pyqkit.studies.checkpoint import Checkpoint
from pyqkit.studies.folder import StudyFolderError, opened
from pyqkit.studies.runner import run
from pyqkit.studies.study import Definition, State
from tests.studies.walk import Walk

STUDY = Walk(walks=2, steps_each=3)


def found_of(path: Path) -> Checkpoint:
    return checkpoint.read(path, "study", "task")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint with arrays of every kind."""
    arrays = {
        "flags": np.array([True, False]),
        "a/b c": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "scalar": np.array(np.float32(0.1)),
        "empty": np.zeros((0, 3), np.uint8),
        "wide": np.array([2**64 - 1], np.uint64),
    }
    state = State({"facts": [1, 0.1, None, "é"], "nested": {"t": (1, 2)}}, arrays)
    checkpoint.write(
        Checkpoint("study", "task", 3, False, state, ({"step": 1},), 0.5, 0.25, 7), tmp_path / "c.npz"
    )
    return tmp_path / "c.npz"


def test_a_checkpoint_comes_back(file: Path) -> None:
    found = found_of(file)
    assert found.state.values == {"facts": [1, 0.1, None, "é"], "nested": {"t": [1, 2]}}
    assert (found.steps, found.finished, found.curve, found.wall_s, found.run) == (
        3,
        False,
        ({"step": 1},),
        0.5,
        7,
    )
    np.testing.assert_array_equal(found.state.arrays["a/b c"], np.arange(6).reshape(2, 3))
    assert found.state.arrays["scalar"] == np.float32(0.1) and found.state.arrays["scalar"].shape == ()
    assert found.state.arrays["empty"].shape == (0, 3)
    assert found.state.arrays["wide"][0] == 2**64 - 1
    before = file.read_bytes()
    checkpoint.write(found, file)
    assert file.read_bytes() == before  # the same content gives the same bytes


def test_every_byte_counts(file: Path) -> None:
    """A file that is cut anywhere, or has any one byte changed, is refused or says the same."""
    content, expected = file.read_bytes(), found_of(file)
    for place in range(0, len(content), 11):
        file.write_bytes(content[:place])
        with pytest.raises(ValueError):
            found_of(file)
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            found = found_of(file)
        except (ValueError, TypeError):
            continue
        assert found.state.values == expected.state.values
        for name, array in expected.state.arrays.items():
            np.testing.assert_array_equal(found.state.arrays[name], array)


def rewritten(file: Path, change: Callable[[dict], object]) -> None:
    """Change the record, and its hash with it."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["record.json"])
    change(record)
    record["sha256"] = checkpoint.own_digest(record)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, "record.json": json.dumps(record).encode()}.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(study="other"), "belongs to task 'task' of another study"),
        (lambda r: r.update(task="other"), "belongs to task 'other'"),
        (lambda r: r.update(layout=1), "of another study"),
        (lambda r: r.pop("curve"), "none of a checkpoint"),
        (lambda r: r.update(steps=-1), "steps is -1"),
        (lambda r: r.update(steps=True), "steps is True"),
        (lambda r: r.update(wall_s="1"), "wall_s is '1'"),
        (lambda r: r.update(finished=1), "finished is 1"),
        (lambda r: r.update(curve=[[1]]), "its learning curve is none"),
        (lambda r: r.update(curve={"a": 1}), "its learning curve is none"),
        (lambda r: r.update(arrays={}), "its arrays are not those of its record"),
        (lambda r: r["arrays"].update(flags="0"), "array 'flags' is not what was written"),
    ],
    ids=[
        "study",
        "task",
        "layout",
        "missing",
        "negative",
        "bool",
        "text",
        "number",
        "point",
        "curve",
        "arrays",
        "hash",
    ],
)
def test_a_record_of_something_else_is_refused(
    change: Callable[[dict], object], reason: str, file: Path
) -> None:
    rewritten(file, change)
    with pytest.raises(ValueError, match=reason):
        found_of(file)


def test_a_pickle_is_no_array(file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Trap:
        def __reduce__(self):
            return (marker.write_text, ("yes",))

    np.savez(file, trap=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match=r"it has no record\.json"):
        found_of(file)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("values", "arrays"),
    [
        ({"x": float("nan")}, {}),
        ({"x": object()}, {}),
        ({"x": 2**70}, {}),
        ({}, {"x": np.array(["text"])}),
        ({}, {"x": np.array([1j])}),
        ({}, {"x": [1, 2]}),
    ],
    ids=["nan", "object", "huge", "text", "complex", "list"],
)
def test_what_no_file_keeps_is_no_state(values: dict, arrays: dict) -> None:
    with pytest.raises((TypeError, ValueError)):
        State(values, arrays)


def test_a_curve_may_diverge() -> None:
    assert State(point={"loss": float("inf"), "top1": 0.5}).point == {"loss": None, "top1": 0.5}


def test_damaged_checkpoints_are_computed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = run(STUDY, tmp_path / "walk")
    for task, content in (("walk0.0", b""), ("walk1.0", b"PK\x03\x04")):
        (tmp_path / f"walk/tasks/{task}.npz").write_bytes(content)
    assert run(STUDY, tmp_path / "walk", resume=True).digest == expected.digest
    said = capsys.readouterr().err
    assert "the checkpoint of walk0.0 does not count" in said and "walk1.0" in said


@pytest.mark.parametrize(
    ("study", "reason"),
    [
        (Walk(walks=3, steps_each=3), "task walk2.0 was defined otherwise"),
        (Walk(walks=2, steps_each=4), "task walk0.0, walk1.0 was defined otherwise"),
        (type("Other", (Walk,), {"version": 2})(walks=2, steps_each=3), "its version was 1 and is 2 now"),
        (type("Other", (Walk,), {"threads": 2})(walks=2, steps_each=3), "its threads was 1 and is 2 now"),
        (type("Other", (Walk,), {"name": "ramble"})(walks=2, steps_each=3), "its study was 'walk' and is"),
    ],
    ids=["task", "parameters", "version", "threads", "name"],
)
def test_a_changed_definition_is_refused(study: Walk, reason: str, tmp_path: Path) -> None:
    with opened(tmp_path / "walk", Definition(STUDY), False, False):
        pass
    with pytest.raises(StudyFolderError, match=f"{reason}.*choose another folder, pass --force"):
        run(study, tmp_path / "walk", resume=True)


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    run(STUDY, tmp_path / "walk")
    with pytest.raises(UserError, match="exists; pass --resume to go on.*--force to begin anew"):
        run(STUDY, tmp_path / "walk")
    (tmp_path / "walk/thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"thesis\.txt is not part of it"):
        run(STUDY, tmp_path / "walk", force=True)
    (tmp_path / "walk/thesis.txt").unlink()
    (tmp_path / "walk/.pyqkit-0123456789abcdef.tmp").mkdir()  # of a run that was killed
    assert run(Walk(walks=1), tmp_path / "walk", force=True).outcomes[0].task.name == "walk0.0"
    (tmp_path / "other").mkdir()
    with pytest.raises(StudyFolderError, match=r"study\.json cannot be read"):
        run(STUDY, tmp_path / "other", resume=True)
    with pytest.raises(OutputError, match="to replace was expected"):
        (tmp_path / "other/thesis.txt").write_text("mine")
        run(STUDY, tmp_path / "other", force=True)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[" * 99, '{"a": NaN}'], ids=str)
def test_a_damaged_definition_is_refused(content: str, tmp_path: Path) -> None:
    run(STUDY, tmp_path / "walk")
    (tmp_path / "walk/study.json").write_text(content)
    with pytest.raises(StudyFolderError, match="was expected, but"):
        run(STUDY, tmp_path / "walk", resume=True)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path / "walk", Definition(STUDY), False, False):
        for options in ({"resume": True}, {"force": True}):
            with pytest.raises(StudyFolderError, match="another run goes on in"):
                run(STUDY, tmp_path / "walk", **options)
    run(STUDY, tmp_path / "walk", resume=True)


def test_version_control_keeps_no_empty_folders(tmp_path: Path) -> None:
    """A study of steps without curves goes on from a clone."""
    with opened(tmp_path / "walk", Definition(STUDY), False, False):
        pass
    for name in ("tasks", "curves", "runs"):
        (tmp_path / "walk" / name).rmdir()
    found = run(STUDY, tmp_path / "walk", resume=True)
    assert [outcome.values for outcome in found.outcomes] == [
        outcome.values for outcome in run(STUDY, tmp_path / "other").outcomes
    ]
