"""Text of a top module: declarations first, then what connects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyqkit.array import isa
from pyqkit.array.machine import Machine
from pyqkit.rtl.emitter import instance

CLOCKED = {"clock": "clock", "reset": "reset"}


@dataclass
class Writer:
    """What is written of a machine.

    Attributes
    ----------
    machine : Machine
    wires, body : list of str
        Declarations, and the rest.
    """

    machine: Machine
    wires: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def declare(self, **widths: int) -> None:
        """Wires of so many bits."""
        for name, bits in widths.items():
            self.wires.append(f"  wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{name};\n")

    def write(self, *lines: str) -> None:
        """Statements."""
        self.body += [f"  {line}\n" for line in lines]

    def block(
        self, module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]
    ) -> None:
        """An instance of a block of ``rtl/array``."""
        self.body.append(instance(f"array_{module}", name, parameters, ports))

    def delay(
        self, name: str, given: str, taken: Mapping[str, int], stages: int, enable: str = "1'b1"
    ) -> None:
        """New wires, by width, that are what is given some cycles with `enable` later."""
        self.declare(**taken)
        parameters = {"WIDTH": sum(taken.values()), "STAGES": stages}
        ports = {"clock": "clock", "enable": enable, "d": f"{{{given}}}", "q": f"{{{', '.join(taken)}}}"}
        self.body.append(instance("delay", name, parameters, ports))

    def choose(self, name: str, index: str, values: Sequence[int], bits: int) -> None:
        """A new wire with the value of an index."""
        table = sum(value << i * bits for i, value in enumerate(values))
        size = bits * len(values)
        self.declare(**{name: bits})
        self.write(
            f"localparam bit [{size - 1}:0] {name.upper()} = {size}'h{table:x};",
            f"assign {name} = {name.upper()}[{index}*{bits}+:{bits}];",
        )

    def bits(self, kind: type[isa.Instruction], name: str) -> int:
        """Width of a field."""
        return next(place.bits for place in isa.layout(self.machine, kind) if place.name == name)

    def field(self, kind: type[isa.Instruction], name: str) -> str:
        """A field of the instruction that is there."""
        return self.fields(kind, name)[name]

    def fields(self, kind: type[isa.Instruction], names: str = "") -> dict[str, str]:
        """Ports that take fields: those that are named, or all that only this kind of instruction has."""
        places = isa.layout(self.machine, kind)
        common = [entry.name for entry in isa.layout(self.machine, isa.End)]
        chosen = names.split() or [place.name for place in places if place.name not in common]
        return {
            place.name: f"instruction[{place.low}+:{place.bits}]" for place in places if place.name in chosen
        }

    def register(self, name: str, ports: Mapping[str, str]) -> None:
        """A bit that is kept while it is not enabled."""
        self.body.append(instance("delay", f"{name}_kept", {"WIDTH": 1, "STAGES": 1}, ports))

    def queue(self, name: str, width: int, depth: int, ports: Mapping[str, str]) -> None:
        """A FIFO."""
        self.body.append(instance("fifo", name, {"WIDTH": width, "DEPTH": depth}, ports))
