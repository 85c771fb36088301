"""What a fuzzer needs to know of a reader: inputs that are sound, how to spoil one, how to have it read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from random import Random

Input = bytes | dict[str, bytes]  # a file, or a folder of files by relative path


class Reader(ABC):
    """Something that reads input from outside.

    Attributes
    ----------
    name : str
        As ``--reader`` takes it.
    suffix : str
        Ending of the path at which the input lies.
    short : int
        Inputs of a short run, which takes a second or two.
    """

    name: str
    suffix: str = ""
    short: int = 250

    @abstractmethod
    def seeds(self) -> Sequence[Input]:
        """Inputs that are read without a complaint; made once, before anything is watched."""

    @abstractmethod
    def mutate(self, seed: Input, random: Random) -> Input:
        """A spoiled copy of a seed; the same for the same state of `random`."""

    @abstractmethod
    def call(self, path: Path, output: Path) -> None:
        """Read the input at `path`; what is written goes below the folder `output`.

        Returns, or raises what the reader raises: a `UserError` is how an input is meant to be refused.
        """
