"""The report on a terminal: short tables that fit 80 columns, and what they mean in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyqkit.backends import BACKENDS
from pyqkit.emulate.energy import NetworkEnergy
from pyqkit.emulate.explain import Explained
from pyqkit.errors import listed, plain
from pyqkit.report import LayerReport, Report
from pyqkit.report_vivado import Vivado
from pyqkit.rtl.network_timing import NetworkTiming
from pyqkit.tables import show

_SHORT = 22  # letters of a name that is not folded
_ENDS = "(ends and forks)"  # no operator has a name with blanks
_BUSY = 5  # characters of the bar that shows how busy a layer is


def layer_rows(report: Report) -> list[dict[str, Any]]:
    """What each layer is: operator, formats, shape and size."""
    return [
        {
            "layer": _name(layer),
            "operator": layer.operator,
            "formats": layer.formats,
            "output": "x".join(map(str, layer.output_shape)),
            "MACs": layer.macs or None,
            "weights in": layer.settings.get("memory"),
        }
        for layer in report.layers
    ]


def cost_rows(report: Report) -> list[dict[str, Any]]:
    """What each layer takes with its folding, cycles and resources, and what the ends take."""
    rows = [
        {
            "layer": _name(layer),
            "PE": layer.settings.get("pe"),
            "SIMD": layer.settings.get("simd"),
            "cycles": layer.cycles,
            "busy": f"{bar(layer.busy, _BUSY)} {'limits' if layer.busy == 1 else f'{layer.busy:4.0%}'}",
        }
        for layer in report.layers
    ]
    rows.append(dict.fromkeys(rows[0]) | {"layer": _ENDS, "busy": ""})
    takes = [*(layer.resources for layer in report.layers), report.ends]
    return [
        row | {"LUT": f"{found.lut_low:,}-{found.lut_high:,}", "BRAM": found.bram36, "DSP": found.dsp}
        for row, found in zip(rows, takes, strict=True)
    ]


def host_rows(report: Report) -> list[dict[str, Any]]:
    """What the host computes of the accelerator's outputs."""
    return [
        {
            "operation": step.operation,
            "of": ", ".join(step.inputs),
            "gives": step.output,
            "shape": "x".join(map(str, step.output_shape)) or "one number",
            "type": step.output_type,
        }
        for step in report.host
    ]


def _name(layer: LayerReport) -> str:
    return f"{layer.name} (probe)" if layer.probe else layer.name


def bar(share: float, width: int = 10) -> str:
    """A share as a bar of eighths of a character; above 1 it is full."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)


def resource_rows(report: Report) -> list[dict[str, Any]]:
    """What a design takes of each resource that the board has."""
    return [
        {
            "resource": use.resource,
            "takes": f"{use.low:,} to {use.high:,}" if use.low != use.high else f"{use.high:,g}",
            "of": use.has,
            "share": f"{bar(use.share, 20)} {use.share:4.0%}",
        }
        for use in report.uses
    ]


def summary(report: Report) -> str:
    """Rate, the layer that limits and the next step, in one or two sentences."""
    rate, cycles = report.frames_per_second, report.initiation_interval_cycles
    text = (
        f"{rate:,.{0 if rate >= 10 else 2}f} frames/s at {report.clock_mhz:g} MHz, a frame every "
        f"{cycles:,g} cycles "
        f"({report.sources.cycles}); {report.bottleneck} limits. "
    )
    step = report.next_step
    if step is None:
        return f"{text}No folding is faster."
    takes = {
        "LUT": step.more.lut_high,
        "FF": step.more.ff,
        "BRAM": step.more.bram36,
        "DSP": step.more.dsp,
    }
    more = ", ".join(f"{count:+,g} {what}" for what, count in takes.items() if count)
    beyond = f", more {step.exceeds} than {report.board} has" if step.exceeds else ""
    return (
        f"{text}The next step, "
        f"{step.frames_per_second:,.{0 if step.frames_per_second >= 10 else 2}f} frames/s, "
        "would take "
        f"{more or 'nothing more'} (estimated){beyond}."
    )


def backends_sentence(report: Report) -> str:
    """What the figures are of, and what every other backend would give."""
    others = [
        f"as {BACKENDS[name]} (backend {name}) {found.frames_per_second:,.0f} frames/s, a frame every "
        f"{found.initiation_interval_cycles:,} cycles (estimated), and {found.bottleneck} limits"
        for name, found in report.backends.items()
        if name != report.backend
    ]
    return "; ".join([f"That is as {BACKENDS[report.backend]} (backend {report.backend})", *others]) + "."


def timing_rows(timing: NetworkTiming) -> list[dict[str, Any]]:
    """The slowest block of each operator."""
    return [
        {
            "operator": block.operator,
            "ns": f"{block.ns:.2f}",
            "levels": block.levels,
            "MHz": f"{block.mhz:.0f}",
            "from": block.begin,
            "to": block.end,
        }
        for block in timing.blocks
    ]


def clock_sentence(timing: NetworkTiming) -> str:
    """The clock that a network may reach beside the one that was asked for, in a sentence."""
    verdict = "reaches" if timing.meets else "does not reach"
    advice = "" if timing.meets else f"; compile with --clock-mhz {int(timing.mhz)} or less"
    return (
        f"{timing.slowest} limits to {timing.mhz:g} MHz, {timing.label} with {timing.nets} nets, which "
        f"{verdict} the {timing.asked_mhz:g} MHz asked for{advice}. Nothing was placed or routed."
    )


def driver_line(report: Report) -> str:
    """What a driver gets out of the rate, and what limits it, in a sentence; empty where none is modelled."""
    rate = report.driver
    if rate is None:
        return ""
    parts = (("accelerator", rate.accelerator), ("DMA", rate.dma), ("processor", rate.processor))
    return (
        f"Driver: {rate.frames_per_second:,.{0 if rate.frames_per_second >= 10 else 2}f} frames/s ("
        f"{rate.source}), the {rate.limits} limits: "
        f"{', '.join(f'{name} {value:,.{0 if value >= 10 else 2}f}' for name, value in parts)}; "
        f"{rate.frames_per_transfer:,} frames a transfer, {rate.bytes_in:,} bytes in and {rate.bytes_out:,} "
        "out of a frame.\n"
    )


def vivado_rows(report: Report, vivado: Vivado) -> list[dict[str, Any]]:
    """What Vivado made of each layer, beside what was estimated of it."""
    estimated = {layer.name: layer.resources for layer in report.layers}
    rows = []
    for layer in vivado.layers:
        own, mhz = estimated.get(layer.name), vivado.mhz(layer)
        rows.append(
            {
                "layer": layer.name,
                "LUT": f"{layer.lut:,}",
                "estimated": "" if own is None else f"{own.lut_low:,}-{own.lut_high:,}",
                "FF": f"{layer.ff:,}" + ("" if own is None else f" ({own.ff:,})"),
                "BRAM": f"{layer.bram36:g}" + ("" if own is None else f" ({own.bram36:g})"),
                "DSP": f"{layer.dsp:,}" + ("" if own is None else f" ({own.dsp:,})"),
                "slack": None if layer.slack_ns is None else f"{layer.slack_ns:.2f}",
                "MHz": None if mhz is None else f"{mhz:.0f}",
            }
        )
    return rows


def show_vivado(report: Report, vivado: Vivado) -> None:
    """Print what Vivado made of each layer."""
    lut = sum(layer.lut for layer in vivado.layers)
    low, high = report.resources.lut_low, report.resources.lut_high
    show(
        f"{vivado.tool}: blocks synthesised out of context for {vivado.part}",
        vivado_rows(report, vivado),
        f"{lut:,} LUTs in all, estimated {low:,} to {high:,} (of others in brackets). Slacks in ns are those "
        f"at {vivado.clock_mhz:g} MHz; nothing was placed or routed.",
        whole=("LUT", "estimated", "slack", "MHz"),
    )


def show_energy(energy: NetworkEnergy) -> None:
    """Print what a frame costs, by operator."""
    rows = [
        {"operator": one.operator}
        | {kind: f"{pj / 1000:.3g}" for kind, pj in vars(one.picojoules).items()}
        | {"nJ a frame": f"{one.picojoules.total / 1000:.3g}"}
        for one in energy.operators
    ]
    static = "not known" if energy.static_watts is None else f"{energy.static_watts:.2g} W all the time"
    show(
        f"energy of a frame in nJ ({energy.label})",
        rows,
        f"{energy.picojoules.total / 1000:.3g} nJ a frame ({energy.label}), over {energy.frames} frames of "
        f"{energy.cycles:,g} cycles; static power of the part: {static}. For comparing designs of one style, "
        "right to +-50 %: nothing was measured, glitches, processor and memory are not in it.",
        whole=("operator", "nJ a frame"),
    )


def show_explained(steps: Sequence[Explained], threads: int) -> None:
    """Print how engine `exact` runs each step, and why so."""
    whole = sum(step.seconds for step in steps)
    rows = [
        {
            "layer": step.operators[0],
            "step": " + ".join(step.kinds),
            "carrier": step.carrier or ("kernel" if step.compiled else "definition"),
            "GMAC/s": f"{step.gmacs_per_second:.1f}" if step.macs else "",
            "%": f"{100 * step.seconds / whole:.1f}",
            "why": step.why,
        }
        for step in steps
    ]
    show(
        "engine exact (measured on this computer)",
        rows,
        f"{whole * 1e3:.3g} ms a frame on one thread; frames are divided among {threads}. Sums are bounded "
        "by the real weights, and the fastest carrier that holds them is taken.",
        whole=("layer", "carrier", "GMAC/s", "%"),
    )


def deep_fifos(report: Report) -> str:
    """Which operators have a deeper FIFO in front of them than the others, in a sentence."""
    usual = min(layer.fifo_words for layer in report.layers)
    deep = [f"{layer.name} {layer.fifo_words:,}" for layer in report.layers if layer.fifo_words > usual]
    return f"FIFOs of {usual} words" + (f"; in front of {listed(deep, 8)}" if deep else "") + "."


def show_report(report: Report) -> None:
    """Print a report."""
    sources = report.sources
    short = max(len(_name(layer)) for layer in report.layers) <= _SHORT
    names = ("layer",) if short else ()
    title = f"{report.network} on {report.board}: layers"
    show(title, layer_rows(report), whole=(*names, "operator", "output"))
    print()
    show(
        f"cycles ({sources.cycles}) and resources ({sources.resources})",
        cost_rows(report),
        f"{summary(report)}\n{driver_line(report)}"
        f"Latency {report.latency_cycles:,g} cycles ({sources.cycles}). "
        f"{backends_sentence(report)} {deep_fifos(report)}",
        whole=(*names, "busy", "LUT"),
    )
    print()
    show(f"{report.board} ({sources.resources})", resource_rows(report), whole=("share",))
    if report.timing is not None:
        print()
        title = f"longest paths ({report.timing.label})"
        show(title, timing_rows(report.timing), clock_sentence(report.timing), whole=("ns", "levels", "MHz"))
    if report.host:
        print()
        show("behind the accelerator, computed by the host", host_rows(report), whole=("operation", "type"))
    if report.exceeds and not report.overflow:
        print(
            f"note: perhaps more {report.exceeds} than {report.board} has "
            f"({sources.resources}); take a larger board or a lower rate"
        )
    for note in report.notes:
        print(plain(f"note: {note}"))
