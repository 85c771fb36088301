"""The blocks of a machine one by one, so that they can be synthesised and timed alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyqkit.array.machine import Machine
from pyqkit.array.rtl import sources, written
from pyqkit.array.rtl.parameters import matrix_parameters
from pyqkit.array.rtl.writer import Writer
from pyqkit.rtl.emitter import PREFIX
from pyqkit.rtl.synthesis import Circuit


@dataclass(frozen=True)
class Block:
    """A block with its parameters.

    Attributes
    ----------
    module : str
        Of ``rtl/array``, without its prefix.
    parameters : tuple of (str, str)
    """

    module: str
    parameters: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, module: str, parameters: Mapping[str, int | str]) -> Block:
        """A block of these parameters."""
        return cls(module, tuple(sorted((name, str(value)) for name, value in parameters.items())))

    def circuit(self) -> Circuit:
        """The block as a module without parameters: its defaults are those of this block.

        Raises
        ------
        ValueError
            If it has no such parameter.
        """
        text = sources()[f"{PREFIX}array_{self.module}.sv"]
        for name, value in self.parameters:
            place = re.compile(rf"^(\s*parameter [^=\n]*\b{name} = )(.*?)(,?)(\s*//.*)?$", re.MULTILINE)
            text, count = place.subn(rf"\g<1>{value}\g<3>", text, count=1)
            if count != 1:
                raise ValueError(f"a parameter {name} was expected in {self.module}, but it has none")
        name = f"alone_{self.module}"
        return Circuit(
            name, text.replace(f"module {PREFIX}array_{self.module} ", f"module {name} "), dsp=True
        )


class _Counting(Writer):
    """Counts blocks instead of connecting them."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.found = Counter[Block]()

    def block(
        self, module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]
    ) -> None:
        self.found[Block.of(module, parameters)] += 1


def blocks(machine: Machine) -> Counter[Block]:
    """All blocks of a machine, and how many there are of each; elements and edges stand for the matrix.

    What the top module has between them, a multiplexer and a few registers, is not among them.
    """
    out = _Counting(machine)
    written(out)
    found = Counter({block: count for block, count in out.found.items() if block.module != "matrix"})
    return found + _matrix(machine)


def _matrix(machine: Machine) -> Counter[Block]:
    """What a matrix consists of."""
    given = matrix_parameters(machine)
    rows, columns = machine.rows, machine.columns
    if machine.family == "integer":
        width = int(given["SEGMENTS"]) * int(given["SEGMENT"])
        element = Block.of("integer_element", {"SUM": width})
        return Counter(
            {element: rows * columns, Block.of("integer_digits", {"TABLES": given["TABLES"]}): rows + columns}
        )
    names = ["LOG", "FRACTION", "LOG_1", "FRACTION_1", "SIGNIFICANDS", "W", "W_1", "SEGMENTS", "SEGMENT"]
    row = {"LOG": given["LOG"], "TABLES": given["TABLES"], "BITS": given["ACTIVATION_BITS"]}
    column = {name: given[name] for name in ("LOG", "LOG_1", "SEGMENTS", "TABLES")} | {
        "BITS": given["WEIGHT_BITS"]
    }
    return Counter(
        {
            Block.of("lp_element", {name: given[name] for name in names}): rows * columns,
            Block.of("lp_activation", row): rows,
            Block.of("lp_weight", column): columns,
        }
    )
