"""What every family of elements says of its SystemVerilog."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pyqkit.array.families import check_built
from pyqkit.array.isa import Table
from pyqkit.array.machine import Machine, Mode
from pyqkit.array.rtl.writer import Writer
from pyqkit.discovery import Registry
from pyqkit.rtl.emitter import Parameters

elements = Registry["Elements"]("pyqkit.array.rtl.elements")


@dataclass(frozen=True)
class Columns:
    """Sums of a column of elements.

    Attributes
    ----------
    segments : int
        Parts of a sum, each of which can be a lane of its own.
    segment : int
        Bits of each.
    """

    segments: int
    segment: int

    @property
    def bits(self) -> int:
        """Of a sum."""
        return self.segments * self.segment


@dataclass(frozen=True)
class Inside:
    """Blocks of which a matrix consists.

    Attributes
    ----------
    module : str
        Of ``rtl/array``, without its prefix.
    parameters : mapping of str to int or str
    count : int
    """

    module: str
    parameters: Mapping[str, int | str]
    count: int


class Elements(ABC):
    """Elements of a family; has no state.

    Attributes
    ----------
    shifted : bool
        Sums of a run may count 16 or 256 times.
    quarters : str
        Tells accumulators that every segment is a lane.
    items : str
        The block that keeps weights.
    unread : tuple of str
        Wires of the machine that these elements do not look at.
    """

    shifted: ClassVar[bool] = False
    quarters: ClassVar[str] = "1'b0"
    items: ClassVar[str] = "items"
    unread: ClassVar[tuple[str, ...]] = ()

    def waits(self, machine: Machine) -> bool:
        """Whether rows of elements may have to wait, and all that comes to them."""
        return False

    def step(self, machine: Machine) -> str:
        """When what comes to the elements goes on."""
        return "steps" if self.waits(machine) else "1'b1"

    @abstractmethod
    def columns(self, machine: Machine) -> Columns:
        """Sums of a column, as accumulators add them."""

    @abstractmethod
    def parameters(self, machine: Machine) -> Parameters:
        """Of the matrix, ``MODE`` among them."""

    @abstractmethod
    def mode_bits(self, mode: Mode) -> int:
        """As the port ``mode`` of the matrix takes it."""

    @abstractmethod
    def inside(self, machine: Machine) -> tuple[Inside, ...]:
        """What a matrix consists of."""

    def post_bits(self, mode: Mode) -> int:
        """Whether accumulators hold lanes of quarters, of halves, in bits 0 and 1."""
        return 0

    def accumulator_lane(self, machine: Machine) -> int:
        """Bits of a segment's lane in accumulators."""
        return max(mode.lane_bits for mode in machine.modes)

    @abstractmethod
    def matrix(self, out: Writer) -> None:
        """Write what makes ``column_sums`` of ``codes`` and ``slots``."""


def with_tables(out: Writer, parameters: Parameters, entry: tuple[int, int]) -> None:
    """The matrix whose edges decode codes by tables, of whose entries they take these bits."""
    low, high = entry
    ports = {
        "clock": "clock",
        "mode": "matrix_mode",
        "weight_high": "run_weight_high",
        "activation_high": "run_activation_high",
        "weight_table": "run_weight_table",
        "activation_table": "run_activation_table",
        "table_write": f"table_write[{Table.ACTIVATIONS:d}] || table_write[{Table.WEIGHTS:d}]",
        "table_of_weights": f"table_write[{Table.WEIGHTS:d}]",
        "table_choice": "table_choice",
        "table_index": "table_index",
        "table_entry": f"table_entry[{high}:{low}]",
        "write": "weight_write",
        "sums": "column_sums",
    }
    same = ("write_row", "slots", "swap", "codes")
    out.block("matrix", "matrix", parameters, ports | {name: name for name in same})


def sizes(machine: Machine, columns: Columns) -> Parameters:
    """Parameters of every matrix with tables."""
    return {
        "FAMILY": f'"{machine.family}"',
        "ROWS": machine.rows,
        "COLUMNS": machine.columns,
        "SEGMENTS": columns.segments,
        "SEGMENT": columns.segment,
        "TABLES": machine.operand_tables,
    }


def growth(machine: Machine) -> int:
    """Bits of a sum of all rows over the magnitude of a product."""
    return 1 + (machine.rows - 1).bit_length()


def of(machine: Machine) -> Elements:
    """Elements of a machine.

    Raises
    ------
    UserError
        If there are none of its family.
    """
    check_built(machine, "rtl")
    found = elements.get(machine.family)
    assert found is not None  # its family says that it is built
    return found
