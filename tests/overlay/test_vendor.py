"""Overlays for real boards, without the tools.

Projects, the Tcl run by a real interpreter against stubs, resuming, failures.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

pytest.importorskip("onnx")

from pyqkit.overlay import hwh, install, vendor
from pyqkit.overlay.manifest import read
from pyqkit.overlay.plan import plan
from tests.overlay.bench import BOARDS, Bench, needs_tcl
from tests.overlays import build

# ---- the whole way -----------------------------------------------------------------------------------------


@needs_tcl
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("tools", [("vivado", "vitis_hls"), ("vivado", "vitis-run"), ("vivado",)])
def test_from_a_build_folder_to_an_overlay(bench: Bench, board: str, tools: tuple[str, ...]) -> None:
    backend = "rtl" if tools == ("vivado",) else "hls"
    bench.install(*tools)
    design = bench.expect(board)
    bit = bench.make(board, backend)
    manifest = read(bit)
    assert sorted(p.name for p in bench.target.iterdir() if not p.is_dir()) == [
        f"residual{e}" for e in (".bit", ".hwh", ".json", ".zip")
    ]
    assert not manifest.emulated and manifest.boards[0] == board and manifest.part == design.part
    assert manifest.clock_mhz == pytest.approx(design.clock_mhz, abs=1e-6)
    assert manifest.implementation == {
        "source": "implemented",
        "tool": "Vivado 2023.2",
        "wns_ns": 0.123,
        "whs_ns": 0.01,
        "utilisation": {"lut": 12345, "ff": 23456, "bram36": 10.5, "uram": 0, "dsp": 17},
    }
    check_design(bench.recorded, design, backend)


def check_design(lines: list[str], design: hwh.Design, backend: str) -> None:
    """What the Tcl built is the design that the emulated board has.

    Blocks, parameters, streams, addresses.
    """
    cells = {line.split()[1]: line.split()[2] for line in lines if line.startswith("cell ")}
    dma, network = design.blocks
    assert cells[dma.name] == dma.vlnv and cells[network.name] == network.vlnv.replace("hls", backend)
    config = {
        tuple(line.split()[1:3]): line.split()[3] for line in lines if line.startswith("set cell:axi_dma_0")
    }
    wanted = {k: v for k, v in dma.parameters.items() if k != "c_s_axis_s2mm_tdata_width"}
    assert {key.removeprefix("CONFIG."): value for (_, key), value in config.items()} == wanted
    ends = ("in_0", "out_0") if backend == "hls" else ("s_axis_0", "m_axis_0")
    buses = {tuple(line.split()[1:]) for line in lines if line.startswith("bus ") and "/" in line}
    assert {
        ("axi_dma_0/M_AXIS_MM2S", f"accelerator_0/{ends[0]}"),
        (f"accelerator_0/{ends[1]}", "axi_dma_0/S_AXIS_S2MM"),
    } <= buses
    (address,) = [line.split()[1:3] for line in lines if line.startswith("address ")]
    assert [int(x, 0) for x in address] == [dma.address, dma.size]
    rates = [line.split()[-1] for line in lines if line.startswith("set cell:") and "FREQMHZ" in line]
    assert [float(rate) for rate in rates] == [pytest.approx(design.clock_mhz, abs=1e-6)]
    assert [line for line in lines if line.startswith("launch")] == [
        "launch synth_1 synth_design",
        "launch impl_1 route_design",
        "launch impl_1 write_bitstream",
    ]
    if backend == "hls":
        assert "export pyqkit.io hls network 1.0" in lines and "top network" in lines
        (period,) = [float(line.split()[1]) for line in lines if line.startswith("period")]
        assert period == pytest.approx(1000 / design.clock_mhz, rel=1e-6)
    else:
        assert (
            "package pyqkit.io rtl" in lines and "bus s_axis_0 aclk" in lines and "bus m_axis_0 aclk" in lines
        )
        sources = {line.split()[1] for line in lines if line.startswith("file ")}
        folder = build(design_board(design)) / "rtl"
        assert {p.name for p in folder.iterdir()} <= sources


def design_board(design: hwh.Design) -> str:
    return next(board for board in BOARDS if plan(build(board)).design.part == design.part)


@needs_tcl
def test_a_copy_on_another_machine_needs_no_pyqkit(bench: Bench) -> None:
    with pytest.raises(vendor.VendorToolsMissing) as error:
        bench.make()
    project = bench.project()
    assert error.value.exit_code == 3 and str(error.value) == (
        "Vitis HLS (vitis_hls or vitis-run) was expected to go on, but it is not on PATH; copy the "
        f"folder {project}, which holds all that is "
        "needed, to a machine that has it, type 'make' there, and copy its folder overlay back"
    )
    moved = bench.folder / "elsewhere"
    shutil.copytree(project, moved)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        ["make", "-C", str(moved)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Error 3" in done.stderr
    assert (
        "vitis-run was expected on PATH for the accelerator in C++, but it is not there; install it"
        in done.stdout
    )
    bench.install("vivado", "vitis-run")
    bench.expect("ZCU104")
    environment |= {k: v for k, v in os.environ.items() if k.startswith("STUB")}
    command = ["make", "-C", str(moved), "PYTHON=python3 -S"]  # -S: nothing that is installed can be imported
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not read(moved / "overlay" / "residual.bit").emulated


# ---- going on, and failing ---------------------------------------------------------------------------------


@needs_tcl
def test_builds_go_on_after_the_last_step_that_ended_well(bench: Bench) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    bench.set(STUB_FAIL="csynth")
    with pytest.raises(
        vendor.BuildFailed,
        match=r"they say: ERROR: \[HLS 200-70\] Pre-synthesis failed\.; mend that and call this again",
    ):
        bench.make()
    assert not any(line.startswith("launch") for line in bench.recorded)
    bench.set(STUB_FAIL="route_design")
    with pytest.raises(
        vendor.BuildFailed,
        match=r"ERROR: \[Place 30-640\] Place Check : this design requires more Slice LUTs",
    ) as error:
        bench.make()
    assert (
        error.value.exit_code == 1
        and "impl_1 was expected to end, but it is at 'route_design ERROR'" in str(error.value)
    )
    assert [x for x in bench.recorded if x.startswith(("launch", "top"))] == [
        "top network",
        "launch synth_1 synth_design",
        "launch impl_1 route_design",
    ]
    bench.set(STUB_FAIL="route_design hangs")  # and is killed
    with pytest.raises(vendor.BuildFailed):
        bench.make()
    assert [x for x in bench.recorded if x.startswith(("launch", "top", "reset"))] == [
        "reset impl_1",
        "launch impl_1 route_design",
    ]
    bench.set(STUB_FAIL="")
    assert read(bench.make()).implementation["wns_ns"] == 0.123
    wanted = ["reset impl_1", "launch impl_1 route_design", "launch impl_1 write_bitstream"]
    assert [x for x in bench.recorded if x.startswith(("launch", "top", "reset", "cell"))] == wanted


@needs_tcl
@pytest.mark.parametrize("slack", ["STUB_WNS", "STUB_WHS"])
def test_negative_slack_fails_the_build(bench: Bench, slack: str) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    bench.set(**{slack: "-0.25"})
    with pytest.raises(
        vendor.BuildFailed,
        match=r"timing was expected to close at 187\.5\d* MHz, but the slack of (setup|hold) is -0\.25 ns",
    ):
        bench.make()
    assert not any("write_bitstream" in line for line in bench.recorded)
    assert not (bench.target / "residual.bit").exists() and not (bench.project() / "overlay").exists()


@needs_tcl
@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"STUB_BOARD_FILES": "no"},
            "the board files of xilinx.com:zcu104:part0:1.1 were expected in this Vivado, but there are none",
        ),
        (
            {"STUB_CLOCK": "1.14"},
            r"a clock of at most 187\.500000 MHz was expected, but the processing system gives 213",
        ),
        (
            {"STUB_WNS": "nothing"},
            "the slack of setup was expected from the implementation, but it is 'nothing'",
        ),
    ],
)
def test_what_the_tcl_says(bench: Bench, setting: dict[str, str], sentence: str) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    bench.set(**setting)
    with pytest.raises(vendor.BuildFailed, match=sentence):
        bench.make()


@needs_tcl
@pytest.mark.parametrize(
    ("file", "right", "wrong", "complaint"),
    [
        (
            "block_design.tcl",
            "save_bd_design",
            "save_block_design",
            'invalid command name "save_block_design"',
        ),
        (
            "block_design.tcl",
            "CONFIG.NUM_SI [expr",
            "CONFIG.NUM_SLAVES [expr",
            "has no property CONFIG.NUM_SLAVES",
        ),
        ("block_design.tcl", "[expr {1 + [dict size $dmas]}]", "[dict size $dmas]", "has no S01_AXI"),
        ("block_design.tcl", "$name/s_axi_lite_aclk", "$name/s_axi_aclk", "has no s_axi_aclk"),
        (
            "block_design.tcl",
            "create_project -force",
            "create_project -overwrite",
            "create_project has no option -overwrite",
        ),
        (
            "block_design.tcl",
            "connect_bd_intf_net [port control/[format M%02d_AXI $index]] [port $name/S_AXI_LITE]",
            "",
            "is not connected",
        ),
        (
            "block_design.tcl",
            "[port accelerator_0/$output] [port $taker]",
            "[port $taker] [port accelerator_0/$output]",
            "has no",
        ),
        (
            "shells/zynq-mpsoc.tcl",
            "PSU__SAXIGP2__DATA_WIDTH",
            "PSU__SAXIGP2_DATA_WIDTH",
            "has no property CONFIG.PSU__SAXIGP2_DATA_WIDTH",
        ),
        ("implement.tcl", "STATS.WHS", "STATS.HOLD", "has no property STATS.HOLD"),
        ("hls_project.tcl", "-flow_target", "-target", "open_solution has no option -target"),
    ],
)
def test_the_stubs_notice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, file: str, right: str, wrong: str, complaint: str
) -> None:
    own = bench.folder / "shells"
    shutil.copytree(install.folder(), own, ignore=shutil.ignore_patterns("digits"))
    text = (own / file).read_text()
    assert right in text
    (own / file).write_text(text.replace(right, wrong))
    monkeypatch.setattr(install, "folder", lambda: own)
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    with pytest.raises(vendor.BuildFailed) as error:
        bench.make()
    assert complaint in str(error.value)


# ---- what the tools leave ----------------------------------------------------------------------------------


def test_the_command_line_ends_with_3_where_tools_are_missing(bench: Bench) -> None:
    from click.testing import CliRunner

    from pyqkit.cli import main

    call = ["overlay", str(build("ZCU104")), "-o", str(bench.target), "--backend", "rtl"]
    done = CliRunner().invoke(main, [*call, "--board", "zcu104"])
    assert done.exit_code == 3 and done.output.startswith(
        "pyqkit: Vivado was expected to go on, but it is not on PATH; copy the folder "
    )
    assert list((bench.project("rtl") / "rtl").glob("pqk_*_accelerator.sv")) and done.output.count("\n") == 1
    done = CliRunner().invoke(main, [*call, "--board", "KV260"])
    assert done.exit_code == 2 and "a build for KV260 was expected, but" in done.output
