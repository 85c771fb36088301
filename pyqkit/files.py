"""How files and folders are written: whole or not at all, never in the place of another's.

What is written is made in a folder beside its place that has an unpredictable name and that nobody else can
enter, and is renamed when it is whole. Only two things are ever replaced: a regular file, and a folder that
holds files of ours and no others; both only with `force` (`pyqkit.renaming`). Symbolic links are refused.
Devices, FIFOs and open descriptors (``/dev/stdout``) are written to and stay what they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

from pyqkit.errors import OutputError
from pyqkit.renaming import EARLIER, publish

# Paths of files that a folder of ours consists of, relative to it; those ending in "/" stand for all below.
# None: it is none of ours.
Listing = Callable[[Path], "set[str] | None"]

_WORKSHOP = re.compile(r"\.pyqkit-[0-9a-f]{16}\.tmp")
# seconds after which a folder whose lock is free belongs to a run that was killed, and not to one that begins
_STALE = 600.0
_DESCRIPTOR = re.compile(r"/dev/(stdout)|/dev/(stderr)|/(?:dev|proc/self)/fd/(\d+)")
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def packaged(installed: str, source: str) -> Path:
    """A folder that comes with pyqkit: `installed` in the package, or `source` beside it in a source tree."""
    package = Path(__file__).parent
    return package / installed if (package / installed).is_dir() else package.parent / source


# ---- what may be replaced ----------------------------------------------------------------------------------


def check_file(target: Path, force: bool) -> None:
    """Refuse a place where no file can be written, or, without `force`, where there is one.

    Raises
    ------
    OutputError
    """
    with _sentences("file", target):
        if is_stream(target):
            return
        kind = _kind(target)
        if kind not in ("", "a file"):
            raise OutputError(f"a file was expected, but {target} is {kind}; choose another name")
        if kind and not force:
            raise OutputError(
                f"a new file was expected, but {target} exists; choose another name or pass --force"
            )
        if not target.absolute().parent.is_dir():
            raise OutputError(
                f"a file in a folder that exists was expected, but {target.parent} is none; make it first"
            )


def check_folder(target: Path, force: bool, what: str, listing: Listing) -> None:
    """Refuse a place where no folder can be written, or where `force` would lose something else.

    Parameters
    ----------
    what : str
        What a folder of ours is, with its article.
    listing : callable
        Names of our files in a folder.

    Raises
    ------
    OutputError
    """
    while True:
        looked_at = _place(target)
        try:
            return _check_folder(target, force, what, listing)
        except OutputError:
            # Two looks at a folder that another writer exchanged in between say nothing of either.
            if _place(target) == looked_at:
                raise


def _check_folder(target: Path, force: bool, what: str, listing: Listing) -> None:
    """`check_folder` of a folder that nobody exchanges meanwhile."""
    with _sentences("folder", target):
        kind = _kind(target)
        if not kind:
            return
        if kind.startswith("a symbolic link"):
            raise OutputError(f"a folder was expected, but {target} is {kind}; choose another name")
        if not force:
            raise OutputError(
                f"a new folder was expected, but {target} exists; choose another name or pass --force"
            )
        names = listing(target) if kind == "a folder" and any(target.iterdir()) else set()
        if names is None or kind != "a folder":
            raise OutputError(
                f"{what} to replace was expected, but {target} is something else; choose another name"
            )
        for other in _others(target, names):
            raise OutputError(
                f"{what} and nothing else was expected, but {other} is not part of it; move it away "
                "or choose another name"
            )


def _place(target: Path) -> tuple[int, int] | None:
    """What lies there, as the system tells one thing from another; None if nothing does."""
    try:
        found = target.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_stream(target: Path) -> bool:
    """Whether a path leads to what is written to and never replaced.

    Open descriptors, character devices and FIFOs are such.
    """
    if _DESCRIPTOR.fullmatch(str(target)):
        return True
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _kind(target: Path) -> str:
    """What is there, in words; empty if nothing is."""
    try:
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    kind = _KINDS.get(stat.S_IFMT(mode), "a device")
    return f"{kind} to {os.readlink(target)}" if stat.S_ISLNK(mode) else kind


def _others(folder: Path, names: set[str]) -> Iterator[Path]:
    """What lies in a folder and is not one of the regular files `names`, nor a folder that leads to one."""
    leading = {str(parent) for name in names for parent in PurePath(name).parents}

    def failed(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=failed):
        for name in (*folders, *files):
            path = Path(root) / name
            inside, kind = str(path.relative_to(folder)), _kind(path)
            if kind == "a folder" and f"{inside}/" in names:
                folders.remove(name)  # all below it is ours
            elif not (inside in leading if kind == "a folder" else inside in names and kind == "a file"):
                yield path


# ---- writing -----------------------------------------------------------------------------------------------


@contextmanager
def replacing(target: Path, force: bool = True) -> Iterator[Path]:
    """A path to write a file to; at the end the file takes its place.

    If anything is raised, nothing has happened.

    Parameters
    ----------
    target : Path
        Where the file goes. A device, a FIFO or a descriptor (``/dev/stdout``) is written to.
    force : bool
        Replace a file that is there.

    Raises
    ------
    OutputError
        If something else is in the way, or the system cannot write.
    """
    if is_stream(target):
        import tempfile

        with _sentences("file", target), workshop(Path(tempfile.gettempdir())) as work:
            yield work / target.name
            _pour(work / target.name, target)
    else:
        with replacing_all([target], force) as beside:
            yield beside / target.name


@contextmanager
def replacing_all(
    targets: Sequence[Path], force: bool, make_folder: bool = False, remedy: str = "choose another place"
) -> Iterator[Path]:
    """A folder to write several files into, which take their places together.

    They have the names of `targets`, which lie in one folder. All take their places, or none does.

    Parameters
    ----------
    make_folder : bool
        Make the folder of the targets where it does not exist.
    remedy : str
        What to do where the system cannot write.
    """
    parent = targets[0].absolute().parent
    kind, place = ("folder", parent) if make_folder else ("file", targets[0])
    with _sentences(kind, place, remedy), _parents(parent) if make_folder else contextlib.nullcontext():
        for target in targets:
            check_file(target, force)
        with workshop(parent) as work:
            made = work / "made"
            made.mkdir()
            yield made
            for target in targets:
                check_file(target, force)
            publish([(made / target.name, parent / target.name) for target in targets], force)


@contextmanager
def replacing_folder(target: Path, force: bool, what: str, listing: Listing) -> Iterator[Path]:
    """An empty folder to fill, which takes its place at the end.

    See `check_folder`. Missing folders above it are made.
    """
    check_folder(target, force, what, listing)
    place = target.absolute()
    with _sentences("folder", target), _parents(place.parent), workshop(place.parent) as work:
        made = work / "made"
        made.mkdir()
        yield made
        check_folder(target, force, what, listing)  # what somebody has put there meanwhile is not lost
        publish([(made, place)], force)


@contextmanager
def workshop(parent: Path) -> Iterator[Path]:
    """A folder in `parent` that nobody else can enter, removed at the end.

    Those of runs that were killed are removed too.
    """
    _sweep(parent)
    folder, owner = parent / f".pyqkit-{os.urandom(8).hex()}.tmp", os.getpid()
    try:
        folder.mkdir(mode=0o700)
        with _locked(folder):
            yield folder
    finally:
        if os.getpid() == owner:  # not in a process that was forked off meanwhile
            try:
                shutil.rmtree(folder, ignore_errors=True)
            except BaseException:  # Ctrl-C must leave nothing behind
                shutil.rmtree(folder, ignore_errors=True)
                raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, where its file system has locks; it ends with the process, whatever ends that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove workshops whose run was killed, and put back a folder that such a run had moved aside."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            if _WORKSHOP.fullmatch(entry.name) and _is_stale(entry.stat(follow_symlinks=False)):
                with contextlib.suppress(OSError):
                    _clear(Path(entry.path))


def _is_stale(status: os.stat_result) -> bool:
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and time.time() - status.st_mtime > _STALE
    )


def _clear(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where a run still holds it
        # A link there is none of ours.
        moved = list((folder / EARLIER).iterdir()) if _kind(folder / EARLIER) == "a folder" else []
        for earlier in moved:
            if _kind(earlier) == "a folder" and not _kind(folder.parent / earlier.name):
                os.rename(earlier, folder.parent / earlier.name)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make a folder and those above it.

    If anything is raised, those that were made are removed again while they are empty.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def _sentences(kind: str, target: Path, remedy: str = "choose another place") -> Iterator[None]:
    """What the system refuses becomes one sentence; a reader that went away is the caller's to hear of."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"a {kind} that can be written was expected, but {target} cannot ({reason}); {remedy}"
        ) from error


# ---- devices and descriptors -----------------------------------------------------------------------------


def _pour(source: Path, target: Path) -> None:
    """Write a file's content to a descriptor, a device or a FIFO."""
    with open(_opened(target), "wb") as stream, open(source, "rb") as content:
        shutil.copyfileobj(content, stream)


def _opened(target: Path) -> int:
    found = _DESCRIPTOR.fullmatch(str(target))
    if found:
        sys.stdout.flush()
        return os.dup(1 if found[1] else 2 if found[2] else int(found[3]))
    opened = os.open(target, os.O_WRONLY | os.O_NOCTTY)
    mode = os.fstat(opened).st_mode
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        os.close(opened)
        raise OutputError(
            f"a device or FIFO was expected, but {target} has become something else; call this again"
        )
    return opened
