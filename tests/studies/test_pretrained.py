"""Pretrained float networks: what they say, and archives that are not theirs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pyqkit.errors import UserError
from pyqkit.studies import datasets
from pyqkit.studies.networks.pretrained import PRETRAINED, pretrained, put_weights, weights
from pyqkit.studies.networks.vit import VisionTransformer

DATA = Path(os.environ.get("PYQKIT_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "reference_logits.npz").is_file(),
    reason=f"no evaluation data in {DATA}; set PYQKIT_DATA to the folder",
)


def logits(name: str, pixels: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(PRETRAINED[name].images(pixels))
    network = PRETRAINED[name].load(DATA)
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in x.split(100)])


@needs_data
@pytest.mark.parametrize("name", list(PRETRAINED))
def test_recorded_outputs(name: str) -> None:
    with np.load(DATA / "reference_logits.npz", allow_pickle=False) as recorded:
        expected = recorded[name]
    found = logits(name, datasets.cifar10(DATA, datasets.TEST, 16).pixels)
    # float32 sums in another order: no exact equality to be had
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


@needs_data
@pytest.mark.long
@pytest.mark.parametrize("name", list(PRETRAINED))
def test_accuracy_on_all_images(name: str) -> None:
    images = datasets.cifar10(DATA, datasets.TEST, 5000)
    hits = (logits(name, images.pixels).argmax(1) == images.labels).sum()
    assert hits == round(50 * PRETRAINED[name].top1)


def test_unknown_network() -> None:
    with pytest.raises(UserError, match="out of resnet8, .*, vit was expected, but 'vgg' came"):
        pretrained("vgg")


@pytest.mark.parametrize("name", list(PRETRAINED))
def test_missing_archive(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="npz archive of weights was expected in .*; check the data folder"):
        PRETRAINED[name].load(tmp_path)


def test_archive_of_another_network(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", other=np.zeros(3, np.float32))
    with pytest.raises(UserError, match=r"but cls_token, .* and \d+ more do not match"):
        put_weights(VisionTransformer(), weights(tmp_path / "w.npz"))


def test_tensor_of_another_shape() -> None:
    tensors = dict(VisionTransformer().state_dict())
    tensors["cls_token"] = torch.zeros(1, 1, 3)
    with pytest.raises(UserError, match=r"but cls_token do not match"):
        put_weights(VisionTransformer(), tensors)


def test_stacked_attention_is_the_one_of_pytorch() -> None:
    torch.manual_seed(0)
    ours = VisionTransformer(depth=1).eval()
    theirs = torch.nn.TransformerEncoderLayer(128, 8, 256, batch_first=True).eval()
    state = {k.replace("in_proj.", "in_proj_"): v for k, v in ours.transformer.layers[0].state_dict().items()}
    theirs.load_state_dict(state)
    x = torch.randn(2, 65, 128)
    with torch.inference_mode():
        torch.testing.assert_close(ours.transformer.layers[0](x), theirs(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"x": np.zeros((4, 32, 32, 3), np.uint8)},
        {"x": np.zeros((4, 32, 32, 3), np.float32), "y": np.zeros(4, np.uint8)},
        {"x": np.zeros((4, 28, 28), np.uint8), "y": np.zeros(4, np.uint8)},
        {"x": np.zeros((4, 32, 32, 3), np.uint8), "y": np.zeros(3, np.uint8)},
        {"x": np.zeros((3, 32, 32, 3), np.uint8), "y": np.zeros(3, np.uint8)},
    ],
    ids=["none", "labels", "floats", "gray", "lengths", "few"],
)
def test_images_that_are_none(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / datasets.TEST, **arrays)
    with pytest.raises(UserError, match="check the data folder"):
        datasets.cifar10(tmp_path, datasets.TEST, 4)


def test_images_that_are_no_archive(tmp_path: Path) -> None:
    for content in (None, b"", b"nothing", b"PK\x03\x04" + bytes(40)):
        if content is not None:
            (tmp_path / datasets.TEST).write_bytes(content)
        with pytest.raises(UserError, match="npz archive of images x and labels y was expected"):
            datasets.cifar10(tmp_path, datasets.TEST, 4)


def test_first_images_in_order(tmp_path: Path) -> None:
    x = np.arange(5 * 32 * 32 * 3).reshape(5, 32, 32, 3).astype(np.uint8)
    np.savez(tmp_path / datasets.TRAINING, x=x, y=np.arange(5, dtype=np.uint8))
    found = datasets.cifar10(tmp_path, datasets.TRAINING, 3)
    np.testing.assert_array_equal(found.pixels, x[:3])
    np.testing.assert_array_equal(found.labels, [0, 1, 2])
    assert found.digest != datasets.cifar10(tmp_path, datasets.TRAINING, 4).digest
