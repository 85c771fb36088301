"""Networks for arrays: a program, what its codes mean to whoever calls it, and frames to test it with.

In a file they stand beside the program that `pyqkit.array.file` reads, sealed in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit import untrusted
from pyqkit.array import file
from pyqkit.array.members import Members
from pyqkit.array.program import Program
from pyqkit.digest import digest
from pyqkit.files import replacing
from pyqkit.formats.port import End, Port
from pyqkit.formats.reading import check
from pyqkit.host.part import HostPart

MEMBERS = Members("network.json", "network.npz", schema=1)


@dataclass(frozen=True, eq=False)
class Side:
    """An input or an output of a network: what its codes mean.

    Attributes
    ----------
    port : Port
    codes : End
        Shape and format of its tensor.
    golden : numpy.ndarray, shape (frames, height, width, channels)
        Codes of it that belong to those of the other sides.
    """

    port: Port
    codes: End
    golden: np.ndarray


@dataclass(frozen=True, eq=False)
class ArrayNetwork:
    """A network that an array can be given.

    Attributes
    ----------
    program : Program
    input : Side
    outputs : tuple of Side
        In the order of the graph.
    host : HostPart or None
        What the host computes of the outputs.
    """

    program: Program
    input: Side
    outputs: tuple[Side, ...]
    host: HostPart | None

    def to_bytes(self) -> bytes:
        """The content of a network's file: the same network always gives the same."""
        arrays: dict[str, np.ndarray] = {}
        sides = [_to_json(side, f"side{i}", arrays) for i, side in enumerate((self.input, *self.outputs))]
        program = file.to_bytes(self.program)
        data: dict[str, Any] = {
            "input": sides[0],
            "outputs": sides[1:],
            "host": None if self.host is None else self.host.to_json(arrays),
            "program": _digest(untrusted.Archive(program)),
        }
        return MEMBERS.added(program, data, arrays)

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write it to a file.

        Raises
        ------
        UserError
            If the file exists, without `force`, or cannot be written.
        """
        with replacing(Path(path), force) as beside:
            beside.write_bytes(self.to_bytes())


def load(path: str | Path) -> ArrayNetwork:
    """Read a network, whole, unchanged and such as its machine can run it.

    Raises
    ------
    ProgramError
        If it is none.
    """
    return file.opened(
        path,
        from_bytes,
        "a network as it was compiled for an array",
        "compile it again with 'pyqkit compile --array'",
    )


def from_bytes(content: bytes) -> ArrayNetwork:
    """The network of a file's content; raises `UserError` or one of `reading.DAMAGE` for anything else."""
    program = file.from_bytes(content)
    archive = untrusted.Archive(content)
    data, arrays = MEMBERS.read(archive)
    check(data["program"] == _digest(archive), "the ports of another program")
    given, outputs = _from_json(data["input"], arrays), [_from_json(e, arrays) for e in data["outputs"]]
    check(given.port.limits is not None, "an input without limits")
    check({len(side.golden) for side in outputs} == {len(given.golden)}, "golden vectors of other frames")
    shapes = {side.port.onnx_name: side.port.onnx_shape for side in outputs if not side.port.probe}
    host = None if data["host"] is None else HostPart.from_json(data["host"], arrays, shapes)
    return ArrayNetwork(program, given, tuple(outputs), host)


def _digest(archive: untrusted.Archive) -> str:
    """What a program is known by: its description names the digest of its arrays."""
    return digest(archive.content(file.MEMBERS.description))


def _to_json(side: Side, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    arrays[f"{name}.golden"] = side.golden
    return {"port": side.port.to_json(arrays, name), "codes": side.codes.to_json()}


def _from_json(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> Side:
    codes = End.from_json(data["codes"])
    port = Port.from_json(data["port"], arrays, codes)
    golden = arrays[f"{data['port']['array']}.golden"]
    check(golden.dtype.kind == "u" and golden.shape[1:] == codes.shape and len(golden) > 0, "golden vectors")
    return Side(port, codes, codes.format.checked(golden))
