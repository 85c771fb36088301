"""Programs as files: one zip file, sealed by digests, that is checked when it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pyqkit import untrusted
from pyqkit.array.checks import check as check_program
from pyqkit.array.families import of
from pyqkit.array.isa import ProgramError, decode, encode, word_bits
from pyqkit.array.machine import Machine
from pyqkit.array.members import Members
from pyqkit.array.program import Alias, Program, Section, Segment
from pyqkit.array.tensors import Input, Layout, Result
from pyqkit.errors import UserError
from pyqkit.files import replacing
from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.reading import DAMAGE, check, describe, tensor_name, text, whole

if TYPE_CHECKING:  # it needs the graph, which a board has no use for without such steps
    from pyqkit.array.host import HostStep

F = TypeVar("F")
MEMBERS = Members("program.json", "arrays.npz", schema=3)
MAX_FILE = 256 * 2**20  # bytes of a program


def save(program: Program, path: str | Path, force: bool = False) -> None:
    """Write a program to a file.

    Raises
    ------
    UserError
        If the file exists, without `force`, or cannot be written.
    """
    with replacing(Path(path), force) as beside:
        beside.write_bytes(to_bytes(program))


def load(path: str | Path) -> Program:
    """Read a program, whole, unchanged and such as its machine can run it.

    Raises
    ------
    ProgramError
        If it is none.
    """
    return opened(path, from_bytes, "a program as it was compiled", "compile the network again")


def opened(path: str | Path, read: Callable[[bytes], F], wanted: str, remedy: str) -> F:
    """What `read` makes of a file's content; a `ProgramError` says what was wanted, and what to do.

    Raises
    ------
    ProgramError
        If there is no file, or it is damaged.
    """
    try:
        return read(untrusted.content(Path(path), MAX_FILE))
    except ProgramError:
        raise
    except OSError as error:
        raise ProgramError(f"a program was expected at {path}, but {error}; check the path") from None
    except (UserError, *DAMAGE) as error:
        raise ProgramError(
            f"{wanted} was expected at {path}, but it has {describe(error)}; {remedy}"
        ) from None


def to_bytes(program: Program) -> bytes:
    """The content of a program's file: the same program always gives the same."""
    arrays = {
        "instructions": np.frombuffer(_instructions(program), np.uint8),
        "tables": program.tables,
        "parameters": program.parameters.astype(np.int64),
        "weights": program.weights,
        "streamed": np.concatenate([program.weights[:0], *_streamed(program)]),
    }
    steps = [_step(step, arrays) for step in program.steps]
    data: dict[str, Any] = {
        "machine": program.machine.to_json(),
        "steps": steps,
        "outputs": list(program.outputs),
        "aliases": [asdict(alias) for alias in program.aliases],
        "sections": [asdict(section) for section in program.sections],
        "origins": list(program.origins),
    }
    return MEMBERS.added(b"", data, arrays)


def from_bytes(content: bytes) -> Program:
    """The program of a file's content; raises `UserError` or one of `reading.DAMAGE` for anything else."""
    data, arrays = MEMBERS.read(untrusted.Archive(content))
    machine = Machine.from_json(data["machine"])
    size = word_bits(machine) // 8
    words = arrays["instructions"].reshape(-1, size)
    columns, weights = machine.columns, of(machine).weight_bytes(machine)
    for name, kind, shape in (
        ("tables", np.uint64, ()),
        ("parameters", np.int64, (columns, 2)),
        ("weights", np.uint8, (weights,)),
        ("streamed", np.uint8, (weights,)),
    ):
        check(arrays[name].dtype == kind and arrays[name].shape[1:] == shape, f"wrong {name}")
    steps = _steps(data["steps"], arrays)
    program = Program(
        machine,
        tuple(decode(machine, word.tobytes()) for word in words),
        arrays["tables"],
        arrays["parameters"].astype(object),
        arrays["weights"],
        steps,
        tuple(tensor_name(name) for name in data["outputs"]),
        tuple(_alias(entry) for entry in data["aliases"]),
        tuple(_section(entry) for entry in data["sections"]),
        _four(data["origins"]),
    )
    check_program(program)
    return program


def _instructions(program: Program) -> bytes:
    return b"".join(encode(program.machine, instruction) for instruction in program.instructions)


def _streamed(program: Program) -> list[np.ndarray]:
    """Weights that come with frames, of all segments."""
    return [items for segment in program.segments for items in segment.streamed]


def _step(step: Segment | HostStep, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """JSON data of a step; the arrays of the host's operators go into `arrays`."""
    if not isinstance(step, Segment):
        return {"host": step.to_json(arrays)}
    return {
        "first": step.first,
        "last": step.last,
        "streamed": [len(items) for items in step.streamed],
        "inputs": [_described(given) for given in step.inputs],
        "results": [_described(result) for result in step.results],
    }


def _steps(data: Any, arrays: dict[str, np.ndarray]) -> tuple[Segment | HostStep, ...]:
    found: list[Segment | HostStep] = []
    left, end = arrays["streamed"], 0
    for entry in data:
        if "host" in entry:
            from pyqkit.array.host import HostStep

            found.append(HostStep.from_json(entry["host"], arrays))
            continue
        first, last = whole(entry["first"], 0), whole(entry["last"], 1)
        check(first == end < last, "segments that do not follow one another")
        counts = np.cumsum([0, *(whole(n, 1) for n in entry["streamed"])])
        check(counts[-1] <= len(left), "streamed weights that do not add up")
        streamed = tuple(left[low:high] for low, high in pairwise(counts.tolist()))
        inputs = tuple(_input(given) for given in entry["inputs"])
        found.append(Segment(first, last, streamed, inputs, tuple(_result(one) for one in entry["results"])))
        left, end = left[counts[-1] :], last
    check(not len(left), "streamed weights that do not add up")
    return tuple(found)


def _described(value: Input | Result) -> dict[str, Any]:
    """JSON data of a frozen value; formats by name."""

    def named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(pairs)

    data = asdict(value, dict_factory=named)
    for entry, part in ((data, value), (data.get("layout"), value.layout)):
        if entry is not None and part is not None and hasattr(part, "format"):
            entry["format"] = part.format.name
    return data


def _format(name: Any) -> NumberFormat:
    found = parse(text(name))
    check(isinstance(found, NumberFormat), f"the format {name}")
    return found  # type: ignore[return-value]


def _shape(data: Any) -> tuple[int, int, int]:
    height, width, channels = (whole(n, 1) for n in data)
    return height, width, channels


def _layout(data: dict[str, Any]) -> Layout:
    planes, bits, rows = (whole(data[key], 1) for key in ("planes", "code_bits", "rows"))
    check(planes * bits <= 8, "codes wider than a slot")
    return Layout(
        tensor_name(data["tensor"]), _shape(data["shape"]), _format(data["format"]), planes, bits, rows
    )


def _input(data: dict[str, Any]) -> Input:
    beside, left = whole(data["beside"], 1), whole(data["left"], 0)
    name, layout, shape = tensor_name(data["tensor"]), _layout(data["layout"]), _shape(data["shape"])
    return Input(name, layout, shape, beside, left, whole(data["top"], 0))


def _alias(data: dict[str, Any]) -> Alias:
    return Alias(tensor_name(data["tensor"]), tensor_name(data["stored"]), _shape(data["shape"]))


def _result(data: dict[str, Any]) -> Result:
    layout = None if data["layout"] is None else _layout(data["layout"])
    tiles = tuple(tuple(whole(n, 0) for n in tile) for tile in data["tiles"])
    check(all(len(tile) == 6 for tile in tiles), "tiles of sums")
    return Result(
        tensor_name(data["tensor"]),
        _shape(data["shape"]),
        _format(data["format"]),
        layout,
        whole(data["top"], 0),
        whole(data["left"], 0),
        whole(data["shift"], 0),
        tiles,  # type: ignore[arg-type]
    )


def _section(data: dict[str, Any]) -> Section:
    first, last, macs, peak = (whole(data[key], 0) for key in ("first", "last", "macs", "peak"))
    return Section(tuple(text(layer) for layer in data["layers"]), first, last, macs, peak)


def _four(data: Any) -> tuple[int, int, int, int]:
    program, tables, parameters, weights = (whole(n, 0) for n in data)
    return program, tables, parameters, weights
