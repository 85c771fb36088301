"""Hardware handoff files.

What is written is what is read, and what PYNQ's own parser finds; files of Vivado are read too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqkit.errors import UserError
from pyqkit.overlay import hwh, write_hwh

PARTS = {"zynq-7000": "xc7z020clg400-1", "zynq-mpsoc": "xczu7ev-ffvc1156-2-e"}


def design(family: str = "zynq-mpsoc", clock_mhz: float = 187.5) -> hwh.Design:
    return hwh.accelerator_design("net", PARTS[family], family, clock_mhz, 2, [4])


@pytest.mark.parametrize("family", PARTS)
def test_what_is_written_is_read(tmp_path: Path, family: str) -> None:
    (tmp_path / "net.hwh").write_text(write_hwh.write(design(family)))
    system, dma, network = hwh.read(tmp_path / "net.hwh")
    wanted = {block.name: block for block in design(family).blocks}
    assert system.name in ("zynq_ultra_ps_e_0", "processing_system7_0")
    for found in (dma, network):
        own = wanted[found.name]
        assert (found.vlnv, found.parameters, found.interfaces) == (own.vlnv, own.parameters, own.interfaces)
        assert (found.address, found.size) == (own.address, own.size)
    assert [block.name for block in (dma, network)] == ["axi_dma_0", "accelerator_0"]
    assert (
        dma.stream("M_AXIS_MM2S").bus
        == network.stream("in_0").bus
        != network.stream("out_0").bus
        == dma.stream("S_AXIS_S2MM").bus
    )
    assert (
        dma.stream("M_AXIS_MM2S").drives
        and not network.stream("in_0").drives
        and dma.stream("S_AXI_LITE") is None
    )
    assert (dma.parameters["c_sg_length_width"], dma.parameters["c_include_sg"]) == ("26", "0")
    assert (dma.parameters["c_m_axis_mm2s_tdata_width"], dma.parameters["c_s_axis_s2mm_tdata_width"]) == (
        "16",
        "32",
    )


@pytest.mark.parametrize("family", PARTS)
def test_clocks_are_never_above_what_was_asked_for(family: str) -> None:
    pll = {"zynq-7000": 1000, "zynq-mpsoc": 1500}[family]
    for asked in (10, 33.3, 99.9, 100, 150, 187.5, 199, 200, 214, 300, 375):
        found = hwh.reachable(family, asked)
        assert found <= asked * (1 + 1e-9)
        assert all(
            pll / (a * b) > asked or pll / (a * b) <= found for a in range(1, 64) for b in range(1, 64)
        )
    assert hwh.reachable("zynq-mpsoc", 200) == 187.5, "the nearest rate would be 214.3"


@pytest.mark.parametrize("family", PARTS)
def test_pynq_finds_addresses_registers_and_clocks(tmp_path: Path, family: str) -> None:
    pytest.importorskip("pynqmetadata", reason="PYNQ is not installed")
    from pyqkit.board_emulation.pynq_device import _parser

    (tmp_path / "net.hwh").write_text(write_hwh.write(design(family, 125)))
    parser = _parser(tmp_path / "net.hwh")
    dma = parser.ip_dict["axi_dma_0"]
    own = design(family).blocks[0]
    assert (dma["phys_addr"], dma["addr_range"], dma["type"]) == (own.address, own.size, own.vlnv)
    assert {name: r["address_offset"] for name, r in dma["registers"].items()} == own.registers
    clock = parser.clock_dict[0]
    assert clock["enable"] == 1 and clock["frequency"] == 125
    assert clock["divisor0"] * clock["divisor1"] == {"zynq-7000": 8, "zynq-mpsoc": 12}[family]
    assert not any(parser.clock_dict[i]["enable"] for i in (1, 2, 3))


@pytest.mark.parametrize("content", [None, "", "<EDKSYSTEM>", "<A><MODULE/></A>"])
def test_files_that_are_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "net.hwh").write_text(content)
    with pytest.raises(
        UserError, match=r"a hardware handoff file was expected at .*net\.hwh, but it cannot be read"
    ):
        hwh.read(tmp_path / "net.hwh")


def test_files_of_vivado_are_read() -> None:
    package = pytest.importorskip("pynqmetadata", reason="PYNQ is not installed")
    path = Path(package.__file__).parent / "tests" / "hwhs" / "resizer.hwh"
    if not path.is_file():
        pytest.skip("this pynqmetadata has no example files")
    blocks = {block.name: block for block in hwh.read(path)}
    assert (blocks["axi_dma_0"].vlnv, blocks["axi_dma_0"].address, blocks["axi_dma_0"].size) == (
        hwh.DMA_VLNV,
        0x4040_0000,
        0x1_0000,
    )
    assert (
        blocks["axi_dma_0"].stream("S_AXIS_S2MM").bus
        == blocks["axis_dwidth_converter_1"].stream("M_AXIS").bus
    )


LAUGHS = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no element found"),
        (f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]><x>&a9;</x>'.encode(), "it defines entities of its own"),
        (
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
            "it defines entities of its own",
        ),
        ("<x/>".encode("utf-16"), "codec can't decode"),
        (b"<x>&a;</x>", "undefined entity"),
        (b"<x>\0</x>", "not well-formed"),
        (b"<x><MODULE/></x>", "INSTANCE"),
        (
            b'<x><MODULE INSTANCE="a"><BUSINTERFACE NAME="b" VLNV="c"/></MODULE></x>',
            "list index out of range",
        ),
        (
            b'<x><MEMRANGE MEMTYPE="REGISTER" BASEVALUE="9" HIGHVALUE="1" INSTANCE="a"/></x>',
            "registers from 9 to 1",
        ),
        (
            b'<x><MEMRANGE MEMTYPE="REGISTER" BASEVALUE="0" HIGHVALUE="1ffffffffffffffff" INSTANCE="a"/></x>',
            "registers from 0 to ",
        ),
        (b" " * (16 * 2**20 + 1), "it has 16777217 bytes, and at most 16777216 can be read"),
    ],
)
def test_handoffs_that_are_none(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "x.hwh"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        hwh.read(path)
    assert str(caught.value).startswith(
        f"a hardware handoff file was expected at {path}, but it cannot be read ("
    )
    assert what in str(caught.value) and str(caught.value).endswith(
        "); copy it again from where it was built"
    )


def test_elements_in_elements_do_not_overflow(tmp_path: Path) -> None:
    (tmp_path / "x.hwh").write_bytes(b"<x>" * 1_000_000 + b"</x>" * 1_000_000)
    assert hwh.read(tmp_path / "x.hwh") == ()


@pytest.mark.parametrize("value", ["", "x", "-1", "1.0", "9" * 5000, "\u0663", " 8", "1025", "7"])
def test_parameters_that_are_no_numbers_in_their_range(value: str) -> None:
    block = hwh.Block("axi_dma_0", hwh.DMA_VLNV, {"width": value, "mhz": "nan"})
    with pytest.raises(
        UserError,
        match="^a number from 8 to 1024 was expected for width of axi_dma_0, but '.*' came; copy the "
        "handoff again$",
    ):
        block.number("width", 32, 8, 1024)
    assert block.number("none", 32, 8, 1024) == 32
    with pytest.raises(
        UserError,
        match="^a rate in MHz was expected for mhz of axi_dma_0, but 'nan' came; copy the handoff again$",
    ):
        block.rate("mhz")
