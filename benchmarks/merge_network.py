"""How often rows of elements wait for networks that merge halves of outliers (modelled, step by step).

    python benchmarks/merge_network.py

Writes the table of ``docs/microscopiq.md``: outliers are drawn at random, each weight by itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyqkit.array.contention import Contention, shared

PAGE = Path(__file__).parent.parent / "docs" / "microscopiq.md"
BEGIN, END = "<!-- conflicts: written by benchmarks/merge_network.py -->\n", "<!-- end of conflicts -->"
SIZES, NETWORKS, RATES = (8, 16, 32, 64), (1, 2, 4, 8), (0.005, 0.01, 0.02, 0.05)
TILES, SEED = 8, 0


def tiles(size: int, rate: float) -> list[np.ndarray]:
    """Which micro-blocks of some square tiles have outliers, bool, (rows, columns / 8)."""
    random = np.random.default_rng(SEED)
    return [(random.random((size, size // 8, 8)) < rate).any(axis=2) for _ in range(TILES)]


def cell(size: int, rate: float, batch: int, networks: int) -> Contention:
    """Of all these tiles, one by one."""
    return sum((shared(flags[None], batch, networks) for flags in tiles(size, rate)), Contention())


def row(size: int, rate: float, batch: int) -> str:
    """Conflicts and lost cycles of square arrays with each number of networks, means of some tiles."""
    found = (cell(size, rate, batch, networks) for networks in NETWORKS)
    cells = (f"{each.rate:.1%}, {each.lost:.1%}" for each in found)
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
