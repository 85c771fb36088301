"""Rows of the study: which network in which formats after which recipe, and the grid that is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from pyqkit.errors import UserError, brief
from pyqkit.formats import parse
from pyqkit.quant.ptq.recipe import Search

FLOAT = "float32"
MINIFLOATS = tuple(f"e{x}m{bits - 1 - x}" for bits in range(3, 9) for x in range(2, bits))
INTEGERS = tuple(f"int{bits}" for bits in range(3, 9))
FORMATS = tuple(sorted((*INTEGERS, *MINIFLOATS), key=lambda name: parse(name).bits))
NETWORKS = ("resnet20", "vit", "shufflenet")
# The steps of the paper, more each time.
RECIPES = ("none", "equalise+bias", "equalise+gptq+bias")
LEARNED = "equalise+gptq+round+bias"
_PLAIN, _CORRECTED, _GPTQ = RECIPES
# Recipes and bits of the committed grid, the most telling first: what is not done in time is at the end.
_ORDER = (
    *((_PLAIN, bits) for bits in (4, 6, 8, 5, 3, 7)),
    (_GPTQ, 4),
    (LEARNED, 4),
    *((_GPTQ, bits) for bits in (6, 5)),
    (LEARNED, 5),
    *((_GPTQ, bits) for bits in (8, 3, 7)),
    *((_CORRECTED, bits) for bits in (4, 6, 5, 8, 3, 7)),
)
ENDS = {"int": "int8", "e": "e3m4"}  # first and last layer, as in the authors' tool


@dataclass(frozen=True)
class Row:
    """One measurement; all that decides it.

    Attributes
    ----------
    network, recipe : str
    weights, acts : str
        Formats, or `FLOAT` for the network as it was trained.
    signed : bool
        Activations that are never negative have signed formats, too.
    act_scale : {"percentile", "mse", "max"}
        Where the scales of activations come from; the authors' tool takes a percentile.
    calibration, images : int
        How many images scales and steps see, and on how many the accuracy is measured.
    data : str
        SHA-256 of what is read.
    """

    network: str
    weights: str
    acts: str
    recipe: str
    signed: bool
    act_scale: Search
    calibration: int
    images: int
    data: str

    @property
    def name(self) -> str:
        """Of the task."""
        if self.weights == FLOAT:
            return f"{self.network}.{FLOAT}"
        others = [] if self.signed else ["twin"]
        others += [] if self.act_scale == "percentile" else [self.act_scale]
        return ".".join((self.network, self.weights, self.acts, self.recipe, *others))


@dataclass(frozen=True)
class Pair:
    """Formats of weights and activations."""

    weights: str
    acts: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        """``e2m1`` for both, ``e2m1/e3m2`` for weights and activations.

        Raises
        ------
        UserError
            If a name is no format, or one of blocks.
        """
        weights, _, acts = text.partition("/")
        pair = cls(parse(weights).name, parse(acts or weights).name)
        for name in (pair.weights, pair.acts):
            family(name)
        return pair

    @property
    def ends(self) -> tuple[str, str]:
        """Formats of first and last layer."""
        return ENDS[family(self.weights)], ENDS[family(self.acts)]


def family(name: str) -> str:
    """Key of `ENDS`.

    Raises
    ------
    UserError
        If the format is neither an integer nor a minifloat.
    """
    for start in ENDS:
        if name.startswith(start) and name[len(start)].isdigit():
            return start
    raise UserError(
        f"a signed integer or minifloat such as int4 or e2m1 was expected, but {brief(name)} came; other "
        "formats are compared by 'pyqkit search formats'"
    )


def committed(networks: Sequence[str]) -> Iterator[tuple[str, Pair, str]]:
    """Network, formats and recipe of each row of docs/minifloats.md with W = A, the most important first."""
    for (recipe, width), network in product(_ORDER, networks):
        yield from ((network, Pair(name, name), recipe) for name in FORMATS if parse(name).bits == width)


def grid(
    networks: Sequence[str], formats: Sequence[str], recipes: Sequence[str]
) -> list[tuple[str, Pair, str]]:
    """Every network in every format after every recipe; what is not named is that of the committed grid."""
    if not formats and not recipes:
        return list(committed(networks or NETWORKS))
    pairs = [Pair.parse(name) for name in formats or FORMATS]
    return [
        (network, pair, recipe)
        for recipe, network, pair in product(recipes or RECIPES, networks or NETWORKS, pairs)
    ]


def bits(name: str) -> int:
    """Of a format; 32 for `FLOAT`."""
    return 32 if name == FLOAT else parse(name).bits
