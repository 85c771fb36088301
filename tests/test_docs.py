"""What the documentation says is so.

Examples run, commands and options exist, files and names that it mentions are there.
"""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import pyqkit

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
)
WITH_EXAMPLES = [path for path in sorted((ROOT / "pyqkit").rglob("*.py")) if ">>> " in path.read_text()]


@dataclass(frozen=True)
class Example:
    """A block of Python on a page.

    Attributes
    ----------
    page : str
    number : int
        From 1, in the order of the page.
    code : str
    needs : str
        A module without which it is skipped, or nothing: the comment ``<!-- needs: MODULE -->`` above it.
    not_run : str
        Why it does not run here: the comment ``<!-- not run: REASON -->`` above it.
    goes_on : bool
        Whether it goes on where the example before it ends: the comment ``<!-- goes on -->`` above it.
    """

    page: str
    number: int
    code: str
    needs: str
    not_run: str
    goes_on: bool

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def _examples(path: Path) -> list[Example]:
    comment = r"<!-- (?:needs: (?P<needs>.*?)|not run: (?P<not_run>.*?)|(?P<goes_on>goes on)) -->\n"
    pattern = rf"^(?:{comment})?```python\n(?P<code>.*?)^```"
    found = re.finditer(pattern, path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [
        Example(
            page=_name(path),
            number=number,
            code=match["code"],
            needs=match["needs"] or "",
            not_run=match["not_run"] or "",
            goes_on=match["goes_on"] is not None,
        )
        for number, match in enumerate(found, 1)
    ]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


EXAMPLES = [example for path in PAGES for example in _examples(path)]
# What a page takes for granted, by page and number of the example.
BEFORE = {
    ("docs/board.md", 1): """
import os, shutil, subprocess, sys
import numpy as np
import pyqkit.board_emulation
digits = os.path.join(os.path.dirname(pyqkit.__file__), "..", "overlays", "digits", "digits.bit.d")
shutil.copy(os.path.join(digits, "digits.ZCU104.zip"), "net")
subprocess.run([sys.executable, "-m", "pyqkit", "overlay", "net", "--emulated", "-o", "made"], check=True)
os.chdir("made")
x = np.zeros((3, 1, 8, 8), np.float32)
batches = [x, x]
pyqkit.board_emulation.use("ZCU104")
""",
    ("docs/board.md", 2): """
import os, shutil, subprocess, sys
import numpy as np
import pyqkit.board_emulation
board = os.path.join(os.path.dirname(pyqkit.__file__), "..", "notebooks", "board")
for source, target in (("digits_w4", "digits"), ("digits_w2", "letters")):
    shutil.copy(os.path.join(board, f"{source}.zip"), f"{target}.zip")
array = ["overlay", "--array", "lpa8x8", "--board", "ZCU104", "--emulated", "-o", "."]
subprocess.run([sys.executable, "-m", "pyqkit", *array], check=True)
x = np.zeros((3, 1, 8, 8), np.float32)
batches = [x, x]
pyqkit.board_emulation.use("ZCU104")
""",
    ("docs/quantise.md", 1): """
import torch
from pyqkit.studies.datasets import digits
from pyqkit.studies.trainer import Recipe, train
x_train, y_train, x_test, y_test = digits(0)
torch.manual_seed(0)
nn = torch.nn
model = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10)
)
train(model, x_train, y_train, Recipe(4, 64, 1e-2), 0)
model.eval()
""",
}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=_name)
def test_examples_of_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = doctest.testmod(module)
    assert found.failed == 0


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.needs != "pynq"], ids=str)
def test_examples_of_pages(example: Example, tmp_path: Path) -> None:
    if example.not_run:
        pytest.skip(example.not_run)
    if example.needs:
        pytest.importorskip(example.needs)
    _run(example, tmp_path)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.needs == "pynq"], ids=str)
def test_examples_for_a_board(example: Example, tmp_path: Path) -> None:
    pytest.importorskip("pynq")
    _run(example, tmp_path)


def _run(example: Example, folder: Path) -> None:
    before = [e for e in EXAMPLES if e.page == example.page and e.number == example.number - 1]
    code = "".join(e.code for e in before if example.goes_on)
    code += BEFORE.get((example.page, example.number), "") + example.code
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _commands(path: Path, program: str) -> list[list[str]]:
    """Words of the commands in indented blocks, without what stands behind them."""
    lines = re.findall(rf"^ {{4}}({program} [^\n]*)$", path.read_text(), flags=re.MULTILINE)
    return [shlex.split(re.sub(r" {3,}\S.*", "", line), comments=True) for line in lines]


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_commands_exist(path: Path) -> None:
    cli = pytest.importorskip("pyqkit.cli")
    for _, name, *words in _commands(path, "pyqkit"):
        assert name in cli.main.commands, f"{path.name}: pyqkit {name}"
        command = cli.main.commands[name]
        while hasattr(command, "commands"):  # a group, whose next word is a command of it
            command = command.commands[words.pop(0)]
        options = {text for parameter in command.params for text in parameter.opts}
        for word in words:
            assert not word.startswith("-") or word.partition("=")[0] in options, f"pyqkit {name} {word}"


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_make_targets_exist(path: Path) -> None:
    """Of this repository, or of a project for AMD's tools."""
    makefiles = (ROOT / "Makefile").read_text() + (ROOT / "overlays" / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefiles, flags=re.MULTILINE))
    named = {words[1] for words in _commands(path, "make")}
    named |= set(re.findall(r"`make ([\w-]+)[^`]*`", path.read_text()))
    assert named <= targets, f"{path.name}: {named - targets}"


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_files_and_names_exist(path: Path) -> None:
    """Of this repository: a path that begins with one of its folders, a file of source, whatever folders are
    left out in front of it, and a dotted name below ``pyqkit``.
    """
    folders = "pyqkit|hls|rtl|tests|tools|benchmarks|boards|overlays|notebooks|docs"
    for code in re.findall(r"`([^`\n]+)`", path.read_text()):
        if "NAME" in code:  # stands for others
            continue
        if re.fullmatch(rf"(?:{folders})/[\w./*-]*", code):
            assert list(ROOT.glob(code.rstrip("/"))), f"{path.name}: {code}"
        elif re.fullmatch(r"[\w/]+\.py|[\w/]+/\w+\.(cpp|hpp|sv|tcl)", code):
            assert any(list((ROOT / folder).rglob(code)) for folder in folders.split("|")), (
                f"{path.name}: {code}"
            )
        elif re.fullmatch(r"pyqkit(\.\w+)+", code):
            assert _resolves(code), f"{path.name}: {code}"


def _resolves(name: str) -> bool:
    pieces = name.split(".")
    for length in range(len(pieces), 0, -1):
        module = ROOT.joinpath(*pieces[:length])
        if module.with_suffix(".py").is_file() or module.is_dir():
            rest = pieces[length:]
            source = (
                module.with_suffix(".py") if module.with_suffix(".py").is_file() else module / "__init__.py"
            )
            return all(re.search(rf"\b{re.escape(piece)}\b", source.read_text()) for piece in rest)
    return False


def test_one_version() -> None:
    """Said in ``pyqkit/__init__.py``; the changelog and the page on boards follow."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)[:2] == [
        "Unreleased",
        pyqkit.__version__,
    ]
    assert f"pyqkit-{pyqkit.__version__}-py3-none-any.whl" in (ROOT / "docs" / "board.md").read_text()
    version = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert version.stdout.split()[-1] == pyqkit.__version__
    said = subprocess.run(
        [sys.executable, "-m", "pyqkit", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-1] == pyqkit.__version__
