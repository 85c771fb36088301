"""Which operator reads and which writes a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyqkit.graph.graph import Operator


class Links:
    """Names of operators, and who reads and writes each tensor: thousands of layers are walked once.

    Operators that were appended are taken in when somebody asks; another list is read anew.
    """

    def __init__(self) -> None:
        self._start([])

    def _start(self, operators: list[Operator]) -> None:
        self._operators, self._count = operators, 0
        self.names: set[str] = set()
        self.readers: dict[str, list[Operator]] = {}
        self.writers: dict[str, Operator] = {}

    def of(self, operators: list[Operator]) -> Links:
        """The links between `operators`."""
        if operators is not self._operators or len(operators) < self._count:
            self._start(operators)
        for op in operators[self._count :]:
            self.names.add(op.name)
            for name in dict.fromkeys(op.inputs):
                self.readers.setdefault(name, []).append(op)
            for name in op.outputs:
                self.writers.setdefault(name, op)
        self._count = len(operators)
        return self
