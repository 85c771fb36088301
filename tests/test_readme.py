"""The README tells the truth: its table is what the code gives, and its snippet runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_format_table_is_generated() -> None:
    assert (
        subprocess.run(
            [sys.executable, str(ROOT / "tools" / "format_table.py"), "--check"], check=False
        ).returncode
        == 0
    )


def test_snippet_runs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    snippet, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", snippet],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 0"
    assert (tmp_path / "build" / "net" / "manifest.json").is_file()
