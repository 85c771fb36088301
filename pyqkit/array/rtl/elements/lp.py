"""Elements of family `lp`: logarithms are added, and their sums leave the logarithmic domain."""

from __future__ import annotations

from pyqkit.array.families import of as family
from pyqkit.array.machine import SLOT_BITS, Machine, Mode
from pyqkit.array.rtl.elements.base import Columns, Elements, Inside, elements, growth, sizes, with_tables
from pyqkit.array.rtl.parameters import FRACTION, SIGNIFICAND, WHOLE
from pyqkit.array.rtl.writer import Writer
from pyqkit.formats.logposit import linear_table
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import literal


class LogElements(Elements):
    """`pqk_array_lp_element` and its edges."""

    quarters = "matrix_mode[0]"

    def columns(self, machine: Machine) -> Columns:
        segments = max(lanes(mode) for mode in machine.modes)
        needed = [
            -(-(mode.product_bits + growth(machine)) // min(segments // lanes(mode), max(1, segments // 2)))
            for mode in machine.modes
        ]
        return Columns(segments, max(needed))

    def parameters(self, machine: Machine) -> Parameters:
        weight_bits = max(mode.weight_bits for mode in machine.modes)
        activation_bits = family(machine).activation_bits(machine)
        widths = {mode.weight_bits: mode.product_bits for mode in machine.modes}
        # The finest logarithm of a format of n bits has n - 2 fraction bits.
        fraction = max(1, activation_bits - 2, weight_bits - 2)
        second = min(fraction, 2)
        return sizes(machine, self.columns(machine)) | {
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

    def mode_bits(self, mode: Mode) -> int:
        return {2: 0b01, 4: 0b10, 8: 0b00}[mode.weight_bits]

    def post_bits(self, mode: Mode) -> int:
        return self.mode_bits(mode)

    def accumulator_lane(self, machine: Machine) -> int:
        columns = self.columns(machine)
        if columns.segments <= 2:
            return super().accumulator_lane(machine)
        above = [0 if mode.weight_bits == 2 else columns.segment for mode in machine.modes]
        return max(mode.lane_bits - bits for mode, bits in zip(machine.modes, above))

    def matrix(self, out: Writer) -> None:
        given = self.parameters(out.machine)
        with_tables(out, given, (FRACTION - int(given["FRACTION"]), WHOLE + FRACTION + 1))

    def inside(self, machine: Machine) -> tuple[Inside, ...]:
        given = self.parameters(machine)
        names = ["LOG", "FRACTION", "LOG_1", "FRACTION_1", "SIGNIFICANDS", "W", "W_1", "SEGMENTS", "SEGMENT"]
        row = {"LOG": given["LOG"], "TABLES": given["TABLES"], "BITS": given["ACTIVATION_BITS"]}
        column = {name: given[name] for name in ("LOG", "LOG_1", "SEGMENTS", "TABLES")}
        return (
            Inside("lp_element", {name: given[name] for name in names}, machine.rows * machine.columns),
            Inside("lp_activation", row, machine.rows),
            Inside("lp_weight", column | {"BITS": given["WEIGHT_BITS"]}, machine.columns),
        )


def lanes(mode: Mode) -> int:
    """Outputs of a column in a mode."""
    return SLOT_BITS // mode.weight_bits


elements.register("lp")(LogElements())
