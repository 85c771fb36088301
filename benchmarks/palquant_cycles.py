"""Cycles of PalQuant's networks on an array of integers, at ResNet-18's and ResNet-34's shapes on ImageNet.

python benchmarks/palquant_cycles.py    writes results/palquant_cycles.{json,md}

A layer is compiled by itself for a machine whose memories hold it, with four and with six tiles of output
channels: every further two take as long as the fifth and the sixth (`tests/test_benchmarks_palquant.py`
compares that with whole layers). A group is as many tiles more. Layers that are small enough to be
simulated, ResNet-18's cut to an eighth in height and width and ResNet-20's, are compiled whole.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from palquant_layers import SMALL, SMALL_MACHINE, Layer, Passes, resnet
from records import Run as Made

from pyqkit.array import report
from pyqkit.array.compiler import compile_graph
from pyqkit.array.isa import Run
from pyqkit.array.machine import named

RESULTS = Path(__file__).parent / "results"
# Memories that hold any layer: what comes and goes over the stream is counted apart.
MACHINE = replace(
    named("int16x16"),
    name="int16x16_large",
    activation_words=2**20,
    weight_words=2**17,
    program_words=2**14,
    parameter_words=2**12,
)
DEPTHS, GROUPS = (18, 34), (2, 3, 4)
RULES = {"excluded": 0, "8 bits": 8, "4 bits": 4}  # bits of stem and head
COUNTS = ("products", "compute", "longer", "streamed")
NATIVE = 2  # bits of the smallest products


@dataclass(frozen=True)
class Cost:
    """What a network or a layer takes.

    Attributes
    ----------
    products : int
        Of 2 by 2 bits.
    compute : int
        Cycles, each layer with codes of few bits behind it.
    longer : int
        Cycles, or words of the stream for weights and activations, whichever are more in each layer.
    streamed : int
        Cycles with a residual stream of 16 bits: its halves, sums, and codes of them.
    """

    products: int
    compute: int
    longer: int
    streamed: int


@cache
def parts(layer: Layer, bits: int, tiles: int) -> dict[str, int]:
    """Cycles of the passes of a layer of so many tiles of output channels, by the last operator."""
    made = Passes(layer, bits, tiles * MACHINE.columns)
    graph = made.alone() if layer.end else made.with_stream()
    found: dict[str, int] = {}
    for section in report.report(compile_graph(graph, MACHINE)).layers:
        name = section.layers[-1]
        found[name] = found.get(name, 0) + section.cycles
    return found


def cycles(layer: Layer, bits: int, part: str, tiles: int) -> int:
    """Of a pass over so many tiles."""
    four, six = (parts(layer, bits, count)[part] for count in (4, 6))
    return six + (tiles - 6) * (six - four) // 2


def tiles_of(channels: int) -> int:
    """Tiles of so many output channels."""
    return -(-channels // MACHINE.columns)


def cost(layer: Layer, bits: int, groups: int) -> Cost:
    """Of a layer; stem and head have all their channels already."""
    shape, groups = replace(layer, count=1), 1 if layer.end else groups
    tiles = groups * tiles_of(layer.outputs)
    compute = cycles(shape, bits, "sums" if layer.kind == "head" else "codes", tiles)
    streamed = compute
    if layer.kind in ("second", "shortcut", "shuffle"):
        streamed = cycles(shape, bits, "branch", tiles)
    if layer.kind in ("second", "shuffle"):
        streamed += cycles(shape, bits, "sum", tiles)
    if layer.kind in ("first", "shortcut", "shuffle"):
        before = Layer("shuffle", layer.read, MACHINE.rows * planes(bits), MACHINE.columns, 1)
        streamed += cycles(before, bits, "threshold", groups * tiles_of(layer.inputs))
    made = groups * layer.products * (bits // NATIVE) ** 2
    return Cost(made, compute, max(compute, words(layer, bits, tiles, groups)), streamed)


def planes(bits: int) -> int:
    """Products that an element sums in a cycle."""
    return max(1, 16 // bits**2)


def words(layer: Layer, bits: int, tiles: int, groups: int) -> int:
    """Words of the stream for weights, and for activations as they are stored, read once and written once."""
    slots = MACHINE.rows * -(-layer.inputs // (MACHINE.rows * planes(bits)))
    weights = tiles * MACHINE.columns * layer.kernel**2 * slots
    written = -(-tiles * MACHINE.columns // planes(bits))
    moved = weights + groups * slots * layer.read**2 + written * layer.size**2
    return -(-moved * 8 // MACHINE.stream_bits)


def total(depth: int, bits: int, groups: int, ends: int) -> Cost:
    """Of a network with stem and head of so many bits, 0 for a network without them."""
    found = Cost(0, 0, 0, 0)
    for layer in resnet(depth, groups):
        width = ends if layer.end else bits
        if width:
            own = cost(layer, width, groups)
            found = Cost(*(a + layer.count * b for a, b in zip(astuple(found), astuple(own))))
    return found


def astuple(found: Cost) -> tuple[int, ...]:
    return tuple(getattr(found, name) for name in COUNTS)


def networks() -> list[dict[str, object]]:
    """A row for each network and rule."""
    rows: list[dict[str, object]] = []
    for depth in DEPTHS:
        for rule, ends in RULES.items():
            dense = total(depth, 4, 1, ends)
            for bits, groups in ((4, 1), *((2, count) for count in GROUPS)):
                own = total(depth, bits, groups, ends)
                ratios = {name: getattr(dense, name) / getattr(own, name) for name in COUNTS}
                rows.append(
                    {
                        "depth": depth,
                        "ends": rule,
                        "bits": bits,
                        "groups": groups,
                        "cost": asdict(own),
                        "speed_up": {name: round(ratio, 3) for name, ratio in ratios.items()},
                    }
                )
                print(rows[-1], flush=True)
    return rows


def small_layers(chosen: slice = slice(None)) -> list[dict[str, object]]:
    """A row for each layer that a test simulates, or for some of them."""
    rows: list[dict[str, object]] = []
    for name, layer, bits, groups in SMALL[chosen]:
        program = compile_graph(Passes(layer, bits, layer.outputs * groups, groups).alone(), SMALL_MACHINE)
        found = report.report(program)
        modes = {SMALL_MACHINE.modes[i.mode].name for i in program.instructions if isinstance(i, Run)}
        arm = {"layer": name, "bits": bits, "groups": groups, "modes": ", ".join(sorted(modes))}
        rows.append(arm | {"cycles": found.frame_cycles, "pass": found.layers[0].cycles})
    return rows


def page(rows: Iterable[dict[str, object]], small: Iterable[dict[str, object]]) -> str:
    """Tables of speed-ups, and of what was simulated."""
    text = HEAD
    for row in rows:
        own, ratio = row["cost"], row["speed_up"]
        assert isinstance(own, dict) and isinstance(ratio, dict)
        arm = f"W{row['bits']}A{row['bits']}" + (f", G = {row['groups']}" if row["bits"] == 2 else "")
        text += f"| ResNet-{row['depth']} | {row['ends']} | {arm} | {own['products'] / 1e6:,.0f} | "
        text += f"{own['compute']:,} | {own['streamed']:,} | "
        text += " | ".join(f"{ratio[name]:.2f}x" for name in COUNTS) + " |\n"
    text += SIMULATED
    for one in small:
        arm = f"W{one['bits']}A{one['bits']}, G = {one['groups']}"
        text += f"| {one['layer']} | {arm} | {one['modes']} | {one['pass']:,} | {one['cycles']:,} |\n"
    return text


HEAD = f"""# Cycles of PalQuant's networks on an array

Speed-up of G groups of 2 bits over a network of 4 bits by composition, both on {MACHINE.rows} x
{MACHINE.columns} elements of family `integer`, modelled by closed forms that equal simulation, at
ImageNet shapes; beside it the ideal 4 / G and the paper's 1.78x (ResNet-18, G = 2, on an accelerator
that it does not name). Stem and head are excluded, as in the authors' count, or have 8 or 4 bits.
*Products* are those of 2 by 2 bits. *Compute*: cycles of layers with codes of 2 or 4 bits behind each.
*Longer*: cycles, or words of 64 bits for weights and activations that come and go once over one stream,
whichever are more in each layer; a slot holds one code of 4 bits or four of 2. *Stream*: cycles with the
residual stream in 16 bits on the array: halves in two passes, sums, and codes of them (for stem and head
it is *compute*; the pool behind the stem is not counted).

| network | ends | arm | M products | cycles | with stream | products | compute | longer | stream |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
SIMULATED = """
Layers on `int8x8`, ResNet-18's cut to an eighth in height and width, which
`tests/array/test_palquant_simulation.py` runs in Verilator (`make long`): codes equal the definition's,
and cycles those of this table. *Pass*: of the layer; *frame*: with its input and its results over the
stream.

| layer | arm | modes | cycles, pass | cycles, frame |
| --- | --- | --- | --- | --- |
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    run = Made(parser.parse_args())
    rows, small = networks(), small_layers()
    run.write_json(RESULTS / "palquant_cycles.json", {"networks": rows, "small": small})
    (RESULTS / "palquant_cycles.md").write_text(page(rows, small))


if __name__ == "__main__":
    main()
