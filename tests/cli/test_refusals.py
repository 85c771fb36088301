"""Input that is refused: exact sentences, exit code 2, and nothing left behind."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")

from pyqkit.cli import main
from pyqkit.engines import names
from tests.cli.calls import refused, run


def test_infeasible_rate(built: Path, tmp_path: Path) -> None:
    result = run(
        "compile", built / "net.onnx", "-o", tmp_path / "b", "--board", "PYNQ-Z2", "--target-fps", 1e9
    )
    assert result.exit_code == 2
    assert re.match(
        r"pyqkit: a rate that PYNQ-Z2 reaches was expected, but 1e\+09 frames/s came; .* the "
        r"fastest is \d+ frames/s \(estimated\)",
        result.output,
    )
    assert not (tmp_path / "b").exists()


def test_unknown_names(built: Path, tmp_path: Path) -> None:
    refused(run("formats", "e2mm"), "a format name was expected, but 'e2mm' is none; did you mean 'e2m5'?")
    refused(
        run("formats", "lp4_0_9"),
        "a Logarithmic Posit with n in 2..8, es in 0..5 and rs in 1..n-1 was expected, but lp4_0_9 came",
    )
    refused(run("boards", "zcu14"), "a board was expected, but 'zcu14' is none; did you mean 'ZCU104'?")
    board = run("compile", built / "net.onnx", "-o", tmp_path / "b", "--board", "zcu14")
    refused(board, "a board was expected, but 'zcu14' is none; did you mean 'ZCU104'?")
    engine = run(
        "emulate",
        built / "net",
        "--input",
        built / "x.npy",
        "--output",
        tmp_path / "y.npy",
        "--engine",
        "vhdl",
    )
    known = ", ".join(names())
    refused(engine, f"engine {known} was expected, but 'vhdl' came; choose one of them")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.zeros((3, 2, 5, 6), np.float32),
            "input x of shape (frames, 2, 6, 6) was expected, but (3, 2, 5, 6) came; bring the "
            "frames to that shape, or export the network for theirs",
        ),
        (
            np.full((3, 2, 6, 6), np.nan, np.float32),
            "numbers were expected for input x, but NaN came; remove NaNs first",
        ),
        (
            np.zeros((3, 2, 6, 6), bool),
            "real numbers were expected for input x, but an array of bool came; convert it to float32",
        ),
        (
            np.zeros((0, 2, 6, 6), np.float32),
            "at least one frame was expected, but an array of shape (0, 2, 6, 6) came; put the frames first",
        ),
    ],
)
def test_wrong_frames(built: Path, tmp_path: Path, array: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "x.npy", array)
    refused(
        run("emulate", built / "net", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"), sentence
    )
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_pickled_frames_are_not_opened(built: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    result = run("emulate", built / "net", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert result.exit_code == 2
    assert result.output.startswith("pyqkit: an array in npy format was expected, but ")


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    refused(
        run("compile", tmp_path / "no.onnx", "-o", tmp_path / "b"),
        f"an ONNX file was expected at {tmp_path / 'no.onnx'}, but there is none; check the path",
    )
    (tmp_path / "bad.onnx").write_bytes(b"not a model at all")
    result = run("compile", tmp_path / "bad.onnx", "-o", tmp_path / "b")
    refused(
        result,
        f"an ONNX file was expected, but {tmp_path / 'bad.onnx'} cannot be read as one; it may be "
        "truncated, export it again",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["bad.onnx"]


@pytest.mark.parametrize(
    "damage", ["manifest edited", "manifest cut", "array file edited", "source edited", "no manifest"]
)
def test_tampered_build_folders(built: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "net"
    shutil.copytree(built / "net", folder)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    if damage == "manifest edited":
        manifest.write_text(text.replace("PYNQ-Z2", "ZCU104"))
        sentence = (
            f"an unchanged manifest was expected, but {manifest} has been edited; compile the network again"
        )
    elif damage == "manifest cut":
        manifest.write_text(text[:1])
        sentence = (
            f"a manifest as pyqkit writes it was expected, but {manifest} cannot be read (Expecting property "
            "name enclosed in double quotes: line 1 column 2 (char 1)); compile the network again"
        )
    elif damage == "no manifest":
        manifest.unlink()
        sentence = (
            f"a build folder with manifest.json was expected at {folder}, but there is none; make "
            "one with 'pyqkit compile'"
        )
    else:
        file = folder / ("arrays.npz" if damage == "array file edited" else "hls/network.hpp")
        file.write_bytes(file.read_bytes() + b" ")
        sentence = (
            f"an unchanged file was expected, but {file} is missing or has been edited; compile the "
            "network again"
        )
    refused(run("report", folder), sentence)


def test_energy_wants_frames(built: Path) -> None:
    sentence = "--energy and --input were expected together, but one came alone; add the other"
    refused(run("report", built / "net", "--energy"), sentence)
    refused(run("report", built / "net", "--input", built / "x.npy"), sentence)


def float_model(*shape: object) -> bytes:
    """An ONNX model without quantisers, or with one and a dynamic shape."""
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    constants = []
    if "height" in shape:
        constants = [
            helper.make_tensor(name, TensorProto.FLOAT, [], [value])
            for name, value in (("s", 1.0), ("z", 0.0), ("b", 4.0))
        ]
        nodes = [
            helper.make_node(
                "Quant",
                ["x", "s", "z", "b"],
                ["y"],
                domain="qonnx.custom_op.general",
                signed=1,
                narrow=0,
                rounding_mode="ROUND",
            )
        ]
    return helper.make_model(helper.make_graph(nodes, "net", [x], [y], constants)).SerializeToString()


def test_models_that_are_not_qonnx_or_have_dynamic_shapes(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(float_model(1, 2, 6, 6))
    refused(
        run("compile", tmp_path / "net.onnx", "-o", tmp_path / "b"),
        "a QONNX model with Quant, IntQuant, FloatQuant, BipolarQuant, FormatQuant, Trunc, "
        "DequantizeLinear nodes was expected, but none came; quantise the PyTorch network of a float "
        "file with 'pyqkit quantise', or export a quantised one with pyqkit.quant.export_qonnx or "
        "brevitas.export.export_qonnx",
    )
    (tmp_path / "net.onnx").write_bytes(float_model(1, 2, "height", 6))
    refused(
        run("compile", tmp_path / "net.onnx", "-o", tmp_path / "b"),
        "static shapes were expected, but input x has a dynamic one; "
        "export with fixed sizes and a batch of 1",
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
        assert result.exit_code in (0, 2) and isinstance(result.exception, (SystemExit, type(None))), (
            result.output
        )
        if result.exit_code:
            assert result.output.startswith("pyqkit: ")
            assert not (tmp_path / "b").exists()
            refusals += 1
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
    assert refusals >= 15
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("demo", "--seed", "-1"),
            "Invalid value for '--seed': -1 is not in the range 0<=x<=4294967295; see 'pyqkit demo --help'",
        ),
        (
            ("compile", "x", "-o", "y", "--target-fps", "a"),
            "Invalid value for '--target-fps': 'a' is not a valid float; see 'pyqkit compile --help'",
        ),
        (("compile",), "Missing argument 'NETWORK'; see 'pyqkit compile --help'"),
        (("nosuch",), "No such command 'nosuch'; see 'pyqkit --help'"),
        (
            ("report", "\ud800"),
            "names that a file system can hold were expected, but one has lone surrogates; write it in UTF-8",
        ),
    ],
)
def test_arguments_that_are_none(arguments: tuple[str, ...], sentence: str) -> None:
    result = CliRunner().invoke(main, arguments, prog_name="pyqkit")
    refused(result, sentence)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        (
            "--target-fps",
            "1e-310",
            "a rate of at least 0.001 frames/s was expected, but 1e-310 came; leave it out for the fastest",
        ),
        (
            "--target-fps",
            "nan",
            "a rate of at least 0.001 frames/s was expected, but nan came; leave it out for the fastest",
        ),
        (
            "--clock-mhz",
            "0.1",
            "a clock from 1 to below 1000 MHz was expected, but 0.1 came; leave it out for the board's own",
        ),
        (
            "--clock-mhz",
            "inf",
            "a clock from 1 to below 1000 MHz was expected, but inf came; leave it out for the board's own",
        ),
        (
            "--lut-share",
            "-inf",
            "a share of the LUTs above 0 and up to 1 was expected, but -inf came; 0.7 leaves room "
            "to place and route",
        ),
    ],
)
def test_numbers_out_of_range(built: Path, tmp_path: Path, option: str, value: str, sentence: str) -> None:
    refused(
        run("compile", built / "net.onnx", "-o", tmp_path / "b", "--board", "PYNQ-Z2", option, value),
        sentence,
    )
    assert not list(tmp_path.iterdir())
