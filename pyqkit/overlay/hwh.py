"""Hardware handoff files (.hwh): what a block design holds, and the file from which PYNQ learns it.

Vivado writes this file for a real overlay, `pyqkit.overlay.write_hwh` for an emulated one; both are read
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from pyqkit import untrusted
from pyqkit.errors import UserError, brief

DMA_VLNV = "xilinx.com:ip:axi_dma:7.1"
ACCELERATOR_VLNV = "pyqkit.io:hls:network:1.0"
# Instances, here and in the real block design; DMAs are numbered as outputs are.
DMA, ACCELERATOR = ("axi_dma_", "accelerator_0")
# Bytes of a handoff file; that of an accelerator alone has 0.5 MB, those of base overlays a few.
MAX_FILE = 16 * 2**20
MOST_OUTPUTS = 15  # a SmartConnect joins 16 masters: the way in, and every way out
LENGTH_BITS = 26  # of the DMA's length register: the most that the IP has
_PLLS = {"zynq-7000": 1000.0, "zynq-mpsoc": 1500.0}  # MHz of the IO PLL that drives the PL clock
FAMILIES = tuple(_PLLS)
_DMA_ADDRESS = {"zynq-7000": 0x4040_0000, "zynq-mpsoc": 0xA000_0000}
_DMA_BYTES = 0x1_0000
_WIDTHS = {"zynq-7000": 64, "zynq-mpsoc": 128}  # bits of a port into DDR


@dataclass(frozen=True)
class Interface:
    """A bus interface of a block: an AXI4-Stream (`axis`) or memory-mapped (`aximm`) end.

    Attributes
    ----------
    name : str
    kind : {"axis", "aximm"}
    drives : bool
        Whether this end is the master of the bus.
    bus : str
        The net; the two ends of a bus have the same.
    """

    name: str
    kind: str
    drives: bool
    bus: str


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    Attributes
    ----------
    name : str
    first, bits : int
        The lowest bit, and how many there are.
    access : {"read-write", "read-only"}
    """

    name: str
    first: int
    bits: int = 1
    access: str = "read-write"


@dataclass(frozen=True)
class Block:
    """An instance in a block design.

    Attributes
    ----------
    name, vlnv : str
    parameters : dict of str to str
    interfaces : tuple of Interface
    address, size : int or None
        Where its registers are, as the processor sees them.
    registers : dict of str to int
        Names with byte offsets, for PYNQ's `register_map`.
    fields : dict of str to tuple of Field
        Of registers that have them, by register.
    """

    name: str
    vlnv: str
    parameters: dict[str, str] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] = ()
    address: int | None = None
    size: int | None = None
    registers: dict[str, int] = field(default_factory=dict)
    fields: dict[str, tuple[Field, ...]] = field(default_factory=dict)

    def stream(self, name: str) -> Interface | None:
        """The stream end called `name`, if there is one."""
        return next((i for i in self.interfaces if i.kind == "axis" and i.name == name), None)

    def number(self, parameter: str, default: int, least: int = 0, most: int = 1) -> int:
        """A parameter that is a whole number, a flag unless told otherwise.

        Raises
        ------
        UserError
            If it is something else, or out of range.
        """
        value = self.parameters.get(parameter, str(default))
        if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
            raise UserError(
                f"a number from {least} to {most} was expected for {parameter} of {self.name}, but "
                f"{brief(value)} came; copy the handoff again"
            )
        return int(value)

    def rate(self, parameter: str) -> float:
        """A parameter that is a rate in MHz; raises UserError if it is none."""
        try:
            value = float(self.parameters[parameter])
        except ValueError:
            value = 0.0
        if not 0 < value < 10_000:
            raise UserError(
                f"a rate in MHz was expected for {parameter} of {self.name}, but "
                f"{brief(self.parameters[parameter])} came; copy the handoff again"
            )
        return value


@dataclass(frozen=True)
class Design:
    """A block design around one processing system.

    Attributes
    ----------
    name : str
    part : str
        As Vivado spells it, xc7z020clg400-1.
    family : {"zynq-7000", "zynq-mpsoc"}
    clock_mhz : float
        Of PL clock 0, which drives every block.
    blocks : tuple of Block
        Without the processing system.
    """

    name: str
    part: str
    family: str
    clock_mhz: float
    blocks: tuple[Block, ...]


def accelerator_design(
    name: str, part: str, family: str, clock_mhz: float, input_bytes: int, output_bytes: Sequence[int]
) -> Design:
    """The block design of an accelerator: one AXI DMA an output, and the network between their streams.

    The DMAs run in direct mode. The first one sends the input too; the others only receive.

    Parameters
    ----------
    clock_mhz : float
        Wished for; the design has the fastest clock below it that the PLL can give.
    input_bytes : int
        Bytes of a beat of the input.
    output_bytes : sequence of int
        The same of every output.
    """
    dmas = [
        _dma(family, index, {"s2mm": size} | ({} if index else {"mm2s": input_bytes}))
        for index, size in enumerate(output_bytes)
    ]
    ends = [Interface("in_0", "axis", False, f"{dmas[0].name}_M_AXIS_MM2S")]
    ends += [
        Interface(f"out_{index}", "axis", True, f"{ACCELERATOR}_out_{index}") for index in range(len(dmas))
    ]
    network = Block(ACCELERATOR, ACCELERATOR_VLNV, {}, tuple(ends))
    return Design(name, part, family, reachable(family, clock_mhz), (*dmas, network))


def _dma(family: str, index: int, beats: dict[str, int]) -> Block:
    """The DMA of an output; `beats` says which channels it has, and the bytes of a beat on their streams."""
    width, name = _WIDTHS[family], f"{DMA}{index}"
    parameters: dict[str, int] = {
        "c_include_sg": 0,
        "c_sg_length_width": LENGTH_BITS,
        "c_micro_dma": 0,
        "c_addr_width": 64 if width == 128 else 32,
    }
    ends = [Interface("S_AXI_LITE", "aximm", False, "control")]
    registers: dict[str, int] = {}
    fields: dict[str, tuple[Field, ...]] = {}
    channels = (
        ("mm2s", "m_axis_mm2s", f"{name}_M_AXIS_MM2S", 0x00),
        ("s2mm", "s_axis_s2mm", f"{ACCELERATOR}_out_{index}", 0x30),
    )
    for side, stream, bus, base in channels:
        parameters[f"c_include_{side}"] = int(side in beats)
        if side not in beats:
            continue
        bits = 8 * beats[side]
        parameters[f"c_include_{side}_dre"] = 0
        parameters[f"c_m_axi_{side}_data_width"] = max(width, bits)
        parameters[f"c_{stream}_tdata_width"] = bits
        ends.append(Interface(stream.upper(), "axis", side == "mm2s", bus))
        for register, offset, inside in _dma_registers(side.upper()):
            full = f"{side.upper()}_{register}"
            registers[full], fields[full] = base + offset, inside
    place = _DMA_ADDRESS[family] + index * _DMA_BYTES
    words = {key: str(value) for key, value in parameters.items()}
    return Block(name, DMA_VLNV, words, tuple(ends), place, _DMA_BYTES, registers, fields)


# Of the AXI DMA, from AMD's product guide PG021, with the names that PYNQ shows for overlays of Vivado's.
_DMACR = (
    *(Field(name, bit) for name, bit in (("RS", 0), ("Reset", 2), ("Keyhole", 3), ("Cyclic_BD_Enable", 4))),
    *(Field(name, bit) for name, bit in (("IOC_IrqEn", 12), ("Dly_IrqEn", 13), ("Err_IrqEn", 14))),
    Field("IRQThreshold", 16, 8),
    Field("IRQDelay", 24, 8),
)
_STATES = (("Halted", 0), ("Idle", 1), ("SGIncld", 3), ("DMAIntErr", 4), ("DMASlvErr", 5), ("DMADecErr", 6))
_DMASR = (
    *(
        Field(name, bit, access="read-only")
        for name, bit in (*_STATES, ("SGIntErr", 8), ("SGSlvErr", 9), ("SGDecErr", 10))
    ),
    *(Field(name, bit) for name, bit in (("IOC_Irq", 12), ("Dly_Irq", 13), ("Err_Irq", 14))),
    Field("IRQThresholdSts", 16, 8, "read-only"),
    Field("IRQDelaySts", 24, 8, "read-only"),
)


def _dma_registers(side: str) -> list[tuple[str, int, tuple[Field, ...]]]:
    address, long = ("SA", "Source_Address") if side == "MM2S" else ("DA", "Destination_Address")
    whole = (Field(long, 0, 32),)
    length = (Field("Length", 0, LENGTH_BITS),)
    return [
        ("DMACR", 0x00, _DMACR),
        ("DMASR", 0x04, _DMASR),
        (address, 0x18, whole),
        (f"{address}_MSB", 0x1C, whole),
        ("LENGTH", 0x28, length),
    ]


def longest_transfer(design: Sequence[Block]) -> int:
    """Bytes that every DMA of a design moves in one transfer, by the widths of their length registers."""
    widths = [
        block.number("c_sg_length_width", 14, 8, LENGTH_BITS) for block in design if block.vlnv == DMA_VLNV
    ]
    return (1 << min(widths, default=LENGTH_BITS)) - 1


def reachable(family: str, clock_mhz: float) -> float:
    """Fastest PL clock in MHz that is not above `clock_mhz`: the IO PLL over the product of two divisors."""
    return _PLLS[family] / divisors(family, clock_mhz)[2]


def divisors(family: str, clock_mhz: float) -> tuple[int, int, int]:
    """Two divisors of the IO PLL and their product, the fastest that is not above `clock_mhz`."""
    pairs = ((a, b, a * b) for a in range(1, 64) for b in range(1, a + 1))
    wanted = _PLLS[family] / clock_mhz * (1 - 1e-9)
    return min((p for p in pairs if p[2] >= wanted), key=lambda p: (p[2], p[0]))


# ---- reading -----------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[Block, ...]:
    """Blocks of a .hwh file, the processing system among them.

    Raises
    ------
    UserError
        If the file cannot be read as a hardware handoff.
    """
    try:
        root = _root(untrusted.text(path, MAX_FILE))
        places = {}
        for entry in root.iter("MEMRANGE"):
            if entry.get("MEMTYPE") == "REGISTER":
                low, high = int(entry.attrib["BASEVALUE"], 16), int(entry.attrib["HIGHVALUE"], 16)
                if not 0 <= low <= high < 2**64:
                    raise ValueError(f"registers from {low:x} to {high:x}"[:100])
                places[entry.attrib["INSTANCE"]] = low, high - low + 1
        return tuple(
            _block(module, *places.get(module.attrib["INSTANCE"], (None, None)))
            for module in root.iter("MODULE")
        )
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(
            f"a hardware handoff file was expected at {path}, but it cannot be read ({error}); copy "
            "it again from where it was built"
        ) from error


def _root(content: str) -> ElementTree.Element:
    """The document, without definitions.

    Entities grow without a limit or name files, and Vivado writes none.
    """
    if "<!DOCTYPE" in content:
        raise ValueError("it defines entities of its own")
    return ElementTree.fromstring(content)


def _block(module: ElementTree.Element, address: int | None, size: int | None) -> Block:
    interfaces = [
        Interface(
            bus.attrib["NAME"],
            bus.attrib["VLNV"].split(":")[2],
            bus.attrib["TYPE"] in ("MASTER", "INITIATOR"),
            bus.attrib["BUSNAME"],
        )
        for bus in module.iter("BUSINTERFACE")
    ]
    # The two spellings that Vivado writes (C_INCLUDE_SG, c_include_sg) carry one value.
    parameters = {p.attrib["NAME"].lower(): p.get("VALUE", "") for p in module.iter("PARAMETER")}
    return Block(
        module.attrib["INSTANCE"], module.get("VLNV", ""), parameters, tuple(interfaces), address, size
    )
