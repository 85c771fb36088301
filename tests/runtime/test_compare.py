"""`compare` names the layer in which a device goes wrong, where the build has probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.emulate.exact import ExactEngine
from pyqkit.formats.port import End
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.runtime import Driver
from tests.overlays import frames, overlay

PROBES = ("conv_32", "conv_43", "relu_18", "conv_43_threshold", "relu_51")
# As they follow one another.
LAYERS = ["relu_18", "conv_32", "conv_43", "conv_43_threshold", "relu_51", "gemm_70"]


@pytest.fixture
def device() -> Iterator[Driver]:
    with Driver.load(overlay("ZCU104", *PROBES), backend="emulated", batch=8) as driver:
        yield driver


def network(device: Driver):  # type: ignore[no-untyped-def]
    """The emulated accelerator."""
    return device._backend._board._blocks[-1]


def test_a_board_that_is_right(device: Driver) -> None:
    found = device.compare(frames(20))
    assert (found["frames"], found["codes"], found["codes_differing"], found["frames_differing"]) == (
        20,
        100,
        0,
        [],
    )
    assert [layer["name"] for layer in found["layers"]] == LAYERS and found["first_layer"] is None
    assert found["layers"][1] == {
        "name": "conv_32",
        "codes": 20 * 6 * 6 * 8,
        "codes_differing": 0,
        "frames_differing": [],
    }


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_codes_of_one_output_are_found_there(device: Driver, name: str) -> None:
    place = [output.end.tensor for output in device._outputs].index(name)
    plain: Callable[[np.ndarray], list[np.ndarray]] = network(device).engine

    def wrong(given: np.ndarray) -> list[np.ndarray]:
        found = plain(given)
        found[place] = found[place].copy()
        found[place][given[:, 0] == given[0, 0], 0] ^= 1
        return found

    network(device).engine = wrong
    found = device.compare(frames(3))
    assert found["first_layer"] == name
    by_name = {layer["name"]: layer for layer in found["layers"]}
    assert (
        by_name[name]["codes_differing"] == len(by_name[name]["frames_differing"]) >= 1
        and by_name[name]["frames_differing"][0] == 0
    )
    assert not any(layer["codes_differing"] for other, layer in by_name.items() if other != name)
    assert found["codes_differing"] == (by_name[name]["codes_differing"] if name == "gemm_70" else 0)


@pytest.mark.parametrize(
    ("layer", "seen"), [("conv_12", "relu_18"), ("conv_32", "conv_32"), ("gemm_70", "gemm_70")]
)
def test_a_wrong_weight_is_found_in_its_layer(device: Driver, layer: str, seen: str) -> None:
    """What goes wrong in a layer spreads to those behind it.

    The first that differs is the first that is seen behind the fault.
    """
    compiled = pyqkit.Accelerator.load(device.manifest.build)
    convolution = next(op for op in compiled.graph.operators if op.name == layer)
    assert isinstance(convolution, Convolution)
    codes = convolution.weight_format.codes
    convolution.weights = np.where(convolution.weights == codes[-1], codes[0], codes[-1]).astype(
        convolution.weights.dtype
    )
    engine, given, ends = (
        ExactEngine(compiled.graph),
        device._given,
        [output.end for output in device._outputs],
    )

    def wrong(content: np.ndarray) -> list[np.ndarray]:
        found = engine.run({given.tensor: given.from_bytes(content)})
        return [wrapped(end, found[end.tensor]) for end in ends]

    network(device).engine = wrong
    found = device.compare(frames(10))
    assert found["first_layer"] == seen and found["codes_differing"] > 0
    before = LAYERS[: LAYERS.index(seen)]
    assert [entry["name"] for entry in found["layers"] if not entry["codes_differing"]][
        : len(before)
    ] == before


def wrapped(end: End, codes: np.ndarray) -> np.ndarray:
    """Codes on the wires of a stream, which have as many bits as the right weights need."""
    return end.to_bytes(codes.astype(np.int64) & ((1 << end.bits) - 1))
