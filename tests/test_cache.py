"""The cache.

A library is loaded only if it is ours and unchanged; what is broken is made again, by one process.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click")

from pyqkit import cache, cache_entries
from pyqkit.cache import CacheError, entry, load
from pyqkit.emulate.build import build_shared
from tests.cli.calls import run

NAME = "exact_" + "0" * 24
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def library(folder: Path, value: int = 42) -> Path:
    """A library whose function `f` gives a number."""
    text = f'extern "C" int f() {{ return {value}; }}\n'
    return build_shared({"f.cpp": text}, ["f.cpp"], "exact", folder, ("-fPIC", "-shared", "-O0"))


def f(path: Path) -> int:
    return int(load(path).f())


def note(folder: Path, name: str = NAME, content: str = "made", calls: list[int] | None = None) -> Path:
    """An entry with one file."""

    def fill(made: Path, work: Path) -> None:
        (made / "note").write_text(content)
        if calls is not None:
            calls.append(1)

    return entry(folder, name, fill)


def cut(path: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def to_another(path: Path) -> None:
    os.chown(path, 12345, 12345)


BREAKING: dict[str, Callable[[Path], object]] = {
    "cut": lambda e: cut(e / "library.so"),
    "flipped": lambda e: flip(e / "library.so"),
    "gone": lambda e: (e / "library.so").unlink(),
    "no record": lambda e: (e / cache.RECORD).unlink(),
    "record cut": lambda e: cut(e / cache.RECORD),
    "record nested": lambda e: (e / cache.RECORD).write_text("[" * 100_000),
    "written by others": lambda e: (e / "library.so").chmod(0o666),
    "folder written by others": lambda e: e.chmod(0o777),
    "another's": lambda e: to_another(e / "library.so"),
    "another's folder": to_another,
    "a link": lambda e: ((e / "library.so").rename(e / "moved"), (e / "library.so").symlink_to("moved")),
    "a folder that is a link": lambda e: (e.rename(e.parent / "moved"), e.symlink_to("moved")),
    "a FIFO": lambda e: ((e / "library.so").unlink(), os.mkfifo(e / "library.so")),
    "a file": lambda e: (shutil.rmtree(e), e.write_bytes(b"")),
}


@needs_compiler
@pytest.mark.parametrize("breaking", BREAKING.values(), ids=BREAKING)
def test_what_is_not_as_it_was_made_is_made_again(tmp_path: Path, breaking: Callable[[Path], object]) -> None:
    path = library(tmp_path)
    try:
        breaking(path.parent)
    except PermissionError:
        pytest.skip("files are given away by root alone")
    with pytest.raises(CacheError, match="a library that pyqkit compiled was expected"):
        load(path)
    assert cache.flaw(path.parent)
    assert f(library(tmp_path)) == 42 and not cache.flaw(path.parent)
    assert not [p for p in tmp_path.iterdir() if p.name not in (path.parent.name, "moved")]


@needs_compiler
def test_entries_do_not_stand_in_for_each_other(tmp_path: Path) -> None:
    one, two = library(tmp_path, 1), library(tmp_path, 2)
    shutil.rmtree(one.parent)
    shutil.copytree(two.parent, one.parent)
    assert f(library(tmp_path, 1)) == 1


@needs_compiler
def test_libraries_are_told_apart_and_descriptors_closed(tmp_path: Path) -> None:
    """The loader knows libraries by name, so a descriptor's number that comes again must not bring an earlier
    one.
    """
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None
    assert [f(library(tmp_path, value)) for value in range(6)] == list(range(6))
    assert before is None or len(os.listdir("/proc/self/fd")) == before


@needs_compiler
def test_what_is_checked_is_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = library(tmp_path, 1), library(tmp_path, 2)
    digest = cache._digest

    def exchanged(descriptor: int) -> str:
        found = digest(descriptor)
        os.replace(two, one)  # between check and loading
        return found

    monkeypatch.setattr(cache, "_digest", exchanged)
    assert f(one) == 1


def test_without_proc_the_path_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.os.path, "exists", lambda path: False)
    assert cache._name(0, tmp_path / "library.so") == str(tmp_path / "library.so")


@needs_compiler
def test_one_of_many_processes_compiles(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "g++"
    compiler.write_text(f'#!/bin/sh\necho called >> {log}\nexec {shutil.which("g++")} "$@"\n')
    compiler.chmod(0o755)
    code = (
        "from pathlib import Path; from tests.test_cache import f, library; "
        f"print(f(library(Path({str(tmp_path / 'cache')!r}))))"
    )
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    root = Path(__file__).parents[1]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment, cwd=root
        )
        for _ in range(4)
    ]
    assert [r.communicate()[0] for r in runs] == ["42\n"] * 4
    assert log.read_text() == "called\n"
    assert len(list((tmp_path / "cache").iterdir())) == 1


# ---- where -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "home", "expected"),
    [
        ("/a", "/b", "/a/pyqkit"),
        ("", "/b", "/b/.cache/pyqkit"),
        (None, "/b", "/b/.cache/pyqkit"),
        ("a", "/b", "/b/.cache/pyqkit"),
        (".", "/b", "/b/.cache/pyqkit"),
        (None, "b", None),
        ("a", "b", None),
        (None, "", "/record/.cache/pyqkit"),
        (None, None, "/record/.cache/pyqkit"),
    ],
)
def test_only_absolute_places_count(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, home: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(cache, "_home_of_record", lambda: "/record")
    for name, value in (("XDG_CACHE_HOME", chosen), ("HOME", home)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert cache.user_folder() == (expected and Path(expected))


def test_a_user_without_home_and_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pwd

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = cache.cache_folder()
    assert folder == cache.private_folder() and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (note(folder) / "note").read_text() == "made" and not list(tmp_path.iterdir())


def test_a_folder_that_is_not_ours_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "pyqkit"
    assert cache.cache_folder() == folder
    (tmp_path / "planted").mkdir()
    folder.symlink_to("planted")
    assert cache.cache_folder() == cache.private_folder()
    folder.unlink()
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    # Ours, and now ours alone to write.
    assert cache.cache_folder() == folder and stat.S_IMODE(folder.stat().st_mode) == 0o755
    if os.geteuid() == 0:
        to_another(folder)
        assert cache.cache_folder() == cache.private_folder()


def test_where_nothing_can_be_written_a_private_folder_does(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = note(tmp_path / "file" / "pyqkit")
    assert made.parent == cache.private_folder() and (made / "note").read_text() == "made"


def test_private_folders_end_with_the_process(tmp_path: Path) -> None:
    code = "from pyqkit import cache; print(cache.cache_folder())"
    environment = {**os.environ, "XDG_CACHE_HOME": "", "HOME": "here", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path and not list(tmp_path.iterdir())


# ---- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two entries, one not used for ten days, what an earlier version left, and a file of the
    user's.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "pyqkit"
    note(folder, "hls_" + "1" * 24, "x" * 100)
    os.utime(note(folder, "rtl_" + "2" * 24), (0, 0))
    (folder / ("hls_" + "3" * 24 + ".so")).write_bytes(b"old")
    (folder / "mine").write_text("mine")
    return folder


def test_the_cache_is_shown(filled: Path) -> None:
    data = json.loads(run("cache", "--json").output)
    assert data["folder"] == str(filled) and data["not_used_because"] == "" and data["removed"] == []
    assert [e["name"][:5] for e in data["entries"]] == ["hls_1", "rtl_2", "hls_3"]  # largest first
    assert data["bytes"] == sum(p.stat().st_size for p in filled.rglob("*") if p.is_file()) - 4
    assert [e["flaw"] for e in data["entries"]] == [None] * 3 and data["entries"][1]["days"] > 10_000
    table = run("cache")
    text = "".join(table.output.split())  # a long path is wrapped
    assert table.exit_code == 0 and "hls_" + "1" * 24 in text and str(filled) in text


def test_the_cache_is_checked(filled: Path) -> None:
    (filled / ("hls_" + "3" * 24 + ".so")).unlink()
    result = run("cache", "--check", "--json")
    assert result.exit_code == 0 and [e["flaw"] for e in json.loads(result.output)["entries"]] == ["", ""]
    flip(filled / ("hls_" + "1" * 24) / "note")
    result = run("cache", "--check", "--json")
    assert result.exit_code == 1 and [e["flaw"] for e in json.loads(result.output)["entries"]] == [
        "note has changed",
        "",
    ]


def test_an_empty_cache_is_shown(filled: Path) -> None:
    result = run("cache", "--prune")
    assert result.exit_code == 0 and result.output == f"cache\n{filled}: 0.0 MB; 3 removed\n"


@pytest.mark.parametrize(("options", "left"), [((), []), (("--older-than", 10), ["hls_1", "hls_3"])])
def test_the_cache_is_pruned(filled: Path, options: tuple[object, ...], left: list[str]) -> None:
    result = run("cache", "--prune", *options, "--json")
    assert result.exit_code == 0 and [e["name"][:5] for e in json.loads(result.output)["entries"]] == left
    assert (
        sorted(p.name[:5] for p in filled.iterdir()) == [*left, "mine"]
        and (filled / "mine").read_text() == "mine"
    )


def test_a_cache_that_is_not_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "pyqkit").symlink_to(tmp_path)
    assert json.loads(run("cache", "--json").output)["not_used_because"] == "it is no folder"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "relative")
    data = json.loads(run("cache", "--prune", "--json").output)
    assert (
        data["not_used_because"] == "neither XDG_CACHE_HOME nor HOME is an absolute path"
        and data["folder"] is None
    )
    unused = run("cache").output
    assert (
        "no folder: 0.0 MB; not used, because neither XDG_CACHE_HOME nor HOME is an absolute path" in unused
    )
    result = run("cache", "--older-than", 3)
    assert (result.exit_code, result.output) == (
        2,
        "pyqkit: --prune was expected with --older-than, but it did not come; add it, or leave out both\n",
    )
    result = run("cache", "--prune", "--older-than", "nan")
    assert result.exit_code == 2 and result.output.startswith(
        "pyqkit: a number of days was expected with --older-than, but nan came; "
    )


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(made: Path, work: Path) -> None:
        (made / "note").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entry(tmp_path, NAME, interrupted)
    assert not list(tmp_path.iterdir())
    assert (note(tmp_path) / "note").read_text() == "made"


def test_a_lock_of_a_killed_run_holds_nobody_up(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from pyqkit.cache import entry\n"
        f"entry(Path({str(tmp_path)!r}), {NAME!r}, lambda made, work: os.kill(os.getpid(), signal.SIGKILL))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # its lock, and what it made
    calls: list[int] = []
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert (note(tmp_path, calls=calls) / "note").read_text() == "made" and calls == [1]
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert [e.name for e in cache_entries.entries(tmp_path)] == [NAME]


@needs_compiler
def test_the_loader_refuses_what_is_no_library(tmp_path: Path) -> None:
    made = note(tmp_path)
    with pytest.raises(CacheError, match="a library that pyqkit compiled was expected"):
        load(made / "note")
    assert isinstance(load(library(tmp_path)), ctypes.CDLL)


def test_of_many_entries_some_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [cache_entries.Entry(f"hls_{i:024x}", 1000, 1.0, None) for i in range(30)]
    monkeypatch.setattr(cache_entries, "entries", lambda folder, check: entries)
    shown = run("cache").output
    assert shown.count("hls_") == 20 and "10 more entries, which --json lists" in shown
