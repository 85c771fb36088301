"""Overlays with several outputs.

The block design that the Tcl builds is the one that emulated boards and handoff files have.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")

from pyqkit import build_contents
from pyqkit.overlay import bitfile, hwh, vendor, write_hwh
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.overlay.plan import plan
from tests.overlay.bench import Bench, needs_tcl
from tests.overlay.test_hwh import PARTS
from tests.overlays import build

PROBES = ("relu_18", "conv_43", "relu_51")


def design(family: str, outputs: list[int]) -> hwh.Design:
    return hwh.accelerator_design("net", PARTS[family], family, 100, 2, outputs)


@pytest.mark.parametrize("family", PARTS)
def test_what_is_written_is_read(tmp_path: Path, family: str) -> None:
    wanted = design(family, [4, 1, 16])
    (tmp_path / "net.hwh").write_text(write_hwh.write(wanted))
    found = hwh.read(tmp_path / "net.hwh")[1:]
    assert [block.name for block in found] == ["axi_dma_0", "axi_dma_1", "axi_dma_2", "accelerator_0"]
    for block, own in zip(found, wanted.blocks, strict=True):
        assert (block.vlnv, block.parameters, block.interfaces, block.address) == (
            own.vlnv,
            own.parameters,
            own.interfaces,
            own.address,
        )
    first, second, third, network = found
    assert [second.address - first.address, third.address - second.address] == [first.size, second.size]
    assert (
        second.stream("M_AXIS_MM2S") is None
        and second.stream("S_AXIS_S2MM").bus == network.stream("out_1").bus
    )
    assert (second.parameters["c_include_mm2s"], third.parameters["c_s_axis_s2mm_tdata_width"]) == (
        "0",
        "128",
    )


@pytest.mark.parametrize("family", PARTS)
def test_pynq_finds_every_dma(tmp_path: Path, family: str) -> None:
    pytest.importorskip("pynqmetadata", reason="PYNQ is not installed")
    from pyqkit.board_emulation.pynq_device import _parser

    wanted = design(family, [4] * hwh.MOST_OUTPUTS)
    (tmp_path / "net.hwh").write_text(write_hwh.write(wanted))
    known = _parser(tmp_path / "net.hwh").ip_dict
    for block in wanted.blocks[:-1]:
        found = known[block.name]
        assert (found["phys_addr"], found["addr_range"], found["type"]) == (
            block.address,
            block.size,
            block.vlnv,
        )
        assert {name: r["address_offset"] for name, r in found["registers"].items()} == block.registers


class Probed(Bench):
    """The bench of single outputs, with a build that has probes."""

    def expect(self, board: str) -> hwh.Design:
        made = plan(build(board, *PROBES)).design
        (self.folder / "design.hwh").write_text(write_hwh.write(made))
        (self.folder / "design.bit").write_bytes(bitfile.write_emulated("shell_wrapper", made.part, {}))
        self.set(
            STUB_HWH=str(self.folder / "design.hwh"),
            STUB_BIT=str(self.folder / "design.bit"),
            STUB_OUTPUTS=str(1 + len(PROBES)),
        )
        return made

    def make(self, board: str = "ZCU104", backend: str = "hls", force: bool = False) -> Path:
        return vendor.make(build(board, *PROBES), self.target, backend, force=force)


@needs_tcl
@pytest.mark.parametrize(("board", "backend"), [("ZCU104", "hls"), ("PYNQ-Z2", "rtl")])
def test_the_tcl_builds_a_dma_for_every_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: str, backend: str
) -> None:
    bench = Probed(tmp_path, monkeypatch)
    bench.install("vivado", "vitis_hls")
    made = bench.expect(board)
    manifest = read(bench.make(board, backend))
    assert manifest.dmas == tuple(f"axi_dma_{index}" for index in range(4))
    lines = bench.recorded
    cells = {line.split()[1]: line.split()[2] for line in lines if line.startswith("cell ")}
    buses = {tuple(line.split()[1:]) for line in lines if line.startswith("bus ") and "/" in line}
    addresses = [[int(x, 0) for x in line.split()[1:3]] for line in lines if line.startswith("address ")]
    assert addresses == [[block.address, block.size] for block in made.blocks[:-1]]
    ends = ("in_0", "out") if backend == "hls" else ("s_axis_0", "m_axis")
    assert ("axi_dma_0/M_AXIS_MM2S", f"accelerator_0/{ends[0]}") in buses
    for index, dma in enumerate(made.blocks[:-1]):
        assert cells[dma.name] == dma.vlnv
        config = dict(line.split()[2:4] for line in lines if line.startswith(f"set cell:{dma.name} "))
        assert {k.removeprefix("CONFIG."): v for k, v in config.items()} == {
            k: v for k, v in dma.parameters.items() if k != "c_s_axis_s2mm_tdata_width"
        }
        assert {
            (f"accelerator_0/{ends[1]}_{index}", f"{dma.name}/S_AXIS_S2MM"),
            (f"control/M{index:02d}_AXI", f"{dma.name}/S_AXI_LITE"),
            (f"{dma.name}/M_AXI_S2MM", f"memory/S{index + 1:02d}_AXI"),
        } <= buses
    if backend == "rtl":
        assert {"bus m_axis_3 aclk", "bus s_axis_0 aclk"} <= set(lines)


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        (
            1,
            16,
            r"at most 15 outputs and probes were expected, but .* has 16; compile again with fewer probes",
        ),
        (
            2,
            1,
            r"a network with one input was expected, but .* has 2; join them in the model, and slice there",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch, inputs: int, outputs: int, sentence: str
) -> None:
    stored = build_contents.read(build("ZCU104"))
    stored.designs.compiled.graph.inputs *= inputs
    stored.designs.compiled.graph.outputs *= outputs
    monkeypatch.setattr(build_contents, "read", lambda path: stored)
    with pytest.raises(OverlayError, match=sentence):
        plan(build("ZCU104"))
