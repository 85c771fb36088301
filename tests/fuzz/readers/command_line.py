"""Arguments of the command line: options, numbers, names with any character."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from click.testing import CliRunner

from pyqkit.cli import main
from pyqkit.errors import UserError
from tests.fuzz.mutators import number, spoil_text, text
from tests.fuzz.networks import build
from tests.fuzz.reader import Input, Reader
from tests.overlays import frames

_CALLS = (
    "formats e2m1",
    "formats mx32_int8 --json",
    "boards zcu104",
    "compile IN/model.onnx -o OUT/net --target-fps 2000 --clock-mhz 100 --board PYNQ-Z2",
    "compile IN/model.onnx -o OUT/net --lut-share 0.5 --probe conv_43",
    "emulate IN/net --input IN/x.npy --output OUT/y.npy --engine exact --codes",
    "report IN/net --json",
)


class CommandLine(Reader):
    """A call of ``pyqkit``; IN and OUT stand for the folders of inputs and outputs."""

    name = "command-line"
    short = 30

    def seeds(self) -> Sequence[Input]:
        file = io.BytesIO()
        np.save(file, frames(1))
        files = {f"net/{name}": content for name, content in build().items()}
        shared = {"x.npy": file.getvalue(), "model.onnx": build()["model.onnx"], **files}
        return [{"arguments": call.replace(" ", "\0").encode(), **shared} for call in _CALLS]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, dict)
        arguments = seed["arguments"].decode().split("\0")
        for _ in range(random.choice((1, 1, 2))):
            outputs = {
                i + step for i, word in enumerate(arguments) if word.startswith("OUT/") for step in (-1, 0)
            }  # stay in their place
            at = random.choice([i for i in range(1, len(arguments) + 1) if i not in outputs])
            change = random.randrange(5)
            if change == 0:
                arguments[at : at + 1] = [str(number(random))]
            elif change == 1:
                arguments[at : at + 1] = [text(random).replace("\0", "")]
            elif change == 2:
                del arguments[at : at + 1]
            elif change == 3:
                arguments[at : at + 1] = [
                    spoil_text("".join(arguments[at : at + 1]), random)
                    .decode("utf-8", "replace")
                    .replace("\0", "")[:5000]
                ]
            else:
                numbers = [i for i, word in enumerate(arguments) if re.fullmatch(r"[\d.]+", word)]
                if numbers:
                    arguments[random.choice(numbers)] = str(number(random))
        # What the user names may be read wherever it lies, so names stay in the sandbox.
        inside = [word if word.startswith(("IN/", "OUT/")) else word.replace("/", "_") for word in arguments]
        return {**seed, "arguments": "\0".join(inside).encode("utf-8", "surrogatepass")}

    def call(self, path: Path, output: Path) -> None:
        words = (path / "arguments").read_bytes().decode("utf-8", "surrogatepass").split("\0")
        result = CliRunner().invoke(
            main, [re.sub("^IN/", f"{path}/", re.sub("^OUT/", f"{output}/", word)) for word in words]
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if result.exit_code == 2:
            said = result.stderr
            if not said.startswith("pyqkit: ") or said.count("\n") != 1:
                raise AssertionError(f"one sentence was expected, but {said!r} came")
            raise UserError(said.rstrip("\n"))
        if result.exit_code:
            raise AssertionError(f"exit code {result.exit_code}: {result.output}")


READERS = [CommandLine()]
