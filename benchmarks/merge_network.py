"""How often rows of elements wait for networks that merge halves of outliers (modelled, step by step).

    python benchmarks/merge_network.py

Writes the table of ``docs/microscopiq.md``: outliers are drawn at random, each weight by itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyqkit.array.contention import shared

PAGE = Path(__file__).parent.parent / "docs" / "microscopiq.md"
BEGIN, END = "<!-- conflicts: written by benchmarks/merge_network.py -->\n", "<!-- end of conflicts -->"
SIZES, NETWORKS, RATES = (8, 16, 32, 64), (1, 2, 4, 8), (0.005, 0.01, 0.02, 0.05)
TILES, SEED = 8, 0


def row(size: int, rate: float, batch: int) -> str:
    """Conflicts and lost cycles of square arrays with each number of networks, means of some tiles."""
    random = np.random.default_rng(SEED)
    tiles = [(random.random((size, size // 8, 8)) < rate).any(axis=2) for _ in range(TILES)]
    cells = []
    for networks in NETWORKS:
        found = [shared(flags[None], batch, networks) for flags in tiles]
        requests, conflicts, cycles = (
            sum(getattr(each, name) for each in found) for name in ("requests", "conflicts", "cycles")
        )
        lost = sum(each.waits for each in found) / cycles
        cells.append(f"{conflicts / max(1, requests):.1%}, {lost:.1%}")
    return f"| {size} | {rate:.1%} | {batch} | " + " | ".join(cells) + " |"


def main() -> None:
    """Write the table."""
    head = "| columns | outliers | vectors | " + " | ".join(
        f"{count} network{'s' * (count > 1)}" for count in NETWORKS
    )
    lines = [head + " |", "| --- " * (3 + len(NETWORKS)) + "|"]
    lines += [row(size, rate, batch) for size in SIZES for rate in RATES for batch in (1, 2, 8, 64)]
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
