"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

from pyqkit.errors import plain
from pyqkit.files import replacing
from pyqkit.report import Report, Tradeoff
from pyqkit.report_tables import resource_rows, summary

_ROW, _TOP = 24, 34  # height of a layer's row, and of the titles above them, in pixels of the drawing
# Title, left end and length of each column of bars.
_COLUMNS = (("cycles", 262, 220), ("LUT", 600, 180), ("FIFO words", 870, 120))


def page(report: Report, tradeoff: Sequence[Tradeoff]) -> str:
    """HTML of a report.

    Parameters
    ----------
    report : Report
    tradeoff : sequence of Tradeoff
        As `pyqkit.report.tradeoff` returns it.
    """
    from jinja2 import Environment

    gauges = [
        {"name": use.resource, "takes": row["takes"], "has": f"{use.has:,}", "share": use.share}
        for use, row in zip(report.uses, resource_rows(report), strict=True)
    ]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = environment.from_string(_TEMPLATE)
    return template.render(
        r=report, summary=summary(report), gauges=gauges, bars=_bars(report), curve=_curve(report, tradeoff)
    )


def write(report: Report, tradeoff: Sequence[Tradeoff], path: str | Path, force: bool = True) -> None:
    """Write the page to a file; names of bytes that are no text come escaped."""
    with replacing(Path(path), force) as beside:
        beside.write_text(page(report, tradeoff), encoding="utf-8", errors="backslashreplace")


def _shown(value: Any) -> Any:
    """What the page holds of a value; Jinja escapes what means something to HTML."""
    return plain(value) if isinstance(value, str) else value


def _bars(report: Report) -> dict[str, Any]:
    """A row for each layer, with a bar for its cycles, its LUTs and its FIFO.

    Of LUTs the lower figure is dark, the upper light.
    """
    layers = report.layers
    most = {
        "cycles": max(layer.cycles for layer in layers),
        "LUT": max(layer.resources.lut_high for layer in layers),
        "FIFO words": max(layer.fifo_words for layer in layers),
    }
    rows = []
    for index, layer in enumerate(layers):
        low, high = layer.resources.lut_low, layer.resources.lut_high
        figures = {
            "cycles": (layer.cycles, layer.cycles, f"{layer.cycles:,} · {layer.busy:.0%}"),
            "LUT": (low, high, f"{low:,}\u2013{high:,}"),
            "FIFO words": (layer.fifo_words, layer.fifo_words, f"{layer.fifo_words:,}"),
        }
        bars = []
        for title, left, length in _COLUMNS:
            inner, outer, text = figures[title]
            scale = length / max(most[title], 1)
            bars.append(
                {"x": left, "inner": max(inner * scale, 1), "outer": max(outer * scale, 1), "text": text}
            )
        shown = layer.settings
        folding = f"{shown['pe']}\u00d7{shown['simd']}" if {"pe", "simd"} <= shown.keys() else ""
        rows.append(
            {
                "y": _TOP + index * _ROW,
                "layer": layer,
                "folding": folding,
                "bars": bars,
                "limits": layer.busy == 1,
            }
        )
    return {"rows": rows, "columns": _COLUMNS, "height": _TOP + len(rows) * _ROW + 8, "step": _ROW}


def _curve(report: Report, tradeoff: Sequence[Tradeoff]) -> dict[str, Any]:
    """Rate against LUTs of the cheapest designs, on two logarithmic axes.

    This design, and the board's LUTs.
    """
    left, right, top, bottom = 80, 1040, 20, 270
    here = Tradeoff(report.frames_per_second, report.resources.lut_high)
    points = [*tradeoff, here]
    spans = {
        "frames_per_second": (left, right, [point.frames_per_second for point in points]),
        "lut": (bottom, top, [*(point.lut for point in points), report.board_resources["lut"]]),
    }
    axes = {}
    for key, (start, end, values) in spans.items():
        low, high = log10(min(values)), log10(max(values))
        axes[key] = low - 0.05, max(high + 0.05, low + 0.3), (start, end)

    def place(key: str, value: float) -> float:
        low, high, (start, end) = axes[key]
        return start + (log10(value) - low) / (high - low) * (end - start)

    def ticks(key: str) -> list[dict[str, Any]]:
        low, high, _ = axes[key]
        values = [m * 10**e for e in range(floor(low), ceil(high) + 1) for m in (1, 2, 5)]
        return [{"at": place(key, v), "text": f"{v:,.10g}"} for v in values if low <= log10(v) <= high]

    def at(point: Tradeoff) -> dict[str, float]:
        return {"x": place("frames_per_second", point.frames_per_second), "y": place("lut", point.lut)}

    marks = [{**at(p), "text": f"{p.frames_per_second:,.4g} frames/s, {p.lut:,.0f} LUT"} for p in tradeoff]
    return {
        "line": " ".join(f"{m['x']:.1f},{m['y']:.1f}" for m in marks),
        "marks": marks,
        "here": at(here),
        "board": place("lut", report.board_resources["lut"]),
        "x": ticks("frames_per_second"),
        "y": ticks("lut"),
        "box": {"left": left, "right": right, "top": top, "bottom": bottom},
    }


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ r.network }} on {{ r.board }}</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --line: #e3e7ee; --page: #f5f7fa; --card: #fff; --bar: #3b76d4; --light: #a9c6f2; --hot: #d9542b; --warm: #f3b79f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf1; --soft: #97a1b3; --line: #2c3442; --page: #12161d; --card: #1a202a; --bar: #5c93e8; --light: #2f4a75; --hot: #f07a52; --warm: #7a3d29; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 16px; margin: 0 0 12px; }
p { margin: 4px 0; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 16px; overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 16px; margin-top: 20px; }
.figures .card { margin: 0; }
.figures b { display: block; font-size: 26px; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.tag { font-size: 12px; color: var(--soft); }
.gauge { display: grid; grid-template-columns: 120px 1fr 52px 220px; gap: 14px; align-items: center; padding: 5px 0; font-variant-numeric: tabular-nums; }
.gauge i { display: block; height: 12px; border-radius: 6px; background: var(--line); overflow: hidden; }
.gauge i span { display: block; height: 100%; background: var(--bar); border-radius: 6px; }
.gauge i span.over { background: var(--hot); }
.gauge em { font-style: normal; text-align: right; }
svg { display: block; width: 100%; min-width: 900px; height: auto; }
svg text { fill: var(--ink); font-size: 12px; font-variant-numeric: tabular-nums; }
svg text.soft { fill: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; }
tr.limits td:first-child { color: var(--hot); font-weight: 600; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12.5px; }
</style>
</head>
<body>
<main>
<h1>{{ r.network }}</h1>
<p class="soft">{{ r.board }} at {{ "%g" % r.clock_mhz }} MHz · {{ r.layers|length }} operators · cycles {{ r.sources.cycles }}, resources {{ r.sources.resources }}; not run on a board</p>

<section class="figures">
<div class="card"><b>{{ "{:,.0f}".format(r.frames_per_second) if r.frames_per_second >= 10 else "%.3g" % r.frames_per_second }}</b>frames/s<div class="tag">{{ r.sources.cycles }}</div></div>
<div class="card"><b>{{ "{:,g}".format(r.initiation_interval_cycles) }}</b>cycles between frames<div class="tag">{{ r.sources.cycles }}; {{ r.bottleneck }} limits</div></div>
<div class="card"><b>{{ "{:,.3g}".format(r.latency_cycles / r.clock_mhz) }} µs</b>latency of a frame<div class="tag">{{ "{:,g}".format(r.latency_cycles) }} cycles, {{ r.sources.cycles }}</div></div>
<div class="card"><b>{{ "{:,.3g}".format(r.macs / 1e6) }} M</b>multiplications a frame<div class="tag">{{ "{:,.0f}".format(r.macs / r.initiation_interval_cycles) }} a cycle</div></div>
</section>

<section class="card">
<h2>Resources <span class="tag">{{ r.sources.resources }}</span></h2>
{% for g in gauges %}
<div class="gauge"><span>{{ g.name }}</span><i><span{% if g.share > 1 %} class="over"{% endif %} style="width:{{ "%.1f" % (100 * [g.share, 1]|min) }}%"></span></i><em>{{ "%.0f" % (100 * g.share) }} %</em><span class="soft">{{ g.takes }} of {{ g.has }}</span></div>
{% endfor %}
{% if r.overflow %}<p style="color:var(--hot)">Not for a bitstream: {{ r.notes[0] }}.</p>
{% elif r.exceeds %}<p style="color:var(--hot)">Perhaps more {{ r.exceeds }} than {{ r.board }} has: take a larger board or a lower rate.</p>{% endif %}
<p class="soft">{{ summary }}</p>
</section>

<section class="card">
<h2>Layers <span class="tag">what limits the rate is marked; light bars reach to the upper LUT figure</span></h2>
<svg viewBox="0 0 1060 {{ bars.height }}" role="img" aria-label="Cycles, LUT and FIFO words of every layer">
<text x="0" y="16" class="soft">layer</text><text x="190" y="16" class="soft">PE&times;SIMD</text>
{% for title, left, length in bars.columns %}<text x="{{ left }}" y="16" class="soft">{{ title }}</text>{% endfor %}

{% for row in bars.rows %}
<g transform="translate(0 {{ row.y }})">
{% if loop.index is odd %}<rect x="-6" y="-4" width="1072" height="{{ bars.step }}" fill="var(--page)"/>{% endif %}
<text x="0" y="12"{% if row.limits %} style="fill:var(--hot);font-weight:600"{% endif %}>{{ row.layer.name|truncate(28, true, "…") }}</text>
<text x="190" y="12" class="soft">{{ row.folding }}</text>
{% for b in row.bars %}
{% set hot = row.limits and loop.first %}
<rect x="{{ b.x }}" y="2" width="{{ "%.1f" % b.outer }}" height="12" rx="2" fill="var(--{{ "warm" if hot else "light" }})"/><rect x="{{ b.x }}" y="2" width="{{ "%.1f" % b.inner }}" height="12" rx="2" fill="var(--{{ "hot" if hot else "bar" }})"/><text x="{{ "%.1f" % (b.x + b.outer + 6) }}" y="12" class="soft">{{ b.text }}</text>
{% endfor %}
</g>
{% endfor %}
</svg>
</section>

<section class="card">
<h2>What more frames would cost <span class="tag">the cheapest design for each rate, {{ r.sources.resources }}; logarithmic axes</span></h2>
<svg viewBox="0 0 1060 310" role="img" aria-label="LUT against frames per second">
{% for t in curve.y %}<line x1="{{ curve.box.left }}" x2="{{ curve.box.right }}" y1="{{ "%.1f" % t.at }}" y2="{{ "%.1f" % t.at }}" stroke="var(--line)"/><text x="{{ curve.box.left - 8 }}" y="{{ "%.1f" % (t.at + 4) }}" text-anchor="end" class="soft">{{ t.text }}</text>{% endfor %}

{% for t in curve.x %}<line x1="{{ "%.1f" % t.at }}" x2="{{ "%.1f" % t.at }}" y1="{{ curve.box.top }}" y2="{{ curve.box.bottom }}" stroke="var(--line)"/><text x="{{ "%.1f" % t.at }}" y="{{ curve.box.bottom + 18 }}" text-anchor="middle" class="soft">{{ t.text }}</text>{% endfor %}

<text x="0" y="14" class="soft">LUT, upper</text><text x="{{ curve.box.right }}" y="{{ curve.box.bottom + 36 }}" text-anchor="end" class="soft">frames/s at {{ "%g" % r.clock_mhz }} MHz</text>
<line x1="{{ curve.box.left }}" x2="{{ curve.box.right }}" y1="{{ "%.1f" % curve.board }}" y2="{{ "%.1f" % curve.board }}" stroke="var(--hot)" stroke-dasharray="5 4"/>
<text x="{{ curve.box.left + 8 }}" y="{{ "%.1f" % (curve.board - 6) }}" style="fill:var(--hot)">all of {{ r.board }}</text>
<polyline points="{{ curve.line }}" fill="none" stroke="var(--bar)" stroke-width="2"/>
{% for m in curve.marks %}<circle cx="{{ "%.1f" % m.x }}" cy="{{ "%.1f" % m.y }}" r="3.5" fill="var(--bar)"><title>{{ m.text }}</title></circle>{% endfor %}

<circle cx="{{ "%.1f" % curve.here.x }}" cy="{{ "%.1f" % curve.here.y }}" r="7" fill="none" stroke="var(--hot)" stroke-width="2.5"/>
<text x="{{ "%.1f" % (curve.here.x + 12) }}" y="{{ "%.1f" % (curve.here.y + 18) }}" style="fill:var(--hot);font-weight:600">this design</text>
</svg>
</section>

<section class="card">
<h2>Every operator</h2>
<table>
<tr><th>layer</th><th>operator</th><th>formats</th><th>output</th><th class="n">MACs</th><th class="n">PE</th><th class="n">SIMD</th><th class="n">cycles</th><th class="n">LUT</th><th class="n">FF</th><th class="n">BRAM</th><th class="n">DSP</th><th class="n">FIFO</th></tr>
{% for l in r.layers %}
<tr{% if l.busy == 1 %} class="limits"{% endif %}><td>{{ l.name }}{% if l.probe %} (probe){% endif %}</td><td>{{ l.operator }}</td><td><code>{{ l.input_format }}{% if l.weight_format %} &times; {{ l.weight_format }}{% endif %} → {{ l.output_format }}</code></td><td>{{ l.output_shape|join("\u00d7") }}</td><td class="n">{{ "{:,}".format(l.macs) if l.macs else "" }}</td><td class="n">{{ l.settings.pe or "" }}</td><td class="n">{{ l.settings.simd or "" }}</td><td class="n">{{ "{:,}".format(l.cycles) }}</td><td class="n">{{ "{:,}\u2013{:,}".format(l.resources.lut_low, l.resources.lut_high) }}</td><td class="n">{{ "{:,}".format(l.resources.ff) }}</td><td class="n">{{ "%g" % l.resources.bram36 if l.resources.bram36 else "" }}</td><td class="n">{{ l.resources.dsp or "" }}</td><td class="n">{{ "{:,}".format(l.fifo_words) }}</td></tr>
{% endfor %}
</table>
{% for note in r.notes %}<p class="soft">{{ note }}</p>{% endfor %}
<p class="soft">The LUT figures differ in how well small LUTs share a site, which place and route decides. FIFO: words in front of the operator. PE: outputs, SIMD: inputs multiplied in a cycle.</p>
</section>
</main>
</body>
</html>
"""
