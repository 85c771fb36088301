"""How files are written: whole or not at all, onto our own alone, by one of several at once."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqkit import renaming
from pyqkit.files import OutputError, check_folder, replacing, replacing_all
from tests.places import LISTED, make_folder, names_in

# ---- files -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("renames")
def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with replacing(target) as beside:
        beside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new" and names_in(tmp_path) == ["report.json"]


@pytest.mark.usefixtures("renames")
def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    sentence = (
        f"a file that can be written was expected, but {target} cannot (No space left on device); "
        "choose another place"
    )
    with pytest.raises(OutputError) as caught, replacing(target) as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == sentence
    assert target.read_text() == "old" and names_in(tmp_path) == ["report.json"]


def test_a_new_file_is_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    with replacing(tmp_path / "new", force=False) as beside:
        beside.write_text("new")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


def in_the_way(kind: str, target: Path) -> None:
    if kind == "a folder":
        target.mkdir()
    elif kind.startswith("a symbolic link"):
        (target.parent / "precious").write_text("mine")
        target.symlink_to("precious")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(target))
    else:
        try:
            os.mknod(target, 0o600 | stat.S_IFBLK, os.makedev(7, 250))
        except PermissionError:
            pytest.skip("device nodes can be made by root alone")


@pytest.mark.parametrize("kind", ["a folder", "a symbolic link to precious", "a socket", "a block device"])
@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, force: bool
) -> None:
    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    target = Path("it")
    in_the_way(kind, target)
    before, names = target.lstat(), names_in(tmp_path)
    with pytest.raises(OutputError) as caught, replacing(target, force) as beside:
        beside.write_text("new")
    assert str(caught.value) == f"a file was expected, but it is {kind}; choose another name"
    assert os.path.samestat(before, target.lstat()) and names_in(tmp_path) == names
    assert not (tmp_path / "precious").exists() or (tmp_path / "precious").read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(OutputError, match=r"is a symbolic link to .*elsewhere; choose another name"),
        replacing(tmp_path / "link") as beside,
    ):
        beside.write_text("new")
    assert names_in(tmp_path) == ["link"]


@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_written_to(tmp_path: Path, force: bool) -> None:
    node = tmp_path / "null"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("device nodes can be made by root alone")
    with replacing(node, force) as beside:
        beside.write_text("gone")
    assert stat.S_ISCHR(node.lstat().st_mode) and node.lstat().st_rdev == os.makedev(1, 3)
    assert names_in(tmp_path) == ["null"]


def test_a_fifo_is_written_to(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    taken: list[str] = []
    reader = threading.Thread(target=lambda: taken.append(fifo.read_text()))
    reader.start()
    with replacing(fifo) as beside:
        beside.write_text("through")
    reader.join(10)
    assert taken == ["through"] and stat.S_ISFIFO(fifo.lstat().st_mode) and names_in(tmp_path) == ["fifo"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_descriptors_are_written_to_where_they_stand(tmp_path: Path, name: str) -> None:
    code = (
        "from pathlib import Path; from pyqkit.files import replacing\n"
        f"print('before')\nwith replacing(Path({name!r}), False) as beside: "
        "beside.write_text('content\\n')\nprint('after')"
    )
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (
        tmp_path / "out"
    ).read_text() == "before\ncontent\nafter\n"  # a file behind the descriptor is not cut off
    assert names_in(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("none/x", "a file in a folder that exists was expected, but PLACE/none is none; make it first"),
        ("file/x", "a file in a folder that exists was expected, but PLACE/file is none; make it first"),
        (
            "x" * 300,
            "a file that can be written was expected, but PLACE/"
            + "x" * 300
            + " cannot (File name too long); choose another place",
        ),
    ],
)
def test_places_where_no_file_can_be(tmp_path: Path, place: str, sentence: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught, replacing(tmp_path / place) as beside:
        beside.write_text("new")
    assert str(caught.value) == sentence.replace("PLACE", str(tmp_path))
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    tmp_path.chmod(0o500)
    with (
        pytest.raises(OutputError, match=r"cannot \(Permission denied\); choose another place"),
        replacing(tmp_path / "x"),
    ):
        pass
    tmp_path.chmod(0o700)


@pytest.mark.usefixtures("renames")
def test_without_force_the_second_of_two_writers_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "y.npy"
    with (
        pytest.raises(OutputError, match="a new file was expected"),
        replacing(target, force=False) as second,
    ):
        second.write_text("second")
        with replacing(target, force=False) as first:
            first.write_text("first")
    assert target.read_text() == "first" and names_in(tmp_path) == ["y.npy"]


def at_once(work: Callable[[int], None], count: int = 8) -> list[BaseException | None]:
    """What came of calls in threads that start together."""
    gate, found = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except OutputError as error:
            found[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.usefixtures("renames")
def test_of_many_writers_one_succeeds(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with replacing(tmp_path / "file", force=False) as beside:
            beside.write_text(str(number))

    for work in (write, lambda number: make_folder(tmp_path / "folder", content=str(number))):
        found = at_once(work)
        winner = str(found.index(None))
        assert found.count(None) == 1
        target = tmp_path / "file" if work is write else tmp_path / "folder" / "part" / "one"
        assert target.read_text() == winner
    assert names_in(tmp_path) == ["file", "folder"]


def test_with_force_all_writers_succeed(tmp_path: Path) -> None:
    assert at_once(lambda number: make_folder(tmp_path / "folder", True, str(number))) == [None] * 8
    assert len({(tmp_path / "folder" / name).read_text() for name in LISTED}) == 1  # of one writer alone
    assert names_in(tmp_path) == ["folder"]


def test_a_folder_that_another_writer_exchanges_is_looked_at_again(tmp_path: Path) -> None:
    """The list of one folder says nothing of another's files; what is no file of ours is refused as ever."""
    target, looks = tmp_path / "folder", []
    make_folder(target)

    def listing(folder: Path) -> set[str]:
        looks.append(folder)
        if len(looks) == 1:
            folder.rename(tmp_path / "earlier")
            make_folder(folder)
            return set()
        return set(LISTED)

    check_folder(target, True, "a build", listing)
    assert looks == [target, target]
    (target / "mine").write_text("")
    with pytest.raises(OutputError, match="mine is not part of it"):
        check_folder(target, True, "a build", listing)
    assert len(looks) == 3


def test_names_on_the_way_are_not_to_be_foreseen(tmp_path: Path) -> None:
    found = set()
    for _ in range(2):
        with replacing(tmp_path / "x") as beside:
            beside.write_text("")
            found.add(beside.parent.parent.name)
            inside = beside.parent.parent.stat()
            assert stat.S_IMODE(inside.st_mode) == 0o700 and str(os.getpid()) not in beside.parent.parent.name
    assert len(found) == 2


# ---- several files -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("renames")
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_of_several_files_all_are_replaced_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    targets = [tmp_path / name for name in "abc"]
    targets[0].write_text("old")
    targets[2].write_text("old")
    right, calls = renaming._put, []

    def put(made: Path, target: Path, force: bool) -> bool:
        calls.append(target)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return right(made, target, force)

    monkeypatch.setattr(renaming, "_put", put)
    with pytest.raises(OutputError), replacing_all(targets, force=True) as beside:
        for target in targets:
            (beside / target.name).write_text("new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old", "c": "old"}
    calls.append(Path())  # and once more, without a failure
    monkeypatch.setattr(renaming, "_put", right)
    with replacing_all(targets, force=True) as beside:
        for target in targets:
            (beside / target.name).write_text("new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == dict.fromkeys("abc", "new")


def test_one_that_exists_keeps_all_away(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_text("mine")
    targets = [tmp_path / "deep" / name for name in "ab"]
    with (
        pytest.raises(OutputError, match=r"a new file was expected, but .*deep/b exists"),
        replacing_all(targets, False, make_folder=True),
    ):
        pass
    assert names_in(tmp_path / "deep") == ["b"]
    targets = [tmp_path / "new" / "deeper" / name for name in "ab"]
    with pytest.raises(KeyError), replacing_all(targets, False, make_folder=True):
        raise KeyError
    assert names_in(tmp_path) == ["deep"]  # folders that were made for nothing are gone
