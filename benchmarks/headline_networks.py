"""The networks of `headline.py`: their formats, their files of weights, their frames, and what they take."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import zoo
from torch import nn

from pyqkit.digest import digest
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import export_qonnx
from pyqkit.quant.palquant import deploy, groups_for, load_checkpoint, palquant
from pyqkit.studies import datasets
from pyqkit.studies.networks.layers import Formats, Quantised
from pyqkit.studies.networks.perceptron import WIDTHS, perceptron
from pyqkit.studies.networks.residual import SmallResNet

FORMATS = {
    "resnet8": Formats("int4", "int4", "uint4", "int8", "int8", "uint8"),
    "mlp": Formats("e2m1", "e2m1", "ue2m2", "int8", "int8", "uint8"),
}
RESULTS = Path(__file__).parent / "results" / "headline"
SEED = 1  # of random frames
PALQUANT = Path(__file__).parents[1] / "notebooks" / "palquant_digits.npz"
PALQUANT_WIDTH, CALIBRATION = 8, 256  # of its first stage; images on which its stream finds its range
FILES = {name: RESULTS / f"{name}_weights.npz" for name in ("resnet8", "mlp")}


def resnet8_network(data: Path) -> nn.Module:
    """ResNet-8 with float weights, not yet calibrated."""
    search = {"scale_search": "mse"}
    network = zoo.load("resnet8", data, Quantised(FORMATS["resnet8"], search, search))
    network.pooled = Quantised(FORMATS["resnet8"]).pooled()  # eight bits need no search: the largest value
    return network


def mlp_network(quantised: bool = True) -> nn.Module:
    """The perceptron."""
    return perceptron(FORMATS["mlp"], quantised)


def load(network: nn.Module, path: Path) -> nn.Module:
    """A network with saved tensors, ready for inference."""
    network.load_state_dict({key: torch.from_numpy(array) for key, array in archive(path).items()})
    return network.eval()


def fashion(pixels: np.ndarray) -> np.ndarray:
    """Input of the perceptron, float32 rows of 784 in 0..1, of uint8 pixels."""
    return (pixels.astype(np.float32) / 256).reshape(-1, WIDTHS[0])


def accuracy(network: nn.Module, x: np.ndarray, labels: np.ndarray) -> float:
    """Per cent."""
    return round(100 * float((zoo.logits(network, x).argmax(1) == labels).mean()), 2)


@functools.cache
def archive(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a file."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@functools.cache
def content(path: Path) -> str:
    """SHA-256 of a file: what was trained on."""
    return digest(path.read_bytes())


@dataclass(frozen=True, eq=False)
class Subject:
    """What a design is made of and measured with.

    Attributes
    ----------
    model : path
        QONNX.
    source : str
        Where its weights are from.
    formats : dict of str to str
    frames : numpy.ndarray
    labels : numpy.ndarray or None
        None where the frames are random.
    """

    model: Path
    source: str
    formats: dict[str, str]
    frames: np.ndarray
    labels: np.ndarray | None


def _resnet8(data: Path, models: Path) -> Subject:
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        frames, labels = zoo.images("resnet8", archive["x"]), archive["y"]
    return _trained("resnet8", resnet8_network(data), frames, labels)


def _mlp(data: Path, models: Path) -> Subject:
    with np.load(data / "fashion_mnist.npz", allow_pickle=False) as archive:
        frames, labels = fashion(archive["x_test"]), archive["y_test"]
    return _trained("mlp", mlp_network(), frames, labels)


def _trained(name: str, network: nn.Module, frames: np.ndarray, labels: np.ndarray) -> Subject:
    folder = tempfile.mkdtemp(prefix="headline_")
    example = torch.from_numpy(frames[:1])
    model = export_qonnx(load(network, FILES[name]), example, Path(folder) / f"{name}.onnx")
    source = FILES[name].relative_to(Path(__file__).parent.parent)
    return Subject(model, str(source), asdict(FORMATS[name]), frames, labels)


def _kws(data: Path, models: Path) -> Subject:
    """FINN's keyword spotting network with frames of random codes of its input."""
    path = models / "kwsmlp_w3a3.onnx"
    graph = import_qonnx(path)
    (port,) = graph.inputs
    fmt = graph.tensors[port.tensor].format
    values = np.random.default_rng(SEED).choice(fmt.values, (64, *port.onnx_shape))
    frames = (values * port.scale[0]).astype(np.float32)
    return Subject(path, f"{path.name}, SHA-256 {content(path)[:16]}", {"input": fmt.name}, frames, None)


def palquant_network() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Two groups of 2 bits as hardware has them, the digits that are not trained on, and their classes."""
    x, _, frames, labels = datasets.digits(0)
    network = palquant(SmallResNet(1, PALQUANT_WIDTH), groups_for(4, 2), weight_bits=2, act_bits=2)
    load_checkpoint(network, PALQUANT)
    return deploy(network.eval(), torch.from_numpy(x[:CALIBRATION])), frames, labels


def _palquant(data: Path, models: Path) -> Subject:
    network, frames, labels = palquant_network()
    folder = Path(tempfile.mkdtemp(prefix="headline_"))
    model = export_qonnx(network, torch.from_numpy(frames[:1]), folder / "palquant.onnx")
    formats = {"weights": "odd2", "activations": "uint2", "ends": "int8", "stream": "int16"}
    return Subject(model, str(PALQUANT.relative_to(PALQUANT.parents[1])), formats, frames, labels)


READERS: dict[str, Callable[[Path, Path], Subject]] = {
    "resnet8": _resnet8,
    "kws": _kws,
    "mlp": _mlp,
    "palquant": _palquant,
}
