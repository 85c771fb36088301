"""Elements of family `microscopiq`: halves of outliers are merged before, behind or beside them."""

from __future__ import annotations

from pyqkit.array.families import of as family
from pyqkit.array.machine import Machine, Mode
from pyqkit.array.rtl.elements.base import Columns, Elements, Inside, elements, growth
from pyqkit.array.rtl.writer import Writer
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.rtl.emitter import Parameters

PRODUCT = 19  # bits of what an element adds to a lane


class BlockElements(Elements):
    """Those that `Machine.merge` asks for; sums count a word's power of two at the feet of columns."""

    items = "block_items"
    unread = ("run_activation_table", "run_weight_table", "table_write", "table_choice")

    def waits(self, machine: Machine) -> bool:
        """Rows that share networks go on when all of them have what they asked for."""
        return machine.merge == "butterfly"

    def columns(self, machine: Machine) -> Columns:
        return Columns(2, max(mode.product_bits for mode in machine.modes) + growth(machine))

    def parameters(self, machine: Machine) -> Parameters:
        own: Parameters = {"CROSSBARS": int(machine.merge == "crossbar")}
        if machine.merge == "butterfly":
            own = {"NETWORKS": machine.networks}
        return {"ROWS": machine.rows, "COLUMNS": machine.columns, "MODE": 1, "LANE": lane(machine)} | own

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
        step = self.step(machine)
        out.delay("at_edges", given, {f"edge_{name}": bits for name, bits in arrived.items()}, 1, step)
        ports = {"clock": "clock", "mode": "matrix_mode", "sums": "sums_before"}
        ports |= {name: f"edge_{name}" for name in arrived}
        if self.waits(machine):
            out.declare(steps=1)
            out.delay("vectors_come", "position_valid", {"edge_valid": 1}, 2, step)
            ports |= {"steps": "steps", "valid": "edge_valid"}
        out.block(_matrix(machine), "matrix", self.parameters(machine), ports)
        sizes: Parameters = {"LANE": lane(machine), "SEGMENT": columns.segment}
        sizes |= {"SHIFT": family(machine).shift_bits}
        ports = {"clock": "clock", "narrow": "matrix_mode", "exponent": "exponent_at_foot"}
        for c in range(machine.columns):
            own = {"sums": f"sums_before[{c * before}+:{before}]"}
            own |= {"raised": f"column_sums[{c * columns.bits}+:{columns.bits}]"}
            out.block("raise", f"raise_{c}", sizes, ports | own)

    def inside(self, machine: Machine) -> tuple[Inside, ...]:
        rows, count, groups = machine.rows, machine.rows * machine.columns, machine.columns // MICRO
        sums: Parameters = {"LANE": lane(machine)}
        if machine.merge == "load":
            return (
                Inside("block_element", sums | {"BEHIND": 1}, count),
                Inside("block_merge", {"BITS": 4}, groups),
                Inside("block_merge", {"BITS": 2}, 2 * groups),
            )
        apart = Inside("slot_element", {}, count), Inside("block_marked", {}, groups)
        if machine.merge == "crossbar":
            return (*apart, Inside("block_crossbar", sums, rows * groups))
        networks: Parameters = {"NETWORKS": machine.networks}
        return (
            *apart,
            Inside("block_terms", sums | networks, rows * groups),
            Inside("block_network", {"ROWS": rows} | networks, groups),
        )


def _matrix(machine: Machine) -> str:
    return "block_shared_matrix" if machine.merge == "butterfly" else "block_matrix"


def lane(machine: Machine) -> int:
    """Bits of a lane of elements: of a sum of a column of two lanes, or half of one of both."""
    most = 2 ** family(machine).shift_bits - 1  # what a word's power of two adds comes later
    widths = {mode.weight_bits: mode.product_bits - most + growth(machine) for mode in machine.modes}
    return max(widths.get(2, 0), -(-widths.get(4, 0) // 2), PRODUCT)


elements.register("microscopiq")(BlockElements())
