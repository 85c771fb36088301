"""A design as a network of its blocks' mapped netlists: what is simulated to count how often nets toggle.

Every block is a module of its own, in which net 17 of Yosys's netlist is the wire ``n17``; everything else is
called otherwise. Nothing has a delay here: a net changes at most once a cycle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pyqkit.errors import UserError
from pyqkit.rtl.circuits import BlockCircuit, circuits_of, sources
from pyqkit.rtl.generate import Design, network_text
from pyqkit.rtl.nets import wired
from pyqkit.rtl.synthesis import Netlist, cells_library, mapped

_NET = "n{}"
_MODEL = Path(__file__).with_name("block_ram.v")
_BLOCK_RAMS = {"RAMB18E1": 2048, "RAMB36E1": 4096}  # bytes
_BLOCK_RAM_PORTS = {
    "clock_a": "CLKARDCLK", "clock_b": "CLKBWRCLK", "enable_a": "ENARDEN", "enable_b": "ENBWREN",
    "write_a": "WEA", "write_b": "WEBWE",
}  # fmt: skip
# What Verilator says of the library's models.
_QUIET = (
    "WIDTH", "CASEINCOMPLETE", "UNOPTFLAT", "INITIALDLY", "COMBDLY", "MULTIDRIVEN", "PINMISSING", "ASCRANGE",
    "IMPLICIT", "SELRANGE", "BLKSEQ", "UNSIGNED", "CMPCONST",
)  # fmt: skip


def netlists(
    design: Design, cache: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> list[tuple[BlockCircuit, Netlist]]:
    """Every block of a design, with the netlist that it is mapped to.

    Parameters
    ----------
    design : Design
    cache : Path, optional
        As for `pyqkit.rtl.synthesis.mapped`.
    progress : callable, optional
        Called with how many different circuits are done, and how many there are.
    """
    alone = circuits_of(design)
    different = len({one.circuit.text for one in alone})

    def done(count: int) -> None:
        if progress is not None:
            progress(count, different)

    found = mapped([one.circuit for one in alone], sources(), lambda made: made, cache=cache, progress=done)
    return list(zip(alone, found, strict=True))


def gate_level(design: Design, blocks: Sequence[tuple[BlockCircuit, Netlist]]) -> Design:
    """The same design with netlists in the place of its blocks; its FIFOs cannot be stalled.

    An instance is called as its block.
    """
    made = {one.block.name: (one, netlist) for one, netlist in blocks}
    texts = {name: _instance(one) for name, (one, _) in made.items()}
    body = [replace(block, text=texts[block.name]) for block in design.blocks]
    kinds = {cell["type"] for _, netlist in blocks for cell in netlist["cells"].values()}
    modules = [module(module_name(one), netlist) for one, netlist in blocks]
    ends = {f"out_{index}" for index in range(len(design.outputs))}
    streams = [out for block in body for out in block.outputs if out.name not in ends]
    text = network_text(design.network, design.inputs, design.outputs, streams, body)
    lint_off = "".join(f"/* verilator lint_off {name} */\n" for name in _QUIET)
    files = {
        f"{design.network}.sv": f"{lint_off}{models(kinds)}/*verilator tracing_on*/\n{''.join(modules)}{text}"
    }
    return replace(design, files=files)


def module_name(one: BlockCircuit) -> str:
    """Of a block's netlist."""
    return f"gates_{one.block.name}"


def _instance(one: BlockCircuit) -> str:
    wires = {"clock": "clock", "reset": "reset"} | one.ports
    ports = ", ".join(f".{port}({wire})" for port, wire in wires.items())
    return f"  {module_name(one)} {one.block.name} ({ports});\n"


def models(kinds: Iterable[str]) -> str:
    """Verilog of cells, their timing left out; none of their signals is traced."""
    wanted = set(kinds)
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", cells_library().read_text(), flags=re.DOTALL)
    found = re.findall(r"^module\s+(\w+)\b(.*?)^endmodule", text, flags=re.DOTALL | re.MULTILINE)
    cells = [f"module {name}{body}endmodule\n" for name, body in found if name in wanted - _BLOCK_RAMS.keys()]
    memory = [_MODEL.read_text()] if wanted & _BLOCK_RAMS.keys() else []
    return "".join(["/*verilator tracing_off*/\n", *cells, *memory])


# ---- one netlist -------------------------------------------------------------------------------------------


def module(name: str, netlist: Netlist) -> str:
    """Verilog of a flat netlist in Yosys's JSON form."""
    ports, wires, body = [], {}, []
    for port, entry in netlist["ports"].items():
        bits, enters = entry["bits"], entry["direction"] == "input"
        ports.append(f"{'input' if enters else 'output'} wire [{len(bits) - 1}:0] {port}")
        side = (_joined(bits), port) if enters else (port, _joined(bits))
        body.append("  assign {} = {};\n".format(*side))
        wires.update(dict.fromkeys(wired(bits)))
    for index, cell in enumerate(netlist["cells"].values()):
        for bits in cell["connections"].values():
            wires.update(dict.fromkeys(wired(bits)))
        body.append(_cell(f"c{index}", cell))
    declared = "".join(f"  wire {_NET.format(net)};\n" for net in wires)
    return f"module {name} (\n    {f',{chr(10)}    '.join(ports)}\n);\n{declared}{''.join(body)}endmodule\n"


def _bit(bit: int | str) -> str:
    """A net or a constant; what may be anything is 0."""
    return _NET.format(bit) if isinstance(bit, int) else f"1'b{int(bit == '1')}"


def _joined(bits: Sequence[int | str]) -> str:
    return f"{{{', '.join(_bit(bit) for bit in reversed(bits))}}}"


def _cell(name: str, cell: Mapping) -> str:
    kind, pins, parameters = cell["type"], cell["connections"], cell["parameters"]
    if re.match(r"LUT\d", kind):
        inputs = [pins[f"I{i}"][0] for i in range(int(kind[3]))]
        return f"  assign {_joined(pins['O'])} = 1'({_value(parameters['INIT'])} >> {_joined(inputs)});\n"
    if kind == "INV":
        return f"  assign {_joined(pins['O'])} = ~{_joined(pins['I'])};\n"
    if kind in _BLOCK_RAMS:
        return _block_ram(name, _BLOCK_RAMS[kind], cell)
    settings = {key: _value(value) for key, value in parameters.items()}
    return _instance_of(kind, name, settings, {pin: _joined(bits) for pin, bits in pins.items() if bits})


def _value(value: str) -> str:
    """A parameter: a number in binary, whose open bits are 0, or a word."""
    if re.fullmatch(r"[01xz]+", value):
        return f"{len(value)}'b{re.sub('[xz]', '0', value)}"
    return f'"{value.rstrip()}"'


def _block_ram(name: str, size: int, cell: Mapping) -> str:
    """An instance of `block_ram`: data of each port with their parity, a byte and its bit after the other."""
    pins, parameters = cell["connections"], cell["parameters"]
    _check_block_ram(pins, parameters)
    given_a, given_b, taken_a, taken_b = (
        _bytes(pins, f"D{way}{port}D{way}", f"D{way}P{port}D{way}P") for way in "IO" for port in "AB"
    )
    if parameters.get("RAM_MODE") == "SDP":  # A reads and B writes words as wide as both together
        given_a, given_b, taken_a, taken_b = ["0"], given_a + given_b, taken_a + taken_b, []
    settings = {"BYTES": str(size), "INIT": _contents(parameters, size)}
    for way in ("READ", "WRITE"):
        settings |= {f"{way}_{port}": _value(parameters[f"{way}_WIDTH_{port}"]) for port in "AB"}
    wires = {port: _joined(pins[pin]) for port, pin in _BLOCK_RAM_PORTS.items()}
    # The highest bit of an address of a RAMB36E1 is for cascades alone.
    wires |= {"address_a": _joined(pins["ADDRARDADDR"][:15]), "address_b": _joined(pins["ADDRBWRADDR"][:15])}
    wires |= {"in_a": _joined(given_a), "in_b": _joined(given_b)}
    made = {"out_a": taken_a, "out_b": taken_b}
    wires |= {port: f"{name}_{port}" for port in made}
    before = "".join(f"  wire [71:0] {name}_{port};\n" for port in made)
    behind = "".join(
        f"  assign {_bit(net)} = {name}_{port}[{index}];\n"
        for port, bits in made.items()
        for index, net in enumerate(bits)
        if isinstance(net, int)
    )
    return f"{before}{_instance_of('block_ram', name, settings, wires)}{behind}"


def _instance_of(module: str, name: str, settings: Mapping[str, str], wires: Mapping[str, str]) -> str:
    values, ports = (", ".join(f".{key}({value})" for key, value in of.items()) for of in (settings, wires))
    return f"  {module} #({values}) {name} ({ports});\n"


def _check_block_ram(pins: Mapping, parameters: Mapping) -> None:
    """Refuse what the model of a block RAM has not: output registers, resets, cascades."""
    held = any("1" in parameters.get(f"DO{port}_REG", "0") for port in "AB")
    resets = any(bit not in ("0", "x") for pin in ("RSTRAMARSTRAM", "RSTRAMB") for bit in pins[pin])
    extended = any(parameters.get(f"RAM_EXTENSION_{port}", "NONE").strip() != "NONE" for port in "AB")
    if held or resets or extended:
        raise UserError(
            "block RAMs without output registers, resets and cascades were expected in a netlist, but one "
            "has some; extend pyqkit/rtl/block_ram.v"
        )


def _bytes(pins: Mapping, data: str, parity: str) -> list[int | str]:
    """Bits of a port, each byte's parity above it."""
    bits, extra = pins.get(data, []), pins.get(parity, [])
    return [bit for lane, above in enumerate(extra) for bit in (*bits[8 * lane : 8 * lane + 8], above)]


def _contents(parameters: Mapping, size: int) -> str:
    """What a block RAM begins with: bytes with their parity bits, in binary."""

    def bits(prefix: str, count: int) -> str:
        rows = [parameters.get(f"{prefix}_{row:02X}", "").zfill(256) for row in range(count // 256)]
        return re.sub("[xz]", "0", "".join(row[::-1] for row in rows))

    data, parity = bits("INIT", 8 * size), bits("INITP", size)
    lanes = [data[8 * i : 8 * i + 8] + parity[i] for i in range(size)]
    return f"{9 * size}'b{''.join(lanes)[::-1]}"
