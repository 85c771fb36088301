"""What keeps the source readable in one sitting: short files and functions; each exception has a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_FILE, MOST_FUNCTION = 400, 40  # lines

# Longer ones, and why. What is short again has to go from here.
FILES: dict[str, str] = {}
FUNCTIONS: dict[str, str] = {
    "pyqkit/build_folder.py:_manifest": "reads a manifest key by key",
    "pyqkit/cli/network.py:compile_command": "parameters and options of a command line",
    "pyqkit/cli/network.py:report": "parameters and options of a command line",
    "pyqkit/cli/upkeep.py:cache": "parameters and options of a command line",
    "pyqkit/rtl/operators/requantise.py:rescale": "the blocks of a requantiser in order",
}


def sources() -> list[Path]:
    folders = ("pyqkit", "tests", "benchmarks", "tools")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Functions of a file with their lines, decorators and docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first, documented = node.body[0], ast.get_docstring(node) is not None
            lines = (node.end_lineno or 0) - node.lineno + 1
            yield node.name, lines - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


def too_long(path: Path) -> list[str]:
    """Functions of a file that are too long, by the file's name and theirs."""
    return [f"{named(path)}:{name}" for name, lines in functions(path) if lines > MOST_FUNCTION]


@pytest.mark.parametrize("path", sources(), ids=named)
def test_files_are_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert (lines > MOST_FILE) == (named(path) in FILES), f"{named(path)} has {lines} lines"


@pytest.mark.parametrize("path", [p for p in sources() if named(p).startswith("pyqkit/")], ids=named)
def test_functions_are_seen_at_once(path: Path) -> None:
    known = [name for name in FUNCTIONS if name.startswith(f"{named(path)}:")]
    assert sorted(too_long(path)) == sorted(known)


def test_exceptions_exist() -> None:
    assert not {name.partition(":")[0] for name in (*FILES, *FUNCTIONS)} - {named(p) for p in sources()}


def test_the_rules_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_style.ROOT", tmp_path)
    path = tmp_path / "long.py"
    body = "    x = 1\n" * (MOST_FUNCTION - 1)
    path.write_text(
        f'def short():\n    """One\n\n    two.\n    """\n{body}\n\ndef long():\n{body}    x = 2\n'
    )
    assert too_long(path) == ["long.py:long"]
