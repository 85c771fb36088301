"""Text that users write: board files in TOML, folding files in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from pyqkit import boards
from pyqkit.hardware import folding
from tests.fuzz.mutators import spoil_data, spoil_text
from tests.fuzz.networks import accelerator
from tests.fuzz.reader import Input, Reader


class BoardFile(Reader):
    """A board in TOML."""

    name = "board"
    short = 60
    suffix = ".toml"

    def seeds(self) -> Sequence[Input]:
        return [(boards.folder() / f"{name}.toml").read_bytes() for name in ("zcu104", "pynq-z2")]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        return spoil_text(seed.decode(), random)

    def call(self, path: Path, output: Path) -> None:
        board = boards.load(path)
        json.dumps(board.to_json(), allow_nan=False)
        folding.find(accelerator().graph, board, board.clock_mhz, 1000)


class BoardData(BoardFile):
    """A board in JSON, as build folders hold it: other values in a sound file."""

    name = "board-data"
    suffix = ".json"

    def seeds(self) -> Sequence[Input]:
        return [json.dumps(boards.load(name).to_json()).encode() for name in boards.names()]

    def mutate(self, seed: Input, random: Random) -> Input:
        return json.dumps(spoil_data(json.loads(seed), random)).encode()  # type: ignore[arg-type]

    def call(self, path: Path, output: Path) -> None:
        json.dumps(boards.from_data(json.loads(path.read_bytes()), str(path)).to_json(), allow_nan=False)


class FoldingFile(Reader):
    """Foldings in JSON."""

    name = "folding"
    suffix = ".json"

    def seeds(self) -> Sequence[Input]:
        return [json.dumps(folding.to_json(accelerator().foldings), indent=1).encode(), b"{}"]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        if random.random() < 0.5:
            return json.dumps(spoil_data(json.loads(seed) or {"a": 1}, random)).encode()
        return spoil_text(seed.decode(), random)

    def call(self, path: Path, output: Path) -> None:
        found = folding.read(path, accelerator().graph)
        folding.write(found, output / "fold.json")


READERS = [BoardFile(), BoardData(), FoldingFile()]
