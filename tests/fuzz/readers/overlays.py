"""The files of an overlay: handoff, bitstream, manifest, and all of them on the emulated board."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from pyqkit.digest import digest, own_digest
from pyqkit.overlay import bitfile, hwh, manifest
from pyqkit.runtime import Driver
from tests.fuzz.mutators import spoil_bytes, spoil_data, spoil_text
from tests.fuzz.reader import Input, Reader
from tests.fuzz.readers.folders import packed, spoil_folder
from tests.overlays import frames, overlay

NAME = "residual"


def files() -> dict[str, bytes]:
    """A sound overlay."""
    bit = overlay("PYNQ-Z2")
    return {
        f"{NAME}{ending}": bit.with_suffix(ending).read_bytes()
        for ending in (".bit", ".hwh", ".zip", ".json")
    }


class Handoff(Reader):
    """A .hwh file."""

    name = "hwh"
    suffix = ".hwh"

    def seeds(self) -> Sequence[Input]:
        return [files()[f"{NAME}.hwh"]]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        return spoil_text(seed.decode(), random)

    def call(self, path: Path, output: Path) -> None:
        for block in hwh.read(path):
            block.stream("x")


class Bitstream(Reader):
    """A .bit file."""

    name = "bit"
    suffix = ".bit"

    def seeds(self) -> Sequence[Input]:
        real = bitfile.write_emulated("design", "xczu7ev-ffvc1156-2-e", {}).replace(b"emulated", b"a second")
        return [files()[f"{NAME}.bit"], real]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        return spoil_bytes(seed, random)

    def call(self, path: Path, output: Path) -> None:
        bitfile.read(path)


class Overlay(Reader):
    """Four files, sealed again after one was spoiled, loaded onto the emulated board and run on a frame."""

    name = "overlay"
    short = 12

    def seeds(self) -> Sequence[Input]:
        return [files()]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, dict)
        found = dict(seed)
        facts = json.loads(found.pop(f"{NAME}.json"))
        change = random.randrange(8)
        if change < 4:
            facts = spoil_data(facts, random)
        elif change == 4:
            found[f"{NAME}.hwh"] = spoil_text(found[f"{NAME}.hwh"].decode(), random)
        elif change == 5:
            found[f"{NAME}.bit"] = spoil_bytes(found[f"{NAME}.bit"], random)
        elif change == 6:
            found[f"{NAME}.zip"] = packed(spoil_folder(unpacked(found[f"{NAME}.zip"]), random))
        else:
            del found[random.choice(sorted(found))]
        if isinstance(facts, dict):
            if isinstance(facts.get("files"), dict) and random.random() < 0.9:
                facts["files"] = {name: digest(content) for name, content in found.items()}
            facts["sha256"] = own_digest(facts)
        return {**found, f"{NAME}.json": json.dumps(facts).encode()}

    def call(self, path: Path, output: Path) -> None:
        manifest.read(path)
        with Driver.load(path / f"{NAME}.bit", board="PYNQ-Z2", backend="emulated", batch=1) as driver:
            driver.execute(frames(1))


def unpacked(raw: bytes) -> dict[str, bytes]:
    """Files of a folder that was packed."""
    from pyqkit.untrusted import Archive

    archive = Archive(raw)
    return {name: archive.content(name) for name in archive.names}


READERS = [Handoff(), Bitstream(), Overlay()]
