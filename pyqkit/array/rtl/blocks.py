"""The blocks of a machine one by one, so that they can be synthesised and timed alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyqkit.array.machine import Machine
from pyqkit.array.rtl import sources, written
from pyqkit.array.rtl.elements import of as elements
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
    inside = elements(machine).inside(machine)
    found = Counter({block: n for block, n in out.found.items() if not block.module.endswith("matrix")})
    return found + Counter({Block.of(part.module, part.parameters): part.count for part in inside})
