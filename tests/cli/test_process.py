"""The command line as a process: quick to start, JSON alone on stdout, missing tools and packages named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from tests.cli.calls import refused, run


def test_a_missing_compiler(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    result = run(
        "emulate",
        built / "net",
        "--input",
        built / "x.npy",
        "--output",
        tmp_path / "y.npy",
        "--engine",
        "hls",
    )
    refused(
        result,
        "a C++ compiler was expected, but g++ is not installed; install it (apt install g++), or "
        "use engine exact",
    )


def test_json_is_the_only_output() -> None:
    for command in (["formats"], ["formats", "e2m1"], ["boards"], ["doctor"]):
        assert isinstance(json.loads(run(*command, "--json").output), dict)


def test_help_loads_nothing_slow() -> None:
    code = "import sys; from pyqkit.cli import main; main(['--help'], standalone_mode=False)"
    code += "; print(any(m in sys.modules for m in ('torch', 'onnx', 'numpy', 'rich', 'matplotlib')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage:") and done.stdout.endswith("False\n")


def test_a_missing_package_is_named(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = run("compile", built / "net.onnx", "-o", tmp_path / "b")
    refused(result, "onnx was expected for this command, but it is not installed; pip install 'pyqkit[host]'")


def test_messages_go_to_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyqkit", "report", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"pyqkit: a build folder with manifest.json was expected at {tmp_path}, but there is none; "
        "make one with 'pyqkit compile'\n"
    )


def test_doctor_says_what_missing_tools_would_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    rows = {row["tool"]: row for row in json.loads(run("doctor", "--json").output)["tools"]}
    assert {"g++", "verilator", "pyosys", "vivado", "torch", "brevitas", "onnx", "qonnx"} <= set(rows)
    assert rows["g++"] == {
        "tool": "g++",
        "found": "missing",
        "needed for": "engine hls, fast engine exact",
        "how to get it": "apt install g++",
    }
    assert rows["numpy"]["found"] == "yes" and rows["numpy"]["how to get it"] == ""
    assert all(
        row["needed for"] and (row["found"] == "yes") == (row["how to get it"] == "") for row in rows.values()
    )


def test_demo_is_called_with_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pyqkit import demo

    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(demo, "run", lambda output, seed, force: calls.append((output, seed, force)))
    assert run("demo", "-o", tmp_path / "demo", "--seed", 7, "--force").exit_code == 0
    assert calls == [(str(tmp_path / "demo"), 7, True)]


def test_progress_shows_after_a_while_and_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import time

    from pyqkit.cli import group

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(stream: io.StringIO, patience: float) -> str:
        monkeypatch.setattr(group.sys, "stderr", stream)
        monkeypatch.setattr(group, "_PATIENCE", patience)
        with group.progress("[working]", total=2) as update:
            time.sleep(0.3)
            update(1)
            time.sleep(0.3)
            update("resting")
        return stream.getvalue()

    seen = shown(Terminal(), 0.0)
    assert "[working]" in seen and "resting" in seen and "50%" in seen
    assert " 0%" not in seen  # nothing is known before the first number
    assert "0:00:00" in seen
    assert shown(Terminal(), 60.0) == ""
    assert shown(io.StringIO(), 0.0) == ""
