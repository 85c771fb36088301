"""C++ of hardware that frames pass several times: the codes of the definition, in the trips that are said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyqkit.emulate.hls import Simulator
from pyqkit.errors import UserError
from pyqkit.hls.generate import Design, generate, library
from pyqkit.hls.schedule import schedule
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST, needs_compiler
from tests.rtl.test_reuse import INSIDE, differing, network, shared


def built(net: Net, parallel: int, **choices: int | str) -> Design:
    graph, foldings = shared(net, parallel, **choices)
    design = generate(graph, foldings)
    assert design.processes == schedule(graph, foldings).processes
    return design


@needs_compiler
@pytest.mark.parametrize(("rule", "parallel"), [(rule, i % 3 + 1) for i, rule in enumerate(INSIDE)])
def test_blocks_that_frames_pass_three_times(rule: str, parallel: int) -> None:
    net = network(rule)
    simulator = Simulator(built(net, parallel), flags=FAST)
    assert differing(net, simulator) == 0
    assert simulator.trips() == {process.name: process.trips for process in simulator.design.processes}


@needs_compiler
@pytest.mark.parametrize(("multiplier", "pixels"), [("dsp2", 1), ("dsp4", 2)])
def test_weights_of_dsps_are_switched(multiplier: str, pixels: int) -> None:
    net = network("shared_lookup")
    design = built(net, 2, multiplier=multiplier, memory="block", pixels=pixels)
    assert differing(net, Simulator(design, flags=FAST)) == 0


MUTANTS = {
    "weights of the first pass": ("matrix_vector.hpp", "first = pass * FOLDS", "first = 0 * FOLDS"),
    "factors of the first pass": ("requantise.hpp", "Table::multiplier(constants + ", "Table::multiplier("),
    "a pass less": ("loop.hpp", "pass == PASSES - 1", "pass == PASSES - 2"),
    "frames enter in a later pass": ("loop.hpp", "pass == 0", "pass == 1"),
}


@needs_compiler
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_pass_is_caught(mutant: str, tmp_path: Path) -> None:
    header, right, wrong = MUTANTS[mutant]
    include = tmp_path / "hls"
    shutil.copytree(library(), include)
    text = (include / header).read_text()
    assert text.count(right) == 1
    (include / header).write_text(text.replace(right, wrong))
    net = network("shared_lookup")
    try:
        assert differing(net, Simulator(built(net, 3), flags=FAST, include=include)) > 0
    except UserError as error:  # a frame that waits for itself
        assert "waits to" in str(error)
