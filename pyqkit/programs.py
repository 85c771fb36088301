"""Programs that pyqkit calls (compilers, Verilator, make).

They end with us, and write nowhere but where they are told.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import selectors
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqkit.errors import UserError
from pyqkit.files import OutputError

_GRACE = 2.0  # seconds in which a program that is asked to end may put its things away
_NO_ROOM = (
    *(os.strerror(number) for number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)),
    "File size limit exceeded",
)
_LINKERS = ("ld returned", "linker command failed")  # what g++ and clang say when theirs has failed


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program in a process group of its own, which is ended, children and all, if it still runs at the end.

    Parameters
    ----------
    command : sequence of str
    options
        For `subprocess.Popen`.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        if process.stdout is not None:
            process.stdout.close()
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@dataclass(frozen=True)
class Job:
    """A command line, and the folder where it runs; its temporary files lie there too."""

    command: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class Ended:
    """A job, its exit code (minus the number of the signal that ended it), and all that it said."""

    job: Job
    code: int
    said: str


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[Any]
    end: contextlib.ExitStack
    said: bytearray = field(default_factory=bytearray)


@contextmanager
def run_all(jobs: Iterable[Job], environment: Mapping[str, str] | None = None) -> Iterator[Iterator[Ended]]:
    """Run programs, as many at a time as there are processors; what still runs at the end is ended.

    Parameters
    ----------
    jobs : iterable of Job
        Taken one by one, as soon as there is a processor for the next.
    environment : mapping, optional
        Added to the process's own.

    Returns
    -------
    context manager of an iterator of Ended
        In the order in which they end.
    """
    running = selectors.DefaultSelector()
    try:
        yield _ended(iter(jobs), running, {**os.environ, **(environment or {}), "LC_ALL": "C"})
    finally:
        for key in list(running.get_map().values()):
            key.data.end.close()
        running.close()


def _ended(
    jobs: Iterator[Job], running: selectors.BaseSelector, surroundings: Mapping[str, str]
) -> Iterator[Ended]:
    room = os.cpu_count() or 1
    while True:
        for job in itertools.islice(jobs, room - len(running.get_map())):
            entry = _start(job, {**surroundings, "TMPDIR": str(job.folder)})
            running.register(entry.process.stdout, selectors.EVENT_READ, entry)  # type: ignore[arg-type]
        if not running.get_map():
            return
        for ready, _ in running.select():
            entry = ready.data
            chunk = os.read(ready.fd, 1 << 16)
            entry.said += chunk
            if not chunk:
                code = entry.process.wait()
                running.unregister(ready.fileobj)
                entry.end.close()
                yield Ended(entry.job, code, entry.said.decode(errors="replace"))


def _start(job: Job, surroundings: Mapping[str, str]) -> _Running:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    end = contextlib.ExitStack()
    process = end.enter_context(started(job.command, cwd=job.folder, env=surroundings, **pipes))
    return _Running(job, process, end)


def compile_all(
    commands: Sequence[Sequence[str]],
    folder: Path,
    language: str,
    tool: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run compilers in a folder, as many at a time as there are processors.

    None goes on when one fails or the user interrupts.

    Parameters
    ----------
    commands : sequence of command lines
    folder : Path
        Where they run; their temporary files lie there too.
    language, tool : str
        What is compiled by what, for the sentence if it fails.
    environment : mapping, optional
        Added to the process's own.

    Raises
    ------
    OutputError
        If there is no room to write.
    UserError
        If one ends with an error; carries its first.
    """
    with run_all([Job(command, folder) for command in commands], environment) as all_of_them:
        for ended in all_of_them:
            if ended.code:
                _fail(ended.code, ended.said, language, tool)


def _fail(code: int, said: str, language: str, tool: str) -> None:
    if code == -signal.SIGXFSZ or any(text in said for text in _NO_ROOM):
        reason = next((text for text in _NO_ROOM if text in said), os.strerror(errno.EFBIG))
        raise OutputError(
            f"room for what {tool} writes was expected, but there is none ({reason}); make room, or "
            "set TMPDIR and XDG_CACHE_HOME"
        )
    first = _first_error(said) or (
        f"nothing, and was ended by signal {-code}" if code < 0 else f"nothing, and ended with code {code}"
    )
    raise UserError(f"{language} that compiles was expected, but {tool} says: {first}; report this as a bug")


def _first_error(said: str) -> str:
    """The first line of a compiler that is an error; of a linker's, the one before, which says why."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    at = next((place for place, line in enumerate(lines) if "rror" in line), None)
    if at is None:
        return said.strip()[:400]
    return lines[at - 1 if at and any(text in lines[at] for text in _LINKERS) else at]
