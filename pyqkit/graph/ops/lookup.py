"""Look-up: any function of one code, channel by channel, as the table of its codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.fields import array_field, format_field
from pyqkit.graph.graph import Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator

WIDEST = 16  # bits of a code that is looked up


@operator
@dataclass
class Lookup(Operator):
    """output[c] = codes[c, code of the input], or ``codes[0, ...]`` for all channels.

    Attributes
    ----------
    format : NumberFormat
        Of the result.
    codes : numpy.ndarray, int64, shape (1 or channels, 2**bits of the input)
        Codes of `format`.
    """

    format: NumberFormat = format_field()
    codes: np.ndarray = array_field(sized=True)

    kind = "lookup"

    @property
    def switched(self) -> frozenset[str]:
        return frozenset({"codes"})

    def check(self) -> None:
        whole = self.codes.dtype == np.int64 and self.codes.ndim == 2 and self.codes.size > 0
        expect(whole, self, "no int64 table of codes")
        known = bool(np.isin(self.codes, self.format.codes).all())
        expect(known, self, f"codes that are none of {self.format}")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        expect(tensor.format.bits <= WIDEST, self, f"an input of more than {WIDEST} bits")
        rows, columns = self.codes.shape
        fits = rows in (1, tensor.shape[2]) and columns == 2**tensor.format.bits
        expect(fits, self, f"a table of shape {self.codes.shape} for codes of {tensor.format.bits} bits")
        codes, values = tensor.format.codes, tensor.format.integers[tensor.format.codes]
        occurring = codes[(values >= tensor.low) & (values <= tensor.high)]
        integers = to_integers(self.codes[:, occurring], self.format)
        return [Tensor(self.outputs[0], tensor.shape, self.format, int(integers.min()), int(integers.max()))]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        rows = np.zeros(tensors[0].shape[2], np.int64) if len(self.codes) == 1 else np.arange(len(self.codes))
        return [self.codes[rows, inputs[0]].astype(self.format.codes.dtype)]
