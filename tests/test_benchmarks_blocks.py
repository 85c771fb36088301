"""The committed longest paths of blocks alone: none is missing, none misses the bar."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.rtl.bench import needs_yosys

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import block_timing as benchmark

CLOCK_MHZ = 200.0


def test_every_block_of_every_format_was_measured() -> None:
    wanted = {case.name for case in benchmark.CASES}
    for fmt in benchmark.FORMATS:
        wanted |= {f"{fmt}: {module}" for module in benchmark.stream_circuits(fmt, CLOCK_MHZ)}
    assert set(benchmark.kept()) == wanted


def test_no_block_is_slower_than_the_bar() -> None:
    assert {name: row.ns for name, row in benchmark.kept().items() if row.ns > benchmark.BAR_NS} == {}
    page = " ".join((ROOT / "docs" / "timing.md").read_text().split())
    assert benchmark.sentence(benchmark.kept()) in page


def test_blocks_that_the_model_is_fitted_to_are_within_the_bar_too() -> None:
    blocks = json.loads((ROOT / "pyqkit" / "hardware" / "measured_blocks.json").read_text())["blocks"]
    assert {row["module"]: row["ns"] for row in blocks if row["ns"] > benchmark.BAR_NS} == {}


@needs_yosys
def test_blocks_measured_anew_are_as_fast_as_was_committed() -> None:
    """Those of a few cells; whatever changed in a block or in Yosys shows here."""
    kept, circuits = benchmark.kept(), benchmark.stream_circuits("int4", CLOCK_MHZ)
    for module in ("max_pool", "concat"):
        ((cells, path),) = benchmark.timed(circuits[module])
        made = benchmark.row(f"int4: {module}", cells, path)
        assert (made.ns, list(made.luts)) == (kept[made.name].ns, list(kept[made.name].luts))
