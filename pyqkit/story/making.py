"""A pretrained model and its vocabulary to a model that talks: rounded by algorithm 1 of MicroScopiQ."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats.microscopiq.values import BlockActivation
from pyqkit.quant.microscopiq import Options, quantised
from pyqkit.quant.microscopiq.network import MicroscopiqLinear
from pyqkit.story.model import Linear, StoryModel, names
from pyqkit.studies.datasets import arrays
from pyqkit.studies.microscopiq.models import Llama, LlamaLayer
from pyqkit.studies.microscopiq.texts import ARCHIVES, Pretrained

MODEL = "stories260k"
CALIBRATION = 4096  # tokens


def made(folder: Path, bits: int, acts: int) -> StoryModel:
    """``stories260k`` of a data folder, with weights and activations of so many bits.

    Raises
    ------
    UserError
        If the folder lacks it.
    """
    source = Pretrained(MODEL, folder)
    pieces, scores = _vocabulary(folder / ARCHIVES[MODEL].text)
    model = source.model()
    assert isinstance(model, Llama)
    return rounded(model, source.calibration(CALIBRATION).numpy(), Options(bits), acts, pieces, scores)


def rounded(
    model: Llama,
    calibration: np.ndarray,
    options: Options,
    acts: int,
    pieces: tuple[bytes, ...],
    scores: np.ndarray,
) -> StoryModel:
    """A model of the Llama family as one that talks.

    Parameters
    ----------
    calibration : numpy.ndarray, int64, shape (windows, positions)
        Tokens.
    options : Options
        Along outputs, without shifts.
    acts : {4, 8}
        Bits of activations.
    pieces, scores
        Of tokens; see `StoryModel`.
    """
    network = quantised(model, calibration, options, f"mx128_int{acts}narrow")
    assert isinstance(network, Llama)
    depth = len(network.layers)
    first = network.layers[0]
    assert isinstance(first, LlamaLayer)
    return StoryModel(
        {
            name: parameter.detach().numpy()
            for name, parameter in network.named_parameters()
            if "norm" in name or name == "tok_embeddings.weight"
        },
        {
            source: _linear([network.get_submodule(reader) for reader in readers], acts)
            for source, readers in names(depth)
        },
        first.attention.heads,
        first.attention.kv_heads,
        depth,
        pieces,
        scores,
    )


def _linear(layers: list[object], acts: int) -> Linear:
    rounded = [layer for layer in layers if isinstance(layer, MicroscopiqLinear)]
    quantisers = [layer.input_quant for layer in rounded]
    (window,) = {q.window for q in quantisers if q is not None}  # of one input
    return Linear(tuple(layer.encoded for layer in rounded), BlockActivation(acts), window.lowest)


def _vocabulary(path: Path) -> tuple[tuple[bytes, ...], np.ndarray]:
    try:
        content, ends, scores = arrays(path, "vocab_bytes", "vocab_offsets", "vocab_scores")
    except ValueError as error:
        raise UserError(f"a vocabulary was expected in {path}, but {error}; check the data folder") from None
    text = content.tobytes()
    return tuple(text[low:high] for low, high in pairwise(ends)), scores
