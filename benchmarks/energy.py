"""Energy of a linear classifier in several formats, on real images: results/energy.json and docs/energy.md.

Scikit-learn's digits, 64 pixels, ten classes, one layer; the same weights in every format, each with the
scales that classify the training images best. Netlists by Yosys, simulated with test images.

python benchmarks/energy.py                writes results/energy.json and docs/energy.md
python benchmarks/energy.py --page-only    writes docs/energy.md from results/energy.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from records import Run

from pyqkit.emulate.energy import network_energy
from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.port import Port
from pyqkit.graph.graph import Graph, Tensor, to_integers
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.rtl.cells import count
from pyqkit.rtl.energy import LABEL, Technology
from pyqkit.rtl.gates import netlists
from pyqkit.rtl.generate import generate
from pyqkit.studies.datasets import digits

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "energy.json", ROOT / "docs" / "energy.md"
SEED, PE, SIMD = 0, 1, 8
BOUND = 0.5  # points of accuracy below float that count as equal


@dataclass(frozen=True)
class Design:
    """A format of weights and pixels, and what multiplies."""

    name: str
    multiplier: str = "lut"


DESIGNS = [Design(name) for name in ("int3", "int4", "e2m1", "lp4_0_3", "e3m2", "int8", "e4m3", "lp8_1_3")]
DESIGNS.append(Design("int8", "dsp"))


def trained(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights (classes, pixels) of a logistic regression without intercepts."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(fit_intercept=False, max_iter=1000, random_state=SEED).fit(x, y).coef_


def classifier(fmt: NumberFormat, weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[Graph, float]:
    """The layer in a format, and the scale of its pixels: the pair of scales that classifies `x` best.

    Each scale is the range of the format over a power of two between 1/4 and 2 of the largest value.
    """
    best: tuple[float, Graph, float] | None = None
    for share in (0.25, 0.5, 1.0, 2.0):
        for reach in (0.5, 1.0, 2.0):
            graph = layer(fmt, fmt.encode(weights * fmt.maximum / (share * np.abs(weights).max())))
            scale = fmt.maximum / reach
            found = accuracy(graph, fmt.encode(x * scale), y)
            if best is None or found > best[0]:
                best = found, graph, scale
    assert best is not None
    return best[1], best[2]


def layer(fmt: NumberFormat, codes: np.ndarray) -> Graph:
    """A graph of one layer."""
    classes, pixels = codes.shape
    graph = Graph(f"digits_{fmt.name}")
    graph.tensors["x"] = Tensor.of("x", (1, 1, pixels), fmt)
    graph.inputs = [_port("x", pixels)]
    weights = codes.reshape(classes, 1, 1, pixels)
    graph.add(Convolution("scores", ["x"], ["scores"], weights, fmt, (1, 1), (0, 0, 0, 0)))
    graph.outputs = [_port("scores", classes)]
    return graph


def _port(name: str, channels: int) -> Port:
    return Port(name, name, (channels,), np.arange(channels), np.ones(channels), np.zeros(channels))


def accuracy(graph: Graph, codes: np.ndarray, y: np.ndarray) -> float:
    """Per cent of images whose largest sum is that of their class."""
    found = graph.execute({"x": codes.reshape(len(codes), 1, 1, -1)})["scores"]
    sums = to_integers(found, graph.tensors["scores"].format)
    return 100 * float((sums.reshape(len(codes), -1).argmax(1) == y).mean())


def measure(design: Design, frames: int, data: tuple[np.ndarray, ...]) -> dict[str, object]:
    """One design: accuracy on the test images, cells, and picojoules of a frame."""
    x, y, x_test, y_test = data
    fmt = parse(design.name)
    graph, scale = classifier(fmt, trained(x, y), x, y)
    codes = fmt.encode(x_test * scale)
    made = generate(graph, {"scores": ConvolutionFolding(PE, SIMD, design.multiplier)})
    cells = [count(netlist) for _, netlist in netlists(made)]
    some = codes[: frames + 1].reshape(frames + 1, 1, 1, -1)
    found = network_energy(made, {"x": some})
    (unit,) = (one.picojoules for one in found.operators if one.operator == "scores")
    products = sum(op.macs(graph.input_tensors(op)) for op in graph.operators)
    return {
        "format": design.name,
        "multiplier": design.multiplier,
        "accuracy": accuracy(graph, codes, y_test),
        "luts": sum(one.luts for one in cells),
        "ff": sum(one.ff for one in cells),
        "dsp": sum(one.dsp for one in cells),
        "cycles": found.cycles,
        "frames": found.frames,
        "products": products,
        "picojoules": asdict(found.picojoules),
        "layer": asdict(unit),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--page-only", action="store_true")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--formats", nargs="+", default=list(dict.fromkeys(d.name for d in DESIGNS)))
    arguments = parser.parse_args()
    run = Run(arguments, [SEED])
    if not arguments.page_only:
        x, y, x_test, y_test = digits(SEED)
        data = x.reshape(len(x), -1), y, x_test.reshape(len(x_test), -1), y_test
        plain = data[2] @ trained(data[0], y).T
        known = json.loads(RESULTS.read_text())["designs"] if RESULTS.exists() else {}
        order = [f"{d.name} {d.multiplier}" for d in DESIGNS]
        for design in (d for d in DESIGNS if d.name in arguments.formats):
            known[f"{design.name} {design.multiplier}"] = found = measure(design, arguments.frames, data)
            print(design, found, flush=True)
            content = {
                "label": LABEL,
                "float": 100 * float((plain.argmax(1) == y_test).mean()),
                "technology": asdict(Technology()),
                "designs": {name: known[name] for name in order if name in known},
            }
            run.write_json(RESULTS, content, merged=True)
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


def page(data: dict) -> str:
    """The text of docs/energy.md."""
    rows = []
    for found in data["designs"].values():
        energy, unit = found["picojoules"], found["layer"]
        total, layer_alone = sum(energy.values()), sum(unit.values())
        equal = "yes" if found["accuracy"] >= data["float"] - BOUND else ""
        name = found["format"] + (" with DSPs" if found["multiplier"] == "dsp" else "")
        cells = [
            name,
            f"{found['accuracy']:.2f}",
            equal,
            *(str(found[kind]) for kind in ("luts", "ff", "dsp")),
            f"{total / 1000:.2f}",
            f"{layer_alone / found['products']:.2f}",
            f"{energy['clocks'] / total:.0%}",
        ]
        rows.append((total, f"| {' | '.join(cells)} |"))
    lines = [line for _, line in sorted(rows)]
    first = next(iter(data["designs"].values()))
    return TEXT.format(
        label=data["label"],
        float=data["float"],
        bound=BOUND,
        rows="\n".join(lines),
        frames=first["frames"],
        products=first["products"],
        pe=PE,
        simd=SIMD,
        **data["technology"],
    )


TEXT = """# What a frame costs in energy

Every figure here is **{label}**: toggles that a simulation counts times capacitances that nobody measured.
It compares designs of one style, as this kit generates them; take each as right to +-50 % until the power
rails of a board (ZCU104) calibrate the model.

## The model

Every block of the SystemVerilog is mapped by Yosys to 7-series cells, the netlists are put together again as
the network, and Verilator simulates them with real frames and counts the toggles of every net
(`pyqkit/emulate/energy.py`; the simulation's codes are those of the definition). What frames add to a run
that has one of them is counted, so that filling and draining the pipeline are not. Constants are those of
`Technology` in `pyqkit/rtl/energy.py`, by judgement for 28 nm at {volts} V:

* a toggle of a net costs C V^2 / 2; C is {hop_pf} pF up to its first reader, LUT included, {fanout_pf} pF for
  each further reader, {slice_pf} pF for a reader in the same slice (carry chain, wide multiplexer, the LUT's
  own flip-flop)
* a clock pin of a flip-flop or memory {clock_pf} pF, up and down every cycle, whether it is enabled or not
* an access of a block RAM's port {ramb18_pj} pJ (18 kbit) or {ramb36_pj} pJ (36 kbit)
* a bit that toggles at a DSP {dsp_bit_pj} pJ, 7 pJ for an operation with random operands

Not in it: glitches (nothing has a delay in the simulation, so that deep logic comes out too cheap, which
favours multipliers in LUTs and wide adders), real routes, processor, memory and shell. Static power is
apart: typical quiescent currents of the data sheet where known (XC7Z020 about 0.15 W, which at 100 MHz is
1.5 nJ a cycle and so more than all the logic of a small design).

## Formats

A linear classifier of scikit-learn's digits, {products} products a frame, PE {pe} and SIMD {simd}, the same
weights in each format with the scales that classify the training images best; {frames} test images. In
float it reaches {float:.2f} %; *equal* are accuracies of at most {bound} points less. nJ of a frame
({label}) are those of the whole accelerator, pJ of a product ({label}) those of the layer with its FIFO,
adders and weights.

| format | accuracy % | equal | LUTs | FF | DSP | nJ a frame | pJ a product | clocks, of all |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    main()
