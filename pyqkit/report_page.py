"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from pyqkit.errors import plain
from pyqkit.files import replacing
from pyqkit.report import Report
from pyqkit.report_tables import backends_sentence, clock_sentence, resource_rows, summary, timing_rows
from pyqkit.report_tradeoff import Tradeoff

_WIDTH, _HEIGHT = 760, 310  # of the curve's drawing


class _Bar(NamedTuple):
    title: str
    inner: float  # per cent
    outer: float
    text: str


def page(report: Report, tradeoff: Sequence[Tradeoff]) -> str:
    """HTML of a report.

    Parameters
    ----------
    report : Report
    tradeoff : sequence of Tradeoff
        As `pyqkit.report_tradeoff.tradeoff` returns it.
    """
    from jinja2 import Environment

    gauges = [
        {"name": use.resource, "takes": row["takes"], "has": f"{use.has:,}", "share": use.share}
        for use, row in zip(report.uses, resource_rows(report), strict=True)
    ]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = environment.from_string(_TEMPLATE)
    usual = min(layer.fifo_words for layer in report.layers)
    return template.render(
        r=report,
        summary=summary(report),
        backends=backends_sentence(report),
        gauges=gauges,
        bars=_bars(report),
        curve=_curve(report, tradeoff),
        timing=None if report.timing is None else timing_rows(report.timing),
        clock="" if report.timing is None else clock_sentence(report.timing),
        fifo=usual,
        deep=any(layer.fifo_words > usual for layer in report.layers),
    )


def write(report: Report, tradeoff: Sequence[Tradeoff], path: str | Path, force: bool = True) -> None:
    """Write the page to a file; names of bytes that are no text come escaped."""
    with replacing(Path(path), force) as beside:
        beside.write_text(page(report, tradeoff), encoding="utf-8", errors="backslashreplace")


def _shown(value: Any) -> Any:
    """What the page holds of a value; Jinja escapes what means something to HTML."""
    return plain(value) if isinstance(value, str) else value


def _bars(report: Report) -> list[dict[str, Any]]:
    """Cycles and LUTs of every layer, as shares of the largest in percent.

    Of LUTs the lower figure is dark, the upper light.
    """
    cycles = max(layer.cycles for layer in report.layers) or 1
    luts = max(layer.resources.lut_high for layer in report.layers) or 1
    rows = []
    for layer in report.layers:
        low, high, shown = layer.resources.lut_low, layer.resources.lut_high, layer.settings
        share = 100 * layer.cycles / cycles
        bars = (
            _Bar("cycles", share, share, f"{layer.cycles:,} · {layer.busy:.0%}"),
            _Bar("LUT", 100 * low / luts, 100 * high / luts, f"{low:,}\u2013{high:,}"),
        )
        folding = f"{shown['pe']}\u00d7{shown['simd']}" if {"pe", "simd"} <= shown.keys() else ""
        rows.append({"layer": layer, "folding": folding, "bars": bars, "limits": layer.busy == 1})
    return rows


def _curve(report: Report, tradeoff: Sequence[Tradeoff]) -> dict[str, Any]:
    """Rate against LUTs of the cheapest designs, on two logarithmic axes.

    This design, and the board's LUTs.
    """
    left, right, top, bottom = 86, _WIDTH - 20, 44, _HEIGHT - 50
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
        "here_is_right": place("frames_per_second", here.frames_per_second) > (left + right) / 2,
        "board": place("lut", report.board_resources["lut"]),
        "x": ticks("frames_per_second"),
        "y": ticks("lut"),
        "size": (_WIDTH, _HEIGHT),
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
.gauge, .layer { display: grid; gap: 2px 14px; align-items: center; padding: 5px 0; font-variant-numeric: tabular-nums; }
.gauge { grid-template-columns: 120px 1fr 52px 220px; }
.gauge i { display: block; height: 12px; border-radius: 6px; background: var(--line); overflow: hidden; }
.gauge i span { display: block; height: 100%; background: var(--bar); border-radius: 6px; }
.gauge i span.over { background: var(--hot); }
.gauge em { font-style: normal; text-align: right; }
.layer { grid-template-columns: minmax(90px, 2fr) 72px 3fr 120px 3fr 120px; font-size: 13px; border-bottom: 1px solid var(--line); }
.layer > b { font-weight: inherit; overflow-wrap: anywhere; }
.layer i { position: relative; display: block; height: 12px; min-width: 40px; }
.layer i span { position: absolute; left: 0; top: 0; height: 100%; min-width: 1px; background: var(--light); border-radius: 2px; }
.layer i span + span { background: var(--bar); }
.layer.limits > b { color: var(--hot); font-weight: 600; }
.layer.limits i.first span { background: var(--hot); }
svg { display: block; width: 100%; max-width: 900px; height: auto; }
svg text { fill: var(--ink); font-size: 12px; font-variant-numeric: tabular-nums; }
svg text.soft { fill: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; }
tr.limits td:first-child { color: var(--hot); font-weight: 600; }
@media (max-width: 700px) {
  main { padding: 20px 10px 32px; }
  .card { padding: 14px; }
  .figures { grid-template-columns: 1fr 1fr; gap: 10px; }
  .figures b { font-size: 20px; }
  .gauge { grid-template-columns: 1fr auto; }
  .gauge i { grid-column: 1 / -1; grid-row: 2; }
  .gauge em { grid-column: 2; grid-row: 1; }
  .gauge .soft { grid-column: 1 / -1; }
  .layer { grid-template-columns: 1fr 112px; }
  svg text { font-size: 20px; }
  .layer.head span { display: none; }
}
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
<div class="card"><b>{{ "{:,.3g} M".format(r.macs / 1e6) if r.macs >= 1e6 else "{:,}".format(r.macs) }}</b>multiplications a frame<div class="tag">{{ "{:,.0f}".format(r.macs / r.initiation_interval_cycles) }} a cycle</div></div>
</section>

<section class="card">
<h2>Resources <span class="tag">{{ r.sources.resources }}</span></h2>
{% for g in gauges %}
<div class="gauge"><span>{{ g.name }}</span><i><span{% if g.share > 1 %} class="over"{% endif %} style="width:{{ "%.1f" % (100 * [g.share, 1]|min) }}%"></span></i><em>{{ "%.0f" % (100 * g.share) }} %</em><span class="soft">{{ g.takes }} of {{ g.has }}</span></div>
{% endfor %}
{% if r.overflow %}<p style="color:var(--hot)">Not for a bitstream: {{ r.notes[0] }}.</p>
{% elif r.exceeds %}<p style="color:var(--hot)">Perhaps more {{ r.exceeds }} than {{ r.board }} has: take a larger board or a lower rate.</p>{% endif %}
<p class="soft">{{ summary }}</p>
<p class="soft">{{ backends }}</p>
</section>

<section class="card">
<h2>Layers <span class="tag">what limits the rate is marked; light bars reach to the upper LUT figure</span></h2>
<div class="layer head soft"><b>layer</b><span>PE&times;SIMD</span><span>cycles</span><span></span><span>LUT</span><span></span></div>
{% for row in bars %}
<div class="layer{% if row.limits %} limits{% endif %}"><b>{% for word in row.layer.name.split("_") %}{{ word }}{% if not loop.last %}_<wbr>{% endif %}{% endfor %}</b><span class="soft">{{ row.folding }}</span>
{% for b in row.bars %}<i{% if loop.first %} class="first"{% endif %} title="{{ b.title }}"><span style="width:{{ "%.1f" % b.outer }}%"></span><span style="width:{{ "%.1f" % b.inner }}%"></span></i><span class="soft">{{ b.text }}{% if not loop.first %} LUT{% endif %}</span>{% endfor %}

</div>
{% endfor %}
</section>

<section class="card">
<h2>What more frames would cost <span class="tag">the cheapest design for each rate, {{ r.sources.resources }}; logarithmic axes</span></h2>
<svg viewBox="0 0 {{ curve.size[0] }} {{ curve.size[1] }}" role="img" aria-label="LUT against frames per second">
{% for t in curve.y %}<line x1="{{ curve.box.left }}" x2="{{ curve.box.right }}" y1="{{ "%.1f" % t.at }}" y2="{{ "%.1f" % t.at }}" stroke="var(--line)"/><text x="{{ curve.box.left - 8 }}" y="{{ "%.1f" % (t.at + 4) }}" text-anchor="end" class="soft">{{ t.text }}</text>{% endfor %}

{% for t in curve.x %}<line x1="{{ "%.1f" % t.at }}" x2="{{ "%.1f" % t.at }}" y1="{{ curve.box.top }}" y2="{{ curve.box.bottom }}" stroke="var(--line)"/><text x="{{ "%.1f" % t.at }}" y="{{ curve.box.bottom + 20 }}" text-anchor="middle" class="soft">{{ t.text }}</text>{% endfor %}

<text x="0" y="18" class="soft">LUT, upper</text><text x="{{ curve.box.right }}" y="{{ curve.box.bottom + 44 }}" text-anchor="end" class="soft">frames/s at {{ "%g" % r.clock_mhz }} MHz</text>
<line x1="{{ curve.box.left }}" x2="{{ curve.box.right }}" y1="{{ "%.1f" % curve.board }}" y2="{{ "%.1f" % curve.board }}" stroke="var(--hot)" stroke-dasharray="5 4"/>
<text x="{{ curve.box.left + 8 }}" y="{{ "%.1f" % (curve.board - 6) }}" style="fill:var(--hot)">all of {{ r.board }}</text>
<polyline points="{{ curve.line }}" fill="none" stroke="var(--bar)" stroke-width="2"/>
{% for m in curve.marks %}<circle cx="{{ "%.1f" % m.x }}" cy="{{ "%.1f" % m.y }}" r="3.5" fill="var(--bar)"><title>{{ m.text }}</title></circle>{% endfor %}

<circle cx="{{ "%.1f" % curve.here.x }}" cy="{{ "%.1f" % curve.here.y }}" r="7" fill="none" stroke="var(--hot)" stroke-width="2.5"/>
<text x="{{ "%.1f" % (curve.here.x + (-12 if curve.here_is_right else 12)) }}" y="{{ "%.1f" % (curve.here.y - 12) }}"{% if curve.here_is_right %} text-anchor="end"{% endif %} style="fill:var(--hot);font-weight:600">this design</text>
</svg>
</section>

<section class="card">
<h2>Every operator</h2>
<table>
<tr><th>layer</th><th>operator</th><th>formats</th><th>output</th><th class="n">MACs</th><th class="n">PE</th><th class="n">SIMD</th><th class="n">cycles</th><th class="n">LUT</th><th class="n">FF</th><th class="n">BRAM</th><th class="n">DSP</th>{% if deep %}<th class="n">FIFO</th>{% endif %}</tr>
{% for l in r.layers %}
<tr{% if l.busy == 1 %} class="limits"{% endif %}><td>{{ l.name }}{% if l.probe %} (probe){% endif %}</td><td>{{ l.operator }}</td><td><code>{{ l.input_format }}{% if l.weight_format %} &times; {{ l.weight_format }}{% endif %} → {{ l.output_format }}</code></td><td>{{ l.output_shape|join("\u00d7") }}</td><td class="n">{{ "{:,}".format(l.macs) if l.macs else "" }}</td><td class="n">{{ l.settings.pe or "" }}</td><td class="n">{{ l.settings.simd or "" }}</td><td class="n">{{ "{:,}".format(l.cycles) }}</td><td class="n">{{ "{:,}\u2013{:,}".format(l.resources.lut_low, l.resources.lut_high) }}</td><td class="n">{{ "{:,}".format(l.resources.ff) }}</td><td class="n">{{ "%g" % l.resources.bram36 if l.resources.bram36 else "" }}</td><td class="n">{{ l.resources.dsp or "" }}</td>{% if deep %}<td class="n">{{ "{:,}".format(l.fifo_words) if l.fifo_words > fifo else "" }}</td>{% endif %}</tr>
{% endfor %}
<tr><td class="soft" colspan="8">ends of the network, and forks</td><td class="n">{{ "{:,}\u2013{:,}".format(r.ends.lut_low, r.ends.lut_high) }}</td><td class="n">{{ "{:,}".format(r.ends.ff) }}</td><td class="n">{{ "%g" % r.ends.bram36 if r.ends.bram36 else "" }}</td><td class="n">{{ r.ends.dsp or "" }}</td>{% if deep %}<td class="n"></td>{% endif %}</tr>
</table>
{% for note in r.notes %}<p class="soft">{{ note }}</p>{% endfor %}
<p class="soft">The LUT figures differ in how well small LUTs share a site, which place and route decides. In front of the operators are FIFOs of {{ fifo }} words{% if deep %}, where no other number stands{% endif %}. PE: outputs, SIMD: inputs multiplied in a cycle.</p>
</section>
{% if timing %}

<section class="card">
<h2>Longest paths <span class="tag">{{ r.timing.label }}, the slowest block of each operator</span></h2>
<table>
<tr>{% for title in timing[0] %}<th>{{ title }}</th>{% endfor %}</tr>
{% for row in timing %}
<tr>{% for value in row.values() %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</table>
<p class="soft">{{ clock }}</p>
</section>
{% endif %}
{% if r.host %}

<section class="card">
<h2>Behind the accelerator <span class="tag">computed by the host, in numpy</span></h2>
<table>
<tr><th>operation</th><th>of</th><th>gives</th><th>shape</th><th>type</th></tr>
{% for h in r.host %}
<tr><td>{{ h.operation }}</td><td>{{ h.inputs|join(", ") }}</td><td>{{ h.output }}</td><td>{{ h.output_shape|join("\u00d7") or "one number" }}</td><td><code>{{ h.output_type }}</code></td></tr>
{% endfor %}
</table>
</section>
{% endif %}
</main>
</body>
</html>
"""
