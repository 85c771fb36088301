"""Linear layers of a model on an array that is loaded: on a board, or an emulated one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pyqkit.array.network import ArrayNetwork
from pyqkit.formats.port import to_integers
from pyqkit.runtime import Array
from pyqkit.runtime.array import Network
from pyqkit.story.array import Runner


def on_device(array: Array, networks: Sequence[ArrayNetwork]) -> Sequence[Runner]:
    """Give an array the networks of a model; all of them stay in its memories if they fit.

    Parameters
    ----------
    array : Array
        For whose machine they are; the first argument of a `functools.partial` for `OnArray`.
    """
    return [partial(_run, array.program(network, batch=1), network) for network in networks]


def _run(loaded: Network, network: ArrayNetwork, codes: np.ndarray) -> list[np.ndarray]:
    given = network.input
    numbers = to_integers(codes, given.codes.format).astype(np.float32)  # as exact: of 8 bits, shifted
    found = loaded.execute(numbers.reshape(len(codes), *given.port.onnx_shape), codes=True)
    parts = found if isinstance(found, dict) else {network.outputs[0].port.onnx_name: found}
    return [parts[side.port.onnx_name] for side in network.outputs]
