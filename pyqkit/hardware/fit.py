"""Whether a design fits its board; where it does not, of what it takes too much, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.boards import Board
from pyqkit.errors import UserError
from pyqkit.hardware.resources import Resources

# What decides: the lower figure of LUTs, so that nothing is refused that a tool might fit. UltraRAM does not
# count, for it cannot be initialised, and the memories of a design hold weights and tables, or are short.
_DECISIVE = {
    "LUT": ("lut", "lut_low"),
    "FF": ("ff", "ff"),
    "BRAM": ("bram36", "bram36"),
    "DSP": ("dsp", "dsp"),
}


@dataclass(frozen=True)
class Overflow:
    """A resource of which a design takes more than its board has.

    Attributes
    ----------
    resource : {"LUT", "FF", "BRAM", "DSP"}
        BRAM in blocks of 36 kbit.
    takes : float
        At least (LUTs: the lower figure), estimated.
    has : int
    """

    resource: str
    takes: float
    has: int

    def __str__(self) -> str:
        share = f" ({100 * self.takes / self.has:.0f} %)" if self.has else ""
        return f"{self.takes:,g} of {self.has:,} {self.resource}{share}"


def overflows(found: Resources, board: Board) -> list[Overflow]:
    """What a design takes too much of; empty if it may fit."""
    rounded = found.rounded()
    sides = {
        resource: (rounded[figure], board.resources[name]) for resource, (name, figure) in _DECISIVE.items()
    }
    return [Overflow(resource, takes, has) for resource, (takes, has) in sides.items() if takes > has]


def sentence(over: list[Overflow], board: Board) -> str:
    """That a design does not fit, with all its figures."""
    return f"the design does not fit {board.name}: it takes {', '.join(map(str, over))} (estimated)"


def check(found: Resources, board: Board) -> None:
    """Refuse a design that does not fit.

    Raises
    ------
    UserError
    """
    over = overflows(found, board)
    if over:
        raise UserError(
            f"a design that fits its board was expected, but {sentence(over, board)}; take a larger "
            "board, fewer bits or less parallelism, "
            "or pass --allow-overflow (in Python allow_overflow=True) to emulate it all the same"
        )
