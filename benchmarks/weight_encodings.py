"""What weights in blocks take in hardware: bits of the memories, LUTs and block RAM of one layer each.
encoding.

    python benchmarks/weight_encodings.py [--write]

Every layer is a linear layer of 16 outputs with random weights that were quantised in blocks, of int8
activations, or of the element's own format for Logarithmic Posits. Results before are those of commit
df318ce, in which a shift was stored with every weight; they were measured once with the same layers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from records import Run

from pyqkit.formats import Microscaled, parse
from pyqkit.formats.port import Port
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.lowering.constants import code_blocks, shared_exponents
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.hardware.estimator import Estimator
from pyqkit.rtl.generate import Design, generate, library
from pyqkit.rtl.synthesis import LABEL, Circuit, synthesise

OUTPUTS = 16
LAYERS = {
    "mx32_e2m1, 256 channels, SIMD 16": ("mx32_e2m1", 256, 2, 16),
    "mx32_e2m1, 16 channels, SIMD 8": ("mx32_e2m1", 16, 2, 8),
    "mx16_int2, 256 channels, SIMD 16": ("mx16_int2", 256, 2, 16),
    "mx32_int8, 64 channels, SIMD 8": ("mx32_int8", 64, 2, 8),
}
BEFORE = Path(__file__).parent / "results" / "weight_encodings_before.json"
PAGE = Path(__file__).parent / "results" / "weight_encodings.md"
COLUMNS = (
    "layer",
    "format bits",
    "ROM bits a weight before",
    "now",
    "LUTs before",
    "now",
    "estimated now",
    "FF before",
    "now",
    "BRAM36 before",
    "now",
)
TEXT = f"""# Weights in blocks

LUTs (low to high), flip-flops and block RAM of the whole network with its FIFOs: {LABEL};
estimated ones by the resource model. ROM bits a weight are those of all constants of the layer, counted in
the generated SystemVerilog. Format bits are those of the format's name, with eight bits an exponent.

| {" | ".join(COLUMNS)} |
| {" | ".join("---" for _ in COLUMNS)} |
"""


def layer(name: str, channels: int) -> Graph:
    """One linear layer in blocks."""
    fmt = parse(name)
    assert isinstance(fmt, Microscaled)
    random = np.random.default_rng(channels)
    values = random.normal(0, 1, (OUTPUTS, channels)) * 2.0 ** random.integers(-3, 1, (OUTPUTS, 1))
    coded = code_blocks(values, fmt, np.array(1.0), 1)
    assert coded.shifts is not None
    where = (OUTPUTS, 1, 1, channels)
    block, exponents = shared_exponents(coded.shifts.reshape(where), fmt.block)
    graph = Graph("layer")
    tensor = Tensor.of("x", (1, 1, channels), parse("int8"))
    graph.tensors["x"] = tensor
    graph.inputs = [_port("x", tensor)]
    weights = coded.codes.reshape(where)
    op = Convolution("c", ["x"], ["c"], weights, fmt.element, block=block, exponents=exponents)
    (out,) = graph.add(op)
    graph.outputs = [_port("c", out)]
    return graph


def _port(name: str, tensor: Tensor) -> Port:
    channels = tensor.shape[2]
    order = np.arange(channels).reshape(tensor.shape).transpose(2, 0, 1)
    return Port(name, name, (channels, 1, 1), order, np.ones(channels), np.zeros(channels))


def rom_bits(design: Design) -> int:
    """Bits of all ROMs of the network, as its SystemVerilog instantiates them."""
    found = re.findall(r"pqk_rom #\(\s*\.WIDTH\((\d+)\),\s*\.DEPTH\((\d+)\)", design.text)
    return sum(int(width) * int(depth) for width, depth in found)


@dataclass(frozen=True)
class Figures:
    """What one layer takes: synthesised, and its LUTs as estimated."""

    rom: float
    luts: tuple[int, int]
    ff: int
    bram36: float
    estimated: tuple[int, int]


def measured(graph: Graph, foldings: dict[str, Folding]) -> Figures:
    """Figures of one layer."""
    design = generate(graph, foldings)
    tables = {name: text for name, text in design.files.items() if not name.endswith(".sv")}
    text = "".join(text for name, text in design.files.items() if name.endswith(".sv"))
    sources = {path.name: path.read_text() for path in sorted(library().glob("*.sv"))}
    (found,) = synthesise([Circuit(design.accelerator, text, tables)], sources)
    (op,) = graph.operators
    expected = Estimator(graph).total(foldings).rounded()
    return Figures(
        rom_bits(design) / op.weights.size,  # type: ignore[attr-defined]
        (found.lut_low + found.lutram, found.lut_high + found.lutram),
        found.ff,
        found.ramb36 + found.ramb18 / 2,
        (int(expected["lut_low"]), int(expected["lut_high"])),
    )


def row(title: str, before: dict[str, Any], now: Figures, bits: float) -> str:
    """A row of the page."""
    cells = [title, f"{bits:g}", f"{before['rom']:.3f}", f"{now.rom:.3f}"]
    cells += [" to ".join(map(str, luts)) for luts in (before["luts"], now.luts, now.estimated)]
    cells += [str(before["ff"]), str(now.ff), f"{before['bram36']:g}", f"{now.bram36:g}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} into results/")
    options = parser.parse_args()
    run, before, rows = Run(options), json.loads(BEFORE.read_text()), []
    for title, (name, channels, pe, simd) in LAYERS.items():
        found = measured(layer(name, channels), {"c": ConvolutionFolding(pe, simd)})
        rows.append(row(title, before[title], found, parse(name).bits))
        print(rows[-1], flush=True)
    if options.write:
        run.write_markdown(PAGE, TEXT + "\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
