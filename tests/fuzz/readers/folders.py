"""Build folders, also packed, whose manifest was spoiled and sealed again, so that all checks behind the
digests are reached.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

import pyqkit
from pyqkit import build_folder, npy
from pyqkit.digest import digest, own_digest
from pyqkit.hls.generate import generate as generate_cpp
from pyqkit.rtl.generate import generate as generate_systemverilog
from tests.fuzz.mutators import spoil_array, spoil_bytes, spoil_data, text
from tests.fuzz.networks import build
from tests.fuzz.reader import Input, Reader

# Of a manifest; the graph has most checks.
_PARTS = ("graph", "graph", "graph", "board", "folding", "streams", "report")


def sealed(files: dict[str, bytes], manifest: dict[str, object]) -> dict[str, bytes]:
    """The files with a manifest that lists them with their digests, and carries its own."""
    try:
        if isinstance(manifest.get("files"), dict):
            manifest["files"] = {
                name: digest(content) for name, content in files.items() if name != build_folder.MANIFEST
            }
        manifest["sha256"] = own_digest(manifest)
    except (AttributeError, TypeError):
        pass  # no longer an object: nothing to seal
    return {**files, build_folder.MANIFEST: json.dumps(manifest).encode()}


def spoil_folder(files: dict[str, bytes], random: Random) -> dict[str, bytes]:
    """One file spoiled; the manifest sealed again, or, now and then, not."""
    files = dict(files)
    manifest = json.loads(files[build_folder.MANIFEST])
    change = random.randrange(10)
    if change < 5:
        part = random.choice(_PARTS)
        manifest[part] = spoil_data(manifest[part], random)
    elif change == 5:
        manifest = spoil_data(manifest, random)
    elif change < 8:
        files[build_folder.ARRAYS] = spoil_archive(files[build_folder.ARRAYS], random)
    else:
        name = random.choice(sorted(files))
        spoiled = spoil_bytes(files.pop(name), random)
        if random.random() < 0.7:
            files[name] = spoiled
        if name == build_folder.MANIFEST:
            return files
    return (
        sealed(files, manifest)
        if random.random() < 0.97
        else {**files, build_folder.MANIFEST: json.dumps(manifest).encode()}
    )


def spoil_archive(raw: bytes, random: Random) -> bytes:
    """An npz file with one array spoiled, renamed or left out."""
    arrays = npy.archive(raw)
    name = random.choice(sorted(arrays))
    array = arrays.pop(name)
    if random.random() < 0.9:
        arrays[name if random.random() < 0.9 else "x"] = spoil_array(array, random)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    """A folder as one zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # zipfile ends names at NUL, and writes no empty ones
            archive.writestr(name if name.partition("\0")[0] else f" {name}", content)
    return file.getvalue()


class BuildFolder(Reader):
    """`Accelerator.load`, and the definitions of the operators that it gives on the largest codes."""

    name = "build-folder"
    short = 60

    def seeds(self) -> Sequence[Input]:
        return [build()]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, dict)
        return spoil_folder(seed, random)

    def call(self, path: Path, output: Path) -> None:
        accelerator = pyqkit.Accelerator.load(path)
        inputs = {}
        for port in accelerator.graph.inputs:
            tensor = accelerator.graph.tensors[port.tensor]
            inputs[port.tensor] = np.full((1, *tensor.shape), tensor.format.codes[-1])
        accelerator.graph.execute(inputs)


class BuildReport(BuildFolder):
    """What is made of a build folder: its report, and its sources anew."""

    name = "build-report"
    short = 8

    def call(self, path: Path, output: Path) -> None:
        accelerator = pyqkit.Accelerator.load(path)
        generate_cpp(accelerator.graph, accelerator.foldings)
        generate_systemverilog(accelerator.graph, accelerator.foldings)
        accelerator.report()


class PackedFolder(BuildFolder):
    """The same as one zip file."""

    name = "packed-folder"
    short = 60
    suffix = ".zip"

    def seeds(self) -> Sequence[Input]:
        return [packed(build())]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        if random.random() < 0.3:
            files = spoil_folder(build(), random)
            if random.random() < 0.1:
                files[text(random).replace("\ud800", "")[:1000]] = b"x"
            return packed(files)
        return spoil_bytes(seed, random)


READERS = [BuildFolder(), BuildReport(), PackedFolder()]
