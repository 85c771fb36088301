"""What is printed fits a terminal of 80 columns, and nothing of it is cut off."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("onnx")
pytest.importorskip("rich")
from click.testing import CliRunner

import pyqkit
from pyqkit.cli import main
from pyqkit.hardware.resources import Resources
from pyqkit.report import Report
from pyqkit.report_tables import show_report
from pyqkit.tables import show, show_verification
from tests.overlays import build, frames

LONG = "features_denseblock3_denselayer24_conv2_threshold_" * 2


@pytest.fixture(autouse=True)
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def accelerator() -> pyqkit.Accelerator:
    return pyqkit.Accelerator.from_build_folder(build("ZCU104"))


def fits(text: str) -> None:
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert "…" not in text


def largest(report: Report) -> Report:
    """The report of a network with long names and numbers as large as they come."""
    resources = Resources(lut_low=1_234_567, lut_high=2_345_678, ff=3_456_789, bram36=1234.5, dsp=12_345)
    layers = tuple(
        replace(
            layer,
            name=LONG,
            output_shape=(1024, 1024, 4096),
            input_format="uint16z32768",
            weight_format="lp8_1_3@-0.25",
            output_format="int44",
            macs=12_345_678_901,
            cycles=1_234_567_890,
            fifo_words=32 + index,
            resources=resources,
            probe=True,
        )
        for index, layer in enumerate(report.layers)
    )
    return replace(report, network=LONG, bottleneck=LONG, layers=layers, resources=resources)


def test_reports(accelerator: pyqkit.Accelerator, capsys: pytest.CaptureFixture[str]) -> None:
    for report in (accelerator.report(), largest(accelerator.report())):
        show_report(report)
        shown = capsys.readouterr().out
        fits(shown)
        assert report.bottleneck in "".join(shown.split())
        for layer in report.layers:
            assert f"{layer.cycles:,}" in shown or str(layer.cycles) in shown
            assert f"{layer.resources.lut_low:,}-{layer.resources.lut_high:,}" in shown


def test_verification(accelerator: pyqkit.Accelerator, capsys: pytest.CaptureFixture[str]) -> None:
    result = accelerator.verify(frames(5), ["exact"])
    show_verification(result)
    shown = capsys.readouterr().out
    fits(shown)
    assert all(name in shown for name in result["reference"]["layers"])


@pytest.mark.parametrize(
    "arguments",
    ["formats", "formats int16", "boards", "boards ZCU104", "doctor", "--help"],
)
def test_commands(arguments: str) -> None:
    fits(CliRunner().invoke(main, arguments.split()).output)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_of_every_command(command: str) -> None:
    fits(CliRunner().invoke(main, [command, "--help"]).output)


def test_long_words_go_on_in_the_next_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(LONG, [{"name": LONG, "number": 12_345, "text": LONG}], LONG)
    shown = capsys.readouterr().out
    fits(shown)
    assert shown.replace("\n", "").count("12,345") == 1


def test_what_does_not_fit_stands_in_a_further_table(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"task": LONG, **{f"value {i}": 1_000_000 + i for i in range(20)}}
    show("many", [row], whole=())
    shown = capsys.readouterr().out
    fits(shown)
    assert all(f"{1_000_000 + i:,}" in shown for i in range(20)) and shown.count("task") >= 2
