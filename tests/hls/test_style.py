"""The C++ schedules by inspection: every header keeps to the style, a mutant of each rule is convicted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqkit.hls.generate import library

pytest.importorskip("clang.cindex", reason="libclang, which reads C++, is not installed")
from tools.hls_style.rules import RULES
from tools.hls_style.source import Header

HEADERS = sorted(
    str(path.relative_to(library()))
    for folder in (".", "array")
    for path in (library() / folder).glob("*.hpp")
)
MUTANTS = [
    (
        "one_loop",
        "pool",
        "  Counter<POSITIONS> position;\n",
        "  Counter<POSITIONS> position;\n  if (WORDS > 9) return;\n",
    ),
    ("one_loop", "layout", "    second.write(word);\n  }\n", "    second.write(word);\n  }\n  in.read();\n"),
    ("pipelined", "pool", "PIPELINE II = 1 style = flp", "PIPELINE II = 2 style = flp"),
    (
        "pipelined",
        "matrix_vector",
        "    if (output.first()) {",
        "#pragma HLS PIPELINE II = 1\n    if (output.first()) {",
    ),
    ("bound", "add", "trip < TRIPS", "trip < PIXELS"),
    ("bound", "requantise", "  static constexpr int TRIPS = ", "  const int TRIPS = "),
    ("bound", "array/run", "const int TRIPS = walk.trips();", "const int TRIPS = walk.spans;"),
    ("bound", "array/copy", "trip < TRIPS", "trip < int(fields.count)"),
    ("pipelined", "array/post", "PIPELINE II = 1 style = flp", "PIPELINE II = 2 style = flp"),
    ("unrolled", "add", "#pragma HLS UNROLL\n", ""),
    ("unrolled", "dataflow", "#pragma HLS UNROLL\n", "#pragma HLS UNROLL factor = 2\n"),
    ("unrolled", "layout", "    part.step();", "    while (part.at > 0) part.step();"),
    ("division", "sliding_window", "part = line_ends ? 0 : int(part) + 1;", "part = (part + 1) % PARTS_OUT;"),
    ("division", "add", "constants + word.at, lane)", "constants + trip / WORDS, lane)"),
    (
        "recursion",
        "sliding_window",
        "const int next = int(place) + by;",
        "const int next = moved<SIZE>(place, by - 1);",
    ),
    ("dynamic_memory", "pool", "    best.push(result);", "    int *copy = new int[LANES];"),
    (
        "partition",
        "matrix_vector",
        "variable = window complete dim = 2",
        "variable = window complete dim = 1",
    ),
    ("partition", "sliding_window", "variable = ring complete dim = 2", "variable = ring cyclic factor = 2"),
    (
        "binding",
        "matrix_vector",
        "#pragma HLS BIND_STORAGE variable = window type = ram_s2p impl = lutram\n",
        "",
    ),
    (
        "streams_once",
        "layout",
        "const Word<T, S::LANES> codes = in.read();",
        "in.read();\n    const Word<T, S::LANES> codes = in.read();",
    ),
    ("streams_once", "add", "    out.write(result);\n    word.step();\n  }", "    word.step();\n  }"),
    (
        "carried",
        "matrix_vector",
        "Kept<P>::keep(code);",
        "window[input.at][pixel * LANES + lane] + code;",
    ),
]


def convictions(path: Path) -> set[str]:
    header = Header(path, library())
    return {name for name, rule in RULES.items() if list(rule(header))}


@pytest.mark.parametrize("name", HEADERS)
def test_header_schedules_by_inspection(name: str) -> None:
    assert not convictions(library() / name)


@pytest.mark.parametrize(
    ("rule", "header", "right", "wrong"), MUTANTS, ids=[f"{m[0]}-{i}" for i, m in enumerate(MUTANTS)]
)
def test_a_mutant_of_each_rule_is_convicted(
    rule: str, header: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = (library() / f"{header}.hpp").read_text()
    assert right in text
    mutant = tmp_path / f"{header}.hpp"
    mutant.parent.mkdir(exist_ok=True)
    mutant.write_text(text.replace(right, wrong, 1))
    assert rule in convictions(mutant)


def test_no_rule_is_without_a_mutant() -> None:
    assert {mutant[0] for mutant in MUTANTS} == set(RULES)
