"""Which equal parts of a graph share hardware, what is refused, and what a build folder keeps of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.build_folder import BuildFolderError
from pyqkit.compiled import Compiled
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.requantise import Rescale
from pyqkit.graph.reuse import Reuse, find, left_out, looped, refusal, variants
from pyqkit.hardware import latency
from pyqkit.hardware.estimator import Foldings
from pyqkit.hardware.reuse import choose, given, parts
from pyqkit.report_tables import backends_sentence
from pyqkit.rtl.generate import generate
from tests.emulate.networks import Net, port

FORMAT, CHANNELS = parse("int4"), 4


def chain(blocks: int, tapped: int | None = None, wide: int | None = None, shape: int = 3) -> Graph:
    """Layers of a convolution and a requantiser, with shifts of their own, behind one with more channels.

    The result of layer `tapped` is an output too; the convolution of layer `wide` has weights of 8 bits.
    """
    net = Net(FORMAT, FORMAT, (1, shape, 6), frames=4)
    x = _layer(net, "first", "x", "int4")
    for block in range(blocks):
        x = _layer(net, f"layer_{block}", x, "int8" if block == wide else "int4", shift=8 + block)
    names = [x] if tapped is None else [x, f"layer_{tapped}"]
    net.graph.outputs = [port(name, net.graph.tensors[name]) for name in names]
    return net.graph


def _layer(net: Net, name: str, source: str, weights: str, shift: int = 8) -> str:
    fmt, channels = parse(weights), net.graph.tensors[source].shape[2]
    codes = net.random.choice(fmt.codes, (CHANNELS, 1, 1, channels))
    sums = net.add(Convolution(f"{name}_sums", [source], [f"{name}_sums"], codes, fmt))
    factors = net.random.integers(2 ** (shift - 4), 2 ** (shift - 3), CHANNELS)
    offsets = net.random.integers(-(2**shift), 2**shift, CHANNELS)
    return net.add(Rescale(name, [sums], [name], FORMAT, factors, offsets, shift))


def test_the_longest_run_is_found() -> None:
    graph = chain(4)
    found = find(graph)
    assert found == Reuse("layer_0_sums", 2, 4)
    built = looped(graph, found)
    assert [op.kind for op in built.operators] == [
        "convolution",
        "rescale",
        "loop_entry",
        "convolution",
        "rescale",
        "loop_exit",
    ]
    requantiser = built.operators[4]
    assert isinstance(requantiser, Rescale)
    assert [one.shift for one in variants(built, requantiser)] == [8, 9, 10, 11]
    sums = [graph.tensors[f"layer_{i}_sums"] for i in range(4)]
    widest = built.tensors["layer_0_sums"]
    assert widest.low == min(t.low for t in sums) and widest.high == max(t.high for t in sums)
    assert len(graph.operators) == 10 and not graph.later


def test_nothing_equal_is_no_run() -> None:
    assert find(chain(1)) is None
    with pytest.raises(UserError, match="has none whose formats and shapes are equal"):
        parts(chain(1), "on")
    with pytest.raises(UserError, match="auto, on, off was expected"):
        parts(chain(1), "perhaps")


def test_a_tensor_that_is_read_elsewhere_ends_a_run() -> None:
    graph = chain(4, tapped=2)
    assert find(graph) == Reuse("layer_0_sums", 2, 3)
    assert "layer_2 is not read by the next part alone" in refusal(graph, Reuse("layer_0_sums", 2, 4))


def test_other_formats_end_a_run() -> None:
    graph = chain(4, wide=3)
    assert find(graph) == Reuse("layer_0_sums", 2, 3)
    assert "not of one kind, shape and format" in refusal(graph, Reuse("layer_0_sums", 2, 4))


@pytest.mark.parametrize("wide", [0, 3])
def test_a_layer_that_does_the_same_and_has_its_own_hardware_is_named_with_the_reason(wide: int) -> None:
    graph = chain(4, wide=wide)
    found = find(graph)
    assert found is not None and found.passes == 3
    (sentence,) = left_out(graph, found)
    assert f"the layers from layer_{wide}_sums on do the same" in sentence
    assert "are not of one kind, shape and format; what the last layer reads has" in sentence
    assert not left_out(chain(4), Reuse("layer_0_sums", 2, 4))


def test_wrong_parts_are_refused() -> None:
    graph = chain(3)
    for wrong in (Reuse("layer_0_sums", 2, 4), Reuse("nothing", 2, 2), Reuse("layer_0_sums", 1, 2)):
        with pytest.raises(UserError, match="equal parts, each with one tensor in and one out"):
            looped(graph, wrong)


def compiled(graph: Graph, wish: str, rate: int = 100_000) -> Accelerator:
    board = boards.load("PYNQ-Z2")
    limits = np.arange(len(FORMAT.codes) - 1, dtype=np.float32)
    graph.inputs = [replace(port, limits=limits) for port in graph.inputs]
    made = choose(graph, board, 100.0, rate, wish=wish)
    return Accelerator(Compiled(graph, board, 100.0, made.foldings, reuse=made.reuse))


def test_the_rate_counts_every_pass() -> None:
    shared, alone = (compiled(chain(4), wish) for wish in ("on", "off"))
    report = shared.report()
    assert report.frames_per_second >= 100_000
    assert [layer.passes for layer in report.layers] == [1, 1, 4, 4, 4, 4]
    assert report.macs == alone.report().macs
    assert set(report.backends) == {"rtl", "hls"}
    assert report.backends["hls"].initiation_interval_cycles > report.initiation_interval_cycles
    assert report.backends["hls"].bottleneck == report.bottleneck


def test_a_shorter_latency_keeps_the_rate_of_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A design is shorter whose slowest operator has the rate, while its passes one by one do not."""
    graph, board = chain(4), boards.load("PYNQ-Z2")
    made = choose(graph, board, 100.0, 300_000, wish="on")
    kept, shorter = (_folded(made.foldings, simd, simd_inside) for simd, simd_inside in ((1, 4), (2, 2)))
    monkeypatch.setattr(latency, "within", lambda *given, **prices: (shorter, ""))
    estimator, rate = made.search.estimator, 100e6 / 99
    first, second = (generate(estimator.graph, each, clock_mhz=100.0) for each in (kept, shorter))
    assert (first.interval, second.interval) == (99, 120) and second.latency < first.latency
    assert estimator.interval(shorter) < 99
    assert latency.shorter(made.search, board, rate, None, kept) == kept
    assert latency.shorter(made.search, board, None, None, kept) == shorter


def _folded(foldings: Foldings, simd: int, simd_inside: int) -> Foldings:
    """With one output at a time, and so many inputs in front of shared layers and in them."""
    return foldings | {
        "first_sums": ConvolutionFolding(1, simd),
        "layer_0_sums": ConvolutionFolding(1, simd_inside),
    }


def test_the_next_step_is_what_its_schedule_says() -> None:
    shared = compiled(chain(4), "on", 500_000)
    report = shared.report()
    step = report.next_step
    assert step is not None
    built, foldings = shared.compiled.built, shared.compiled.foldings | step.layers
    design = generate(built, foldings, clock_mhz=100.0)
    assert step.initiation_interval_cycles == design.interval < report.initiation_interval_cycles
    assert step.initiation_interval_cycles > shared.designs.estimator.interval(foldings)
    assert "; as C++ (backend hls) " in backends_sentence(report)


def test_the_next_step_where_passes_limit() -> None:
    """The schedule has more cycles than the slowest operator; a faster folding is found all the same."""
    graph = chain(4, shape=1)
    made = choose(graph, boards.load("PYNQ-Z2"), 100.0, None, wish="on")
    least = {name: type(folding)() for name, folding in made.foldings.items()}
    slow = Accelerator(Compiled(graph, boards.load("PYNQ-Z2"), 100.0, least, reuse=made.reuse))
    shorter = generate(slow.compiled.built, made.foldings, clock_mhz=100.0).interval
    report = slow.report()
    assert shorter < report.initiation_interval_cycles
    assert report.initiation_interval_cycles > slow.designs.estimator.interval(least)
    step = report.next_step
    assert step is not None and step.initiation_interval_cycles < report.initiation_interval_cycles


def test_a_rate_that_is_refused_is_the_one_that_was_asked_for() -> None:
    with pytest.raises(UserError, match=r"but 5e\+06 frames/s came, and .* were found"):
        compiled(chain(4), "on", 5_000_000)


def test_every_layer_has_the_folding_of_its_hardware(tmp_path: Path) -> None:
    shared = compiled(chain(4), "on", 1_000_000)
    own = shared.compiled.foldings
    layers = [f"layer_{i}_sums" for i in range(4)]
    assert not set(layers[1:]) & set(own)
    assert [shared.foldings[name] for name in layers] == [own["layer_0_sums"]] * 4
    assert own["layer_0_sums"] != ConvolutionFolding(1, 1)
    shared.save_folding(tmp_path / "folding.json")
    for wish in ("on", "auto"):  # the file says that they share
        again = given(shared.graph, shared.board, 100.0, tmp_path / "folding.json", wish)
        assert again.foldings == own and again.reuse == shared.compiled.reuse


def test_a_file_of_layers_that_share_is_no_other_design_s(tmp_path: Path) -> None:
    shared, path = compiled(chain(4), "on"), tmp_path / "folding.json"
    shared.save_folding(path)
    with pytest.raises(UserError, match="with --reuse off, but .*json has those of layers that share"):
        given(shared.graph, shared.board, 100.0, path, "off")
    with pytest.raises(UserError, match=r"pass 3 times, were expected in .*json, but {\"passes\": 4} came"):
        given(chain(3), shared.board, 100.0, path, "auto")
    with pytest.raises(UserError, match="none that share hardware, were expected in .*; write a"):
        given(chain(1), shared.board, 100.0, path, "auto")
    for said in (None, 4, {}, {"passes": 4, "more": 1}):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"shared layers": said}))
        with pytest.raises(UserError, match="pass 4 times, were expected in .*json, but "):
            given(chain(4), shared.board, 100.0, path, "auto")
    alone = compiled(chain(4), "off")
    alone.save_folding(path, force=True)
    assert given(alone.graph, alone.board, 100.0, path, "auto").reuse is None


def test_a_build_folder_keeps_it(tmp_path: Path) -> None:
    shared = compiled(chain(4), "on")
    folder = shared.save(tmp_path / "build")
    found = Accelerator.from_build_folder(folder)
    assert found.compiled.reuse == shared.compiled.reuse and found.foldings == shared.foldings
    assert found.report() == shared.report()
    codes = {"x": np.random.default_rng(1).choice(FORMAT.codes, (3, 1, 3, 6))}
    (wanted,), (again,) = (one.exact.run(codes).values() for one in (shared, found))
    np.testing.assert_array_equal(wanted, again)


@pytest.mark.parametrize("damage", [{"passes": 5}, {"passes": 1}, {"first": "layer_9"}, {"length": "2"}])
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: dict[str, int | str]) -> None:
    from pyqkit import build_contents

    reuse = {"first": "layer_0_sums", "length": 2, "passes": 4} | damage
    with pytest.raises(BuildFolderError, match="layers that can share hardware were expected"):
        build_contents._reuse(json.loads(json.dumps(reuse)), chain(4), tmp_path)
