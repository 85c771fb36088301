"""Names of number formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from pyqkit.formats import Integer, parse
from tests.fuzz.mutators import spoil_text
from tests.fuzz.reader import Input, Reader


class FormatName(Reader):
    """`pyqkit.formats.parse`, and what `pyqkit formats NAME` says of the format."""

    name = "format-name"

    def seeds(self) -> Sequence[Input]:
        names = (
            "int4",
            "uint8z128",
            "int8narrow",
            "odd2",
            "e2m1",
            "ue3m2",
            "e5m2ieee",
            "lp8_1_3@-0.25",
            "mx32_e2m1",
            "mx16_int4_mse",
            "uint64",
        )
        return [name.encode() for name in names]

    def mutate(self, seed: Input, random: Random) -> Input:
        assert isinstance(seed, bytes)
        return spoil_text(seed.decode(), random)[:20_000]

    def call(self, path: Path, output: Path) -> None:
        from pyqkit.tables import code_table, format_row

        name = path.read_bytes().decode("utf-8", "surrogateescape")
        fmt = parse(name)
        if parse(fmt.name) != fmt:
            raise AssertionError(f"{name!r} prints as {fmt.name!r}, which is another format")
        for row in code_table(name):
            if (
                isinstance(fmt, Integer)
                and row["integer"] is not None
                and row["value"] != float(row["integer"])
            ):
                raise AssertionError(f"{row} does not add up")
        format_row(fmt)


READERS = [FormatName()]
