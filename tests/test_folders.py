"""Folders are replaced whole, by their own alone, and what killed runs left is put away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqkit import files, renaming
from pyqkit.files import OutputError, replacing_folder
from tests.places import fill, make_folder, names_in, ours


@pytest.mark.usefixtures("renames")
def test_a_folder_of_ours_is_replaced_with_force(tmp_path: Path) -> None:
    make_folder(tmp_path / "deep" / "net", content="old")
    with pytest.raises(OutputError, match="a new folder was expected"):
        make_folder(tmp_path / "deep" / "net")
    (tmp_path / "deep" / "net" / "work" / "more").mkdir(parents=True)  # of tools, and so ours
    make_folder(tmp_path / "deep" / "net", force=True)
    assert (tmp_path / "deep" / "net" / "part" / "one").read_text() == "new"
    assert names_in(tmp_path / "deep") == ["net"] and names_in(tmp_path / "deep" / "net") == [
        "listing",
        "part",
    ]


def test_a_folder_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    make_folder(tmp_path / "net")
    assert (tmp_path / "net").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (lambda f: (f / "thesis.txt").write_text("mine"), "thesis.txt"),
        (lambda f: (f / "part" / "thesis.txt").write_text("mine"), "part/thesis.txt"),
        (lambda f: (f / "empty").mkdir(), "empty"),
        (lambda f: (f / "link").symlink_to("/"), "link"),
        (
            lambda f: ((f / "part" / "one").unlink(), (f / "part" / "one").symlink_to("/etc/passwd")),
            "part/one",
        ),
        (lambda f: ((f / "part" / "one").unlink(), os.mkfifo(f / "part" / "one")), "part/one"),
        (
            lambda f: ((f / "part").rename(f.parent / "moved"), (f / "part").symlink_to(f.parent / "moved")),
            "part",
        ),
    ],
)
def test_a_folder_with_more_than_ours_is_kept(
    tmp_path: Path, change: Callable[[Path], object], other: str
) -> None:
    target = tmp_path / "net"
    make_folder(target)
    change(target)
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    with pytest.raises(OutputError) as caught:
        make_folder(target, force=True)
    assert str(caught.value) == (
        f"a build and nothing else was expected, but {target / other} is not part of it; move it "
        "away or choose another name"
    )
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


def test_what_comes_into_a_folder_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "net"
    make_folder(target, content="old")
    with (
        pytest.raises(OutputError, match=r"thesis.txt is not part of it"),
        replacing_folder(target, True, "a build", ours) as beside,
    ):
        fill(beside)
        (target / "thesis.txt").write_text("mine")
    assert (target / "thesis.txt").read_text() == "mine" and (target / "part" / "one").read_text() == "old"
    assert names_in(tmp_path) == ["net"]


def test_a_link_to_a_folder_and_a_file_are_no_folders(tmp_path: Path) -> None:
    make_folder(tmp_path / "net")
    (tmp_path / "link").symlink_to("net")
    (tmp_path / "file").write_text("mine")
    for name, sentence in (("link", "is a symbolic link to net"), ("file", "is something else")):
        with pytest.raises(OutputError, match=sentence):
            make_folder(tmp_path / name, force=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_without_exchange_the_earlier_folder_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    make_folder(tmp_path / "net", content="old")
    monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)
    right, calls = {name: getattr(os, name) for name in ("rename", "replace")}, []

    def failing_at(name: str) -> Callable[..., None]:
        def call(*paths: Path) -> None:
            calls.append(name)
            if len(calls) == failing:
                raise KeyboardInterrupt
            right[name](*paths)

        return call

    for name in right:
        monkeypatch.setattr(files.os, name, failing_at(name))
    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "net", force=True)
    assert names_in(tmp_path) == ["net"]
    assert (tmp_path / "net" / "part" / "one").read_text() == ("new" if failing == 3 else "old")


def killed(folder: Path, body: str) -> None:
    """A process that is killed within a workshop in `folder`, long ago."""
    code = (
        "import os, signal; from pathlib import Path; from pyqkit.files import workshop\n"
        f"with workshop(Path({str(folder)!r})) as work:\n {body}\n os.utime(work, (0, 0))\n "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


def test_what_a_killed_run_left_is_removed_later(tmp_path: Path) -> None:
    (tmp_path / ".pyqkit-notes.tmp").mkdir()  # the user's
    killed(tmp_path, "(work / 'half').write_text('half')")
    with files.workshop(tmp_path) as alive:
        os.utime(alive, (0, 0))
        assert len(names_in(tmp_path)) == 2
        with files.workshop(tmp_path):  # one that a run still holds stays, however old
            assert alive.is_dir()
    assert names_in(tmp_path) == [".pyqkit-notes.tmp"]


def test_a_folder_that_a_killed_run_moved_aside_comes_back(tmp_path: Path) -> None:
    make_folder(tmp_path / "net", content="old")
    killed(tmp_path, "(work / 'earlier').mkdir(); os.rename(work.parent / 'net', work / 'earlier' / 'net')")
    assert not (tmp_path / "net").exists()
    make_folder(tmp_path / "another")
    assert (tmp_path / "net" / "part" / "one").read_text() == "old" and names_in(tmp_path) == [
        "another",
        "net",
    ]


def test_what_somebody_planted_as_left_by_a_killed_run_moves_nothing(tmp_path: Path) -> None:
    """An archive that was unpacked may hold a workshop of long ago, with links in the place of what had been
    moved aside.
    """
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    for number, place in enumerate(("earlier", "earlier/net")):
        planted = tmp_path / "unpacked" / f".pyqkit-{number:016x}.tmp"
        (planted / place).parent.mkdir(parents=True)
        (planted / place).symlink_to(tmp_path / "home")
        os.utime(planted, (0, 0))
    make_folder(tmp_path / "unpacked" / "another")
    assert names_in(tmp_path / "home") == ["thesis.txt"] and names_in(tmp_path / "unpacked") == ["another"]


def test_packaged_folders_are_in_the_package_or_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "__file__", str(tmp_path / "pyqkit" / "files.py"))
    assert files.packaged("hls_library", "hls") == tmp_path / "hls"
    (tmp_path / "pyqkit" / "hls_library").mkdir(parents=True)
    assert files.packaged("hls_library", "hls") == tmp_path / "pyqkit" / "hls_library"
