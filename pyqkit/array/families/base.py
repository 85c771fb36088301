"""What every family of processing elements says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pyqkit.array.machine import SLOT_BITS, Machine, Mode
from pyqkit.discovery import Registry
from pyqkit.errors import UserError, brief
from pyqkit.formats import NumberFormat

families = Registry["Family"]("pyqkit.array.families")
Language = Literal["hls", "rtl"]
LANGUAGES: Mapping[Language, str] = {"hls": "C++", "rtl": "SystemVerilog"}


@dataclass(frozen=True, eq=False)
class Pair:
    """How a machine multiplies codes of two formats.

    Attributes
    ----------
    mode : int
        Of the machine.
    parts : tuple of (int, int)
        Runs that a tile takes: fields `weight_high` and `activation_high` of each.
    planes : int
        Products that a slot sums: activation codes that lie in it.
    code_bits : int
        Of each of them.
    lanes : int
        Outputs of a slot.
    unit_shift : int
        Sums are those of the graph, shifted left so far.
    activation_table, weight_table : numpy.ndarray, uint64
        Items of the table memory; empty where the mode needs none.
    products : numpy.ndarray, shape (activation codes, weight codes)
        What the elements make of all pairs, in units of the sums: Python integers or int64.
    nothing : int
        Code that multiplies what does not exist: its products are zero whatever the activation; -1 if there
        is none.
    """

    mode: int
    parts: tuple[tuple[int, int], ...]
    planes: int
    code_bits: int
    lanes: int
    unit_shift: int
    activation_table: np.ndarray
    weight_table: np.ndarray
    products: np.ndarray
    nothing: int = 0

    def largest(self, codes: np.ndarray) -> np.ndarray:
        """The largest magnitude of a product of each weight code with any of these activation codes."""
        return np.asarray(np.abs(self.products[codes[codes < len(self.products)]]).max(axis=0))


class Family(ABC):
    """Arithmetic of an array's elements; has no state.

    Attributes
    ----------
    built : frozenset of {"hls", "rtl"}
        Languages in which there are blocks.
    shift_bits : int
        Of an activation word, behind its slots: the power of two by which all of them are multiplied.
    parts : int
        Of a slot of activations, that are written separately.
    merges : tuple of str
        Where halves of outliers may be merged (`Machine.merge`).
    """

    name: str
    built: ClassVar[frozenset[Language]] = frozenset(LANGUAGES)
    shift_bits: ClassVar[int] = 0
    parts: ClassVar[int] = 1
    merges: ClassVar[tuple[str, ...]] = ("load",)
    entry_bits: int  # of a table of codes
    table_entries: int
    usual: ClassVar[Mapping[int, str]]  # formats by bits of a code, such as any machine of the family holds

    @abstractmethod
    def pair(
        self,
        machine: Machine,
        activation: NumberFormat,
        weight: NumberFormat,
        lanes: int = 0,
        holes: bool = False,
        used: np.ndarray | None = None,
    ) -> Pair:
        """How codes of two formats are multiplied, in the fastest mode that holds them.

        Parameters
        ----------
        lanes : int
            Outputs that a slot must have; 0 for any number.
        holes : bool
            Some slots have no weight: a code that multiplies what does not exist is needed.
        used : numpy.ndarray, optional
            Codes that weights have; all by default. Others need not be multiplied.

        Raises
        ------
        UserError
            If the machine cannot multiply them exactly.
        """

    def activation_bits(self, machine: Machine) -> int:
        """How many bits of a slot of activations, from the lowest one on, elements look at."""
        return SLOT_BITS

    def weight_bits(self, machine: Machine) -> int:
        """Of an item of weights: a row of a tile."""
        return machine.columns * SLOT_BITS

    def weight_bytes(self, machine: Machine) -> int:
        """Of an item of weights as it lies in `slots`."""
        return -(-self.weight_bits(machine) // 8)

    def stages(self, machine: Machine) -> int:
        """Cycles from an activation to the accumulators that elements in SystemVerilog take beyond others."""
        return 0

    def fault(self, machine: Machine, items: np.ndarray) -> str | None:
        """What is wrong with items of weights that no compiler made; None where nothing can be seen.

        Parameters
        ----------
        items : numpy.ndarray, uint8, shape (items, `weight_bytes`)
        """
        return None

    def stores(self, fmt: NumberFormat) -> bool:
        """Whether activation words hold codes of a format."""
        return fmt.bits <= SLOT_BITS

    @property
    @abstractmethod
    def unit(self) -> NumberFormat:
        """A format whose code 1 is worth 1 and whose code 0 is zero: weights that only move codes."""

    @abstractmethod
    def slots(self, mode: Mode, codes: np.ndarray) -> np.ndarray:
        """Weight slots of a tile.

        Parameters
        ----------
        codes : numpy.ndarray, shape (rows, planes, columns, lanes)
            Codes of weights; where there is none, `Pair.nothing`.

        Returns
        -------
        numpy.ndarray, uint8, shape (rows, bytes of an item of weights)

        Raises
        ------
        UserError
            If weights of a tile do not go together.
        """

    def drawn(self, weight: NumberFormat, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        """Codes of weights at random that go together, of shape (outputs, ...)."""
        return random.choice(weight.codes, shape)

    def outliers(self, mode: Mode, tiles: np.ndarray) -> np.ndarray | None:
        """How many outliers each micro-block has: int64, (rows, micro-blocks); None where weights have none.

        Parameters
        ----------
        tiles : numpy.ndarray, uint8, shape (rows, bytes of an item of weights)
        """
        return None

    def requests(self, mode: Mode, tiles: np.ndarray) -> np.ndarray | None:
        """Which columns need a network: bool, (rows, networks side by side); None where weights need none.

        Parameters
        ----------
        tiles : numpy.ndarray, uint8, shape (rows, bytes of an item of weights)
        """
        return None

    @abstractmethod
    def lanes(self, mode: Mode) -> int:
        """Outputs of a slot."""

    def planes(self, mode: Mode) -> int:
        """Input channels whose products an element sums in a cycle, at most."""
        return 1

    def added(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        """`sums` of several tiles, added up.

        Parameters
        ----------
        words : numpy.ndarray, uint8, shape (tiles, positions, bytes of an item of activations)
        tiles : numpy.ndarray, uint8, shape (tiles, rows, bytes of an item of weights)
        """
        joined = np.moveaxis(words, 0, 1).reshape(words.shape[1], -1), tiles.reshape(-1, tiles.shape[2])
        return self.sums(mode, tables, *joined, high)

    @abstractmethod
    def sums(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        """What elements make of words and tiles.

        Parameters
        ----------
        tables : (numpy.ndarray, numpy.ndarray), uint64
            Tables of activations and of weights as they were filled.
        words : numpy.ndarray, uint8, shape (positions, slots)
        tiles : numpy.ndarray, uint8, shape (slots, columns)
        high : (int, int)
            Fields `weight_high` and `activation_high`.

        Returns
        -------
        numpy.ndarray, int64, shape (positions, columns, lanes)
        """


def of(machine: Machine) -> Family:
    """Family of a machine.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    family = families.get(machine.family)
    if family is None:
        raise UserError(
            f"a family out of {', '.join(families.names())} was expected, but the array {machine.name} has "
            f"{machine.family!r}; choose one of them"
        )
    if machine.merge not in family.merges:
        raise UserError(
            f"an array of family {machine.family} that merges halves at {' or '.join(family.merges)} was "
            f"expected, but {machine.name} has {brief(machine.merge)}; choose one of them"
        )
    return family


def check_built(machine: Machine, language: Language) -> None:
    """Refuse a machine for whose elements there are no blocks in a language."""
    if language not in of(machine).built:
        raise UserError(
            f"an array whose family has {LANGUAGES[language]} was expected, but {machine.name} is of family "
            f"{machine.family}, which has none; take the engine {machine.name}"
        )


def multiplied(left: np.ndarray, right: np.ndarray, product_bits: int) -> np.ndarray:
    """Matrix product of whole numbers in float64, int64: exact as long as products have so many bits.

    It is added up in pieces of as many products as 53 bits hold.
    """
    piece = max(1, 1 << 52 - product_bits)
    total = np.zeros((len(left), right.shape[1]), np.int64)
    for first in range(0, left.shape[1], piece):
        rows = slice(first, first + piece)
        total += (left[:, rows] @ right[rows]).astype(np.int64)
    return total


def packed(entries: np.ndarray) -> np.ndarray:
    """Items of the table memory, uint64, of table entries of any unsigned type; the first one lowest."""
    content = np.ascontiguousarray(entries).tobytes()
    return np.frombuffer(content + bytes(-len(content) % 8), "<u8")
