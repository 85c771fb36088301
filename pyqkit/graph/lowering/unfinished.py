"""What waits for the operator that it belongs to, in the place of a function of whole pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyqkit.formats import NumberFormat
    from pyqkit.graph.graph import Tensor
    from pyqkit.graph.lowering.errors import Unlowerable
    from pyqkit.graph.lowering.functions import Fractions
    from pyqkit.graph.lowering.session import Lowering


class Unfinished(ABC):
    """A piece that some operator takes up: a statistic of a norm, a mask of a softmax."""

    def emit(
        self,
        lowering: Lowering,
        tensor: str,
        gain: Fractions,
        offset: Fractions,
        fmt: NumberFormat,
        name: str,
    ) -> Tensor:
        """No operator of its own: see `RowFunction.emit`."""
        raise self.alone()

    @abstractmethod
    def alone(self) -> Unlowerable:
        """What is said where something else reads it."""
