"""A whole vision transformer as a program of an array: segments, steps of the host, cycles, codes.

    OMP_NUM_THREADS=1 python benchmarks/vit_array.py --data FOLDER [--frames 2]

The machine is `int8x8` with room for more instructions and parameters. Cycles are a closed form, codes are
those of the machine executed on numpy arrays (emulated), and compared with engine `exact`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch
from records import Run
from vit_networks import NETWORKS, SEED

from pyqkit.array.area import area
from pyqkit.array.host import HostStep
from pyqkit.array.machine import named
from pyqkit.array.report import report
from pyqkit.emulate.array import ArrayEngine
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq import Recipe, quantised

RESULTS = Path(__file__).parent / "results" / "vit_array"
PROGRAM_WORDS, PARAMETER_WORDS = 8192, 1024


def main(arguments: list[str] | None = None) -> int:
    """Compile, execute, compare; 1 if a code differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--frames", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run = Run(options, [SEED])
    frames, images, _ = NETWORKS["vit"].images(options.data)
    recipe = Recipe.of("int8", recipe="norms+gptq+bias")
    made = quantised(NETWORKS["vit"].model(options.data), frames[:256], recipe, SEED).quantised
    with tempfile.TemporaryDirectory() as folder:
        path = export_qonnx(made, torch.from_numpy(frames[:1]), Path(folder) / "network.onnx")
        graph = import_qonnx(path)
    machine = replace(named("int8x8"), program_words=PROGRAM_WORDS, parameter_words=PARAMETER_WORDS)
    engine, (port,) = ArrayEngine(graph, machine), graph.inputs
    codes = {port.tensor: encode_input(port, graph.tensors[port.tensor], images[: options.frames])}
    wanted, found = ExactEngine(graph).run(codes), engine.run(codes)
    differing = sum(int((found[name] != wanted[name]).sum()) for name in wanted)
    program, told, taken = engine.program, report(engine.program), area(machine)
    hosted = [op.kind for step in program.steps if isinstance(step, HostStep) for op in step.graph.operators]
    figures: dict[str, object] = {
        "program_words": PROGRAM_WORDS,
        "parameter_words": PARAMETER_WORDS,
        "instructions": len(program.instructions),
        "parameters": len(program.parameters),
        "segments": len(program.segments),
        "host_steps": len(program.steps) - len(program.segments),
        "hosted": dict(sorted(Counter(hosted).items())),
        "cycles": told.frame_cycles,
        "setup_bytes": told.setup_bytes,
        "frames": options.frames,
        "codes": sum(out.size for out in wanted.values()),
        "differing": differing,
        "bram36": taken.bram36,
        "lut": round(taken.lut),
    }
    run.write_json(RESULTS.with_suffix(".json"), figures)
    run.write_markdown(RESULTS.with_suffix(".md"), page(figures))
    return int(differing > 0)


TEXT = """# A whole vision transformer on an array

The network `vit` of [vit.md](vit.md) in int8, as a program of `int8x8` with room for {program_words:,}
instructions and {parameter_words:,} parameters, of which it takes {instructions:,} and {parameters:,}. That
machine takes {lut:,} LUTs and {bram36:g} block RAMs (estimated). A frame is {segments} segments, and
between them {host_steps} steps of the host, which do {kinds}. The array takes {cycles:,} cycles a frame
(closed form), beside the host's time. Of {codes} codes of {frames} frames {differing} differ from engine
`exact` (emulated).
"""


def page(figures: dict[str, object]) -> str:
    """The figures in sentences."""
    hosted = figures["hosted"]
    assert isinstance(hosted, dict)
    kinds = ", ".join(f"{count} `{kind}`" for kind, count in hosted.items())
    return TEXT.format(**figures, kinds=kinds)


if __name__ == "__main__":
    sys.exit(main())
