"""The loops of the C++ take the cycles that the schedule of the SystemVerilog says, process by process."""

from __future__ import annotations

import re
import shutil

import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.graph.ops.layout import Permute
from pyqkit.graph.ops.transpose import Transpose
from pyqkit.rtl.generate import generate
from tests.emulate.networks import everything
from tests.emulate.test_engines import FAST, folding


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("parallel", [1, 3])
def test_trips_are_the_cycles_of_the_schedule(parallel: int) -> None:
    """A process begins anew with every frame, so that a window fills before it goes, a permutation waits for
    a pixel and a transposition for a block; all others take exactly as long.
    """
    net = everything("e2m1")
    graph, foldings = net.graph, folding(net.graph, parallel)
    engine = HlsEngine(graph, foldings, flags=FAST)
    engine.run({"x": net.codes["x"][:1]})
    trips = engine.trips()
    shapes = re.findall(
        r"struct (\w+)_window \{.*?FILL = (\d+);", engine.design.files["parameters.hpp"], re.DOTALL
    )
    fills = {f"{name}_windows": int(words) for name, words in shapes}
    assert trips == {process.name: process.trips for process in engine.design.processes}
    design = generate(graph, foldings)
    lanes = {
        stream.name: stream.lanes for block in design.blocks for stream in (*block.inputs, *block.outputs)
    }
    cycles = {b.name.removesuffix("_block"): b for b in design.blocks if b.timing is not None}
    compared = 0
    for op in graph.operators:
        for name in {op.name, f"{op.name}_windows", op.outputs[0]} & trips.keys() & cycles.keys():
            block, expected = cycles[name], cycles[name].timing.cycles
            (tensor, *_), lanes_in = graph.input_tensors(op), lanes[block.inputs[0].name]
            if name.endswith("_windows"):
                # the SystemVerilog reads a window anew for each output fold, the C++ keeps it in the unit
                assert trips[name] <= expected * 1.02 + fills[name]
            elif isinstance(op, Permute | Transpose):
                block = tensor.shape[1] * op.rows if isinstance(op, Transpose) else 1
                assert expected < trips[name] <= expected + block * tensor.shape[2] // lanes_in
            else:
                assert trips[name] == expected, name
            compared += 1
    assert compared > len(graph.operators)
