"""Modules of the library with their parameters: what a block is made of, and resources are counted by."""

from __future__ import annotations

from dataclasses import dataclass

Parameters = dict[str, "int | str"]


@dataclass(frozen=True)
class Part:
    """`count` copies of a module with its parameters: what resources are counted by."""

    module: str
    parameters: Parameters
    count: int = 1
