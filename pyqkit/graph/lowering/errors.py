"""What lowering says when it cannot go on: every node, the reason and a remedy, all at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyqkit.errors import UserError

_LISTED = 50  # problems that a message names; `ConversionError.problems` holds all


@dataclass(frozen=True)
class Problem:
    """One node that has no operator.

    Attributes
    ----------
    node : str
        Its name and type.
    reason, remedy : str
    cause : Exception or None
        What nobody foresaw, for who looks for a bug.
    """

    node: str
    reason: str
    remedy: str
    cause: Exception | None = None

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}; {self.remedy}"


class ConversionError(UserError):
    """Nodes that cannot be lowered; `problems` holds one entry a node."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} node{'s' if len(problems) > 1 else ''}"
        lines, said = [], set[str]()
        for problem in problems[:_LISTED]:
            lines.append(f"  {replace(problem, remedy='see above') if problem.remedy in said else problem}")
            said.add(problem.remedy)
        if len(problems) > _LISTED:
            lines.append(f"  and {len(problems) - _LISTED} more")
        super().__init__(
            f"only nodes that lower to the accelerator were expected, but {count} cannot:", *lines
        )


class Unlowerable(Exception):
    """Raised by a node's rule; the importer turns it into a `Problem` and goes on with the other nodes."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy
