"""`pyqkit quantise`: what it writes is what the Python interface gives; what is refused, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image

import pyqkit
from tests.cli.calls import refused, run
from tests.quant.ptq.networks import Residual, frames, seeded

CODE = """
from beside import WIDTH
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, WIDTH, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * WIDTH, 10))

def dropping():
    made = nn.Sequential(*make(), nn.Dropout(0.5))
    return made.train()

def broken():
    raise RuntimeError("no such luck")

def wide(width):
    return nn.Linear(width, width)

def number():
    return 3

def overflowing():
    made = make()
    for layer in (made[0], made[3]):
        layer.weight.data.fill_(1e30)
    return made
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With code, its neighbour, weights in both kinds of file, and calibration frames."""
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(CODE)
    Path("beside.py").write_text("WIDTH = 4\n")
    weights = {name: tensor for name, tensor in seeded(_float()).state_dict().items()}
    np.savez("w.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    save_file(weights, "w.safetensors")
    np.save("x.npy", frames().numpy())
    return tmp_path


def _float() -> torch.nn.Module:
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def quantise(*arguments: object) -> Any:
    return run("quantise", *arguments)


GIVEN = ("net.py:make", "--weights", "w.npz", "--calib", "x.npy", "-o", "net.onnx")


def test_dropout_of_a_network_in_training_mode_drops_nothing(folder: Path) -> None:
    assert quantise(*GIVEN, "--weights-format", "int8").exit_code == 0
    dropping = ("net.py:dropping", *GIVEN[1:-1], "dropping.onnx", "--weights-format", "int8")
    assert quantise(*dropping).exit_code == 0
    x = frames().numpy()
    plain, dropped = (pyqkit.compile(name, target_fps=10)(x) for name in ("net.onnx", "dropping.onnx"))
    np.testing.assert_array_equal(plain, dropped)


def test_writes_what_the_python_interface_gives(folder: Path) -> None:
    result = quantise(*GIVEN, "--weights-format", "e2m1", "--acts-format", "e3m2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["network"] == "net.onnx" and found["frames"] == 32 and found["sqnr_db"] > 10
    formats = {(t["layer"], t["what"]): t["format"] for t in found["tensors"]}
    assert formats == {
        ("0", "weights"): "e3m4",
        ("3", "weights"): "e3m4",
        ("input", "activations"): "ue3m5",
        ("1", "activations"): "ue3m5",
    }
    module = pyqkit.quantise(seeded(_float()), frames(), weights="e2m1", acts="e3m2")
    accelerator = pyqkit.compile("net.onnx", target_fps=10)
    wanted = pyqkit.compile(module, frames(1), target_fps=10)
    x = frames().numpy()
    np.testing.assert_array_equal(accelerator.emulate(x, codes=True), wanted.emulate(x, codes=True))


def test_both_kinds_of_weights_give_one_file(folder: Path) -> None:
    assert quantise(*GIVEN).exit_code == 0
    again = [argument.replace("w.npz", "w.safetensors").replace("net.onnx", "b.onnx") for argument in GIVEN]
    result = quantise(*again)
    assert result.exit_code == 0 and "outputs against float on 32 calibration frames" in result.output
    assert Path("net.onnx").read_bytes() == Path("b.onnx").read_bytes()


def test_sensitivity_of_each_tensor(folder: Path) -> None:
    result = quantise(*GIVEN, "--sensitivity", "--json", "--ends-format", "int4")
    each = json.loads(result.output)["sensitivity"]
    assert [(entry["name"], entry["tensor"]) for entry in each] == [
        ("input.act_quant", "activations"),
        ("0", "weights"),
        ("1.act_quant", "activations"),
        ("3", "weights"),
    ]
    assert all(entry["noise"] > 0 for entry in each)
    table = quantise(*GIVEN, "--sensitivity", "--force")
    assert table.exit_code == 0 and "each tensor rounded alone" in table.output


def test_nothing_is_overwritten_without_force(folder: Path) -> None:
    Path("net.onnx").write_text("mine")
    refused(
        quantise(*GIVEN),
        "a new file was expected, but net.onnx exists; choose another name or pass --force",
    )
    assert Path("net.onnx").read_text() == "mine"
    assert quantise(*GIVEN, "--force").exit_code == 0


def test_images(folder: Path) -> None:
    Path("images").mkdir()
    pixels = (frames(12, size=10).numpy()[:, 0] * 255).round().astype(np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(f"images/{index:02}.png")
    result = quantise(*GIVEN, "--calib", "images", "--preprocess", "crop=8,grey,mean=0.5,std=0.25", "--json")
    assert result.exit_code == 0, result.output
    expected = (pixels[:, None, 1:9, 1:9] / np.float32(255) - 0.5) / 0.25
    module = pyqkit.quantise(seeded(_float()), expected)
    assert json.loads(result.output)["tensors"][2]["largest_scale"] == float(
        module.get_submodule("input.act_quant").scale
    )


REFUSALS = {
    "net.py": ("net.py", "a module and a factory were expected, such as net.py:make, but 'net.py' came"),
    "absent file": ("absent.py:make", "cannot (FileNotFoundError: there is no file absent.py)"),
    "absent factory": ("net.py:other", "a function or class other was expected in net.py, but there is none"),
    "factory that raises": (
        "net.py:broken",
        "a factory that makes a network was expected, but net.py:broken raises RuntimeError: no such luck; "
        "'python -c \"import net; net.broken()\"' in its folder shows where",
    ),
    "factory with arguments": (
        "net.py:wide",
        "called without arguments was expected, but net.py:wide needs some (missing a required argument: "
        "'width'); give its arguments defaults",
    ),
    "overflow": (
        "net.py:overflowing",
        "finite activations was expected, but NaN or infinity leaves 3;",
    ),
    "no module": ("net.py:number", "a torch.nn.Module was expected from net.py:number, but int came"),
}


@pytest.mark.parametrize(("where", "words"), REFUSALS.values(), ids=REFUSALS)
def test_code_that_is_refused(folder: Path, where: str, words: str) -> None:
    given = GIVEN[1:] if where != "net.py:overflowing" else GIVEN[3:]  # it has weights of its own
    result = quantise(where, *given)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1
    assert not Path("net.onnx").exists()


def _saved(**arrays: np.ndarray) -> None:
    with np.load("w.npz") as archive:
        np.savez("w.npz", **{**archive, **arrays})


def test_weights_that_do_not_fit(folder: Path) -> None:
    with np.load("w.npz") as archive:
        np.savez("w.npz", **{"0.weight": archive["0.weight"], "0.bias": np.zeros(5), "extra": np.zeros(1)})
    refused(
        quantise(*GIVEN),
        "weights that fit Sequential were expected, but they came without 3.weight, 3.bias, with unknown "
        "extra, with misshapen 0.bias ((5,) for (4,)); compare their names with those of its state_dict()",
    )


def test_weights_that_are_not_finite(folder: Path) -> None:
    _saved(**{"0.bias": np.full(4, np.nan, np.float32)})
    refused(
        quantise(*GIVEN),
        "finite weights were expected, but NaN or infinity is in 0.bias; train again, or write them again",
    )


def test_pickles_are_not_read(folder: Path) -> None:
    torch.save(_float().state_dict(), "w.pt")
    np.savez("objects.npz", weight=np.array([{}], object))
    for name in ("w.pt", "objects.npz", "x.npy"):
        result = quantise(*GIVEN, "--weights", name)
        assert result.exit_code == 2, name
        assert f"weights as npz or safetensors were expected, but {name} cannot be read" in result.output
    Path("w.safetensors").write_bytes(b"\xff" * 100)
    assert "w.safetensors cannot be read" in quantise(*GIVEN, "--weights", "w.safetensors").output


CALIBRATION = {
    "few": (frames(3).numpy(), "at least 8 calibration frames along the first axis were expected"),
    "misshapen": (
        frames(16, size=7).numpy(),
        "a network that runs on a frame of shape (1, 7, 7) was expected",
    ),
    "text": (np.array([["a"]] * 16), "an array in npy format was expected"),
    "NaN": (np.full((16, 1, 8, 8), np.nan, np.float32), "NaN or infinity is in 16 of 16, first in frame 0"),
}


@pytest.mark.parametrize(("array", "words"), CALIBRATION.values(), ids=CALIBRATION)
def test_calibration_that_is_refused(folder: Path, array: np.ndarray, words: str) -> None:
    np.save("x.npy", array)
    result = quantise(*GIVEN)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1


IMAGES = {
    "no preprocessing": ((), "--preprocess was expected for the images of images, but it is missing"),
    "unknown word": (
        ("--preprocess", "crop=8,blur"),
        "joined by commas and each once, were expected, but 'blur'",
    ),
    "twice": (("--preprocess", "crop=8,crop=9"), "but 'crop=9' came"),
    "zero": (("--preprocess", "std=0"), "but 'std=0' came"),
    "channels": (("--preprocess", "grey,mean=1/2/3"), "1 or 1 numbers were expected for mean, but 3 came"),
    "small": (("--preprocess", "crop=64"), "images of 64 pixels or more on each side were expected"),
    "sizes": (("--preprocess", "scale=255"), "images of one size were expected, but 0.png becomes (8, 8)"),
}


@pytest.mark.parametrize(("options", "words"), IMAGES.values(), ids=IMAGES)
def test_images_that_are_refused(folder: Path, options: tuple[str, ...], words: str) -> None:
    Path("images").mkdir()
    for index in range(8):
        Image.new("L", (8 + index, 8)).save(f"images/{index}.png")
    result = quantise(*GIVEN, "--calib", "images", *options)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1


def test_an_image_that_is_none(folder: Path) -> None:
    Path("images").mkdir()
    Path("images/a.png").write_text("no image")
    result = quantise(*GIVEN, "--calib", "images", "--preprocess", "scale=255")
    assert result.exit_code == 2 and "an image was expected, but images/a.png cannot be read" in result.output


OPTIONS = {
    "format": (("--weights-format", "e9m9"), "was expected"),
    "blocks": (("--acts-format", "mx32_e2m1"), "a format of single values of up to 16 bits was expected"),
    "step": (("--recipe", "magic"), "steps joined by + were expected, but 'magic' is none"),
    "percentile": (("--percentile", "0"), "a percentile above 0 and up to 100 was expected, but 0.0 came"),
}


@pytest.mark.parametrize(("options", "words"), OPTIONS.values(), ids=OPTIONS)
def test_options_that_are_refused(folder: Path, options: tuple[str, ...], words: str) -> None:
    result = quantise(*GIVEN, *options)
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1


def test_a_factory_of_an_installed_module(folder: Path) -> None:
    np.save("x.npy", np.random.default_rng(0).random((8, 784), np.float32))
    result = run("quantise", "torch.nn:ReLU", "--calib", "x.npy", "-o", "net.onnx")
    refused(
        result,
        "a network with convolutions or linear layers was expected, but torch.fx finds none; pass one made "
        "of torch.nn.Conv2d and torch.nn.Linear",
    )


def test_names_of_a_larger_network(folder: Path) -> None:
    Path("net.py").write_text("from tests.quant.ptq.networks import Residual\n")
    np.savez("w.npz", **{name: t.numpy() for name, t in seeded(Residual()).state_dict().items()})
    assert quantise("net.py:Residual", *GIVEN[1:], "--acts-format", "int4").exit_code == 0
