"""A place in which nothing may change but the output, and a watch over what Python does meanwhile."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_COMMANDS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
}
_NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request"}
# Audit events that change the file system: where paths stand among the arguments, and the descriptors that
# they are relative to
_CHANGES = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, -1),),
    "os.utime": ((0, 3),),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_READABLE = ("/proc/", "/sys/devices/", "/dev/null", "/dev/urandom", "/usr/share/zoneinfo")


class Violation(BaseException):
    """Raised in place of what must not happen.

    No `Exception`, so that no reader takes it for a damaged file.
    """

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class Sandbox:
    """A temporary folder: the input, the output, and home, working, cache and temporary folders that must
    stay empty.

    Attributes
    ----------
    output : Path
        The only folder that may be written to.
    violations : list of Violation
        What was tried since `watched` began.
    """

    _EMPTY = ("home", "work", "cache", "tmp")

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="pyqkit-fuzz-")).resolve()
        self.output = self.root / "output"
        self.violations: list[Violation] = []
        self._armed = False
        prefixes = {sys.prefix, sys.base_prefix, str(ROOT), str(self.root), *filter(os.path.isabs, sys.path)}
        self._readable = tuple(prefixes) + _READABLE
        self._writable = (str(self.output), str(self.root / "tmp"), "/dev/null")

    def enter(self) -> None:
        """Make this process live in the sandbox from now on; audit hooks cannot be taken away again."""
        for name in self._EMPTY:
            (self.root / name).mkdir()
        self.output.mkdir()
        os.environ.update(
            HOME=str(self.root / "home"),
            XDG_CACHE_HOME=str(self.root / "cache"),
            TMPDIR=str(self.root / "tmp"),
        )
        os.environ["PATH"] = ""  # without a compiler engine `exact` runs without native code
        tempfile.tempdir = None
        os.chdir(self.root / "work")
        sys.dont_write_bytecode = True
        sys.addaudithook(self._audit)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Refuse commands, connections and files outside while the block runs."""
        self.violations.clear()
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def strays(self) -> list[str]:
        """What lies where nothing may lie; it is removed."""
        found = []
        for folder in (self.root / name for name in self._EMPTY):
            for entry in list(os.scandir(folder)):
                found.append(str(Path(entry.path).relative_to(self.root)))
                shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        return found

    def results(self) -> list[str]:
        """What lies in the output folder; it is removed."""
        found = []
        for entry in list(os.scandir(self.output)):
            found.append(entry.name)
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        return found

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._armed:
            return
        if event == "open":
            path, _, flags = arguments
            writes = bool(flags & _WRITES) if isinstance(flags, int) else False
            self._check(event, path, None, self._writable if writes else self._readable)
        elif event in _CHANGES:
            for at, folder in _CHANGES[event]:
                self._check(event, arguments[at], arguments[folder] if folder >= 0 else -1, self._writable)
        elif event in _COMMANDS or event in _NETWORK:
            self._refuse("command", f"{event}{arguments!r}")

    def _check(self, event: str, path: Any, folder: int | None, allowed: tuple[str, ...]) -> None:
        """Whether a path is allowed.

        `folder` is the descriptor it is relative to, -1 for the working folder, None if nobody knows.
        """
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a descriptor: its path was checked when it was opened
        name = os.fsdecode(path)
        if folder is None and not os.path.isabs(name) and ".." not in name.split("/"):
            return  # wherever that is, `strays` finds it in the folders that must stay empty
        base = os.readlink(f"/proc/self/fd/{folder}") if folder is not None and folder >= 0 else ""
        place = os.path.realpath(os.path.join(base, name))
        if not place.startswith(allowed):
            self._refuse("file outside", f"{event} {place}")

    def _refuse(self, kind: str, what: str) -> None:
        violation = Violation(kind, what[:300])
        self.violations.append(violation)
        raise violation
