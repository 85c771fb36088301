"""Writes the hardware handoff (.hwh) of an emulated overlay, as PYNQ reads it."""

from __future__ import annotations

from xml.etree import ElementTree

from pyqkit.overlay.hwh import Block, Design, Interface, divisors


def write(design: Design) -> str:
    """The .hwh of a design, as PYNQ reads it."""
    root = ElementTree.Element(
        "EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="none: written by pyqkit for its emulated board"
    )
    device, speed = design.part.removeprefix("xc").partition("-")[::2]
    ElementTree.SubElement(
        root, "SYSTEMINFO", ARCH=design.family, DEVICE=device, NAME=design.name, SPEEDGRADE=f"-{speed}"
    )
    ElementTree.SubElement(root, "EXTERNALPORTS")
    ElementTree.SubElement(root, "EXTERNALINTERFACES")
    modules = ElementTree.SubElement(root, "MODULES")
    _module(modules, _processing_system(design), design.blocks)
    for block in design.blocks:
        _module(modules, block, ())
    ElementTree.indent(root, " ")
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n{ElementTree.tostring(root, "unicode")}\n'
    )


def _processing_system(design: Design) -> Block:
    first, second, _ = divisors(design.family, design.clock_mhz)
    mpsoc = design.family == "zynq-mpsoc"
    parameters: dict[str, object] = {}
    for clock in range(4):
        on = int(clock == 0)
        mhz, factors = (design.clock_mhz, (first, second)) if on else (10.0, (10, 10))
        if mpsoc:
            prefix = f"PSU__CRL_APB__PL{clock}_REF_CTRL__"
            found: dict[str, object] = {
                f"PSU__FPGA_PL{clock}_ENABLE": on,
                f"{prefix}ACT_FREQMHZ": f"{mhz:.6f}",
                f"{prefix}SRCSEL": "IOPLL",
            }
            found |= {f"{prefix}DIVISOR{i}": d for i, d in enumerate(factors)}
        else:
            found = {
                f"PCW_FPGA_FCLK{clock}_ENABLE": on,
                f"PCW_ACT_FPGA{clock}_PERIPHERAL_FREQMHZ": f"{mhz:.6f}",
            }
            found |= {f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC": "IO PLL"}
            found |= {f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR{i}": d for i, d in enumerate(factors)}
        parameters |= found
    name = "zynq_ultra_ps_e" if mpsoc else "processing_system7"
    control = Interface("M_AXI_HPM0_FPD" if mpsoc else "M_AXI_GP0", "aximm", True, "control")
    vlnv = f"xilinx.com:ip:{name}:{'3.5' if mpsoc else '5.5'}"
    return Block(f"{name}_0", vlnv, {key: str(value) for key, value in parameters.items()}, (control,))


def _module(modules: ElementTree.Element, block: Block, reached: tuple[Block, ...]) -> None:
    kind = block.vlnv.split(":")[2]
    # IS_PL tells pynqmetadata before 0.2 which block is the processing system.
    module = ElementTree.SubElement(
        modules, "MODULE", FULLNAME=f"/{block.name}", INSTANCE=block.name, MODTYPE=kind, VLNV=block.vlnv
    )
    if reached:
        module.set("IS_PL", "FALSE")
    if block.registers:
        blocks = ElementTree.SubElement(module, "ADDRESSBLOCKS")
        control = next(i.name for i in block.interfaces if i.kind == "aximm")
        inside = ElementTree.SubElement(
            ElementTree.SubElement(blocks, "ADDRESSBLOCK", INTERFACE=control, NAME="Reg", USAGE="register"),
            "REGISTERS",
        )
        for name, offset in block.registers.items():
            register = ElementTree.SubElement(inside, "REGISTER", NAME=name)
            _properties(
                register, ADDRESS_OFFSET=hex(offset), SIZE="32", ACCESS="read-write", IS_ENABLED="true"
            )
            if name in block.fields:
                fields = ElementTree.SubElement(register, "FIELDS")
                for bits in block.fields[name]:
                    inner = ElementTree.SubElement(fields, "FIELD", NAME=bits.name)
                    _properties(
                        inner, BIT_OFFSET=str(bits.first), BIT_WIDTH=str(bits.bits), ACCESS=bits.access
                    )
    parameters = ElementTree.SubElement(module, "PARAMETERS")
    for name, value in block.parameters.items():
        ElementTree.SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
    ElementTree.SubElement(module, "PORTS")
    buses = ElementTree.SubElement(module, "BUSINTERFACES")
    for end in block.interfaces:
        roles = ("INITIATOR", "TARGET") if end.kind == "axis" else ("MASTER", "SLAVE")
        vlnv = f"xilinx.com:interface:{end.kind}:1.0"
        ElementTree.SubElement(
            buses, "BUSINTERFACE", BUSNAME=end.bus, NAME=end.name, TYPE=roles[not end.drives], VLNV=vlnv
        )
    if reached:
        _memory_map(module, block, reached)


def _properties(parent: ElementTree.Element, **values: str) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, "PROPERTY", NAME=name, VALUE=value)


def _memory_map(module: ElementTree.Element, system: Block, reached: tuple[Block, ...]) -> None:
    memory = ElementTree.SubElement(module, "MEMORYMAP")
    for block in reached:
        if block.address is None or block.size is None:
            continue
        control = next(i.name for i in block.interfaces if i.kind == "aximm")
        ElementTree.SubElement(
            memory,
            "MEMRANGE",
            ADDRESSBLOCK="Reg",
            BASEVALUE=f"0x{block.address:08X}",
            HIGHVALUE=f"0x{block.address + block.size - 1:08X}",
            INSTANCE=block.name,
            MASTERBUSINTERFACE=system.interfaces[0].name,
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=control,
        )
