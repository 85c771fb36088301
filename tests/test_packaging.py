"""What is installed is complete.

Everything that the package reads at run time is in it, and it works away from the repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel would hold it."""
    base = tmp_path_factory.mktemp("build")
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "egg_info",
        "--egg-base",
        str(base),
        "build",
        "--build-base",
        str(base),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return base / "lib"


def _files(folder: Path, *endings: str) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix in endings}


def test_sources_headers_and_boards_are_there(installed: Path) -> None:
    package = installed / "pyqkit"
    assert _files(ROOT / "pyqkit", ".py", ".cpp") <= _files(package, ".py", ".cpp")
    assert _files(ROOT / "hls", ".hpp", ".h") == _files(package / "hls_library", ".hpp", ".h")
    assert _files(ROOT / "boards", ".toml") == _files(package / "board_files", ".toml")
    assert {"Makefile", "block_design.tcl", "implement.tcl"} <= {
        p.name for p in (package / "overlays").iterdir()
    }
    assert _files(ROOT / "overlays" / "shells", ".tcl") == _files(package / "overlays" / "shells", ".tcl")
    example = ("digits/digits.bit.d", ".bit", ".hwh", ".json", ".zip")
    assert (
        len(_files(package / "overlays" / example[0], *example[1:]))
        == len(_files(ROOT / "overlays" / example[0], *example[1:]))
        == 8
    )
    assert _files(ROOT / "notebooks" / "board", ".ipynb", ".npz", ".zip") == _files(
        package / "notebooks", ".ipynb", ".npz", ".zip"
    )
    assert not [p for p in installed.iterdir() if p.name != "pyqkit"], "nothing but the package"


def test_it_works_away_from_the_repository(installed: Path, tmp_path: Path) -> None:
    code = (
        "import pyqkit.boards, pyqkit.formats\nfrom pyqkit.hls.generate import library\n"
        "print(pyqkit.__file__)\nprint(pyqkit.boards.load('ZCU104').name)\nprint((library() / "
        "'simulation' / 'hls_stream.h').is_file())"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, board, header = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed) and (board, header) == ("ZCU104", "True")
