"""Programs that pyqkit calls (compilers, Verilator, make).

They end with us, and write nowhere but where they are told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyqkit.errors import UserError
from pyqkit.files import OutputError

_GRACE = 2.0  # seconds in which a program that is asked to end may put its things away
_NO_ROOM = (
    *(os.strerror(number) for number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)),
    "File size limit exceeded",
)


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
    surroundings = {**os.environ, **(environment or {}), "TMPDIR": str(folder), "LC_ALL": "C"}
    waiting = list(commands)
    with contextlib.ExitStack() as all_of_them:
        running = all_of_them.enter_context(selectors.DefaultSelector())
        while waiting or running.get_map():
            while waiting and len(running.get_map()) < (os.cpu_count() or 1):
                options = {
                    "cwd": folder,
                    "env": surroundings,
                    "stdin": subprocess.DEVNULL,
                    "stdout": subprocess.PIPE,
                }
                process = all_of_them.enter_context(
                    started(waiting.pop(0), stderr=subprocess.STDOUT, **options)
                )
                assert process.stdout is not None
                running.register(process.stdout, selectors.EVENT_READ, (process, bytearray()))
            for ready, _ in running.select():
                process, said = ready.data
                chunk = os.read(ready.fd, 1 << 16)
                said += chunk
                if not chunk:
                    running.unregister(ready.fileobj)
                    if process.wait():
                        _fail(process.returncode, said.decode(errors="replace"), language, tool)


def _fail(code: int, said: str, language: str, tool: str) -> None:
    if code == -signal.SIGXFSZ or any(text in said for text in _NO_ROOM):
        reason = next((text for text in _NO_ROOM if text in said), os.strerror(errno.EFBIG))
        raise OutputError(
            f"room for what {tool} writes was expected, but there is none ({reason}); make room, or "
            "set TMPDIR and XDG_CACHE_HOME"
        )
    first = next((line for line in said.splitlines() if "rror" in line), said.strip()[:400])
    first = first or (
        f"nothing, and was ended by signal {-code}" if code < 0 else f"nothing, and ended with code {code}"
    )
    raise UserError(f"{language} that compiles was expected, but {tool} says: {first}; report this as a bug")
