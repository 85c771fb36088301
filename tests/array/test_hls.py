"""Blocks of arrays in C++: benches, and mutants."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyqkit.hls.generate import library
from tests.hls.test_benches import integers_of_amd, run_bench, run_mutant

HEADERS = sorted(path.stem for path in (library() / "array").glob("*.hpp"))
FAMILIES = (
    "block_memory",
    "blocks",
    "digits",
    "halves",
    "logarithms",
)  # with AMD's integers the other blocks run in a whole machine
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@pytest.mark.parametrize("name", HEADERS)
def test_bench(name: str, tmp_path: Path) -> None:
    """Every pair of slot and code in every mode."""
    source = library() / "array" / f"{name}_test.cpp"
    done = run_bench(source, library() / "simulation" / "native", tmp_path)
    assert (done.returncode, done.stdout) == (0, "passed\n")


@pytest.mark.parametrize("name", FAMILIES)
def test_bench_with_the_integers_of_amd(name: str, tmp_path: Path) -> None:
    integers = integers_of_amd()
    if integers is None:
        pytest.skip("hls4ml, which carries AMD's ap_int headers, is not installed")
    done = run_bench(library() / "array" / f"{name}_test.cpp", integers, tmp_path)
    assert (done.returncode, done.stdout) == (0, "passed\n")


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("logarithms", "bits == 4 ? int(slot) & 15", "bits == 8 ? int(slot) & 15"),
        ("digits", "high ? 2 : 0", "high ? 1 : 0"),
        (
            "tile",
            "now[row][column] = next[row][column];",
            "if (row > 0) now[row][column] = next[row][column];",
        ),
        ("walk", "Address(address + run.step_column)", "Address(address + run.step_column + 1)"),
        ("run", "ap_uint<8>(fields.pad)", "ap_uint<8>(fields.pad ^ 16)"),
        ("logarithms", "lane == 0 || bits == 2 ? first", "lane == 0 ? first"),
        ("memory", "[bank][at][column][lane] = ap_int", "[bank][at][column][lane ? lane : 1] = ap_int"),
        ("blocks", "there && upper == slot.place", "there && upper == slot.place && pair > 0"),
        ("blocks", "(1 << (2 * half)) | (code", "(code"),
        ("blocks", "inlier = pruned ? 0 : code", "inlier = code"),
        ("blocks", "outlier ? slot.sides[lane].exponent", "outlier ? slot.sides[0].exponent"),
        ("blocks", "slot.sides[lane].flag && upper", "upper"),
        ("blocks", "lane > 0 && bits == ELEMENT", "false"),
        ("halves", "upper ? 1 << half | low", "upper ? low"),
        ("halves", "weight.negative[lane] != number.negative", "number.negative"),
        ("halves", "way & (level - 1) ? foreign", "way & level ? foreign"),
        ("halves", "served < NETWORKS)", "served < NETWORKS) || served > 2"),
        ("halves", "if (all) done[group][row] = false", "done[group][row] = false"),
        ("block_memory", "SIDE * (BLOCK_LANES * micro + lane)", "SIDE * (BLOCK_LANES * lane + micro)"),
        ("block_memory", "    shifts[item] = 0;", "    shifts[0] = 0;"),
    ],
)
def test_mutants_are_caught(header: str, right: str, wrong: str, tmp_path: Path) -> None:
    """Modes mixed up, the wrong digit, a stale tile, an address off by one, another zero, lanes that leak.

    Of outliers: one that is forgotten, no hidden bit, a place that is kept, another lane's exponent, lists
    whose flag is not set, a second lane of weights of four bits, a hidden bit that is lost or has no sign, a
    wrong way through the butterfly, a network that serves more rows than one, and rows that wait for ever.
    """
    assert run_mutant(f"array/{header}", right, wrong, tmp_path).returncode == 1
