"""How the stream that a product of two streams reads whole lies in its memory."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding


@dataclass(frozen=True)
class Operand:
    """The right stream as the weights of a grouped layer, in a matrix-vector unit's order of use.

    That is [group][output fold][input fold][PE][SIMD]. A pixel of the stream is one output of every group, or
    one term of each `across` them. Its words have `lanes` codes, a bank of a word of memory: `banks` pixels,
    one after the other, fill each word. A pixel has `parts` of `inner` words that lie side by side, as do the
    words of the next pixels of the same part.

    Attributes
    ----------
    groups, outputs, terms : int
        Outputs of a group, and products of each.
    pixels : int
    lanes, banks, inner, parts : int
    """

    groups: int
    outputs: int
    terms: int
    pixels: int
    lanes: int
    banks: int
    inner: int
    parts: int

    @classmethod
    def of(cls, op: MatrixProduct, tensors: list[Tensor], folding: MatrixProductFolding) -> Operand:
        """That of an operator."""
        outputs, terms = op.shape_of_group(tensors)
        lanes, banks = (folding.pe, folding.simd) if op.across else (folding.simd, folding.pe)
        words = tensors[1].shape[2] // lanes
        inner = 1 if op.across else terms // lanes
        return cls(op.groups, outputs, terms, tensors[1].pixels, lanes, banks, inner, words // inner)

    @property
    def words(self) -> int:
        """Words of a frame of the stream."""
        return self.pixels * self.inner * self.parts

    @property
    def depth(self) -> int:
        """Words of memory, which are steps a pixel of the left stream."""
        return self.words // self.banks
