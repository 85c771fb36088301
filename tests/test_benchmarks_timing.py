"""The committed comparison of the static timer with another one, and with place and route."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pyqkit.rtl.static_timing import LABEL

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "timing.md"
sys.path.insert(0, str(ROOT / "benchmarks"))


def words(path: Path) -> str:
    """A page in one line."""
    return " ".join(path.read_text().split())


def test_blocks_rank_as_for_another_timer_and_after_place_and_route() -> None:
    """Worked out anew from the rows."""
    pytest.importorskip("scipy")
    import timing_crosscheck as benchmark

    found = json.loads(benchmark.RESULTS.read_text())
    rows = found["blocks"]
    assert found["label"] == LABEL and found["provenance"] and found["blocks_compared"] == len(rows) >= 20
    ranks = {name: benchmark.correlation(rows, *of) for name, of in benchmark.COMPARED.items()}
    assert ranks == found["rank_correlation"] and min(ranks.values()) >= benchmark.BAR == 0.8
    assert benchmark.sentence(found) in words(PAGE)
    shuffled = dict(zip(rows, map(dict, rows.values())))
    for row, ns in zip(shuffled.values(), [row["alone_ns"] for row in rows.values()][::-1]):
        row["alone_ns"] = ns
    assert benchmark.correlation(shuffled, *benchmark.COMPARED["place and route on ECP5"]) < benchmark.BAR
