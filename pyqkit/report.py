"""The report of an accelerator.

What each layer is, takes and needs, which one limits, and what the next step would cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqkit.graph.folding import settings
from pyqkit.graph.graph import Operator
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.fit import overflows, sentence
from pyqkit.hardware.folding import bottleneck, exceeded, next_step, search_for, to_json
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.search import FOREVER, Search
from pyqkit.rtl.generate import Design, generate

if TYPE_CHECKING:
    from pyqkit.accelerator import Accelerator

SIMULATED_FRAMES = 5


def build(accelerator: Accelerator, simulated: bool = False) -> dict[str, Any]:
    """Report as plain data.

    Parameters
    ----------
    accelerator : Accelerator
    simulated : bool
        Count interval and latency of the whole network in engine `rtl`.

    Returns
    -------
    dict
        network, board, clock_mhz, source (of everything: "estimated" as long as something is), sources (of
        cycles and of resources), initiation_interval_cycles, latency_cycles, frames_per_second, macs,
        bottleneck, next_step, resources, board_resources, exceeds (the resource that the board may have too
        little of, by the upper figure of LUTs, or None), overflow (what it takes too much of by any figure:
        resource, takes, has; empty for a design that may fit), notes, and layers with name, operator,
        formats, shapes, macs, pe, simd, multiplier, memory (of weights), probe (whether its codes leave the
        accelerator), cycles, busy (share of the interval), fifo_words and resources (its input FIFOs
        included; those of probes are not counted).
    """
    graph, foldings = accelerator.graph, accelerator.foldings
    search = search_for(graph, accelerator.board)
    estimator = search.estimator
    found, resources, design = (
        estimator.estimate(foldings),
        estimator.resources(foldings),
        generate(graph, foldings),
    )
    interval, total = design.interval, estimator.total(foldings)
    layers = [
        {
            **_layer(accelerator, op),
            "cycles": found[op.name].cycles,
            "busy": found[op.name].cycles / interval,
            "fifo_words": max(design.fifos[name, op.name] for name in op.inputs),
            "resources": resources[op.name].rounded(),
        }
        for op in graph.operators
    ]
    over = overflows(total, accelerator.board)
    measured_interval, measured_latency = _simulate(accelerator) if simulated else (interval, design.latency)
    return {
        "network": graph.name,
        "board": accelerator.board.name,
        "clock_mhz": accelerator.clock_mhz,
        "source": "estimated",
        "sources": {"cycles": "simulated" if simulated else "estimated", "resources": "estimated"},
        "initiation_interval_cycles": measured_interval,
        "latency_cycles": measured_latency,
        "frames_per_second": accelerator.clock_mhz * 1e6 / measured_interval,
        "macs": sum(layer["macs"] for layer in layers),
        "bottleneck": _bottleneck(accelerator, estimator, design),
        "next_step": _next_step(accelerator, search, interval, total),
        "resources": total.rounded(),
        "board_resources": accelerator.board.resources,
        "exceeds": exceeded(total, accelerator.board) or None,
        "overflow": [vars(over) for over in over],
        "notes": [sentence(over, accelerator.board), *graph.notes] if over else list(graph.notes),
        "layers": layers,
    }


def _bottleneck(accelerator: Accelerator, estimator: Estimator, design: Design) -> str:
    """The operator that takes the most cycles, or an output with wider words than a stream has, which leave
    in more.
    """
    if design.interval == estimator.interval(accelerator.foldings):
        return bottleneck(estimator, accelerator.foldings)
    cycles = design.cycles()
    ends = {f"output port {i}": port.onnx_name for i, port in enumerate(accelerator.graph.outputs)}
    return f"the stream of {max(ends.items(), key=lambda end: cycles[end[0]])[1]}"


def _next_step(
    accelerator: Accelerator, search: Search, interval: int, now: Resources
) -> dict[str, Any] | None:
    """The cheapest design that is faster.

    Its rate, what it takes more (less, if negative), and the layers that change.
    """
    step = next_step(search, interval)
    # Where an output limits no folding helps.
    if step is None or interval > search.estimator.interval(accelerator.foldings):
        return None
    changes = to_json({name: f for name, f in step.foldings.items() if f != accelerator.foldings.get(name)})
    more = (step.resources + now * -1).rounded()
    return {
        "initiation_interval_cycles": step.interval,
        "frames_per_second": accelerator.clock_mhz * 1e6 / step.interval,
        "more": more,
        "exceeds": exceeded(step.resources, accelerator.board) or None,
        "layers": changes,
    }


def tradeoff(accelerator: Accelerator, points: int = 24) -> list[dict[str, float]]:
    """Cheapest designs from the slowest to the fastest, up to one and a half times the board's LUTs (all
    estimated).

    Returns
    -------
    list of dict
        frames_per_second and lut (the upper figure), by rising rate.
    """
    search = search_for(accelerator.graph, accelerator.board)
    slowest, fastest = search.fold_for(FOREVER), search.fastest()
    assert slowest is not None
    ends = search.estimator.interval(slowest), search.estimator.interval(fastest)
    found: dict[int, float] = {}
    for i in range(points):
        design = search.fold_for(round(ends[0] * (ends[1] / ends[0]) ** (i / max(points - 1, 1))))
        if design is not None:
            found[search.estimator.interval(design)] = search.estimator.total(design).lut_high
    limit = 1.5 * accelerator.board.resources["lut"]
    kept = [(interval, lut) for interval, lut in found.items() if lut <= limit] or list(found.items())[:1]
    return [
        {"frames_per_second": accelerator.clock_mhz * 1e6 / interval, "lut": lut} for interval, lut in kept
    ]


def _simulate(accelerator: Accelerator) -> tuple[float, int]:
    """Interval and latency of a few random frames, counted."""
    import numpy as np

    random = np.random.default_rng(0)
    tensors = [accelerator.graph.tensors[port.tensor] for port in accelerator.graph.inputs]
    engine = accelerator.engine("rtl")
    engine.run({t.name: random.choice(t.format.codes, (SIMULATED_FRAMES, *t.shape)) for t in tensors})
    return engine.counts.interval, engine.counts.latency


def _layer(accelerator: Accelerator, op: Operator) -> dict[str, Any]:
    graph = accelerator.graph
    tensors, (out,) = graph.input_tensors(op), graph.output_tensors(op)
    folding, weights = accelerator.foldings.get(op.name), op.parameter_format
    return {
        "name": op.name,
        "operator": op.kind,
        "input_format": tensors[0].format.name,
        "weight_format": weights.name if weights else None,
        "output_format": out.format.name,
        "input_shape": list(tensors[0].shape),
        "output_shape": list(out.shape),
        "macs": op.macs(tensors),
        **dict.fromkeys(("pe", "simd", "multiplier", "memory")),
        **(settings(folding) if folding else {}),
        "probe": out.name in graph.probes,
    }
