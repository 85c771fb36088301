"""Parameters of the blocks in ``rtl/array``, all derived from the machine."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.array.families import of
from pyqkit.array.machine import SLOT_BITS, Machine, Mode
from pyqkit.formats.logposit import linear_table
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import literal

FRACTION = 6  # bits of a logarithm behind the point, in tables
WHOLE = 5  # and before it
SIGNIFICAND = 8  # bits of an entry of the log-to-linear table
DIGIT_SUM = 12  # bits of what four products of digits amount to
SCALED = 9  # cycles from a step of POST to its scaled sum
CODED = 27  # and to its code


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

    @classmethod
    def of(cls, machine: Machine) -> Columns:
        """The narrowest that hold every mode's lanes: products, their sign, and a sum of all rows."""
        growth = 1 + (machine.rows - 1).bit_length()
        if machine.family == "integer":
            return cls(1, DIGIT_SUM - 1 + growth)
        segments = max(lanes(machine, mode.weight_bits) for mode in machine.modes)
        needed = [
            -(
                -(mode.product_bits + growth)
                // min(segments // lanes(machine, mode.weight_bits), max(1, segments // 2))
            )
            for mode in machine.modes
        ]
        return cls(segments, max(needed))


def lanes(machine: Machine, weight_bits: int) -> int:
    """Outputs of a column in a mode."""
    return 1 if machine.family == "integer" else SLOT_BITS // weight_bits


def matrix_parameters(machine: Machine) -> Parameters:
    """Of ``pqk_array_matrix``."""
    columns = Columns.of(machine)
    found: Parameters = {
        "FAMILY": f'"{machine.family}"',
        "ROWS": machine.rows,
        "COLUMNS": machine.columns,
        "SEGMENTS": columns.segments,
        "SEGMENT": columns.segment,
        "TABLES": machine.operand_tables,
    }
    return found | (_logarithms(machine) if machine.family == "lp" else {"MODE": 19, "ENTRY": 6})


def _logarithms(machine: Machine) -> Parameters:
    weight_bits = max(mode.weight_bits for mode in machine.modes)
    activation_bits = of(machine).activation_bits(machine)
    widths = {mode.weight_bits: mode.product_bits for mode in machine.modes}
    # The finest logarithm of a format of n bits has n - 2 fraction bits.
    fraction = max(1, activation_bits - 2, weight_bits - 2)
    second = min(fraction, 2)
    return {
        "MODE": 2,
        "ENTRY": WHOLE + fraction + 2,
        "LOG": WHOLE + fraction,
        "FRACTION": fraction,
        "LOG_1": WHOLE + second if min(widths) < SLOT_BITS else 0,
        "FRACTION_1": second,
        "SIGNIFICANDS": literal(linear_table(fraction), SIGNIFICAND),
        "W": max(widths.values()),
        "W_1": widths.get(4, SIGNIFICAND),
        "WEIGHT_BITS": weight_bits,
        "ACTIVATION_BITS": activation_bits,
    }


@dataclass(frozen=True)
class Digits:
    """Which digits four products of an element of family `integer` multiply, and what they are worth.

    Attributes
    ----------
    weights, activations : tuple of int
        Digit of the slot that each product takes.
    inner, outer : int
        Products 1 and 3 count ``4**inner`` times, then 2 and 3 ``4**outer`` times.
    """

    weights: tuple[int, int, int, int]
    activations: tuple[int, int, int, int]
    inner: int
    outer: int

    @property
    def bits(self) -> int:
        """As the port ``mode`` of ``pqk_array_matrix`` takes them."""
        chosen = (*self.activations, *self.weights)
        return sum(digit << 2 * i for i, digit in enumerate(chosen)) | self.inner << 16 | self.outer << 17


# By bits of weights and of activations. Codes of 8 bits are multiplied by nibbles, but for weights of 2 bits.
DIGITS = {
    (2, 2): Digits((0, 1, 2, 3), (0, 1, 2, 3), 0, 0),
    (4, 2): Digits((0, 1, 2, 3), (0, 0, 1, 1), 1, 0),
    (2, 4): Digits((0, 0, 1, 1), (0, 1, 2, 3), 1, 0),
    (4, 4): Digits((0, 1, 0, 1), (0, 0, 1, 1), 1, 1),
    (2, 8): Digits((0, 0, 0, 0), (0, 1, 2, 3), 1, 2),
}


def mode_bits(machine: Machine, mode: Mode) -> int:
    """As the port ``mode`` of ``pqk_array_matrix`` takes it."""
    if machine.family == "integer":
        return DIGITS[mode.weight_bits, mode.activation_bits].bits
    return {2: 0b01, 4: 0b10, 8: 0b00}[mode.weight_bits]


def post_bits(machine: Machine, mode: Mode) -> int:
    """Whether accumulators hold lanes of quarters, of halves, in bits 0 and 1."""
    return mode_bits(machine, mode) if machine.family == "lp" else 0


def accumulator_lane(machine: Machine) -> int:
    """Bits of a segment's lane in accumulators."""
    columns = Columns.of(machine)
    if columns.segments <= 2:
        return max(mode.lane_bits for mode in machine.modes)
    return max(mode.lane_bits - (0 if mode.weight_bits == 2 else columns.segment) for mode in machine.modes)


def planes(machine: Machine) -> int:
    """Parts of a slot of activations that are written separately."""
    return 1 if machine.family == "lp" else 4


def entry_bits(machine: Machine) -> tuple[int, int]:
    """Lowest and highest bit of an entry that the edges of the matrix take."""
    if machine.family == "integer":
        return 0, 5
    return FRACTION - int(matrix_parameters(machine)["FRACTION"]), WHOLE + FRACTION + 1
