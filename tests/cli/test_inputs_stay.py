"""No command loses what it reads, nor one of its results to another, even with --force."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import click
import pytest

pytest.importorskip("onnx")

from pyqkit.array import machine
from pyqkit.cli import array, main
from pyqkit.command_files import Named, Read, Written
from tests.cli.calls import refused, run

# Files go into it, whose names follow from the network; see `test_an_overlay_keeps_its_program`.
ADDED_TO = {("overlay", "output")}


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


def of(command: click.Command, *types: type) -> list[click.Parameter]:
    return [parameter for parameter in command.params if isinstance(parameter.type, types)]


ALL = dict(commands(main))
READ_AND_WRITTEN = [
    (names, *pair)
    for names, command in ALL.items()
    for pair in product(of(command, Read, Named), of(command, Written))
]
WRITTEN_TWICE = [
    (names, *pair) for names, command in ALL.items() for pair in combinations(of(command, Written), 2)
]


def title(value: click.Parameter | tuple[str, ...]) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value.name)


def said(parameter: click.Parameter) -> str:
    """What a sentence calls it."""
    argument = isinstance(parameter, click.Argument)
    return parameter.human_readable_name if argument else max(parameter.opts, key=len)


def file_for(parameter: click.Parameter) -> str:
    """A name that it takes for a file."""
    if ".py:" in (parameter.metavar or ""):
        return "same.py"
    return "same.zip" if parameter.name == "array" else "same.toml"


def call(names: tuple[str, ...], values: dict[str, str]) -> list[str]:
    """A call with these values by parameter, and others where something is required."""
    found = list(names)
    for parameter in ALL[names].params:
        value = values.get(str(parameter.name))
        if value is None and parameter.required:
            value = "1" if parameter.type is click.FLOAT else f"other_{parameter.name}"
        elif value and isinstance(parameter.type, Named) and value.endswith(".py"):
            value += ":make"
        if value is not None:
            option = [] if isinstance(parameter, click.Argument) else [said(parameter)]
            found += [*option, *[value] * max(parameter.nargs, 1)]
    return [*found, "--force"]


def content() -> dict[str, bytes | None]:
    """All that lies here."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def stays(arguments: list[str], sentence: str) -> None:
    """Assert that a call is refused so, and changes nothing."""
    before = content()
    refused(run(*arguments), f"{sentence}; choose another name")
    assert content() == before


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_file_of_a_command_is_read_or_written() -> None:
    other = {
        (" ".join(names), parameter.name)
        for names, command in ALL.items()
        for parameter in of(command, click.Path)
        if not isinstance(parameter.type, Read | Written)
    }
    assert other == ADDED_TO and len(READ_AND_WRITTEN) > 30


@pytest.mark.parametrize(("names", "read", "written"), READ_AND_WRITTEN, ids=title)
def test_a_command_keeps_what_it_reads(
    names: tuple[str, ...], read: click.Parameter, written: click.Parameter
) -> None:
    same = file_for(read)
    Path(same).write_text("mine")
    stays(
        call(names, {str(read.name): same, str(written.name): same}),
        f"a place outside {same} was expected for {said(written)}, but {same} came, and {said(read)} is "
        "read there",
    )


@pytest.mark.parametrize(("names", "first", "second"), WRITTEN_TWICE, ids=title)
def test_two_results_of_a_command_go_to_two_places(
    names: tuple[str, ...], first: click.Parameter, second: click.Parameter
) -> None:
    stays(
        call(names, {str(first.name): "y", str(second.name): "z/../y"}),
        f"a place outside y was expected for {said(second)}, but z/../y came, and {said(first)} goes there",
    )


@pytest.mark.parametrize("spelling", ["absolute", "dotted", "link", "hard link", "linked folder"])
def test_other_names_of_an_input(spelling: str, tmp_path: Path) -> None:
    Path("x.npy").write_text("mine")
    Path("folder").mkdir()
    other = {"absolute": str(tmp_path / "x.npy"), "dotted": "folder/../x.npy", "linked folder": "here/x.npy"}
    name = other.get(spelling, "y.npy")
    if spelling == "link":
        Path(name).symlink_to("x.npy")
    elif spelling == "hard link":
        os.link("x.npy", name)
    elif spelling == "linked folder":
        Path("here").symlink_to(".")
    sentence = f"a place outside x.npy was expected for --output, but {name} came, and --input is read there"
    stays(["emulate", "b", "--input", "x.npy", "--output", name, "--force"], sentence)
    stays(["emulate", "b", "--input", "x.npy", "--output", name], sentence)


def test_folders_that_hold_inputs() -> None:
    Path("b").mkdir()
    Path("b/model.onnx").write_text("mine")
    stays(
        ["compile", "b/model.onnx", "-o", "b", "--force"],
        "a place outside b was expected for NETWORK, but b/model.onnx came, and --output goes there",
    )
    stays(
        ["emulate", "b", "--input", "x.npy", "--output", "b/model.onnx", "--force"],
        "a place outside b was expected for --output, but b/model.onnx came, and BUILD is read there",
    )


def test_what_loses_nothing_goes_on() -> None:
    """Such calls are refused too, but for another reason: there is nothing to read."""
    Path("b").mkdir()
    for arguments in (
        ["emulate", "b", "--input", "x.npy", "--output", "b/new.npy"],
        ["emulate", "b", "--input", "/dev/null", "--output", "/dev/null"],
        ["emulate", "b", "--input", "x.npy", "--output", "x.npy.npy", "--force"],
        ["overlay", "b", "-o", "."],
        [
            "search",
            "lpq",
            "n.py:f",
            "--calib",
            "x.npy",
            "-o",
            "b",
            "--onnx",
            "b/n.onnx",
            "--resume",
            "--force",
        ],
        ["compile", "n.onnx", "-o", "ZCU104", "--board", "ZCU104"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and "choose another name" not in result.output, result.output


def test_an_overlay_keeps_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array, "machine_of", lambda name: machine.named("lpa8x8"))
    Path("lpa8x8.zip").write_text("mine")
    stays(
        ["overlay", "--array", "lpa8x8.zip", "--board", "ZCU104", "--emulated", "-o", ".", "--force"],
        "a place outside lpa8x8.zip was expected for --output, but lpa8x8.zip came, and --array is read "
        "there",
    )
