"""Frames in npy format, and archives of arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from pyqkit import frames as files_of_frames
from pyqkit import npy
from pyqkit.errors import UserError
from tests.fuzz.mutators import spoil_array, spoil_bytes, spoil_text
from tests.fuzz.networks import accelerator
from tests.fuzz.reader import Input, Reader
from tests.overlays import frames


def written(array: np.ndarray) -> bytes:
    """An npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


class Frames(Reader):
    """A file of frames, read and encoded for a network."""

    name = "frames"
    suffix = ".npy"

    def seeds(self) -> Sequence[Input]:
        x = frames(3)
        accelerator()
        return [
            written(x),
            written(np.asfortranarray(x)),
            written(x.astype(">f8")),
            written((4 * x).astype(np.int8)),
        ]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        if random.random() < 0.4:
            return written(spoil_array(npy.from_bytes(seed), random))
        if random.random() < 0.5:
            return (
                spoil_text(seed[:128].decode("latin-1"), random)
                .decode("utf-8", "replace")
                .encode("latin-1", "replace")
                + seed[128:]
            )
        return spoil_bytes(seed, random)

    def call(self, path: Path, output: Path) -> None:
        for codes in accelerator().encode(files_of_frames.read(path)).values():
            if codes.max() > 15:
                raise AssertionError("codes beyond the format")


class Arrays(Reader):
    """An archive of arrays in npz format."""

    name = "arrays"
    suffix = ".npz"

    def seeds(self) -> Sequence[Input]:
        found = []
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(
                file,
                a=np.arange(12).reshape(3, 4),
                b=np.zeros(100, np.uint8),
                c=np.asfortranarray(np.ones((4, 3), np.float32)),
            )
            found.append(file.getvalue())
        return found

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        return spoil_bytes(seed, random)

    def call(self, path: Path, output: Path) -> None:
        try:
            npy.archive(path.read_bytes())
        except (ValueError, KeyError) as error:  # its callers say where it lies
            raise UserError(f"an archive was expected, but {error}") from error


READERS = [Frames(), Arrays()]
