"""Elements of family `microscopiq`: halves of outliers are merged as weights are loaded."""

from __future__ import annotations

from pyqkit.array.families import of as family
from pyqkit.array.machine import Machine, Mode
from pyqkit.array.rtl.elements.base import Columns, Elements, Inside, elements, growth
from pyqkit.array.rtl.writer import Writer
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.rtl.emitter import Parameters

PRODUCT = 19  # bits of what an element adds to a lane


class BlockElements(Elements):
    """`pqk_array_block_element`; sums count a word's power of two at the feet of columns."""

    items = "block_items"
    unread = ("run_activation_table", "run_weight_table", "table_write", "table_choice")

    def columns(self, machine: Machine) -> Columns:
        return Columns(2, max(mode.product_bits for mode in machine.modes) + growth(machine))

    def parameters(self, machine: Machine) -> Parameters:
        return {"ROWS": machine.rows, "COLUMNS": machine.columns, "MODE": 1, "LANE": lane(machine)}

    def mode_bits(self, mode: Mode) -> int:
        return int(mode.weight_bits == 2)

    def post_bits(self, mode: Mode) -> int:
        return 2 * self.mode_bits(mode)

    def matrix(self, out: Writer) -> None:
        machine, columns, before = out.machine, self.columns(out.machine), 2 * lane(out.machine)
        out.declare(sums_before=machine.columns * before)
        # A register between the memory and the crossbars: both are long.
        arrived = {"write": 1, "write_row": (machine.rows - 1).bit_length(), "swap": 1}
        arrived |= {"codes": 8 * machine.rows, "slots": family(machine).weight_bits(machine)}
        given = f"weight_write, {', '.join(list(arrived)[1:])}"
        out.delay("at_edges", given, {f"edge_{name}": bits for name, bits in arrived.items()}, 1)
        ports = {"clock": "clock", "mode": "matrix_mode", "sums": "sums_before"}
        ports |= {name: f"edge_{name}" for name in arrived}
        out.block("block_matrix", "matrix", self.parameters(machine), ports)
        sizes: Parameters = {"LANE": lane(machine), "SEGMENT": columns.segment}
        sizes |= {"SHIFT": family(machine).shift_bits}
        ports = {"clock": "clock", "narrow": "matrix_mode", "exponent": "exponent_at_foot"}
        for c in range(machine.columns):
            own = {"sums": f"sums_before[{c * before}+:{before}]"}
            own |= {"raised": f"column_sums[{c * columns.bits}+:{columns.bits}]"}
            out.block("raise", f"raise_{c}", sizes, ports | own)

    def inside(self, machine: Machine) -> tuple[Inside, ...]:
        count, groups = machine.rows * machine.columns, machine.columns // MICRO
        return (
            Inside("block_element", {"LANE": lane(machine), "BEHIND": 1}, count),
            Inside("block_merge", {"BITS": 4}, groups),
            Inside("block_merge", {"BITS": 2}, 2 * groups),
        )


def lane(machine: Machine) -> int:
    """Bits of a lane of elements: of a sum of a column of two lanes, or half of one of both."""
    most = 2 ** family(machine).shift_bits - 1  # what a word's power of two adds comes later
    widths = {mode.weight_bits: mode.product_bits - most + growth(machine) for mode in machine.modes}
    return max(widths.get(2, 0), -(-widths.get(4, 0) // 2), PRODUCT)


elements.register("microscopiq")(BlockElements())
