"""What people see: tables, notes and the report's page show text from outside as text."""

from __future__ import annotations

import ast
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("rich")
pytest.importorskip("jinja2")

import pyqkit
from pyqkit.doctor import examine
from pyqkit.errors import plain
from pyqkit.report import Report
from pyqkit.report_page import page
from pyqkit.report_tables import show_report
from pyqkit.report_tradeoff import Tradeoff
from pyqkit.tables import show
from tests.names.words import BREAKERS, EVIL
from tests.overlays import build

MARKUP = ["[bold]x[/bold]", "[/x]", "[link=file:///etc]x[/link]", ":smile:", "\\[x]", "x\\"]


@pytest.fixture(scope="module")
def report() -> Report:
    return pyqkit.Accelerator.from_build_folder(build("ZCU104")).report()


@pytest.mark.parametrize("text", [*MARKUP, *(text for text in BREAKERS if len(text) < 100)])
def test_tables_show_names_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(f"t{text}t", [{f"h{text}h": f"n{text}n"}], f"c{text.strip()}c")
    shown = capsys.readouterr().out
    assert all(f"{end}{plain(text)}{end}" in shown for end in "thn")
    assert shown.replace("\n", "").isprintable()


def test_a_report_on_the_terminal_holds_no_control_characters(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = replace(report, network=EVIL, notes=(EVIL,), bottleneck=EVIL)
    show_report(hostile)
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable() and f"note: {plain(EVIL)}" in shown


class _Tags(HTMLParser):
    """Start tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":  # where a name may be broken
            self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_text_as_text(report: Report) -> None:
    text = f"<script>'\"{EVIL}"
    layers = tuple(replace(layer, name=text, operator=text) for layer in report.layers)
    hostile = replace(report, network=text, bottleneck=text, notes=(text,), layers=layers)
    points = [Tradeoff(1.0, 100.0), Tradeoff(2.0, 200.0)]
    found, plainly = _Tags(page(hostile, points)), _Tags(page(replace(report, notes=("",)), points))
    assert found.tags == plainly.tags and plain(text) in found.text
    assert found.text.replace("\n", "").isprintable()


def test_rich_gets_no_markup_anywhere() -> None:
    """What is in brackets would be gone: texts are `Text`, columns of progress have markup switched off."""
    package = Path(pyqkit.__file__).parent
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if not any(module.partition(".")[0] == "rich" for module in modules):
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name == "TextColumn":
                assert "markup=False" in ast.unparse(call), ast.unparse(call)
            if name.endswith((".add_row", ".add_column", "Table")):
                assert not [a for a in call.args if isinstance(a, (ast.Name, ast.Constant, ast.JoinedStr))]


def test_the_doctor_names_extras(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("pyqkit.doctor._MODULES", {"none": ("all", "pip install 'pyqkit[board]'")})
    show("tools", examine())
    assert "pip install 'pyqkit[board]'" in capsys.readouterr().out
