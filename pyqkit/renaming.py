"""Renaming what was made to its place: nothing is overwritten unasked, and several names change together.

Without `force` the rename itself fails where something exists, so of several writers one succeeds. With it
old and new exchange their places in one system call, or, on file systems that have none, the old one waits in
the folder beside and comes back if the run fails or is killed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pyqkit.errors import OutputError

EARLIER = "earlier"  # in the folder of what was made: what is to be put back if the run is killed
_NOREPLACE, _EXCHANGE, _HERE = 1, 2, -100  # of renameat2(2)


def publish(pairs: Sequence[tuple[Path, Path]], force: bool) -> None:
    """Rename every (made, target), or none.

    With `force` they take the places of what is there, which is then found at `made`.

    Raises
    ------
    OutputError
        Without `force`, where something exists; of several that rename to one place at once, one succeeds.
    """
    done: list[tuple[Path, Path, bool]] = []
    try:
        for made, target in pairs:
            done.append((made, target, _put(made, target, force)))
    except BaseException:
        for made, target, replaced in reversed(done):
            if replaced:
                _exchange(made, target)
            else:
                os.rename(target, made)
        raise


def _put(made: Path, target: Path, force: bool) -> bool:
    """Rename; whether something that was there has been replaced."""
    if not (force and os.path.lexists(target)):
        try:
            _take(made, target)
            return False
        except FileExistsError as error:
            if not force:
                what = "folder" if made.is_dir() else "file"
                raise OutputError(
                    f"a new {what} was expected, but {target} exists; choose another name or pass --force"
                ) from error
    _exchange(made, target)
    return True


def _take(made: Path, target: Path) -> None:
    """Rename to a place where nothing is."""
    if _renameat2(made, target, _NOREPLACE):
        return
    if made.is_dir():
        target.mkdir()
    else:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))
    try:
        os.replace(made, target)  # onto what was just made, empty
    except BaseException:
        with contextlib.suppress(OSError):
            target.rmdir() if target.is_dir() else target.unlink()
        raise


def _exchange(made: Path, target: Path) -> None:
    """Let two files or folders take each other's places, at once where the system can."""
    if _renameat2(made, target, _EXCHANGE):
        return
    if target.is_dir():
        aside = made.parent / EARLIER / target.name
        aside.parent.mkdir(exist_ok=True)
        os.rename(target, aside)
    else:
        aside = made.with_name(f"{made.name}.{EARLIER}")
        shutil.copy2(target, aside, follow_symlinks=False)
    try:
        os.replace(made, target)
    except BaseException:
        os.replace(aside, target)
        raise
    os.rename(aside, made)


@functools.cache
def _c_library() -> object:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """renameat2(2); False where the C library or the file system does not know it."""
    import ctypes

    call = getattr(_c_library(), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(source), _HERE, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(target))
