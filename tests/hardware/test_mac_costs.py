"""What MACs take: the file that the page is made of."""

from __future__ import annotations

import re
from pathlib import Path

from pyqkit.hardware.mac_costs import label, mac_cost

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()


def test_figures_are_those_of_the_page() -> None:
    assert label() in PAGE
    for name in ("int4", "e2m1", "lp8_1_3"):
        (luts,) = re.findall(rf"^\| {name} \| \d+ \| (\d+) \|", PAGE, re.M)
        found = mac_cost(name, name)
        assert found is not None and found.luts == int(luts) <= found.lut_high
    (luts,) = re.findall(r"^\| int4 \| int8 \| (\d+) \|", PAGE, re.M)
    found = mac_cost("int4", "int8")
    assert found is not None and found.luts == int(luts)


def test_pairs_that_nobody_has_synthesised() -> None:
    assert mac_cost("e2m1", "int8") is None
    assert mac_cost("int15", "int15") is None
