"""The array that is searched for a network and a board, and what its parts take."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pyqkit import boards
from pyqkit.array import area, search
from pyqkit.array.compiler import compile_graph
from pyqkit.array.machine import named
from pyqkit.array.rtl.blocks import blocks
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.runtime import Array
from tests.array.networks import requantised
from tests.array.running import agrees
from tests.array.test_use import digits
from tests.cli.calls import run
from tests.emulate.networks import Net

PYNQ_Z2 = boards.load("PYNQ-Z2")


def two_layers() -> Net:
    net = Net(parse("lp8_1_2"), parse("lp4_0_3"), shape=(8, 8, 16), frames=2)
    a = requantised(net, "a", net.conv("first", "x", 32))
    net.finish(requantised(net, "b", net.conv("second", a, 16)))
    return net


@cache
def plenty() -> search.Choice:
    return search.choose(two_layers().graph, PYNQ_Z2)


def test_block_ram_is_that_of_the_parts_that_were_measured() -> None:
    checked = 0
    for part in area.parts():
        memories = area._MEMORIES.get(part.module)
        if memories is not None:
            assert area.block_ram(memories(area._numbers(part.block))) == part.bram36, part
            checked += 1
    assert checked >= 6


def test_a_machine_is_the_sum_of_its_parts() -> None:
    known = {part.block: part.area for part in area.parts()}
    total = area.Area()
    for block, count in blocks(named("lpa8x8")).items():
        total += known[block] * count  # each was measured with these parameters
    found = area.area(named("lpa8x8"))
    assert found == total
    wider = area.area(replace(named("lpa8x8"), rows=16, columns=16))
    assert 3 < wider.lut / found.lut < 4.5 and wider.bram36 > found.bram36
    smaller = area.area(replace(named("lpa8x8"), weight_words=8192))
    assert found.bram36 - smaller.bram36 == 16
    assert 0 <= found.lut - smaller.lut < 0.001 * found.lut  # a load with an address bit less was measured


def test_the_fewest_cycles_of_what_fits() -> None:
    net, choice = two_layers(), plenty()
    fitting = [one for one in choice.candidates if not one.lacks]
    assert choice.chosen.cycles == min(one.cycles for one in fitting if one.cycles)
    assert choice.chosen.area.lut <= 0.7 * PYNQ_Z2.resources["lut"]
    assert choice.chosen.area.bram36 <= PYNQ_Z2.resources["bram36"]
    assert [mode.name for mode in choice.machine.modes] == ["W4A8"]
    assert (choice.candidates[0].machine.rows, choice.candidates[0].lacks) == (32, "lut")
    agrees(net, compile_graph(net.graph, choice.machine))


def test_less_of_a_board() -> None:
    """Fewer elements where LUTs are short, fewer words where block RAM is; the same again every time."""
    net, half = two_layers(), int(plenty().chosen.area.bram36) // 2
    tight = replace(PYNQ_Z2, resources=PYNQ_Z2.resources | {"bram36": half})
    found = search.choose(net.graph, tight, lut_share=0.3)
    assert found == search.choose(net.graph, tight, lut_share=0.3)
    assert found.chosen.area.bram36 <= half < plenty().chosen.area.bram36
    assert found.chosen.area.lut <= 0.3 * PYNQ_Z2.resources["lut"] < plenty().chosen.area.lut
    assert found.chosen.cycles > plenty().chosen.cycles
    agrees(net, compile_graph(net.graph, found.machine))


def test_a_board_that_is_too_small() -> None:
    small = replace(PYNQ_Z2, resources=PYNQ_Z2.resources | {"lut": 4000})
    with pytest.raises(UserError, match="an array of 4 x 4 elements .* has too little lut"):
        search.choose(two_layers().graph, small)


def test_from_the_command_line_to_a_board(tmp_path: Path) -> None:
    """Compile, make the overlay of the array that was found, and run the program on it."""
    (tmp_path / "net.onnx").write_bytes(digits("lp4_0_3", "lp8_1_2").SerializeToString())
    given = ("compile", tmp_path / "net.onnx", "--board", "PYNQ-Z2", "--output")
    result = run(*given, tmp_path / "net.zip", "--array", "auto", "--lut-share", "0.4")
    assert result.exit_code == 0, result.output
    assert "fewest cycles" in result.stdout and "too little lut" in result.stdout
    said = run(*given, tmp_path / "again.zip", "--array", tmp_path / "net.zip", "--json")
    found = json.loads(said.stdout)
    assert f"{found['array']}: " in result.stdout and "candidates" not in found
    made = run(
        "overlay",
        "--array",
        tmp_path / "net.zip",
        "--board",
        "PYNQ-Z2",
        "--emulated",
        "-o",
        tmp_path / "made",
    )
    assert made.exit_code == 0, made.output
    with Array.load(tmp_path / "made" / f"{found['array']}.bit", backend="emulated") as array:
        assert array.selftest() == 0
        network = array.program(tmp_path / "again.zip")
        assert network.selftest() == 0
        assert np.isfinite(network(np.zeros((2, 1, 8, 8), np.float32))).all()
    refused = run(*given, tmp_path / "other.zip", "--array", "lpa8x8", "--lut-share", "0.4")
    assert refused.exit_code == 2 and "no share was expected" in refused.stderr
    for wish in (("--reuse", "on"), ("--reuse", "off"), ("--objective", "latency")):
        refused = run(*given, tmp_path / "other.zip", "--array", "lpa8x8", *wish)
        assert refused.exit_code == 2 and "neither --reuse nor --objective was expected" in refused.stderr
        assert not (tmp_path / "other.zip").exists()
