"""The list of faults in benchmarks/board_faults.py.

Each is noticed, and says what the committed table says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from board_faults import FAULTS, RESULTS, message
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("name", FAULTS)
def test_faults_say_what_the_table_says(name: str) -> None:
    assert f"| {name} | {message(FAULTS[name])} |" in RESULTS.read_text().splitlines()
