"""Machines: what an array consists of. Everything else about an array is derived from this description.

Instruction fields, memory items, C++ template arguments, SystemVerilog parameters, cycles and checks of
programs take their numbers from here, so that machines differ by their description alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from pyqkit.digest import digest
from pyqkit.discovery import Registry
from pyqkit.errors import UserError, brief
from pyqkit.formats.reading import DAMAGE, check, describe, text, whole
from pyqkit.names import is_identifier

SLOT_BITS = 8  # of an activation or of the weights that one element holds
TABLE_BITS = 64  # of an item of the table memory
STREAM_BITS = (64, 128)
MOST_SIDE, MOST_ITEMS = 64, 2**20  # rows or columns; items of a memory
MOST_LANE, MOST_SCALED = 48, 64  # bits of a sum, and of a sum times a multiplier
MOST_PARAMETERS = 96  # bits of multiplier and offset
MERGES = "load", "crossbar", "butterfly"
MOST_NETWORKS = 8


class Memory(IntEnum):
    """Memories that a LOAD fills; the number is the instruction's."""

    PROGRAM = 0
    TABLES = 1
    PARAMETERS = 2
    WEIGHTS = 3
    ACTIVATIONS = 4


@dataclass(frozen=True)
class Mode:
    """One way to use the bits of a slot.

    Attributes
    ----------
    weight_bits, activation_bits : int
        Of a code: 2, 4 or 8.
    product_bits : int
        Of the magnitude of a product.
    lane_bits : int
        Of a sum, signed.
    """

    weight_bits: int
    activation_bits: int
    product_bits: int
    lane_bits: int

    @property
    def name(self) -> str:
        """As reports spell it: ``W4A8``."""
        return f"W{self.weight_bits}A{self.activation_bits}"


@dataclass(frozen=True)
class Machine:
    """An array of processing elements with its memories.

    Attributes
    ----------
    name : str
    family : str
        What an element multiplies: a module of `pyqkit.array.families`.
    rows, columns : int
        Of elements. An activation word has a slot for each row; at most as many columns as rows.
    modes : tuple of Mode
    activation_words : int
        Of `rows` slots.
    weight_words : int
        Of `columns` slots; a tile of weights takes `rows` words.
    accumulators : int
        Sums of each lane of a column, in each of two banks.
    parameter_words : int
        Of a multiplier and an offset for each column.
    table_words : int
        Of `TABLE_BITS` bits.
    program_words : int
        Instructions.
    multiplier_bits, offset_bits : int
        Signed, of a column's parameters; `offset_bits` is the width of a scaled sum and of a boundary, too.
    post_cycles : int
        That a post-processor takes for a sum.
    stream_bits : int
        Of a word of both streams; a scaled sum is one word.
    operand_tables : int
        Of codes of activations, and as many of weights, that are there at a time.
    clock_mhz : float
    merge : str
        Where halves of outliers are merged, of families whose weights have such: when weights are loaded
        (``load``), in a crossbar behind each eight elements of a row (``crossbar``), or in butterflies that
        all rows share (``butterfly``). Programs are the same.
    networks : int
        Such butterflies: rows that are served at a time.
    """

    name: str
    family: str
    rows: int
    columns: int
    modes: tuple[Mode, ...]
    activation_words: int
    weight_words: int
    accumulators: int
    parameter_words: int
    table_words: int
    program_words: int
    multiplier_bits: int = 32
    offset_bits: int = 64
    post_cycles: int = 4
    stream_bits: int = 64
    operand_tables: int = 4
    clock_mhz: float = 100.0
    merge: str = MERGES[0]
    networks: int = 1

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise UserError(
                f"a machine that can be built was expected, but {brief(self.name)} has {error}; correct its "
                "description"
            ) from None

    def _check(self) -> None:
        check(is_identifier(self.name) and is_identifier(self.family), "names that are no identifiers")
        check(
            1 <= self.columns <= self.rows <= MOST_SIDE,
            f"{self.rows} rows and {self.columns} columns, not at most {MOST_SIDE} rows and as many columns",
        )
        check(0 < len(self.modes) == len(set(self.modes)), "no modes, or one twice")
        for mode in self.modes:
            sound = {mode.weight_bits, mode.activation_bits} <= {2, 4, 8}
            sound = sound and 1 <= mode.product_bits < mode.lane_bits <= MOST_LANE
            check(sound, f"the mode {mode}")
        for memory in Memory:
            items = self.items(memory)
            check(1 < items <= MOST_ITEMS, f"{items} items of {memory.name}, not 2 to {MOST_ITEMS}")
        check(1 < self.accumulators <= MOST_ITEMS, f"{self.accumulators} accumulators")
        check(self.stream_bits in STREAM_BITS, f"a stream of {self.stream_bits} bits, not of {STREAM_BITS}")
        both = self.multiplier_bits + self.offset_bits
        sound = self.multiplier_bits >= 2 and MOST_LANE <= self.offset_bits <= MOST_SCALED
        check(sound and both <= MOST_PARAMETERS, f"parameters of {both} bits, not of {MOST_PARAMETERS}")
        check(1 <= self.post_cycles <= 64, f"{self.post_cycles} cycles for a sum")
        check(1 <= self.operand_tables <= 16, f"{self.operand_tables} tables of codes")
        check(0 < self.clock_mhz <= 1000, f"a clock of {self.clock_mhz} MHz")
        check(self.merge in MERGES, f"halves merged at {brief(self.merge)}, not {', '.join(MERGES)}")
        most = MOST_NETWORKS if self.merge == "butterfly" else 1
        check(1 <= self.networks <= most, f"{self.networks} networks, not 1 to {most}")

    def items(self, memory: Memory) -> int:
        """How many items a memory holds."""
        return {
            Memory.PROGRAM: self.program_words,
            Memory.TABLES: self.table_words,
            Memory.PARAMETERS: self.parameter_words,
            Memory.WEIGHTS: self.weight_words,
            Memory.ACTIVATIONS: self.activation_words,
        }[memory]

    @property
    def parameter_bits(self) -> int:
        """Bits of the parameters of a column."""
        return self.multiplier_bits + self.offset_bits

    def mode(self, weight_bits: int, activation_bits: int) -> int | None:
        """Number of the mode for codes of so many bits, None without one."""
        pairs = [(mode.weight_bits, mode.activation_bits) for mode in self.modes]
        return (
            pairs.index((weight_bits, activation_bits)) if (weight_bits, activation_bits) in pairs else None
        )

    @property
    def digest(self) -> str:
        """Of all that a program depends on: 16 hexadecimal digits."""
        beside = "name", "clock_mhz", "merge", "networks"
        data = {key: value for key, value in self.to_json().items() if key not in beside}
        return digest(json.dumps(data, sort_keys=True).encode())[:16]

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        data = asdict(self)
        data["modes"] = [asdict(mode) for mode in self.modes]
        return data

    @classmethod
    def from_json(cls, data: Any) -> Machine:
        """Read what `to_json` wrote.

        Raises
        ------
        UserError
            For anything else.
        """
        try:
            fields = dict(data)
            fields["modes"] = tuple(_mode(entry) for entry in fields["modes"])
            for key, value in fields.items():
                if key in ("name", "family", "merge"):
                    text(value)
                elif key == "clock_mhz":
                    check(type(value) in (int, float), f"{key} is no number")
                elif key != "modes":
                    whole(value, 1)
            return cls(**fields)
        except UserError:
            raise
        except DAMAGE as error:
            raise UserError(
                f"the description of a machine was expected, but it has {describe(error)}; compile the "
                "network again"
            ) from None


def _mode(entry: Any) -> Mode:
    return Mode(**{key: whole(value, 1) for key, value in dict(entry).items()})


# Sums as wide as the lanes of a column's accumulator allow: four of 33 bits, two of 40, or one of 48. Of
# products the mode of 8 bits, which takes what is too wide for the others, holds all that such a sum does.
_LP = (Mode(2, 8, 24, 33), Mode(4, 8, 32, 40), Mode(8, 8, 47, 48))
# What four multipliers of 2 bits make; codes of 8 bits are multiplied nibble by nibble, in several runs.
_INTEGER = (
    Mode(2, 2, 6, 32),
    Mode(4, 2, 8, 32),
    Mode(2, 4, 8, 32),
    Mode(4, 4, 8, 32),
    Mode(2, 8, 10, 32),
)

# Any two Logarithmic Posits of 4 bits, without the table of 8 bits and its wider sums.
_LP4 = (Mode(4, 4, 34, 40),)
MODES = {"lp": (_LP4, _LP), "integer": (_INTEGER,)}  # of a family, sets of them, the smaller one first

_MACHINES = (
    Machine("lpa8x8", "lp", 8, 8, _LP, 8192, 16384, 512, 512, 8192, 1024),
    Machine("lpa4x4", "lp", 4, 4, _LP, 8192, 16384, 128, 1024, 8192, 4096),
    Machine("int8x8", "integer", 8, 8, _INTEGER, 8192, 16384, 512, 512, 8192, 1024),
    Machine("int16x16", "integer", 16, 16, _INTEGER, 4096, 8192, 512, 512, 8192, 1024),
)


machines = Registry["Machine"]("pyqkit.array.families")  # those that families bring along
for _machine in _MACHINES:
    machines.register(_machine.name)(_machine)


def names() -> tuple[str, ...]:
    """Machines that come with pyqkit."""
    return machines.names()


def named(name: str) -> Machine:
    """A machine that comes with pyqkit.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    found = machines.get(name)
    if found is not None:
        return found
    raise UserError(
        f"an array out of {', '.join(names())} was expected, but {brief(name)} came; choose one of them"
    )
