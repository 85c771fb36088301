"""The README tells the truth: its table is what the code gives, and its snippet runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyqkit.cli import main

ROOT = Path(__file__).parent.parent


def test_format_table_is_generated() -> None:
    assert (
        subprocess.run(
            [sys.executable, str(ROOT / "tools" / "format_table.py"), "--check"], check=False
        ).returncode
        == 0
    )


@pytest.fixture(scope="module")
def snippet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the snippet ran for the second time."""
    pytest.importorskip("torch")
    code, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    folder = tmp_path_factory.mktemp("snippet")
    (folder / "net.onnx").write_text("of an earlier run")
    (folder / "build").mkdir()
    (folder / "build" / "net").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 0" and not done.stderr
    assert (folder / "build" / "net" / "manifest.json").is_file()
    return folder


def test_commands_behind_the_snippet(snippet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(snippet)
    text = (
        (ROOT / "README.md")
        .read_text()
        .partition("The same from the shell")[2]
        .partition("`pyqkit formats`")[0]
    )
    commands = re.findall(r"^    pyqkit (.+)$", text, flags=re.M)
    assert [command.split()[0] for command in commands] == ["compile", "report", "emulate", "verify"]
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output
    assert (snippet / "y.npy").is_file()
