"""Other ways to round the weights of a linear layer, each with the bits that it stores.

All get weights (1, outputs, columns) and second moments (1, columns, columns), and give values in float64.
Scales are float16 in memory, zero points take the bits of a weight, and a last group that is shorter costs as
much as a whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
import torch
from torch import Tensor

from pyqkit.formats import Microscaled
from pyqkit.formats.microscopiq import Blocks, Slots, outliers
from pyqkit.formats.microscopiq.tensor import MACRO
from pyqkit.quant.ptq.steps.gptq import Compensation

SCALE_BITS = 16
_SHRINK = tuple(1 - 0.05 * step for step in range(13))  # of the range, for the smallest squared error


@dataclass(frozen=True, eq=False)
class Stored:
    """Rounded weights.

    Attributes
    ----------
    values : Tensor, float64
        In the shape of the weights.
    bits : int
        Stored, with all that is needed to read them.
    """

    values: Tensor
    bits: int


Method = Callable[[Tensor, Tensor], Stored]


@dataclass(frozen=True, eq=False)
class _Levels:
    """Evenly spaced values: whole numbers of 0 to `most`, less a zero point, times a scale of each row."""

    scale: Tensor
    zero: Tensor
    most: int

    @classmethod
    def of(cls, x: Tensor, bits: int, search: bool) -> _Levels:
        """Of groups (..., group): from the smallest weight to the largest, or the best of narrower ranges."""
        most = 2**bits - 1
        low, high = x.amin(-1, True).clamp(max=0), x.amax(-1, True).clamp(min=0)
        best, least = None, None
        for shrink in _SHRINK if search else (1.0,):
            scale = (shrink * (high - low) / most).clamp(min=1e-8).half().double().clamp(min=2.0**-24)
            levels = cls(scale, (-shrink * low / scale).round().clamp(0, most), most)
            error = (levels.nearest(x) - x).square().sum(-1, True)
            if best is None or least is None:
                best, least = levels, error
                continue
            better = error < least
            scale, zero = (torch.where(better, a, b) for a, b in zip(levels._both, best._both))
            best = cls(scale, zero, most)
            least = torch.where(better, error, least)
        assert best is not None
        return best

    @property
    def _both(self) -> tuple[Tensor, Tensor]:
        return self.scale, self.zero

    def nearest(self, x: Tensor) -> Tensor:
        """Rounded values."""
        return ((x / self.scale + self.zero).round().clamp(0, self.most) - self.zero) * self.scale


def grouped_bits(weight: Tensor, bits: int, group: int) -> int:
    """Of weights in groups along their columns."""
    outputs, columns = weight.shape[-2:]
    return outputs * (columns * bits + ceil(columns / group) * (SCALE_BITS + bits))


def rtn(bits: int, group: int) -> Method:
    """Round to nearest, in groups along the inputs; 0 is one group a row."""

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        size = group or weight.shape[-1]
        parts = [_Levels.of(part, bits, False).nearest(part) for part in weight.double().split(size, -1)]
        return Stored(torch.cat(parts, -1), grouped_bits(weight, bits, size))

    return rounded


def gptq(bits: int, group: int, ordered: bool = False) -> Method:
    """GPTQ with groups along the inputs; the range of each is searched.

    In the natural order a group gets its range when its first column is reached; `ordered` begins with the
    columns of the largest moments, and groups have the ranges of the weights as they were.
    """

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        size = group or weight.shape[-1]
        compensation = Compensation.of(moments, ordered=ordered)
        parts = weight.double().split(size, -1) if ordered else ()
        levels = [_Levels.of(part, bits, True) for part in parts]  # by group
        order = compensation.order[0].tolist()

        def nearest(left: Tensor, at: int) -> Tensor:
            if not ordered and at % size == 0:
                levels.append(_Levels.of(left[:, :, at : at + size], bits, True))
            return levels[order[at] // size].nearest(left[:, :, at : at + 1])

        values = compensation.rounded(weight, nearest, 64 if ordered else size)
        return Stored(values, grouped_bits(weight, bits, size))

    return rounded


def olive(bits: int) -> Method:
    """OliVe-style outlier-victim pairs along the inputs (Guo et al., ISCA 2023).

    Of two neighbours with an outlier among them the other one is zero; a code says which. Outliers are
    abfloats of one exponent range above the integers: 12 to 96 steps in 4 bits, 2 or 4 in 2 bits (which OliVe
    has not).
    """
    most = 2 ** (bits - 1) - 1
    large = torch.tensor([12, 16, 24, 32, 48, 64, 96] if bits == 4 else [2, 4]).double()

    def paired(pairs: Tensor, far: Tensor, scale: Tensor) -> Tensor:
        x = pairs / scale
        inlier = x.round().clamp(-most, most)
        outlier = large[(x.abs()[..., None] - large).abs().argmin(-1)] * x.sign()
        wins = far & (x.abs() >= x.abs().flip(-1)) & ~((x.abs() == x.abs().flip(-1)) & far.flip(-1))
        wins[..., 1] &= ~wins[..., 0]
        return torch.where(wins, outlier, torch.where(wins.flip(-1), 0.0, inlier)) * scale

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        x = weight[0].double()
        even = torch.nn.functional.pad(x, (0, x.shape[1] % 2))
        far = (even - x.mean()).abs() > 3 * x.std()
        pairs, marks = even.unflatten(-1, (-1, 2)), far.unflatten(-1, (-1, 2))
        start = 3 * x.std() / most
        found = [paired(pairs, marks, (start * s).half().double()) for s in _SHRINK]
        errors = torch.stack([(made - pairs).square().sum() for made in found])
        values = found[int(errors.argmin())].flatten(1)[:, : x.shape[1]]
        return Stored(values[None], even.numel() * bits + SCALE_BITS)

    return rounded


def gobo(bits: int, steps: int = 12) -> Method:
    """GOBO-style (Zadeh et al., MICRO 2020): outliers in float32 with places, others 2**bits centroids."""

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        x = weight.double()
        far = (x - x.mean()).abs() > 3 * x.std()
        inliers = x[~far].sort().values
        centroids = torch.stack([part.mean() for part in inliers.tensor_split(2**bits)])
        for _ in range(steps):
            nearest = torch.bucketize(inliers, (centroids[1:] + centroids[:-1]) / 2)
            sums = torch.zeros_like(centroids).index_add_(0, nearest, inliers)
            counts = torch.bincount(nearest, minlength=len(centroids))
            centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
        values = centroids[torch.bucketize(x, (centroids[1:] + centroids[:-1]) / 2)]
        place = ceil(log2(x.numel()))
        stored = (x.numel() - int(far.sum())) * bits + int(far.sum()) * (32 + place) + 32 * len(centroids)
        return Stored(torch.where(far, x, values), stored)

    return rounded


def blocks(fmt: Microscaled) -> Method:
    """Microscaled blocks along the outputs, rounded to nearest."""

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        rows = weight[0].double().numpy().T
        values = torch.from_numpy(fmt.quantise(rows)).T.contiguous()
        return Stored(values[None], fmt.encoding.stored_bits(rows.shape))

    return rounded


def outliers_aside(bits: int, block: int) -> Method:
    """MX-INT of `bits` bits, and outliers of twice as many that share an exponent, kept beside: no pruning.

    Along the outputs. Bits are those of slots, exponents and a flag for each weight; no memory lies so.
    """
    scheme = Blocks(Slots(bits))

    def rounded(weight: Tensor, moments: Tensor) -> Stored:
        x = np.ascontiguousarray(weight[0].double().numpy().T)
        away = outliers(x)
        exponents, _ = scheme.inlier_exponents(x, away)
        step = np.repeat(exponents, MACRO, axis=1)[:, : x.shape[1]].astype(np.int32)
        most, one = scheme.slots.largest, 1 << scheme.slots.fraction
        inlier = np.ldexp(np.rint(np.ldexp(x, -step)).clip(-most, most), step)
        cut = np.pad(x, ((0, 0), (0, -x.shape[1] % block))).reshape(-1, block)
        kept = np.pad(away, ((0, 0), (0, -x.shape[1] % block))).reshape(-1, block)
        shared = np.zeros(len(cut), np.int32)
        flagged = kept.any(-1)
        if flagged.any():
            shared[flagged] = scheme.outlier_exponents(np.abs(cut[flagged]), kept[flagged])
        fine = np.rint(np.ldexp(np.abs(cut), scheme.slots.fraction - shared[:, None])).clip(one, 2 * one - 1)
        outlier = np.sign(cut) * np.ldexp(fine, shared[:, None] - scheme.slots.fraction)
        outlier = outlier.reshape(len(x), -1)[:, : x.shape[1]]
        values = torch.from_numpy(np.where(away, outlier, inlier).T.copy())
        stored = x.size * (bits + 1) + int(away.sum()) * bits + 8 * (exponents.size + int(flagged.sum()))
        return Stored(values[None], stored)

    return rounded
