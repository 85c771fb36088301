"""The report of an accelerator: what each layer is, takes and needs. Every figure before synthesis is an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.cycles import latency
from pyqkit.hardware.folding import exceeded
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.survey import Survey

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator


def build(accelerator: Accelerator) -> dict[str, Any]:
    """Report as plain data.

    Returns
    -------
    dict
        network, board, clock_mhz, source ("estimated"), initiation_interval_cycles, latency_cycles, frames_per_second, macs,
        bottleneck, resources, board_resources, exceeds (a resource that the board has too little of, or None), notes, and layers
        with name, operator, formats, shapes, macs, pe, simd, cycles, fifo_words and resources (its input FIFOs included).
    """
    graph, foldings = accelerator.graph, accelerator.foldings
    survey = Survey(graph)
    found, resources, words = survey.estimate(foldings), survey.resources(foldings), survey.fifo_words(foldings)
    layers = [
        {
            **_layer(accelerator, op),
            "cycles": found[op.name].cycles,
            "fifo_words": max(words[name, op.name] for name in op.inputs),
            "resources": resources[op.name].rounded(),
        }
        for op in graph.operators
    ]
    interval, total = survey.interval(foldings), survey.total(foldings)
    return {
        "network": graph.name,
        "board": accelerator.board.name,
        "clock_mhz": accelerator.clock_mhz,
        "source": "estimated",
        "initiation_interval_cycles": interval,
        "latency_cycles": latency(survey, foldings),
        "frames_per_second": accelerator.clock_mhz * 1e6 / interval,
        "macs": sum(layer["macs"] for layer in layers),
        "bottleneck": max(found, key=lambda name: found[name].cycles),
        "resources": total.rounded(),
        "board_resources": accelerator.board.resources,
        "exceeds": exceeded(total, accelerator.board) or None,
        "notes": list(graph.notes),
        "layers": layers,
    }


def _layer(accelerator: Accelerator, op: Operator) -> dict[str, Any]:
    graph = accelerator.graph
    tensors, (out,) = graph.input_tensors(op), graph.output_tensors(op)
    folding = accelerator.foldings.get(op.name, Folding()) if isinstance(op, Convolution) else None
    return {
        "name": op.name,
        "operator": op.kind,
        "input_format": tensors[0].format.name,
        "weight_format": op.weight_format.name if isinstance(op, Convolution) else None,
        "output_format": out.format.name,
        "input_shape": list(tensors[0].shape),
        "output_shape": list(out.shape),
        "macs": op.macs(tensors),
        "pe": folding.pe if folding else None,
        "simd": folding.simd if folding else None,
    }
