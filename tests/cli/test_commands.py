"""What the commands of the command line give, and that it is what the Python interface gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.errors import UserError
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.report import Report
from tests.cli.calls import refused, run
from tests.graph.qonnx_builder import Builder


def test_emulate_writes_what_the_engines_give(built: Path, tmp_path: Path) -> None:
    outputs = {}
    for engine in ("exact", "hls"):
        target = tmp_path / f"{engine}.npy"
        result = run(
            "emulate", built / "net", "--input", built / "x.npy", "--output", target, "--engine", engine
        )
        assert result.output == f"{target}: 7 frames from engine {engine} (emulated)\n"
        outputs[engine] = np.load(target)
    np.testing.assert_array_equal(outputs["exact"], outputs["hls"])
    assert outputs["exact"].shape == (7, 3)
    assert outputs["exact"].dtype == np.float32
    assert (
        run(
            "emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "c.npy", "--codes"
        ).exit_code
        == 0
    )
    assert np.load(tmp_path / "c.npy").dtype.kind == "u"


def test_several_outputs_go_into_one_archive(built: Path, tmp_path: Path) -> None:
    b = Builder(2, 6, 6)
    x = b.quantise(b.conv(b.quantise("x", "int4", 0.5), "e2m1", 4, 2), "int4", 0.5)
    (tmp_path / "two.onnx").write_bytes(
        b.model(x, b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])).SerializeToString()
    )
    assert run("compile", tmp_path / "two.onnx", "-o", tmp_path / "two", "--board", "pynq-z2").exit_code == 0
    both = pyqkit.Accelerator.load(tmp_path / "two").emulate_outputs(np.load(built / "x.npy"))
    names = ", ".join(both)
    wrong = run("emulate", tmp_path / "two", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    refused(
        wrong,
        f"a file in npz format was expected for {names}, but {tmp_path / 'y.npy'} came; change its ending",
    )
    for engine in ("exact", "hls"):
        done = run(
            "emulate",
            tmp_path / "two",
            "--input",
            built / "x.npy",
            "--output",
            tmp_path / "y.npz",
            "--engine",
            engine,
            "--force",
        )
        assert done.exit_code == 0, done.output
        with np.load(tmp_path / "y.npz", allow_pickle=False) as found:
            assert set(found.files) == set(both) and {y.shape for y in found.values()} == {
                (7, 4, 6, 6),
                (7, 4, 3, 3),
            }
            for name, y in both.items():
                np.testing.assert_array_equal(found[name], y)
    with pytest.raises(
        UserError,
        match=f"^a network with one output was expected, but this one has {names}; call emulate_outputs$",
    ):
        pyqkit.Accelerator.load(tmp_path / "two").emulate(np.load(built / "x.npy"))


def test_verify_compares_everything(built: Path) -> None:
    result = run("verify", built / "net", "--input", built / "x.npy", "--json")
    data = json.loads(result.output)
    assert result.exit_code == 0
    assert (data["frames"], data["engines"], data["mismatches"]) == (7, ["exact", "hls"], 0)
    reference = data["reference"]
    assert (reference["codes_differing"], reference["top1_agreement"]) == (0, 1.0)
    assert reference["codes"] == 7 * (72 + 2 * 144 + 3)
    assert all(
        {"codes", "differing", "saturated", "ties", "distinct"} <= set(layer)
        for layer in reference["layers"].values()
    )


def test_verify_fails_on_one_wrong_code(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyqkit.emulate.hls import Simulator

    right = Simulator.run

    def wrong(self, codes, progress=None):
        found = right(self, codes, progress)
        next(iter(found.values()))[0, 0, 0, 0] ^= 1
        return found

    monkeypatch.setattr(Simulator, "run", wrong)
    result = run("verify", built / "net", "--input", built / "x.npy", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["mismatches"] == 1
    assert result.stderr == "1 codes of the outputs differ between the engines exact, hls.\n"


REPORT = """
    network board clock_mhz source sources backend backends initiation_interval_cycles latency_cycles
    frames_per_second driver macs
    bottleneck next_step resources board_resources exceeds overflow notes layers ends host timing
"""
LAYER = """
    name operator input_format weight_format weight_bits output_format input_shape output_shape macs pe simd
    multiplier
    memory pixels probe passes cycles busy fifo_words resources
"""
BACKEND = "initiation_interval_cycles latency_cycles frames_per_second bottleneck"
DRIVER = """
    source frames_per_second limits accelerator dma processor frames_per_transfer bytes_in bytes_out
    surroundings
"""
RESOURCES = "lut_low lut_high ff bram36 dsp carry4"


def test_report_has_what_is_promised(built: Path) -> None:
    """Programs read these keys: the order may change, the names may not."""
    data = json.loads(run("report", built / "net", "--json").output)
    assert set(data) == set(REPORT.split())
    assert data["source"] == "estimated"
    assert data["backend"] == "rtl"
    assert set(data["driver"]) == set(DRIVER.split()) and data["driver"]["source"] == "modelled"
    for name, backend in data["backends"].items():
        chosen = json.loads(run("report", built / "net", "--json", "--backend", name).output)
        assert chosen["backend"] == name and chosen["backends"] == data["backends"]
        assert set(backend) == set(BACKEND.split()) and {key: chosen[key] for key in backend} == backend
    assert data["sources"] == {"cycles": "estimated", "resources": "estimated"}
    assert set(data["resources"]) == set(data["ends"]) == set(RESOURCES.split())
    for layer in data["layers"]:
        assert set(layer) == set(LAYER.split())
        assert set(layer["resources"]) == set(RESOURCES.split())
    wrong = run("report", built / "net", "--backend", "vhdl")
    assert wrong.exit_code == 2 and "backend rtl or hls was expected, but 'vhdl' came" in wrong.output
    slow = pyqkit.compile(built / "net.onnx", board="PYNQ-Z2", target_fps=1000)
    step = slow.report().to_json()["next_step"]
    assert set(step) == {"initiation_interval_cycles", "frames_per_second", "more", "exceeds", "layers"}
    assert set(step["more"]) == set(RESOURCES.split())
    assert all(set(f) == {"pe", "simd", "multiplier", "memory", "pixels"} for f in step["layers"].values())
    assert json.loads((built / "net" / "manifest.json").read_text())["report"] == data
    assert "estimated" in run("report", built / "net").output


def test_a_build_folder_moves_and_needs_no_torch(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "net", tmp_path / "moved")
    code = (
        "import sys, numpy as np, pyqkit\n"
        f"acc = pyqkit.Accelerator.load({str(tmp_path / 'moved')!r})\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, acc(np.load({str(built / 'x.npy')!r})))\n"
        f"print(acc.selftest({str(tmp_path / 'moved')!r}), 'torch' in sys.modules, 'onnx' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 False False\n"
    expected = pyqkit.compile(built / "net.onnx").emulate(np.load(built / "x.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def test_target_rate_and_folding_file(built: Path, tmp_path: Path) -> None:
    slow = pyqkit.compile(built / "net.onnx", board="PYNQ-Z2", target_fps=1000).report()
    fast = pyqkit.compile(built / "net.onnx", board="PYNQ-Z2", target_fps=100_000).report()
    assert slow.frames_per_second >= 1000
    assert fast.frames_per_second >= 100_000
    assert slow.resources.lut_high < fast.resources.lut_high
    layer = next(entry.name for entry in slow.layers if entry.operator == "convolution")
    path = tmp_path / "fold.json"
    path.write_text(json.dumps({layer: {"pe": 2, "simd": 2}}))
    folded = pyqkit.compile(built / "net.onnx", fold=path)
    assert (folded.foldings[layer].pe, folded.foldings[layer].simd) == (2, 2)
    path.write_text(json.dumps({layer: {"pe": 3, "simd": 2}}))
    refused(
        run("compile", built / "net.onnx", "-o", tmp_path / "b", "--fold", path),
        f"a PE that divides 4 was expected for {layer}, but 3 came; choose a divisor",
    )


def test_foldings_are_written_edited_and_read(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "fold.json"
    shared = ("compile", built / "net.onnx", "--board", "PYNQ-Z2")
    said = run(*shared, "-o", tmp_path / "a", "--target-fps", 20_000, "--write-fold", path).output
    assert "frames/s at 100 MHz" in said and "limits. The next step, " in said and "(estimated)" in said
    foldings = json.loads(path.read_text())
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["folding"] == foldings
    layer = next(iter(foldings))
    path.write_text(path.read_text().replace(json.dumps(foldings[layer]), '{"pe": 1, "simd": 1}', 1))
    assert run(*shared, "-o", tmp_path / "b", "--fold", path).exit_code == 0
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["folding"] == foldings | {
        layer: vars(ConvolutionFolding())
    }
    refused(
        run(*shared, "-o", tmp_path / "c", "--write-fold", path),
        f"a new file was expected, but {path} exists; choose another name or pass --force",
    )
    assert not (tmp_path / "c").exists()
    refused(
        run(*shared, "-o", tmp_path / "c", "--fold", path, "--lut-share", 0.5),
        "a folding or a share of the LUTs was expected, but both came; leave one out",
    )


def test_a_share_of_the_board(built: Path) -> None:
    def compiled(share: float, **options: bool) -> Report:
        return pyqkit.compile(built / "net.onnx", board="PYNQ-Z2", lut_share=share, **options).report()

    least = compiled(0.001, allow_overflow=True).resources.lut_high
    small, large = compiled((least + 1) / 53_200), compiled(0.5)
    assert small.resources.lut_high <= least + 1 < large.resources.lut_high
    assert small.frames_per_second < large.frames_per_second


def test_report_as_a_page(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert f"{path}: report of " in run("report", built / "net", "--html", path).output
    assert path.read_text().startswith("<!doctype html>")
    refused(
        run("report", built / "net", "--html", path),
        f"a new file was expected, but {path} exists; choose another name or pass --force",
    )
    assert (
        json.loads(run("report", built / "net", "--html", path, "--json", "--force").output)["source"]
        == "estimated"
    )


@pytest.mark.parametrize(
    ("name", "rows"), [("e2m1", 16), ("int8", 256), ("int16", 16), ("int32", 16), ("uint64", 16)]
)
def test_codes_of_a_format(name: str, rows: int) -> None:
    data = json.loads(run("formats", name, "--json").output)
    bits = pyqkit.formats.parse(name).bits
    assert (data["format"], data["count"], len(data["codes"])) == (name, 2**bits, rows)
    codes = [row["code"] for row in data["codes"]]
    assert codes == sorted(set(codes)) and (codes[0], codes[-1]) == (0, 2**bits - 1)
    assert all(row["bits"] == format(row["code"], f"0{bits}b") for row in data["codes"])
    said = run("formats", name).output
    assert (f"16 of {2**bits:,} codes, at the ends" in said) == (rows < 2**bits)


@pytest.mark.parametrize("place", ["net", "net/fold.json"])
def test_two_results_never_go_to_one_place(
    built: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net").mkdir()
    sentence = (
        f"a place outside net was expected for --write-fold, but {place} came, and --output goes "
        "there; choose another name"
    )
    if place == "net":
        Path("net").rmdir()
        refused(run("compile", built / "net.onnx", "-o", "net", "--write-fold", place), sentence)
    else:
        refused(run("compile", built / "net.onnx", "-o", "net", "--write-fold", place, "--force"), sentence)
    frames = (built / "net", "--input", built / "x.npy", "--engine", "rtl")
    refused(
        run("emulate", *frames, "--output", "y.npy", "--trace", "./y.npy"),
        "a place outside y.npy was expected for --trace, but ./y.npy came, and --output goes there; "
        "choose another name",
    )
    assert [str(path) for path in Path().rglob("*")] == ([] if place == "net" else ["net"])


def test_a_name_that_a_terminal_would_act_on_is_shown_with_escapes(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "\x1b]0;mine\x07.npy"
    said = run("emulate", built / "net", "--input", built / "x.npy", "--output", target).output
    assert (
        target.is_file()
        and said == f"{tmp_path}/\\x1b]0;mine\\x07.npy: 7 frames from engine exact (emulated)\n"
    )


def test_compile_in_json_is_the_report_and_the_folder(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "net"
    result = run("compile", built / "net.onnx", "-o", target, "--board", "pynq-z2", "--json")
    data = json.loads(result.stdout)
    assert data.pop("folder") == str(target)
    assert data == json.loads(run("report", target, "--json").output)
