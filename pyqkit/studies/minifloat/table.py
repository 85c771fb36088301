"""What the study has found, a line a row: accuracy beside the cost in LUTs and bits, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from pyqkit.errors import MissingToolError, UserError
from pyqkit.files import replacing
from pyqkit.formats import parse
from pyqkit.hardware.mac_costs import mac_cost
from pyqkit.studies.json_value import Json
from pyqkit.studies.minifloat.rows import FLOAT, Row, bits
from pyqkit.studies.paired import Difference, difference
from pyqkit.studies.runner import Outcome, Results

MEGA = 1e6


@dataclass(frozen=True)
class Line:
    """A row of the study with its result; None where there is nothing to say.

    Attributes
    ----------
    top1 : float
        Per cent of the test images.
    points, low, high : float
        Difference to the float network on the same images, and its 95 % interval.
    stored_mbit : float
        Of all weights, ends included.
    mac_luts : int or None
        Of docs/cost.md: before place and route, without DSPs; None for pairs that were not synthesised.
    hits : bytes
        Which images were classified as labelled, a bit each, the first one highest.
    run, commit, pyqkit, torch, numpy, cpu, began : of the run that measured it
    """

    network: str
    weights: str
    acts: str
    weight_bits: int
    act_bits: int
    recipe: str
    signed: bool
    act_scale: str
    calibration: int
    images: int
    top1: float
    points: float
    low: float
    high: float
    stored_mbit: float
    mac_luts: int | None
    seconds: float
    data: str
    hits: bytes
    run: int
    commit: str | None
    pyqkit: str
    torch: str | None
    numpy: str | None
    cpu: str
    began: str

    @property
    def right(self) -> np.ndarray:
        """`hits` as bool, (images,)."""
        return np.unpackbits(np.frombuffer(self.hits, np.uint8), count=self.images).astype(bool)

    @property
    def difference(self) -> Difference:
        """To the float network."""
        return Difference(self.points, self.low, self.high)


def lines(results: Results[Row]) -> list[Line]:
    """One for each row that has a result."""
    runs = {record["run"]: record for record in results.runs if isinstance(record, dict)}
    plain = {_images(o): hits(o) for o in results.outcomes if o.task.parameters.weights == FLOAT}
    return [
        _line(outcome, plain[_images(outcome)], runs.get(outcome.run, {}))
        for outcome in results.outcomes
        if _images(outcome) in plain
    ]


def hits(outcome: Outcome[Row]) -> np.ndarray:
    """Which images a row classifies as labelled."""
    return outcome.arrays["hits"]


def _images(outcome: Outcome[Row]) -> tuple[str, str, int]:
    row = outcome.task.parameters
    return row.network, row.data, row.images


def _line(outcome: Outcome[Row], plain: np.ndarray, run: Mapping[str, Json]) -> Line:
    row, values = outcome.task.parameters, outcome.values
    found = difference(hits(outcome), plain)
    cost = None if row.weights == FLOAT else mac_cost(row.weights, row.acts)
    packages = run.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    assert isinstance(values, dict)
    return Line(
        row.network,
        row.weights,
        row.acts,
        bits(row.weights),
        bits(row.acts),
        row.recipe,
        row.signed,
        row.act_scale,
        row.calibration,
        row.images,
        _number(values["top1"]),
        found.points,
        found.low,
        found.high,
        _number(values["stored_bits"]) / MEGA,
        None if cost is None else cost.luts,
        round(outcome.wall_s, 1),
        row.data,
        np.packbits(hits(outcome)).tobytes(),
        outcome.run,
        _text(run.get("commit")),
        _text(run.get("pyqkit")) or "",
        _text(versions.get("torch")),
        _text(versions.get("numpy")),
        _text(run.get("cpu")) or "",
        _text(run.get("began")) or "",
    )


def _number(value: Json) -> float:
    assert isinstance(value, (int, float))
    return float(value)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def write_parquet(found: Sequence[Line], path: Path) -> None:
    """All columns of all lines.

    Raises
    ------
    MissingToolError
        Without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingToolError(
            "pyarrow was expected to write a parquet file, but it is not installed; pip install "
            "'pyqkit[parquet]'"
        ) from None
    table = pyarrow.Table.from_pylist([asdict(line) for line in found])
    with replacing(path) as beside:
        parquet.write_table(table, beside)


def read_parquet(path: Path) -> list[Line]:
    """Lines that `write_parquet` has written.

    Raises
    ------
    UserError
        If the file cannot be read or has other columns.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
        if rows and set(rows[0]) != {field.name for field in fields(Line)}:
            raise ValueError("it has other columns")
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"a table of this study was expected in {path}, but {error}; make it anew") from None
    return [Line(**row) for row in rows]


def markdown(found: Sequence[Line]) -> str:
    """The lines as a table, by network, recipe and bits."""
    order = sorted(found, key=lambda line: (line.network, line.recipe, line.weight_bits, line.act_bits))
    rows = [_row(line) for line in order]
    return "\n".join((_HEAD, *rows)) + "\n"


_HEAD = """| network | weights | acts | recipe | top-1 % | points, 95 % | Mbit | LUTs | images | commit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def _row(line: Line) -> str:
    cells = (
        *(line.network, line.weights, line.acts, line.recipe + _options(line), f"{line.top1:.2f}"),
        *("" if line.weights == FLOAT else line.difference, f"{line.stored_mbit:.2f}", line.mac_luts or ""),
        *(line.images, (line.commit or "")[:10]),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _options(line: Line) -> str:
    words = [] if line.signed else ["unsigned where never negative"]
    words += [] if line.act_scale == "percentile" else [f"scales by {line.act_scale}"]
    return f" ({', '.join(words)})" if words else ""


def is_integer(name: str) -> bool:
    """Whether a format is one of integers."""
    return parse(name).name.startswith("int")
