"""Tensors of a program: how they lie in the activation memory, and how they come and leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array.execute import item_bytes, item_words
from pyqkit.array.machine import Machine, Memory
from pyqkit.formats import NumberFormat
from pyqkit.formats.microscopiq.values import BlockActivation


@dataclass(frozen=True)
class Layout:
    """A tensor of codes in the activation memory.

    Attributes
    ----------
    tensor : str
    shape : (int, int, int)
        Height, width, channels.
    format : NumberFormat
    planes, code_bits : int
        Codes of a slot, and bits of each.
    rows : int
        Slots of a word.
    """

    tensor: str
    shape: tuple[int, int, int]
    format: NumberFormat
    planes: int
    code_bits: int
    rows: int

    @property
    def pixel_words(self) -> int:
        """Words of a pixel."""
        return -(-self.shape[2] // (self.rows * self.planes))

    @property
    def words(self) -> int:
        """Words of a frame."""
        return self.shape[0] * self.shape[1] * self.pixel_words

    def to_words(self, codes: np.ndarray) -> np.ndarray:
        """Words of codes (frames, height, width, channels).

        Returns
        -------
        numpy.ndarray, uint8, shape (frames, words, slots)
            Behind the slots their exponent, if the format has one for blocks.
        """
        frames = len(codes)
        if isinstance(self.format, BlockActivation):
            return self._shifted(self.format, codes)
        slots = np.zeros((frames, *self.shape[:2], self.pixel_words * self.planes * self.rows), np.int64)
        slots[..., : self.shape[2]] = codes
        slots = slots.reshape(frames, self.words, self.planes, self.rows)
        shifts = np.arange(self.planes)[:, None] * self.code_bits
        return (slots << shifts).sum(axis=2).astype(np.uint8)

    def _shifted(self, fmt: BlockActivation, codes: np.ndarray) -> np.ndarray:
        """Words of numbers that are shifted together."""
        integers = np.zeros((len(codes), *self.shape[:2], self.pixel_words * self.rows), np.int64)
        integers[..., : self.shape[2]] = fmt.integers[codes]
        elements, exponents = fmt.split(integers.reshape(len(codes), self.words, self.rows))
        return np.concatenate([elements & 255, exponents[..., None]], axis=-1).astype(np.uint8)

    def from_words(self, words: np.ndarray) -> np.ndarray:
        """Codes (frames, height, width, channels) of what `to_words` made."""
        if isinstance(self.format, BlockActivation):
            integers = words[..., : self.rows].view(np.int8).astype(np.int64) << words[..., self.rows :]
            kept = integers.reshape(len(words), *self.shape[:2], -1)[..., : self.shape[2]]
            return self.format.of_integers(kept)
        words = words[..., : self.rows]
        shifts = np.arange(self.planes)[:, None] * self.code_bits
        codes = words[:, :, None].astype(np.int64) >> shifts & 2**self.code_bits - 1
        codes = codes.reshape(len(words), *self.shape[:2], -1)[..., : self.shape[2]]
        return codes.astype(self.format.code_dtype)


@dataclass(frozen=True)
class Input:
    """A tensor that comes with every frame: as it is, or neighbouring pixels side by side.

    An image of few channels would leave most rows of the array idle. With `beside` pixels of a row in one, a
    convolution has that many fewer taps.

    Attributes
    ----------
    tensor : str
        Of the graph.
    layout : Layout
        As it is stored: all of it, or some of its rows.
    shape : (int, int, int)
        As it comes.
    beside : int
        Pixels side by side; 1 for none. Pixel x has those from column ``x - left`` on.
    left : int
        Columns of zeros before the first.
    top : int
        The first row that is stored.
    """

    tensor: str
    layout: Layout
    shape: tuple[int, int, int]
    beside: int = 1
    left: int = 0
    top: int = 0

    def to_words(self, codes: np.ndarray) -> np.ndarray:
        """Words of codes (frames, height, width, channels): uint8 of shape (frames, words, slots)."""
        codes = codes[:, self.top : self.top + self.layout.shape[0]]
        if self.beside == 1:
            return self.layout.to_words(codes)
        width = self.layout.shape[1]
        behind = max(0, width + self.beside - 1 - self.left - self.shape[1])
        sides = ((0, 0), (0, 0), (self.left, behind), (0, 0))
        padded = np.pad(codes, sides, constant_values=self.layout.format.zero_code)
        columns = [padded[:, :, first : first + width] for first in range(self.beside)]
        return self.layout.to_words(np.concatenate(columns, axis=3))


@dataclass(frozen=True)
class Result:
    """What a segment sends of each frame, in the order of results: a tensor, or a box of one.

    Attributes
    ----------
    tensor : str
        Of the graph.
    shape : (int, int, int)
        Of the whole tensor.
    format : NumberFormat
    layout : Layout or None
        Of the codes that come; None for sums, one a stream word.
    top, left : int
        Row and column of the tensor where these codes go.
    shift : int
        Bits by which sums are larger than the graph's.
    tiles : tuple of (int, int, int, int, int)
        Of sums: first row, first column, rows, columns and channels that are sent together, one tile of
        channels behind the other.
    """

    tensor: str
    shape: tuple[int, int, int]
    format: NumberFormat
    layout: Layout | None
    top: int = 0
    left: int = 0
    shift: int = 0
    tiles: tuple[tuple[int, int, int, int, int, int], ...] = ()

    def stream_words(self, machine: Machine) -> int:
        """Words of the stream that a frame takes."""
        if self.layout is not None:
            return self.layout.words * item_words(machine, Memory.ACTIVATIONS)
        return sum(rows * columns * count for _, _, rows, columns, _, count in self.tiles)

    @property
    def dtype(self) -> np.dtype:
        """Of the tensor's codes."""
        return np.dtype(self.format.code_dtype)

    def place(self, machine: Machine, content: np.ndarray, codes: np.ndarray) -> None:
        """Write what came, (frames, bytes), to its place in codes of the whole tensor, (frames, *shape)."""
        frames = len(content)
        if self.layout is not None:
            size = item_bytes(machine, Memory.ACTIVATIONS)
            words = content.reshape(frames, self.layout.words, -1)[:, :, :size]
            height, width, _ = self.layout.shape
            box = codes[:, self.top : self.top + height, self.left : self.left + width]
            box[:] = self.layout.from_words(words)
            return
        sums, at = content.view("<i8")[:, :: machine.stream_bits // 64], 0
        for top, left, rows, columns, first, count in self.tiles:
            size = rows * columns * count
            block = sums[:, at : at + size].reshape(frames, rows, columns, count) >> self.shift
            box = codes[:, top : top + rows, left : left + columns, first : first + count]
            box[:] = self.format.from_integers(block)  # type: ignore[attr-defined]
            at += size
