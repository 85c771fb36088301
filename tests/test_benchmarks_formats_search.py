"""What docs/formats_search.md says of the networks that were searched for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import formats_search
import formats_search_page as page

IMAGES = 1000


def network(name: str, hits: int, luts: float, **more: Any) -> dict[str, Any]:
    figures = dict.fromkeys(("bram36", "dsp", "fps"), 1.0)
    correct = page.packed(np.arange(IMAGES) < hits)
    about = {"name": name, "luts": luts, "sqnr_db": 12.0, "accuracy": hits / 10, "refused": ""}
    return about | figures | {"correct": correct} | more


def section(*networks: dict[str, Any]) -> str:
    data = {
        **{
            "target_fps": 1000,
            "clock_mhz": 100,
            "sizes": 2,
            "calibration": 8,
            "images": IMAGES,
            "recipe": "bias",
        },
        **{"evolution": {"evaluations": 4}, "domain": {"weights": ["int4"], "acts": ["int4"]}},
        "found": [{"name": each["name"], "luts": 9.0, "error": 0.1} for each in networks],
        "networks": [network(page.FLOAT, 920, 0), *networks],
    }
    return page.section(data)


def test_the_page_says_what_was_found() -> None:
    text, data = page.PAGE.read_text(), json.loads(formats_search.RESULTS.read_text())
    assert text == page.page(text, data), "run 'python benchmarks/formats_search.py --page-only'"


def test_a_network_wins_if_it_is_smaller_and_more_accurate_than_each() -> None:
    uniform = network("uniform-int4", 850, 300), network("uniform-e2m1", 860, 400)
    text = section(network("point-1", 855, 250), network("point-2", 900, 299), *uniform)
    assert "all of int4, e2m1: point-2; with intervals that leave zero out, point-2." in text
    assert "| point-2 | uniform-e2m1 | -25.2 % | +4.00 (" in text
    assert "No network found" in section(network("point-1", 900, 301), *uniform)
    assert "some intervals hold zero" in section(network("point-1", 861, 299), *uniform)


def test_what_is_not_built_is_named() -> None:
    text = section()
    assert "Not measured yet." in text and "Nothing has been synthesised yet." in text


def test_the_model_is_compared_with_what_was_mapped() -> None:
    estimated = {"lut_low": 90, "lut_high": 110, "ff": 50, "bram36": 2}
    found = {"lut_with_memory_low": 100, "lut_with_memory": 100, "ff": 50, "bram36": 2, "tool": "a tool"}
    mapped = {"estimated": estimated, "found": found}
    text = section(network("point-1", 900, 110, synthesised=mapped), network("uniform-int4", 850, 300))
    assert "| point-1 | 90 / 100 (-10.0 %) | 110 / 100 (+10.0 %) |" in text
    assert "The largest error of LUTs is 10.0 %" in text
