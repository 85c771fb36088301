"""The command line in bad surroundings.

Signals, full disks, closed streams, terminals that know few characters, several at once.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.cache import cache_folder

PROGRAM = [sys.executable, "-m", "pyqkit"]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@dataclass(frozen=True)
class Place:
    """A folder in which a process has its outputs, its temporary files and its cache."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        here = {
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        # A measurement of coverage would have files of its own in a process that can write none.
        return {**{k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}, **here}

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        command = [*PROGRAM, *map(str, arguments)]
        both = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environment,
            **options,
        }
        return subprocess.Popen(command, preexec_fn=_hear_signals, **both)  # type: ignore[call-overload]

    def run(self, *arguments: object, **options: object) -> tuple[int, str, str]:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def left(self) -> list[str]:
        """Everything that is there but finished entries of the cache."""
        found = (p for p in self.folder.rglob("*") if p.is_file() or p.name.startswith("."))
        return sorted(
            p.name for p in found if not (p.parent.parent.name == "pyqkit" and not p.name.startswith("."))
        )


def _hear_signals() -> None:
    # Tests may run in the background or after nohup, where they are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With the compiled kernels of engine `exact` in its cache, as far as this user has them."""
    for name in ("tmp", "cache/pyqkit", "out"):
        (tmp_path / name).mkdir(parents=True)
    for kept in cache_folder().glob("exact_*/record.json"):
        shutil.copytree(kept.parent, tmp_path / "cache" / "pyqkit" / kept.parent.name)
    return Place(tmp_path)


# ---- signals -----------------------------------------------------------------------------------------------


@pytest.fixture
def slow_compiler(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a g++ that starts a child, says so, and would take a minute.

    And the mark of both in lists of processes.
    """
    mark = f"61.{os.getpid()}"  # seconds of a sleep that nobody else sleeps
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "g++").write_text(
        f"#!/bin/sh\nsleep {mark} &\ntouch {tmp_path / 'started'}\ntouch half.s\nsleep {mark}\n"
    )
    (folder / "g++").chmod(0o755)
    yield folder, mark
    for number in living(mark):
        os.kill(number, signal.SIGKILL)


def living(mark: str) -> list[int]:
    """Processes with this in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{mark}" in path.read_text():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_compilers_end_with_us(
    built: Path, place: Place, slow_compiler: tuple[Path, str], number: signal.Signals
) -> None:
    folder, mark = slow_compiler
    environment = {**place.environment, "PATH": f"{folder}:{os.environ['PATH']}"}
    target = place.folder / "out" / "y.npy"
    arguments = ("emulate", built / "net", "--input", built / "x.npy", "--output", target, "--engine", "hls")
    process = place.start(*arguments, env=environment)
    while not ((place.folder / "started").exists() and living(mark)):  # forked is not yet `sleep`
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for _ in range(3):  # somebody impatient
        process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "pyqkit: interrupted\n")
    assert process.returncode == 128 + number
    assert not living(mark) and place.left() == ["g++", "started"]


def test_an_interrupt_while_the_program_loads(place: Place) -> None:
    code = (
        "import os, signal, sys\nclass Interrupting:\n def find_spec(self, name, path=None, target=None):\n"
    )
    code += "  if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n"
    code += "sys.meta_path.insert(0, Interrupting())\nfrom pyqkit.__main__ import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=_hear_signals, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pyqkit: interrupted\n")


def test_a_signal_that_python_drops_is_raised_again() -> None:
    code = (
        "import os, signal, time\nfrom pyqkit.console import console\n"
        "class Last:\n def __del__(self): os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.01)\n"
        "with console():\n last = Last(); del last\n time.sleep(60)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (143, "pyqkit: interrupted\n")


# ---- streams -----------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away(place: Place) -> None:
    process = place.start("formats", "int8", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) in (0, 1)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_closed_streams(built: Path, place: Place, closed: str) -> None:
    target = place.folder / "out" / "y.npy"
    line = f'exec "$@" {closed}'
    command = [
        "sh",
        "-c",
        line,
        "sh",
        *PROGRAM,
        "emulate",
        built / "net",
        "--input",
        built / "x.npy",
        "--output",
        target,
    ]
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, env=place.environment, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert np.load(target).shape == (7, 3)  # and nothing that was said is in it


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("formats", "e2m1"), ("formats", "--json"), ("--help",)])
def test_a_full_disk_behind_stdout(place: Place, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        code, _, err = place.run(*arguments, stdout=full)
    assert (code, err) == (
        2,
        "pyqkit: files that can be read and written were expected, but the system says: [Errno 28] "
        "No space left on device; check the path\n",
    )


def test_terminals_that_know_ascii_alone(built: Path, place: Place) -> None:
    environment = {**place.environment, "LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"}
    for arguments in (("formats", "e2m1"), ("report", built / "net"), ("doctor",)):
        code, out, err = place.run(*arguments, env=environment)
        assert (code, err) == (0, "") and out.isascii()


def test_names_of_bytes_that_are_no_text(built: Path, place: Place) -> None:
    name = os.fsdecode(b"n\xff[bold]\xe2\x80\xae")
    network, target = place.folder / f"{name}.onnx", place.folder / "out" / name
    shutil.copy(built / "net.onnx", network)
    assert place.run("compile", network, "-o", target, "--board", "PYNQ-Z2")[0] == 0
    code, out, err = place.run("report", target, "--json")
    assert (code, err) == (0, "") and json.loads(out)["board"] == "PYNQ-Z2"
    assert place.run("report", target, "--html", f"{target}.html")[0] == 0
    code, out, err = place.run("emulate", target, "--input", built / "x.npy", "--output", f"{target}.npy")
    assert (code, err) == (0, "") and "\\udcff[bold]" in out
    code, out, err = place.run("compile", f"{network}.none", "-o", place.folder / "no")
    assert code == 2 and len(err.splitlines()) == 1 and "\\udcff[bold]\\u202e" in err


# ---- full disks --------------------------------------------------------------------------------------------


# Bytes: the page fits the second, the overlay's handoff does not.
@pytest.mark.parametrize("limit", [0, 16_000])
def test_where_files_cannot_grow_nothing_is_left(built: Path, place: Place, limit: int) -> None:
    """A limit of bytes a file stands for a full disk: it takes every file in turn."""

    def small() -> None:
        _hear_signals()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    out = place.folder / "out"
    overlay = ("overlay", built / "net", "--emulated", "-o", out / "deep" / "overlay")
    for arguments in (overlay, ("report", built / "net", "--html", out / "report.html")):
        process = subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=place.environment,
            preexec_fn=small,
            check=False,
        )
        if process.returncode:
            assert (
                process.returncode == 2
                and process.stderr.startswith("pyqkit: a ")
                and len(process.stderr.splitlines()) == 1
            )
            assert process.stderr.endswith("cannot (File too large); choose another place\n")
            assert place.left() == [] and not list(out.iterdir())
        else:
            assert place.left() == ["report.html"] and limit == 16_000
            (out / "report.html").unlink()


@needs_compiler
@pytest.mark.parametrize("room", [0, 40_000])
def test_a_full_disk_under_the_compiler(built: Path, tmp_path: Path, room: int) -> None:
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=False
        ).returncode
    ):
        pytest.skip("a small file system can be mounted by root alone")
    try:
        place = Place(tmp_path)
        for name in ("tmp", "cache", "out"):
            (tmp_path / name).mkdir()
        (tmp_path / "filler").write_bytes(bytes((1 << 20) - room - 8192))
        arguments = (
            "emulate",
            built / "net",
            "--input",
            built / "x.npy",
            "--output",
            tmp_path / "out" / "y.npy",
            "--engine",
            "hls",
        )
        code, out, err = place.run(*arguments)
        assert (code, out) == (2, "") and len(err.splitlines()) == 1
        assert err.startswith("pyqkit: room for ") and "(No space left on device); make room, or set" in err
        assert place.left() == ["filler"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# ---- several at once ---------------------------------------------------------------------------------------


@needs_compiler
def test_several_at_once(built: Path, place: Place) -> None:
    out = place.folder / "out"
    runs = [
        place.start("compile", built / "net.onnx", "-o", out / "net", "--board", "PYNQ-Z2") for _ in range(3)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in runs]
    refused = (
        f"pyqkit: a new folder was expected, but {out / 'net'} exists; choose another name or pass --force\n",
        2,
    )
    assert sorted(code for _, code in ends) == [0, 2, 2] and ends.count(refused) == 2
    runs = [
        place.start(
            "emulate",
            out / "net",
            "--input",
            built / "x.npy",
            "--output",
            out / f"{i}.npy",
            "--engine",
            "hls",
        )
        for i in range(4)
    ]
    assert [process.communicate()[1] for process in runs] == [""] * 4
    first, *others = (np.load(out / f"{i}.npy") for i in range(4))
    for other in others:
        np.testing.assert_array_equal(other, first)
    assert {p.name[:4] for p in (place.folder / "cache" / "pyqkit").iterdir()} == {"exac", "hls_"}
