"""The fuzzer itself: every kind of fault is seen, and told from the others."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from pyqkit.errors import UserError
from tests.fuzz.mutators import spoil_bytes, spoil_data, spoil_text
from tests.fuzz.reader import Input, Reader
from tests.fuzz.runner import MEMORY, fuzz


class Scripted(Reader):
    """Does one thing for each input."""

    name = "scripted"

    def __init__(self, *acts: Callable[[Path, Path], object]) -> None:
        self.acts = acts

    def seeds(self) -> Sequence[Input]:
        return [bytes([i]) for i in range(len(self.acts))]

    def mutate(self, seed: Input, random: Random) -> Input:
        return seed

    def call(self, path: Path, output: Path) -> None:
        self.acts[path.read_bytes()[0]](path, output)


def swallowed(path: Path, output: Path) -> None:
    with contextlib.suppress(BaseException):
        os.system("true")


def refuse(sentence: str) -> None:
    raise UserError(sentence)


def refuse_raw(text: str) -> None:
    error = UserError("")
    error.args = (text,)  # past what makes messages plain
    raise error


def refuse_half_done(path: Path, output: Path) -> None:
    (output / "half").write_text("done")
    raise UserError("a whole file was expected, but half of one came; copy it again")


def unforeseen(path: Path, output: Path) -> None:
    try:
        {}["key"]
    except KeyError as error:
        raise UserError("a sound model was expected, but it breaks the importer; export it again") from error


def warn(path: Path, output: Path) -> None:
    import pyqkit.errors

    warnings.warn_explicit("overflow", RuntimeWarning, pyqkit.errors.__file__, 7)


ACTS: list[tuple[Callable[[Path, Path], object], str]] = [
    (lambda path, output: (output / "fine").write_text("x"), ""),
    (lambda path, output: refuse("a number was expected, but x came; give one"), ""),
    (lambda path, output: {}["key"], "traceback"),
    (lambda path, output: [][0], "traceback"),
    (unforeseen, "traceback"),
    (lambda path, output: bytes(2 * MEMORY), "memory"),
    (lambda path, output: ctypes.string_at(0), "signal"),
    (lambda path, output: time.sleep(60), "hang"),
    (lambda path, output: (path.parent / "home" / "x").write_text("x"), "file outside"),
    (lambda path, output: Path("stray").mkdir(), "file outside"),
    (lambda path, output: Path("/etc/hostname").read_text(), "file outside"),
    (lambda path, output: subprocess.run(["true"], check=False), "command"),
    (swallowed, "command"),
    (refuse_half_done, "left behind"),
    (warn, "warning"),
    (lambda path, output: refuse(""), "sentence"),
    (lambda path, output: refuse_raw("a word " * 1000), "sentence"),
    (lambda path, output: refuse_raw("\x1b[2J"), "sentence"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ACTS)))
def test_every_kind_of_fault_is_seen(number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    act, kind = ACTS[number]
    outcome = fuzz(Scripted(act), seed=0, inputs=3, seconds=60, hang=0.3, kept=tmp_path)
    assert outcome.inputs == 3
    assert dict(outcome.failures) == ({kind: 3} if kind else {})
    # The same fault three times is one.
    assert [finding.kind for finding in outcome.distinct] == [kind] * bool(kind)
    assert (tmp_path / "scripted" / "0").is_file() == bool(kind)
    assert capfd.readouterr().out.startswith(f"scripted 0: {kind}, ") == bool(kind)


def test_different_faults_are_told_apart_and_the_run_goes_on(tmp_path: Path) -> None:
    outcome = fuzz(
        Scripted(*(act for act, _ in ACTS if act is not ACTS[7][0])),
        seed=0,
        inputs=len(ACTS) - 1,
        seconds=60,
        kept=tmp_path,
    )
    assert outcome.inputs == len(ACTS) - 1 and outcome.refused == 6
    assert sorted(finding.kind for finding in outcome.distinct) == sorted(
        kind for _, kind in ACTS if kind not in ("", "hang")
    )


def test_the_same_numbers_give_the_same_inputs() -> None:
    data = {"a": [1, 2.5, "x", None], "b": {"c": True}}
    for number in range(300):
        for spoil, content in (
            (spoil_bytes, b"some 12 bytes"),
            (spoil_text, 'key = "text" # 12'),
            (spoil_data, data),
        ):
            assert repr(spoil(content, Random(number))) == repr(spoil(content, Random(number)))  # type: ignore[operator]
    assert data == {"a": [1, 2.5, "x", None], "b": {"c": True}}
