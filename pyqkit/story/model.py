"""What a model that talks consists of, as a file of plain arrays: numpy reads it, nothing is executed.

An npz file has float32 arrays by the names of llama2.c's tensors (``tok_embeddings.weight``,
``layers.0.attention_norm.weight``, ..., ``norm.weight``), for each linear layer the bytes of its tensor as
`pyqkit.formats.microscopiq.to_bytes` writes them, rows being inputs, and

    heads                     heads of queries, and of keys and values
    acts                      bits of activations
    layers.0.attention.x ...  lowest exponent of the activations of each input that linear layers share
    vocab_bytes, vocab_offsets, vocab_scores
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from pyqkit import npy, untrusted
from pyqkit.errors import UserError
from pyqkit.files import replacing
from pyqkit.formats import FormatError
from pyqkit.formats.microscopiq import MicroscopiqTensor, Window, from_bytes, to_bytes
from pyqkit.formats.microscopiq.values import SPREAD, BlockActivation, BlockWeight
from pyqkit.formats.reading import DAMAGE, check, describe

MAX_MODEL = 64 * 2**20  # bytes of a file
# What reads one input: name of it, and of the linear layers.
SHARED = (
    ("attention.x", ("attention.wq", "attention.wk", "attention.wv")),
    ("attention.y", ("attention.wo",)),
    ("feed_forward.x", ("feed_forward.w1", "feed_forward.w3")),
    ("feed_forward.y", ("feed_forward.w2",)),
)


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear layers that read one input.

    Attributes
    ----------
    tensors : tuple of MicroscopiqTensor
        Of each layer, (inputs, outputs).
    activation : BlockActivation
    lowest : int
        Exponent of the activations' blocks; the highest is `SPREAD` more.
    """

    tensors: tuple[MicroscopiqTensor, ...]
    activation: BlockActivation
    lowest: int

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return self.tensors[0].shape[0]

    @cached_property
    def exponents(self) -> list[int]:
        """Lowest exponent of the weights of each layer: that of their integers."""
        return [_lowest(tensor) for tensor in self.tensors]

    @cached_property
    def codes(self) -> list[np.ndarray]:
        """Weights of each layer as codes of `BlockWeight`, (inputs, outputs)."""
        return [
            BlockWeight(tensor.slots.bits).of_tensor(tensor, Window(lowest, lowest + SPREAD))
            for tensor, lowest in zip(self.tensors, self.exponents)
        ]

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Integers of activations (positions, inputs), in units of two to `lowest`."""
        return self.activation.scaled(x, self.lowest)

    def real(self, sums: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of integers as numbers, float32."""
        return [
            np.ldexp(found.astype(np.float64), self.lowest + lowest).astype(np.float32)
            for found, lowest in zip(sums, self.exponents)
        ]

    def integers(self, x: np.ndarray) -> list[np.ndarray]:
        """The definition: exact sums of each layer for activations (positions, inputs), as float32."""
        scaled = self.scaled(x)
        return self.real([scaled @ weights for weights in self._weights])

    @cached_property
    def _weights(self) -> list[np.ndarray]:
        """Integers of the weights of each layer."""
        return [BlockWeight(t.slots.bits).integers[c] for t, c in zip(self.tensors, self.codes)]


@dataclass(frozen=True, eq=False)
class StoryModel:
    """A model of the Llama family.

    Attributes
    ----------
    floats : dict of str to numpy.ndarray, float32
        Embeddings and norms, by name.
    linears : dict of str to Linear
        By the name of their input.
    heads, kv_heads, depth : int
    pieces : tuple of bytes
        Text of each token.
    scores : numpy.ndarray, float32, shape (tokens,)
        Of merging two pieces into each token.
    """

    floats: dict[str, np.ndarray]
    linears: dict[str, Linear]
    heads: int
    kv_heads: int
    depth: int
    pieces: tuple[bytes, ...]
    scores: np.ndarray

    @property
    def stored_bits(self) -> int:
        """Of all linear layers, with metadata."""
        return sum(tensor.stored_bits for linear in self.linears.values() for tensor in linear.tensors)

    @property
    def weights(self) -> int:
        """Of all linear layers."""
        return sum(t.shape[0] * t.shape[1] for linear in self.linears.values() for t in linear.tensors)


def names(depth: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Inputs and the layers that read them, in the order of the model."""
    for layer in range(depth):
        for source, readers in SHARED:
            yield f"layers.{layer}.{source}", tuple(f"layers.{layer}.{reader}" for reader in readers)


def save(model: StoryModel, path: Path, force: bool = False) -> None:
    """Write a model to a file.

    Raises
    ------
    UserError
        If the file exists, without `force`, or cannot be written.
    """
    arrays = dict(model.floats)
    arrays["heads"] = np.array([model.heads, model.kv_heads], np.int32)
    for source, readers in names(model.depth):
        linear = model.linears[source]
        arrays["acts"] = np.array([linear.activation.width], np.int32)
        arrays[source] = np.array([linear.lowest], np.int32)
        for reader, tensor in zip(readers, linear.tensors):
            arrays[reader] = np.frombuffer(to_bytes(tensor), np.uint8)
    arrays["vocab_bytes"] = np.frombuffer(b"".join(model.pieces), np.uint8)
    arrays["vocab_offsets"] = np.cumsum([0, *map(len, model.pieces)]).astype(np.int32)
    arrays["vocab_scores"] = model.scores
    with replacing(path, force) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> StoryModel:
    """Read a model.

    Raises
    ------
    UserError
        If the file holds none.
    """
    try:
        return _read(npy.archive(untrusted.content(path, MAX_MODEL)))
    except OSError as error:
        raise UserError(f"a model was expected at {path}, but {error}; check the path") from None
    except (FormatError, *DAMAGE) as error:
        raise UserError(
            f"a model as 'pyqkit story -o' writes it was expected at {path}, but it has {describe(error)}; "
            "make it again"
        ) from None


def _read(arrays: dict[str, np.ndarray]) -> StoryModel:
    floats = {name: found for name, found in arrays.items() if name.endswith(".weight")}
    check(all(found.dtype == np.float32 for found in floats.values()), "weights that are not float32")
    check(all(np.isfinite(found).all() for found in floats.values()), "weights that are not finite")
    depth = sum(name.endswith(".attention_norm.weight") for name in floats)
    heads, kv_heads = (int(n) for n in arrays["heads"])
    activation = BlockActivation(int(arrays["acts"].item()))
    linears = {
        source: Linear(
            tuple(from_bytes(arrays[reader].tobytes()) for reader in readers),
            activation,
            int(arrays[source].item()),
        )
        for source, readers in names(depth)
    }
    content, ends = arrays["vocab_bytes"].tobytes(), arrays["vocab_offsets"].astype(np.int64)
    check(bool((np.diff(ends) >= 0).all()) and ends[0] == 0 and ends[-1] == len(content), "other offsets")
    pieces = tuple(content[low:high] for low, high in pairwise(ends))
    model = StoryModel(floats, linears, heads, kv_heads, depth, pieces, arrays["vocab_scores"])
    _check_shapes(model)
    return model


def _check_shapes(model: StoryModel) -> None:
    tokens, width = model.floats["tok_embeddings.weight"].shape
    check(model.depth > 0 and len(model.pieces) == tokens == len(model.scores), "another vocabulary")
    check(0 < model.kv_heads <= model.heads and model.heads % model.kv_heads == 0, "other heads")
    check(width % (2 * model.heads) == 0, "other heads")
    shared = width // model.heads * model.kv_heads
    for layer in range(model.depth):
        shapes = [[t.shape for t in model.linears[f"layers.{layer}.{name}"].tensors] for name, _ in SHARED]
        hidden = shapes[2][0][1]
        expected = [
            [(width, width), (width, shared), (width, shared)],
            [(width, width)],
            [(width, hidden)] * 2,
            [(hidden, width)],
        ]
        check(shapes == expected, f"linear layers of other shapes in layer {layer}")
    gains = [f for name, f in model.floats.items() if name != "tok_embeddings.weight"]
    check(len(gains) == 2 * model.depth + 1 and all(f.shape == (width,) for f in gains), "other norms")


def _lowest(tensor: MicroscopiqTensor) -> int:
    """The exponent that all values of a tensor are multiples of: of inliers, and of outliers at their end."""
    plan = tensor.plan
    fine = plan.outlier_exponents[plan.flags] - tensor.slots.fraction
    return int(min(plan.inlier_exponents.min(), fine.min(initial=plan.inlier_exponents.max())))
