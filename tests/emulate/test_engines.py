"""Every engine gives the codes of the definition.

All operators, many formats, several frames, several foldings.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import DeadlockError, HlsEngine
from pyqkit.formats import Integer, parse
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.graph.serialise import from_json, to_json
from pyqkit.hardware.folding import spaces
from tests.emulate.networks import Net, everything, statistics

PAIRS = [
    ("e2m1", None),
    ("e3m2", "e2m3"),
    ("e4m3", None),
    ("int4", "odd2"),
    ("int8", "int8narrow"),
    ("uint4", "lp4_0_3"),
    ("lp4_0_3", None),
    ("lp8_1_3", None),
]
EXACT_ONLY = [
    ("e5m2", "e2m1"),
    ("uint8z128", "int4"),
    ("lp4_1_2", "lp4_0_3"),
    ("lp4_1_3", "int4"),
    ("lp4_0_2", "lp3_0_1"),
    ("e4m3fn", "e3m2"),
    ("ue3m2", "e1m2"),
    ("lp8_1_3", "e2m1"),
]
FAST = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w")  # the flags of tests: compiling is what takes the time
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def folding(graph: Graph, parallel: int) -> dict[str, ConvolutionFolding]:
    """The largest divisors up to `parallel`: 1 is fully folded, 3 and 5 do not divide powers of two."""

    def divisor(n: int) -> int:
        return max(d for d in range(1, parallel + 1) if n % d == 0)

    return {
        name: space.type(**{axis.name: divisor(axis.total) for axis in space.axes if not axis.optional})
        for name, space in spaces(graph).items()
    }


def agree(net: Net, run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
    """Assert that an engine gives the definition's codes."""
    found = run(net.codes)
    for out in net.graph.outputs:
        np.testing.assert_array_equal(found[out.tensor], net.values[out.tensor], err_msg=out.tensor)
        assert found[out.tensor].dtype == net.values[out.tensor].dtype


@pytest.mark.parametrize(("activations", "weights"), PAIRS + EXACT_ONLY)
def test_exact(activations: str, weights: str | None) -> None:
    net = everything(activations, weights)
    print(statistics(net))
    for compiled, portable in ((False, False), (None, True), (None, False)):
        engine = ExactEngine(net.graph, compiled=compiled, portable=portable)
        agree(net, engine.run)
        for name, codes in engine.run(net.codes, keep=True).items():
            np.testing.assert_array_equal(codes, net.values[name], err_msg=name)


RESIDUALS = [
    ("e2m1", "e2m1"),
    ("int4", "int4"),
    ("int8", "int4"),
    ("e3m2", "int4"),
    ("e4m3", "e4m3"),
    ("lp4_0_3", "lp4_0_3"),
]


@needs_compiler
@pytest.mark.parametrize(("activations", "weights"), RESIDUALS)
@pytest.mark.parametrize("channels", [16, 37])
def test_residual_sums_join_the_kernel(activations: str, weights: str, channels: int) -> None:
    """Sums that fit 32 bits are added and requantised by the convolution that forms them, for one and for two
    of them.
    """
    net = Net(parse(activations), parse(weights))
    x = net.threshold("a", net.conv("conv", "x", channels))
    both = [net.conv("main", x, channels), net.conv("shortcut", x, channels, 1)]
    y = net.threshold("b", net.add(Add("sum", both, ["sum"], net.random.integers(-3, 4, (2, channels)))))
    total = net.add(
        Add("again", [y, net.conv("last", y, channels)], ["again"], net.random.integers(1, 3, (2, channels)))
    )
    reach = max(abs(net.graph.tensors[total].low), abs(net.graph.tensors[total].high))
    shift = max(0, reach.bit_length() - 5)
    multiplier, offset = (
        net.random.integers(-2, 3, channels),
        net.random.integers(-3, 4, channels) << shift >> 1,
    )
    net.finish(
        net.add(Rescale("out", [total], ["out"], Integer(8), multiplier, offset, shift, relu=channels == 16))
    )
    print(statistics(net), len(np.unique(net.values["out"])), "distinct results")
    for portable in (True, False):
        engine = ExactEngine(net.graph, portable=portable)
        agree(net, engine.run)
        assert len(engine._steps) == 4


@needs_compiler
@pytest.mark.parametrize(("activations", "weights"), PAIRS)
def test_hls(activations: str, weights: str | None) -> None:
    net = everything(activations, weights)
    print(statistics(net))
    agree(net, HlsEngine(net.graph, folding(net.graph, 3), flags=FAST).run)


@needs_compiler
@pytest.mark.parametrize("parallel", [1, 8])
def test_hls_foldings(parallel: int) -> None:
    net = everything("e2m1")
    agree(net, HlsEngine(net.graph, folding(net.graph, parallel), flags=FAST).run)


@needs_compiler
@pytest.mark.parametrize(("activations", "weights"), [("e3m2", "e2m3"), ("lp4_0_3", None)])
def test_hls_against_the_ap_int_headers_of_amd(activations: str, weights: str | None) -> None:
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("hls4ml, which carries AMD's ap_int headers, is not installed")
    (headers,) = {
        path.parent
        for path in Path(next(iter(found.submodule_search_locations))).rglob("vivado/ap_types/ap_int.h")
    }
    net = everything(activations, weights)
    agree(net, HlsEngine(net.graph, folding(net.graph, 2), flags=FAST, ap_int=headers).run)


def test_blocks_with_their_own_scale() -> None:
    net = Net(parse("int4"), parse("e2m1"))
    weights = net.random.choice(net.weights.codes, (6, 1, 1, 4))
    exponents = net.random.integers(0, 5, (6, 1, 1, 2))
    net.finish(net.add(Convolution("c", ["x"], ["c"], weights, net.weights, block=3, exponents=exponents)))
    agree(net, ExactEngine(net.graph).run)
    if shutil.which("g++"):
        agree(net, HlsEngine(net.graph, {"c": ConvolutionFolding(2, 2)}, flags=FAST).run)


def test_batches_of_every_size() -> None:
    net = everything("e2m1")
    engine = ExactEngine(net.graph)
    whole = engine.run(net.codes)
    many = {k: np.concatenate([v] * 5) for k, v in net.codes.items()}  # 25 frames: more than one chunk
    for name, codes in engine.run(many).items():
        np.testing.assert_array_equal(codes, np.concatenate([whole[name]] * 5))
    one = engine.run({k: v[2:3] for k, v in net.codes.items()})
    for name, codes in one.items():
        np.testing.assert_array_equal(codes, whole[name][2:3])


def test_large_frames_run_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    net = everything("int4")
    together = ExactEngine(net.graph).run(net.codes)
    monkeypatch.setattr("pyqkit.emulate.exact._CHUNK_BYTES", 1)
    done: list[int] = []
    apart = ExactEngine(net.graph).run(net.codes, progress=done.append)
    assert done == list(range(1, len(next(iter(net.codes.values()))) + 1))
    for name, codes in together.items():
        np.testing.assert_array_equal(apart[name], codes)


def test_graphs_survive_json() -> None:
    net = everything("lp4_0_3", "e2m1")
    data, arrays = to_json(net.graph)
    agree(net, from_json(data, arrays).execute)


# ---- negative controls: the comparison above can fail ------------------------------------------------


@pytest.mark.parametrize(
    "mutant",
    [
        "thresholds one higher",
        "falling channels rise",
        "weights of two outputs swapped",
        "one weight code changed",
    ],
)
def test_mutants_are_caught(mutant: str) -> None:
    net = everything("e2m1")
    threshold = next(op for op in net.graph.operators if isinstance(op, Threshold))
    conv = next(op for op in net.graph.operators if isinstance(op, Convolution))
    if mutant == "thresholds one higher":
        threshold.thresholds = threshold.thresholds + 1
    elif mutant == "falling channels rise":
        threshold.falling = ~threshold.falling
    elif mutant == "weights of two outputs swapped":
        conv.weights = conv.weights[[1, 0, *range(2, len(conv.weights))]]
    else:
        conv.weights = conv.weights.copy()
        conv.weights[0, 1, 1, 0] ^= 1
    with pytest.raises(AssertionError):
        agree(net, ExactEngine(net.graph).run)


@needs_compiler
def test_a_fifo_that_is_too_small_deadlocks_and_is_named() -> None:
    """The shortcut beside a 3x3 convolution waits for two rows.

    The derived depth holds them, a word less does not.
    """
    from pyqkit.dataflow.backlog import pixels_waiting
    from pyqkit.graph.ops.add import Add

    net = Net(parse("int4"), parse("int4"), shape=(40, 40, 1), frames=2)
    a = net.conv("a", "x", 1)
    net.finish(net.add(Add("sum", [a, "x"], ["sum"], np.ones((2, 1), np.int64))))
    waiting = pixels_waiting(net.graph)["x", "sum"]
    assert waiting == 41  # a row and a pixel
    agree(net, HlsEngine(net.graph, flags=FAST).run)
    with pytest.raises(DeadlockError, match="waits to write the full stream x_to_sum"):
        HlsEngine(net.graph, flags=FAST, depths={("x", "sum"): 4}).run(net.codes)


@needs_compiler
def test_swapped_lanes_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyqkit.formats import port

    net = everything("e2m1")
    engine = HlsEngine(net.graph, folding(net.graph, 3), flags=FAST)
    right = port.pack
    monkeypatch.setattr(port, "pack", lambda codes, bits: right(codes[:, ::-1], bits))
    with pytest.raises(AssertionError):
        agree(net, engine.run)
