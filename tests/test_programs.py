"""Programs that are called run side by side, and end with us."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyqkit import programs
from pyqkit.errors import UserError
from pyqkit.programs import Job, compile_all, run_all


def python(text: str, folder: Path) -> Job:
    return Job((sys.executable, "-c", text), folder)


def test_codes_and_what_was_said(tmp_path: Path) -> None:
    texts = ["print('one')", "import sys; sys.exit('two')", "import os; os.abort()"]
    with run_all([python(text, tmp_path) for text in texts], {"PYTHONDEVMODE": ""}) as jobs:
        found = {ended.job.command[-1]: (ended.code, ended.said.strip()[:3]) for ended in jobs}
    assert found == {texts[0]: (0, "one"), texts[1]: (1, "two"), texts[2]: (-6, "")}


def test_jobs_are_taken_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    taken = []

    def jobs() -> Iterator[Job]:
        for number in range(5):
            taken.append(number)
            yield python(f"print({number})", tmp_path)

    with run_all(jobs()) as ended:
        first = next(ended)
        assert len(taken) == 2
        assert sorted([first.said.strip(), *(job.said.strip() for job in ended)]) == list("01234")


def test_what_runs_ends_with_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    long = python("import time; print('up', flush=True); time.sleep(600)", tmp_path)
    started = []
    real = programs._start
    monkeypatch.setattr(programs, "_start", lambda *given: started.append(real(*given)) or started[-1])
    with pytest.raises(KeyboardInterrupt), run_all([long, python("", tmp_path)]) as jobs:
        next(jobs)
        raise KeyboardInterrupt
    assert len(started) == 2 and all(run.process.poll() is not None for run in started)


def test_the_first_error_of_a_compiler_is_the_sentence(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('note\\nx.cpp:1: error: no such thing')")
    with pytest.raises(UserError, match=r"^C\+\+ that compiles was expected, but g\+\+ says: x.cpp:1: error"):
        compile_all([command], tmp_path, "C++", "g++")


@pytest.mark.parametrize(
    "end", ["collect2: error: ld returned 1 exit status", "clang: error: linker command failed"]
)
def test_the_reason_of_a_linker_is_the_sentence(tmp_path: Path, end: str) -> None:
    said = f"ld: in function `main':\nx.cpp:(.text+0x5): undefined reference to `far'\n{end}"
    command = (sys.executable, "-c", f"import sys; sys.exit({said!r})")
    with pytest.raises(UserError, match=r"says: x.cpp:\(.text\+0x5\): undefined reference to `far'; report"):
        compile_all([command], tmp_path, "C++", "g++")
