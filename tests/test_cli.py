"""The command line: results, exact sentences, exit codes, and nothing left behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
from click.testing import CliRunner, Result

import pyqkit
from pyqkit.cli import main
from pyqkit.errors import UserError
from tests.graph.qonnx_builder import Builder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.onnx, x.npy and the build folder net."""
    folder = tmp_path_factory.mktemp("built")
    b = Builder(2, 6, 6)
    x = b.quantise("x", "int4", 0.5)
    y = b.quantise(b.node("Relu", b.batch_norm(b.conv(x, "e2m1", 4, 2), 4)), "int4", 0.5)
    y = b.quantise(b.node("Relu", b.node("Add", b.batch_norm(b.conv(y, "e2m1", 4, 4), 4), y)), "int4", 0.5)
    y = b.node("Gemm", b.node("Flatten", y), b.weights("int8", 3, 144, scale=0.01), b.constant([0.5, -1, 2]), transB=1)
    (folder / "net.onnx").write_bytes(b.model(y).SerializeToString())
    np.save(folder / "x.npy", np.random.default_rng(0).normal(0, 2, (7, 2, 6, 6)).astype(np.float32))
    result = run("compile", folder / "net.onnx", "-o", folder / "net", "--board", "pynq-z2")
    assert result.exit_code == 0, result.output
    return folder


def refused(result: Result, sentence: str) -> None:
    """Assert exit code 2 and exactly this sentence."""
    assert result.exit_code == 2
    assert result.output == f"pyqkit: {sentence}\n"


def test_emulate_writes_what_the_engines_give(built: Path, tmp_path: Path) -> None:
    outputs = {}
    for engine in ("exact", "hls"):
        target = tmp_path / f"{engine}.npy"
        result = run("emulate", built / "net", "--input", built / "x.npy", "--output", target, "--engine", engine)
        assert result.output == f"{target}: 7 frames from engine {engine} (emulated)\n"
        outputs[engine] = np.load(target)
    np.testing.assert_array_equal(outputs["exact"], outputs["hls"])
    assert outputs["exact"].shape == (7, 3)
    assert outputs["exact"].dtype == np.float32
    assert run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "c.npy", "--codes").exit_code == 0
    assert np.load(tmp_path / "c.npy").dtype.kind == "u"


def test_several_outputs_go_into_one_archive(built: Path, tmp_path: Path) -> None:
    b = Builder(2, 6, 6)
    x = b.quantise(b.conv(b.quantise("x", "int4", 0.5), "e2m1", 4, 2), "int4", 0.5)
    (tmp_path / "two.onnx").write_bytes(b.model(x, b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])).SerializeToString())
    assert run("compile", tmp_path / "two.onnx", "-o", tmp_path / "two", "--board", "pynq-z2").exit_code == 0
    both = pyqkit.Accelerator.load(tmp_path / "two").emulate_outputs(np.load(built / "x.npy"))
    names = ", ".join(both)
    wrong = run("emulate", tmp_path / "two", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    refused(wrong, f"a file in npz format was expected for {names}, but {tmp_path / 'y.npy'} came; change its ending")
    for engine in ("exact", "hls"):
        done = run("emulate", tmp_path / "two", "--input", built / "x.npy", "--output", tmp_path / "y.npz", "--engine", engine, "--force")
        assert done.exit_code == 0, done.output
        with np.load(tmp_path / "y.npz", allow_pickle=False) as found:
            assert set(found.files) == set(both) and {y.shape for y in found.values()} == {(7, 4, 6, 6), (7, 4, 3, 3)}
            for name, y in both.items():
                np.testing.assert_array_equal(found[name], y)
    with pytest.raises(UserError, match=f"^a network with one output was expected, but this one has {names}; call emulate_outputs$"):
        pyqkit.Accelerator.load(tmp_path / "two").emulate(np.load(built / "x.npy"))


def test_verify_compares_everything(built: Path) -> None:
    result = run("verify", built / "net", "--input", built / "x.npy", "--json")
    data = json.loads(result.output)
    assert result.exit_code == 0
    assert (data["frames"], data["engines"], data["mismatches"]) == (7, ["exact", "hls"], 0)
    reference = data["reference"]
    assert (reference["codes_differing"], reference["top1_agreement"]) == (0, 1.0)
    assert reference["codes"] == 7 * (2 * 144 + 3)
    assert all({"codes", "differing", "saturated", "ties", "distinct"} <= set(layer) for layer in reference["layers"].values())


def test_verify_fails_on_one_wrong_code(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyqkit.emulate.hls import HlsEngine

    right = HlsEngine.run

    def wrong(self, codes, progress=None):
        found = right(self, codes, progress)
        next(iter(found.values()))[0, 0, 0, 0] ^= 1
        return found

    monkeypatch.setattr(HlsEngine, "run", wrong)
    result = run("verify", built / "net", "--input", built / "x.npy", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["mismatches"] == 1


def test_report_has_what_is_promised(built: Path) -> None:
    data = json.loads(run("report", built / "net", "--json").output)
    assert {
        "board",
        "clock_mhz",
        "source",
        "initiation_interval_cycles",
        "latency_cycles",
        "frames_per_second",
        "resources",
        "layers",
    } <= set(data)
    assert data["source"] == "estimated"
    assert {"lut_low", "lut_high", "ff", "bram36", "dsp"} <= set(data["resources"])
    for layer in data["layers"]:
        assert {"name", "operator", "input_format", "weight_format", "output_format", "macs", "pe", "simd", "cycles", "resources"} <= set(
            layer
        )
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
    assert slow["frames_per_second"] >= 1000
    assert fast["frames_per_second"] >= 100_000
    assert slow["resources"]["lut_high"] < fast["resources"]["lut_high"]
    layer = next(entry["name"] for entry in slow["layers"] if entry["operator"] == "convolution")
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
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["folding"] == foldings | {layer: {"pe": 1, "simd": 1}}
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
    small, large = (pyqkit.compile(built / "net.onnx", board="PYNQ-Z2", lut_share=share).report() for share in (0.05, 0.5))
    assert small["resources"]["lut_high"] <= 0.05 * 53_200 < large["resources"]["lut_high"]
    assert small["frames_per_second"] < large["frames_per_second"]


def test_report_as_a_page(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert f"{path}: report of " in run("report", built / "net", "--html", path).output
    assert path.read_text().startswith("<!doctype html>")
    refused(
        run("report", built / "net", "--html", path), f"a new file was expected, but {path} exists; choose another name or pass --force"
    )
    assert json.loads(run("report", built / "net", "--html", path, "--json", "--force").output)["source"] == "estimated"


def test_infeasible_rate(built: Path, tmp_path: Path) -> None:
    result = run("compile", built / "net.onnx", "-o", tmp_path / "b", "--board", "PYNQ-Z2", "--target-fps", 1e9)
    assert result.exit_code == 2
    assert re.match(
        r"pyqkit: a rate that PYNQ-Z2 reaches was expected, but 1e\+09 frames/s came; .* the fastest is \d+ frames/s \(estimated\)",
        result.output,
    )
    assert not (tmp_path / "b").exists()


def test_unknown_names(built: Path, tmp_path: Path) -> None:
    refused(run("formats", "e2mm"), "a format name was expected, but 'e2mm' is none; did you mean 'e2m5'?")
    refused(run("formats", "lp4_0_9"), "a Logarithmic Posit with n in 2..8, es in 0..5 and rs in 1..n-1 was expected, but lp4_0_9 came")
    refused(run("boards", "zcu14"), "a board was expected, but 'zcu14' is none; did you mean 'ZCU104'?")
    board = run("compile", built / "net.onnx", "-o", tmp_path / "b", "--board", "zcu14")
    refused(board, "a board was expected, but 'zcu14' is none; did you mean 'ZCU104'?")
    engine = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy", "--engine", "vhdl")
    refused(engine, "engine exact, hls, rtl was expected, but 'vhdl' came; choose one of them")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.zeros((3, 2, 5, 6), np.float32),
            "input x of shape (frames, 2, 6, 6) was expected, but (3, 2, 5, 6) came; put the frames first",
        ),
        (np.full((3, 2, 6, 6), np.nan, np.float32), "numbers were expected for input x, but NaN came; remove NaNs first"),
        (np.zeros((3, 2, 6, 6), "U1"), "real numbers were expected for input x, but an array of <U1 came; convert it to float32"),
        (
            np.zeros((0, 2, 6, 6), np.float32),
            "at least one frame was expected, but an array of shape (0, 2, 6, 6) came; put the frames first",
        ),
    ],
)
def test_wrong_frames(built: Path, tmp_path: Path, array: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "x.npy", array)
    refused(run("emulate", built / "net", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"), sentence)
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_pickled_frames_are_not_opened(built: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    result = run("emulate", built / "net", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert result.exit_code == 2
    assert result.output.startswith("pyqkit: an array in npy format was expected, but ")


def test_existing_outputs_stay(built: Path, tmp_path: Path) -> None:
    before = (built / "net" / "manifest.json").read_bytes()
    refused(
        run("compile", built / "net.onnx", "-o", built / "net"),
        f"a new folder was expected, but {built / 'net'} exists; choose another name or pass --force",
    )
    assert (built / "net" / "manifest.json").read_bytes() == before
    (tmp_path / "y.npy").write_text("mine")
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    refused(result, f"a new file was expected, but {tmp_path / 'y.npy'} exists; choose another name or pass --force")
    assert (tmp_path / "y.npy").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "folder", "--force")
    refused(result, f"a build folder to replace was expected, but {tmp_path / 'folder'} is something else; choose another name")
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    refused(
        run("compile", tmp_path / "no.onnx", "-o", tmp_path / "b"),
        f"an ONNX file was expected at {tmp_path / 'no.onnx'}, but there is none; check the path",
    )
    (tmp_path / "bad.onnx").write_bytes(b"not a model at all")
    result = run("compile", tmp_path / "bad.onnx", "-o", tmp_path / "b")
    refused(result, f"an ONNX file was expected, but {tmp_path / 'bad.onnx'} cannot be read as one; it may be truncated, export it again")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.onnx"]


@pytest.mark.parametrize("damage", ["manifest edited", "manifest cut", "array file edited", "source edited", "no manifest"])
def test_tampered_build_folders(built: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "net"
    shutil.copytree(built / "net", folder)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    if damage == "manifest edited":
        manifest.write_text(text.replace("PYNQ-Z2", "ZCU104"))
        sentence = f"an unchanged manifest was expected, but {manifest} has been edited; compile the network again"
    elif damage == "manifest cut":
        manifest.write_text(text[: len(text) // 2])
        sentence = f"a manifest as pyqkit writes it was expected, but {manifest} cannot be read; compile the network again"
    elif damage == "no manifest":
        manifest.unlink()
        sentence = f"a build folder with manifest.json was expected at {folder}, but there is none; make one with 'pyqkit compile'"
    else:
        file = folder / ("arrays.npz" if damage == "array file edited" else "hls/network.hpp")
        file.write_bytes(file.read_bytes() + b" ")
        sentence = f"an unchanged file was expected, but {file} is missing or has been edited; compile the network again"
    refused(run("report", folder), sentence)


def test_a_missing_compiler(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy", "--engine", "hls")
    refused(result, "a C++ compiler was expected, but g++ is not installed; install it (apt install g++), or use engine exact")


def test_json_is_the_only_output() -> None:
    for command in (["formats"], ["formats", "e2m1"], ["boards"], ["doctor"]):
        assert isinstance(json.loads(run(*command, "--json").output), dict)


def test_importing_is_light() -> None:
    code = "import sys, pyqkit.cli; print(any(m in sys.modules for m in ('torch', 'onnx', 'numpy', 'rich', 'matplotlib')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def float_model(*shape: object) -> bytes:
    """An ONNX model without quantisers, or with one and a dynamic shape."""
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    constants = []
    if "height" in shape:
        constants = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("s", 1.0), ("z", 0.0), ("b", 4.0))]
        nodes = [
            helper.make_node(
                "Quant", ["x", "s", "z", "b"], ["y"], domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="ROUND"
            )
        ]
    return helper.make_model(helper.make_graph(nodes, "net", [x], [y], constants)).SerializeToString()


def test_models_that_are_not_qonnx_or_have_dynamic_shapes(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(float_model(1, 2, 6, 6))
    refused(
        run("compile", tmp_path / "net.onnx", "-o", tmp_path / "b"),
        "a QONNX model with Quant, IntQuant, FloatQuant, BipolarQuant, FormatQuant nodes was expected, but none came; quantise the network and "
        "export it with pyqkit.quant.export_qonnx or brevitas.export.export_qonnx",
    )
    (tmp_path / "net.onnx").write_bytes(float_model(1, 2, "height", 6))
    refused(
        run("compile", tmp_path / "net.onnx", "-o", tmp_path / "b"),
        "static shapes were expected, but input x has a dynamic one; export with a fixed batch of 1",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_truncated_and_damaged_models_are_one_sentence(built: Path, tmp_path: Path) -> None:
    content = (built / "net.onnx").read_bytes()
    random = np.random.default_rng(0)
    damaged = [content[:cut] for cut in random.integers(0, len(content) - 1, 15)]
    for _ in range(25):
        changed = bytearray(content)
        changed[random.integers(len(content))] = random.integers(256)
        damaged.append(bytes(changed))
    refusals = 0
    for bad in damaged:
        (tmp_path / "net.onnx").write_bytes(bad)
        result = run("compile", tmp_path / "net.onnx", "-o", tmp_path / "b")
        assert result.exit_code in (0, 2) and isinstance(result.exception, (SystemExit, type(None))), result.output
        if result.exit_code:
            assert result.output.startswith("pyqkit: ")
            assert not (tmp_path / "b").exists()
            refusals += 1
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
    assert refusals >= 15
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_force_replaces_outputs(built: Path, tmp_path: Path) -> None:
    assert run("compile", built / "net.onnx", "-o", tmp_path / "net").exit_code == 0
    assert run("compile", built / "net.onnx", "-o", tmp_path / "net", "--board", "KV260", "--force").exit_code == 0
    assert json.loads(run("report", tmp_path / "net", "--json").output)["board"] == "KV260"
    (tmp_path / "y.npy").write_text("old")
    result = run("emulate", tmp_path / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy", "--force")
    assert result.exit_code == 0 and np.load(tmp_path / "y.npy").shape == (7, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "y.npy"]


def test_places_that_cannot_be_written(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "none" / "y.npy"
    refused(
        run("emulate", built / "net", "--input", built / "x.npy", "--output", target),
        f"a file in a folder that exists was expected, but {tmp_path / 'none'} is none; make it first",
    )
    (tmp_path / "file").write_text("mine")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "file" / "b")
    assert result.exit_code == 2
    assert result.output.startswith(f"pyqkit: a folder that can be written was expected, but {tmp_path / 'file' / 'b'} cannot (")
    assert result.output.endswith("); choose another place\n")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_nothing_stays_behind_when_an_output_cannot_be_finished(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    refused(
        run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy"),
        "files that can be read and written were expected, but the system says: [Errno 28] No space left on device; check the path",
    )
    assert not list(tmp_path.iterdir())


def test_ctrl_c_exits_with_130(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyqkit.emulate.exact import ExactEngine

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ExactEngine, "run", interrupted)
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    assert (result.exit_code, result.output) == (130, "pyqkit: interrupted\n")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "b")
    assert (result.exit_code, result.output) == (130, "pyqkit: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = run("compile", built / "net.onnx", "-o", tmp_path / "b")
    refused(result, "onnx was expected for this command, but it is not installed; pip install 'pyqkit[host]'")


def test_messages_go_to_stderr(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pyqkit.cli", "report", str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"pyqkit: a build folder with manifest.json was expected at {tmp_path}, but there is none; make one with 'pyqkit compile'\n"
    )


def test_doctor_says_what_missing_tools_would_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    rows = {row["tool"]: row for row in json.loads(run("doctor", "--json").output)["tools"]}
    assert {"g++", "verilator", "yosys", "vivado", "torch", "brevitas", "onnx", "qonnx"} <= set(rows)
    assert rows["g++"] == {
        "tool": "g++",
        "found": "missing",
        "needed for": "engine hls, fast engine exact",
        "how to get it": "apt install g++",
    }
    assert rows["numpy"]["found"] == "yes" and rows["numpy"]["how to get it"] == ""
    assert all(row["needed for"] and (row["found"] == "yes") == (row["how to get it"] == "") for row in rows.values())


def test_demo_is_called_with_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pyqkit import demo

    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(demo, "run", lambda output, seed, force: calls.append((output, seed, force)))
    assert run("demo", "-o", tmp_path / "demo", "--seed", 7, "--force").exit_code == 0
    assert calls == [(str(tmp_path / "demo"), 7, True)]


def test_progress_shows_after_a_while_and_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import time

    from pyqkit import cli

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(stream: io.StringIO, patience: float) -> str:
        monkeypatch.setattr(cli.sys, "stderr", stream)
        monkeypatch.setattr(cli, "_PATIENCE", patience)
        with cli._progress("working", total=2) as update:
            update(1)
            time.sleep(0.3)
            update("resting")
        return stream.getvalue()

    assert "working" in shown(Terminal(), 0.0)
    assert shown(Terminal(), 60.0) == ""
    assert shown(io.StringIO(), 0.0) == ""


def test_help_is_quick() -> None:
    code = "import resource, subprocess, sys; subprocess.run([sys.executable, '-m', 'pyqkit.cli', '--help'], check=True, stdout=-3)"
    code += "; print(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5  # seconds of processor time
