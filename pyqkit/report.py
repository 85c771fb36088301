"""The report of an accelerator: what each layer is, takes and needs. Every figure before synthesis is an estimate."""

from __future__ import annotations

from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.estimate import Resources, all_cycles, resources
from pyqkit.hardware.folding_types import Folding

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator


def build(accelerator: Accelerator) -> dict[str, Any]:
    """Report as plain data.

    Returns
    -------
    dict
        board, clock_mhz, source ("estimated"), initiation_interval_cycles, latency_cycles, frames_per_second, resources, notes,
        and layers with name, operator, formats, shapes, macs, pe, simd, cycles, fifo_words and resources.
    """
    from pyqkit.hls.generate import generate

    graph, foldings = accelerator.graph, accelerator.foldings
    cycles = all_cycles(graph, foldings)
    fifo_words = generate(graph, foldings).fifo_words
    layers = []
    for op in graph.operators:
        tensors, (out,) = graph.input_tensors(op), graph.output_tensors(op)
        weighted = isinstance(op, Convolution)
        folding = foldings.get(op.name, Folding())
        streams = [name for name in fifo_words if name in op.inputs or any(name == f"{t}_to_{op.name}" for t in op.inputs)]
        layers.append(
            {
                "name": op.name,
                "operator": op.kind,
                "input_format": tensors[0].format.name,
                "weight_format": op.weight_format.name if isinstance(op, Convolution) else None,
                "output_format": out.format.name,
                "input_shape": list(tensors[0].shape),
                "output_shape": list(out.shape),
                "macs": op.macs(tensors),
                "pe": folding.pe if weighted else None,
                "simd": folding.simd if weighted else None,
                "cycles": cycles[op.name],
                "fifo_words": max((fifo_words[name] for name in streams), default=0),
                "resources": asdict(resources(op, graph, foldings)),
            }
        )
    interval = max(cycles.values())
    total = reduce(Resources.__add__, (resources(op, graph, foldings) for op in graph.operators), Resources())
    return {
        "network": graph.name,
        "board": accelerator.board.name,
        "clock_mhz": accelerator.clock_mhz,
        "source": "estimated",
        "initiation_interval_cycles": interval,
        "latency_cycles": interval + _fill(accelerator, cycles),
        "frames_per_second": accelerator.clock_mhz * 1e6 / interval,
        "macs": sum(layer["macs"] for layer in layers),
        "bottleneck": max(cycles, key=lambda name: cycles[name]),
        "resources": asdict(total),
        "board_resources": accelerator.board.resources,
        "notes": list(graph.notes),
        "layers": layers,
    }


def _fill(accelerator: Accelerator, cycles: dict[str, int]) -> int:
    """Cycles until the first pixel has passed every layer of the longest path."""
    graph = accelerator.graph
    delay = {port.tensor: 0 for port in graph.inputs}
    for op in graph.operators:
        tensors = graph.input_tensors(op)
        waits = []
        for name, tensor, need in zip(op.inputs, tensors, op.pixels_needed(tensors)):
            producer = graph.producer(name)
            pace = (cycles[producer.name] if producer else tensor.pixels) / tensor.pixels  # cycles between pixels
            waits.append(delay[name] + int(need[0] * pace))
        delay[op.outputs[0]] = max(waits)
    return max(delay[port.tensor] for port in graph.outputs)
