"""Elements of family `integer`: four products of digits, weighed by two choices of the mode."""

from __future__ import annotations

from pyqkit.array.machine import Machine, Mode
from pyqkit.array.rtl.elements.base import Columns, Elements, Inside, elements, growth, sizes, with_tables
from pyqkit.array.rtl.parameters import DIGITS
from pyqkit.array.rtl.writer import Writer
from pyqkit.rtl.emitter import Parameters

DIGIT_SUM = 12  # bits of what four products of digits amount to


class DigitElements(Elements):
    """`pqk_array_integer_element` and its edges."""

    shifted = True

    def columns(self, machine: Machine) -> Columns:
        return Columns(1, DIGIT_SUM - 1 + growth(machine))

    def parameters(self, machine: Machine) -> Parameters:
        return sizes(machine, self.columns(machine)) | {"MODE": 19, "ENTRY": 6}

    def mode_bits(self, mode: Mode) -> int:
        return DIGITS[mode.weight_bits, mode.activation_bits].bits

    def matrix(self, out: Writer) -> None:
        with_tables(out, self.parameters(out.machine), (0, 5))

    def inside(self, machine: Machine) -> tuple[Inside, ...]:
        edges = Inside("integer_digits", {"TABLES": machine.operand_tables}, machine.rows + machine.columns)
        width = {"SUM": self.columns(machine).bits}
        return Inside("integer_element", width, machine.rows * machine.columns), edges


elements.register("integer")(DigitElements())
