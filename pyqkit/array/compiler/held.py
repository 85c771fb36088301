"""Which tables of codes a machine has at a time, and which one makes room for the next."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = -1  # used, or filled


@dataclass
class _Held:
    """A table that is there: its items, and the index of the last RUN that takes it."""

    address: int = NEVER
    used: int = NEVER


class Held:
    """Tables of codes of one side, `choices` of them at a time."""

    def __init__(self, choices: int) -> None:
        self._tables = [_Held() for _ in range(choices)]

    def choice(self, address: int) -> int | None:
        """Where a table is, if it is there."""
        return next((i for i, table in enumerate(self._tables) if table.address == address), None)

    @property
    def latest(self) -> int:
        """The one used last."""
        return max(range(len(self._tables)), key=lambda i: self._tables[i].used)

    def replaced(self, address: int) -> tuple[int, int]:
        """Put a table in the place of the one whose last use is the longest ago: which, and that use."""
        oldest = min(range(len(self._tables)), key=lambda i: self._tables[i].used)
        table = self._tables[oldest]
        table.address = address
        return oldest, table.used

    def use(self, choice: int, index: int) -> None:
        """A RUN takes a table."""
        self._tables[choice].used = index

    def moved(self, at: int) -> None:
        """An instruction was put in at an index."""
        for table in self._tables:
            table.used += table.used >= at
