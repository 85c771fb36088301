"""What takes long is kept between runs, and trusted only if it is ours and unchanged.

Compiled engines and synthesised blocks are kept.

An entry is a folder whose name carries a hash of everything that it was made of. Beside its files lies a
record: the entry's own name and the SHA-256 of every file. An entry counts only if folder and files are real
ones, belong to us, cannot be written by others and are what the record says; any other is made again in its
place. A library is hashed through the descriptor from which it is then loaded, so what runs is what was
checked.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyqkit.errors import OutputError, UserError
from pyqkit.files import workshop
from pyqkit.renaming import publish

RECORD = "record.json"
_loads = itertools.count()


class CacheError(UserError):
    """A compiled library that is not as it was made, or cannot be loaded."""


# ---- where -------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """``pyqkit`` in the user's cache folder; one that lasts as long as the process where that cannot be used.

    The user's cache folder is ``$XDG_CACHE_HOME``, else ``.cache`` at home. As the XDG specification says,
    relative paths are ignored.
    """
    folder = user_folder()
    return private_folder() if folder is None or why_not(folder) else folder


def user_folder() -> Path | None:
    """The place for the cache that the surroundings name, None if they name none."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(chosen):
        return Path(chosen) / "pyqkit"
    home = os.environ.get("HOME", "") or _home_of_record()
    return Path(home) / ".cache" / "pyqkit" if os.path.isabs(home) else None


def _home_of_record() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def why_not(folder: Path) -> str:
    """What keeps a folder from being used as the cache; empty if nothing does. It need not exist yet."""
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return "it is no folder"
        if status.st_uid != os.geteuid():
            return "it belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            # A generous umask; entries are checked one by one.
            folder.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


@functools.cache
def private_folder() -> Path:
    """A folder for this process alone, removed when it ends."""
    import atexit
    import tempfile

    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    try:
        return stack.enter_context(workshop(Path(tempfile.gettempdir())))
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"a folder for temporary files was expected, but none can be made ({reason}); set TMPDIR"
        ) from error


# ---- entries -----------------------------------------------------------------------------------------------


def entry(folder: Path, name: str, fill: Callable[[Path, Path], None]) -> Path:
    """The folder of an entry, as it was kept or made now.

    Parameters
    ----------
    folder : Path
        The cache. Where it cannot be written, what has to be made goes to `private_folder`.
    name : str
        With a hash of all that the entry is made of.
    fill : callable
        Writes the entry's files, without folders, into the first of two empty folders, and what it needs on
        the way into the second. Of several processes that need an entry one makes it.

    Raises
    ------
    OutputError
        If it can be written nowhere.
    """
    target = folder / name
    if is_kept(target):
        return target
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(_alone(folder / f".{name}.lock"))
            work = stack.enter_context(workshop(folder))
        except OSError as error:
            if folder == private_folder():
                raise OutputError(
                    f"a folder that can be written was expected, but {folder} cannot "
                    f"({error.strerror}); set TMPDIR"
                ) from error
            stack.close()
            return entry(private_folder(), name, fill)
        if not is_kept(target):  # another process may have made it meanwhile
            made, scratch = work / name, work / "scratch"
            try:
                made.mkdir(mode=0o700)
                scratch.mkdir()
                fill(made, scratch)
                _seal(made, name)
                publish([(made, target)], force=True)
            except OSError as error:
                reason = error.strerror or error
                raise OutputError(
                    f"room for what is kept between runs was expected in {folder}, but it cannot be written "
                    f"({reason}); make room, or set XDG_CACHE_HOME"
                ) from error
    return target


def is_kept(target: Path) -> bool:
    """Whether an entry counts; its record is compared with all that is in it."""
    if flaw(target):
        return False
    with contextlib.suppress(OSError):
        os.utime(target)  # when it was used last
    return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for a lock that has the name of a file; the file is gone afterwards."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            # Without locks several may make the entry, one of them is kept.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the one that we waited for has removed it
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _seal(made: Path, name: str) -> None:
    """Write the record of an entry; nobody else may write what it lists."""
    digests = {}
    for path in sorted(made.iterdir()):
        path.chmod(0o600)
        digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (made / RECORD).write_text(json.dumps({"name": name, "files": digests}))
    (made / RECORD).chmod(0o600)


def flaw(target: Path) -> str:
    """Why an entry does not count; empty if it does."""
    try:
        with _ours(target, os.O_DIRECTORY) as folder:
            for name, expected in _record(folder, target.name).items():
                with _ours(name, at=folder) as file:
                    if _digest(file) != expected:
                        return f"{name} has changed"
    except FileNotFoundError:
        return "incomplete"
    except OSError as error:
        return error.strerror or str(error)
    except CacheError as error:
        return str(error)
    return ""


@contextmanager
def _ours(path: Path | str, flags: int = 0, at: int | None = None) -> Iterator[int]:
    """A descriptor of a file or folder that belongs to us and that nobody else may write."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=at)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheError("others can write it")
        if not (stat.S_ISREG(status.st_mode) or flags & os.O_DIRECTORY):
            raise CacheError("not a file")
        yield descriptor
    finally:
        os.close(descriptor)


def _record(folder: int, name: str) -> dict[str, str]:
    """SHA-256 of the files of an entry, by name."""
    with _ours(RECORD, at=folder) as file:
        content = b"".join(_chunks(file))
    try:
        record = json.loads(content)
        files = {str(key): str(value) for key, value in record["files"].items()}
        named = record["name"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CacheError("its record cannot be read") from error
    if named != name or any("/" in key for key in files):
        raise CacheError("its record is of another entry")
    return files


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, 1 << 20):
        yield chunk


def _digest(descriptor: int) -> str:
    found = hashlib.sha256()
    for chunk in _chunks(descriptor):
        found.update(chunk)
    return found.hexdigest()


def load(library: Path) -> ctypes.CDLL:
    """Load a library of an entry, after checking it through the descriptor that it is loaded from.

    Raises
    ------
    CacheError
        If it is not what the entry's record says.
    """
    try:
        with _ours(library.parent, os.O_DIRECTORY) as folder:
            expected = _record(folder, library.parent.name).get(library.name)
            with _ours(library.name, at=folder) as file:
                if _digest(file) != expected:
                    raise CacheError("it has changed")
                return ctypes.CDLL(_name(file, library))
    except (OSError, CacheError) as error:
        raise CacheError(
            f"a library that pyqkit compiled was expected, but {library} is none ({error}); call this again"
        ) from error


def _name(descriptor: int, library: Path) -> str:
    """A path to an open file, another one each time.

    The loader knows what it has loaded by name, and numbers of descriptors come again.

    Where the system has no /proc, the library's own path has to do: there a change between check and loading
    would go unseen.
    """
    if not os.path.exists(f"/proc/self/fd/{descriptor}"):
        return str(library)
    once = f"{next(_loads):b}".replace("1", "./").replace("0", "/")
    return f"/proc/self/fd/{once}{descriptor}"
