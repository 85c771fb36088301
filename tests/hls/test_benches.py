"""Every header of the C++ library has a test bench beside it.

Each compiles with our integers and with AMD's, and passes.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from pyqkit.hls.generate import library

HEADERS = sorted(p.stem for p in library().glob("*.hpp"))
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def integers_of_amd() -> Path | None:
    """Folder with AMD's ap_int.h, from the hls4ml package."""
    found = importlib.util.find_spec("hls4ml")
    folders = list(found.submodule_search_locations or []) if found else []
    headers = [path.parent for folder in folders for path in Path(folder).rglob("vivado/ap_types/ap_int.h")]
    return headers[0] if headers else None


def run_bench(source: Path, integers: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Compile and run one test bench."""
    include = [library() / "simulation", integers, library()]
    command = [
        "g++",
        "-std=c++17",
        "-O1",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",  # as some distributions compile: fibers go to each other's stacks all the same
        "-Wall",
        "-Wno-unknown-pragmas",
        *(f"-I{p}" for p in include),
        str(source),
        "-o",
        str(tmp_path / "bench"),
    ]
    if integers != library() / "simulation" / "native":
        command.insert(4, "-w")  # AMD's headers are not free of warnings
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    assert not compiled.stderr, compiled.stderr
    return subprocess.run([str(tmp_path / "bench")], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", HEADERS)
def test_bench(name: str, tmp_path: Path) -> None:
    done = run_bench(library() / f"{name}_test.cpp", library() / "simulation" / "native", tmp_path)
    assert (done.returncode, done.stdout) == (0, "passed\n")


@pytest.mark.parametrize("name", HEADERS)
def test_bench_with_the_integers_of_amd(name: str, tmp_path: Path) -> None:
    integers = integers_of_amd()
    if integers is None:
        pytest.skip("hls4ml, which carries AMD's ap_int headers, is not installed")
    done = run_bench(library() / f"{name}_test.cpp", integers, tmp_path)
    assert (done.returncode, done.stdout) == (0, "passed\n")


def run_mutant(name: str, right: str, wrong: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The bench of a header, such as ``array/tile``, in which `right` has been replaced by `wrong`."""
    copy = tmp_path / "hls"
    shutil.copytree(library(), copy)
    header = copy / f"{name}.hpp"
    text = header.read_text()
    assert right in text
    header.write_text(text.replace(right, wrong))
    command = ["g++", "-std=c++17", "-O1", "-w"]
    command += [f"-I{folder}" for folder in (copy / "simulation", copy / "simulation" / "native", copy)]
    command += [str(copy / f"{name}_test.cpp"), "-o", str(tmp_path / "bench")]
    subprocess.run(command, check=True)
    return subprocess.run([str(tmp_path / "bench")], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("requantise", "x >= Table::threshold", "x > Table::threshold"),
        ("requantise", "scaled + below_half + odd", "scaled + below_half + 1"),
        ("layout", "LANES_IN == NARROW || part.first()", "LANES_IN == NARROW || part.last()"),
        ("layout", "leaving[channel] = coming[channel];", "leaving[channel] = coming[0];"),
        ("layout", "next_column = S::START_COLUMN;", "next_column = S::START_COLUMN + 1;"),
        ("axi_stream", "trip == BEATS - 1", "trip == 0"),
        ("sliding_window", "window_x += S::STRIDE_W;", "window_x += S::STRIDE_H + 1;"),
        ("sliding_window", "place = kernel = window;", "place = kernel;"),
        (
            "packed",
            "word.lane[lane] = packed.range(lane * BITS + BITS - 1, lane * BITS)",
            "word.lane[LANES - 1 - lane] = packed.range(lane * BITS + BITS - 1, lane * BITS)",
        ),
        ("matrix_vector", "(place * SIMD + segment)", "segment"),
        ("matrix_vector", "if (row_ends) within.at = 0;", ""),
        ("matrix_vector", "output.first()", "output.last()"),
        ("product", "a.negative != b.negative", "a.negative"),
        ("product", "exponent ? exponent - 1 : 0", "exponent"),
        ("pool", "position.first() ||", ""),
        ("row_search", "total) + strict", "total)"),
        ("row_search", "(W(1) << PIECE_BITS)", "(W(1) << 31)"),
        ("softmax", "down < Shape::TERM_BITS ? term", "true ? term"),
        ("softmax", "word == 0 ? Exponent(0) : largest", "largest"),
        ("softmax", "word == 0 ? Sum(0) : sum", "sum"),
        ("softmax", "lane < saw", "lane <= saw"),
        ("softmax", "seen && exponent > most", "exponent > most"),
        ("layer_norm", "rest >= trial", "trial < rest"),
        ("layer_norm", "Shape::CENTRED ? ap_int<64>(sum)", "true ? ap_int<64>(sum)"),
        ("layer_norm", "W(offset * root)", "W(0)"),
        ("layer_norm", "word.first() ? ap_int<Shape::SQUARE_BITS>(0) : squares", "squares"),
        ("layer_norm", "searched.place[lane] = 1;", "searched.place[lane] = 0;"),
    ],
)
def test_mutants_are_caught(header: str, right: str, wrong: str, tmp_path: Path) -> None:
    """A wrong tie rule, swapped lanes, a misplaced TLAST and the like must make the bench fail."""
    done = run_mutant(header, right, wrong, tmp_path)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
