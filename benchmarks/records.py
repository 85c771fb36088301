"""Files of results, each with where its figures come from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqkit.files import replacing
from pyqkit.studies.provenance import Clock, Provenance, provenance


@dataclass(frozen=True)
class Run:
    """One run of a script, from its arguments to the files that it writes.

    Parameters
    ----------
    options : argparse.Namespace
    seeds : sequence of int
        That decide the figures.
    """

    options: argparse.Namespace
    seeds: Sequence[int] = ()
    clock: Clock = field(default_factory=Clock)

    def provenance(self) -> Provenance:
        """Of what has been found until now."""
        return provenance(sys.argv[0], vars(self.options), self.clock, self.seeds)

    def write_json(self, path: Path, data: dict[str, Any], indent: int = 1, merged: bool = False) -> None:
        """Data with an entry ``provenance``, a list of the runs that its figures are from.

        Parameters
        ----------
        merged : bool
            `data` has figures of earlier runs too, whose entries in the file are kept.
        """
        found = self.provenance().to_json()
        earlier = json.loads(path.read_text()).get("provenance", []) if merged and path.exists() else []
        runs = [run for run in earlier if run["began"] != found["began"]]
        write(path, json.dumps({**data, "provenance": [*runs, found]}, indent=indent) + "\n")

    def write_markdown(self, path: Path, text: str) -> None:
        """A page that ends with its provenance."""
        write(path, f"{text.rstrip()}\n\n{self.provenance().sentence()}\n")


def write(path: Path, text: str) -> None:
    """A file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(text)
