"""Hardware that frames pass several times gives the codes of the definition, in exactly the cycles that the
schedule says, for every operator with constants that it switches; and mutants of it are caught.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import Simulator, Stalls
from pyqkit.errors import UserError
from pyqkit.formats import Integer, parse
from pyqkit.graph import common_tables
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.layer_norm import LayerNorm
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.graph.reuse import find, looped
from pyqkit.rtl.generate import Design, generate
from tests.emulate.networks import Net, port
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import folding, needs_compiler
from tests.rtl.bench import FAST, mutated, needs_verilator

PASSES, CHANNELS = 3, 6
FORMAT = parse("int4")


def network(rule: str) -> Net:
    """A convolution, three equal residual blocks with an operator of the kind `rule` inside, another one."""
    net = Net(FORMAT, FORMAT, (1, 5, CHANNELS), frames=7, seed=3)
    x = _rescaled(net, "first_codes", _sums(net, "first", "x"))
    for block in range(PASSES):
        y = _rescaled(net, f"codes_{block}", _sums(net, f"sums_{block}", x))
        y = INSIDE[rule](net, f"inside_{block}", y)
        y = _sums(net, f"more_{block}", y)
        factors = np.stack([net.random.integers(-9, 9, CHANNELS), np.ones(CHANNELS, np.int64)])
        y = net.add(Add(f"joined_{block}", [x, y], [f"joined_{block}"], factors))
        x = _rescaled(net, f"block_{block}", y)
    x = _sums(net, "last", x)
    net.graph.outputs = [port(x, net.graph.tensors[x])]
    return net


def _sums(net: Net, name: str, source: str) -> str:
    weights = net.random.choice(FORMAT.codes, (CHANNELS, 1, 1, net.graph.tensors[source].shape[2]))
    return net.add(Convolution(name, [source], [name], weights, FORMAT))


def _rescaled(net: Net, name: str, source: str) -> str:
    """With a shift of its own, and factors that fill the format."""
    tensor, shift = net.graph.tensors[source], int(net.random.integers(8, 14))
    reach = max(abs(tensor.low), tensor.high)
    factors = (net.random.uniform(1.2, 2.5, CHANNELS) * 8 / reach * 2**shift).astype(np.int64) + 1
    offsets = net.random.integers(-(2**shift), 2**shift, CHANNELS)
    return net.add(Rescale(name, [source], [name], FORMAT, factors, offsets, shift))


def _threshold(net: Net, name: str, source: str) -> str:
    limits = np.sort(net.random.integers(-7, 8, (CHANNELS, 7)), axis=1)
    falling = net.random.random(CHANNELS) < 0.5
    return net.add(
        Threshold(name, [source], [name], parse("e1m1"), limits[:, : len(parse("e1m1").codes) - 1], falling)
    )


def _common_threshold(net: Net, name: str, source: str) -> str:
    """A factor and an offset for each channel in front of thresholds that are those of all."""
    fmt = parse("e2m1")
    factors, offsets = net.random.integers(1, 4, (CHANNELS, 1)), net.random.integers(-2, 3, (CHANNELS, 1))
    positions = np.array([float(boundary.position) for boundary in fmt.boundaries()])
    limits = np.clip(np.ceil((positions - offsets) / factors + 1e-6).astype(np.int64), -8, 8)
    falling = np.arange(CHANNELS) % 2 == 1
    limits[falling] = 1 - limits[falling, ::-1]
    return net.add(Threshold(name, [source], [name], fmt, np.clip(limits, -8, 8), falling))


def _lookup(rows: int, net: Net, name: str, source: str) -> str:
    codes = net.random.choice(FORMAT.codes, (rows, 16)).astype(np.int64)
    return net.add(Lookup(name, [source], [name], FORMAT, codes))


def _softmax(net: Net, name: str, source: str) -> str:
    significands, exponents = net.random.integers(1, 99, 16), net.random.integers(-9, -2, 16)
    gain = int(net.random.integers(9, 40))
    return net.add(Softmax(name, [source], [name], Integer(4, False), significands, exponents, 2, gain, 3))


def _norm(net: Net, name: str, source: str) -> str:
    gains, offsets = net.random.integers(1, 20, CHANNELS), net.random.integers(-9, 9, CHANNELS)
    below = np.full(CHANNELS, int(net.random.choice([1, 2, 4, 8])))
    rows = gains, below, offsets, below
    return net.add(LayerNorm(name, [source], [name], FORMAT, *rows, int(net.random.integers(1, 60)), 4))


INSIDE = {
    "threshold": _threshold,
    "lookup": lambda *given: _lookup(CHANNELS, *given),
    "shared_lookup": lambda *given: _lookup(1, *given),
    "softmax": _softmax,
    "layer_norm": _norm,
}


def shared(net: Net, parallel: int, **choices: int | str) -> tuple[Graph, dict[str, Folding]]:
    """Its blocks once, and their foldings."""
    reuse = find(net.graph)
    assert reuse is not None and reuse.passes == PASSES
    graph = looped(net.graph, reuse)
    foldings = dict(folding(graph, parallel))
    foldings |= {
        name: ConvolutionFolding(chosen.pe, chosen.simd, **choices)  # type: ignore[arg-type]
        for name, chosen in foldings.items()
        if isinstance(chosen, ConvolutionFolding)
    }
    return graph, foldings


def built(net: Net, parallel: int, **choices: int | str) -> Design:
    return generate(*shared(net, parallel, **choices))


def differing(net: Net, simulator: Simulator) -> int:
    (end,) = simulator.design.outputs
    return int((simulator.run(net.codes)[end.tensor] != net.values[end.tensor]).sum())


@needs_verilator
@pytest.mark.parametrize(("rule", "parallel"), [(rule, i % 3 + 1) for i, rule in enumerate(INSIDE)])
def test_blocks_that_frames_pass_three_times(rule: str, parallel: int) -> None:
    net = network(rule)
    design = built(net, parallel)
    simulator = Simulator(design, flags=FAST)
    assert differing(net, simulator) == 0
    assert simulator.counts is not None
    assert len(np.unique(net.values["last"])) > 30
    assert simulator.counts.interval == design.interval
    assert simulator.counts.latency == pytest.approx(design.latency, abs=2)
    simulator.stalls = Stalls(0.3, seed=5)
    assert differing(net, simulator) == 0
    assert simulator.counts.interval > design.interval


@needs_compiler
@needs_verilator
@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_one_row_of_thresholds_for_all_channels_and_passes(
    parallel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_tables, "FEW_BITS", 0)
    monkeypatch.setitem(INSIDE, "common", _common_threshold)
    net = network("common")
    graph, foldings = shared(net, parallel)
    kinds = {op.name: op.kind for op in graph.operators}
    assert (kinds["inside_0_scaled"], kinds["inside_0"]) == ("rescale", "threshold")
    simulator = Simulator(generate(graph, foldings), flags=FAST)
    for simulator.stalls in (Stalls(0, 0), Stalls(0.3, seed=2)):
        assert differing(net, simulator) == 0
    module = next(text for name, text in simulator.design.files.items() if name.endswith("network.sv"))
    block = module[module.index("pqk_threshold #(") :]
    assert ".DEPTH(1)" in block[: block.index(";")] and ".PASSES" not in block[: block.index(";")]
    assert len(np.unique(net.values["inside_1"])) > 8
    (end,) = simulator.design.outputs
    found = HlsEngine(graph, foldings, flags=FAST_CPP).run(net.codes)
    np.testing.assert_array_equal(found[end.tensor], net.values[end.tensor])


@needs_verilator
@pytest.mark.parametrize(("multiplier", "pixels"), [("dsp2", 1), ("dsp4", 2)])
def test_weights_of_dsps_are_switched(multiplier: str, pixels: int) -> None:
    net = network("shared_lookup")
    design = built(net, 2, multiplier=multiplier, memory="block", pixels=pixels)
    assert differing(net, Simulator(design, flags=FAST)) == 0


MUTANTS = {
    "a pass too early": (
        "pqk_pass_address.sv",
        "last && !last_time ? base",
        "last && times != REPEAT_BITS'(REPEAT - 2) ? base",
    ),
    "a pass less": ("pqk_pass_address.sv", "BITS'(WORDS - 1) ? 0", "BITS'(WORDS - 1 - LENGTH) ? 0"),
    "the last pass goes back": (
        "pqk_loop_exit.sv",
        "leaves = pass == PASS_BITS'(PASSES - 1)",
        "leaves = pass == 0",
    ),
    "frames enter in a later pass": (
        "pqk_loop_entry.sv",
        "from_outside = pass == 0",
        "from_outside = pass == 1",
    ),
}


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_pass_is_caught(mutant: str, tmp_path: Path) -> None:
    net = network("shared_lookup")
    simulator = Simulator(built(net, 3), flags=FAST, include=mutated(tmp_path, [MUTANTS[mutant]]))
    try:
        assert differing(net, simulator) > 0
    except UserError as error:  # a frame that waits for itself
        assert "stopped" in str(error)
