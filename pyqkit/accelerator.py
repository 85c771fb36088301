"""`Accelerator`: a compiled network that can be reported on, emulated, verified, saved and loaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyqkit import backends, build_contents, build_folder, engines
from pyqkit.boards import Board
from pyqkit.compiled import Compiled, encode
from pyqkit.designs import Designs
from pyqkit.emulate.exact import ExactEngine
from pyqkit.engines import Engine, Say
from pyqkit.errors import UserError
from pyqkit.files import check_file, replacing
from pyqkit.formats.input_frames import InputRange, InputWarning, Seen
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, order_codes
from pyqkit.hardware import fit, folding
from pyqkit.overlay.install import is_installed

if TYPE_CHECKING:
    from pyqkit.emulate.energy import NetworkEnergy
    from pyqkit.report import Report
    from pyqkit.runtime import Driver

ENERGY_FRAMES = 8  # that are counted
VERIFIED = ("exact", "hls")  # unless told otherwise: what needs a C++ compiler and nothing else


class Accelerator:
    """A network lowered, folded and ready for its engines.

    Parameters
    ----------
    compiled : Compiled or Designs
        The network, or what has been worked out of it already.

    Attributes
    ----------
    compiled : Compiled
    designs : Designs
    """

    def __init__(self, compiled: Compiled | Designs) -> None:
        self.designs = compiled if isinstance(compiled, Designs) else Designs(compiled)
        self.compiled = self.designs.compiled
        self._engines: dict[str, Engine] = {}
        self._reports: dict[str, Report] = {}

    def __repr__(self) -> str:
        return (
            f"Accelerator({self.graph.name!r}, board={self.board.name!r}, "
            f"operators={len(self.graph.operators)})"
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs of frames, from the `exact` engine (emulated)."""
        return self.emulate(x)

    @property
    def graph(self) -> Graph:
        """What it computes."""
        return self.compiled.graph

    @property
    def board(self) -> Board:
        """What it was compiled for."""
        return self.compiled.board

    @property
    def clock_mhz(self) -> float:
        """Of its design."""
        return self.compiled.clock_mhz

    @property
    def foldings(self) -> dict[str, Folding]:
        """Parallelism of every layer of `graph`; layers that share hardware have the same."""
        return self.compiled.layer_foldings

    # ---- running -----------------------------------------------------------------------------------

    def engine(self, name: str, say: Say | None = None) -> Engine:
        """Engine by name, made on first use; `say` is called with a word on what is being built."""
        if name not in self._engines:
            self._engines[name] = engines.make(name, self.designs, say)
        return self._engines[name]

    @property
    def exact(self) -> ExactEngine:
        """Engine `exact`, which can also give the codes of every tensor."""
        found = self.engine("exact")
        assert isinstance(found, ExactEngine)
        return found

    def encode(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Codes of the input for frames of real numbers; see `pyqkit.compiled.encode`."""
        return encode(self.graph, x)

    def look(self, x: np.ndarray) -> Seen:
        """What frames hold beside what the input holds: how many values saturate or are rounded."""
        (port,) = self.graph.inputs
        return InputRange(port, self.graph.tensors[port.tensor]).look(np.asarray(x))

    def _warn_of(self, x: np.ndarray) -> None:
        seen = self.look(x)
        if seen.is_strange:
            warnings.warn(str(seen), InputWarning, stacklevel=4)

    def emulate(
        self,
        x: np.ndarray,
        engine: str = "exact",
        codes: bool = False,
        progress: Callable[[int | str], None] | None = None,
    ) -> np.ndarray:
        """Run frames through an engine.

        Parameters
        ----------
        x : numpy.ndarray, shape (frames, *input shape)
        engine : {"exact", "hls", "rtl"}
        codes : bool
            Return raw codes instead of real numbers.
        progress : callable, optional
            Called with the number of frames done, and with a word on what is being built.

        Returns
        -------
        numpy.ndarray, shape (frames, *output shape)
            What the ONNX file gives, float32 unless the host computes another type of it; or codes of the
            accelerator's output.

        Raises
        ------
        UserError
            For a network with several outputs; `emulate_outputs` gives them all.
        """
        found = self.emulate_outputs(x, engine, codes, progress)
        if len(found) != 1:
            raise UserError(
                f"a network with one output was expected, but this one has {', '.join(found)}; call "
                "emulate_outputs"
            )
        return next(iter(found.values()))

    def emulate_outputs(
        self,
        x: np.ndarray,
        engine: str = "exact",
        codes: bool = False,
        progress: Callable[[int | str], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """As `emulate`, every output of the network by its name in the ONNX graph; probes are none.

        Raw codes are those of the accelerator's outputs, which the host computes the network's of.
        """
        given = self.encode(x)
        self._warn_of(x)
        found = self.engine(engine, progress).run(given, progress=progress)
        if codes:
            return {port.onnx_name: order_codes(port, found[port.tensor]) for port in self.graph.results}
        return self.graph.decode(found)

    def trace(self, x: np.ndarray, path: str | Path, force: bool = True) -> None:
        """Simulate the first frame of `x` in engine `rtl` and write all signals to an FST file.

        It takes the place of an earlier one if `force`.
        """
        from pyqkit.emulate.rtl import Simulator

        with replacing(Path(path), force) as beside:  # a trace of a run that was stopped says little
            Simulator(self.designs.rtl, trace=beside).run(self.encode(np.asarray(x)[:1]))

    def verify(
        self, x: np.ndarray, engines: Sequence[str] = (), progress: Say | None = None
    ) -> dict[str, Any]:
        """Engines against each other and against the QONNX model; see `pyqkit.verify.compare.verify`.

        Without a word on engines these are `exact` and `hls`.
        """
        from pyqkit.verify.compare import verify

        x = np.asarray(x)
        engines = engines or VERIFIED
        found = verify(x, engines, self.engine, self.exact, self.compiled.model, progress)
        self._warn_of(x)
        return found

    def selftest(self, folder: str | Path, engine: str = "exact") -> int:
        """Differing codes of an engine on the golden vectors of a build folder; 0 is what must come."""
        ends = [
            {port.tensor: self.graph.tensors[port.tensor] for port in side}
            for side in (self.graph.inputs, self.graph.outputs)
        ]
        given, wanted = build_folder.load_golden(Path(folder), ends[0], ends[1])
        found = self.engine(engine).run(given)
        return int(sum((found[name] != codes).sum() for name, codes in wanted.items()))

    # ---- what it takes -----------------------------------------------------------------------------

    def check_fit(self) -> None:
        """Refuse a design that takes more than its board has (estimated).

        Raises
        ------
        UserError
            With every resource that is exceeded, and by how much.
        """
        fit.check(self.designs.estimator.total(self.compiled.foldings), self.board)

    def _estimated(self, backend: str) -> Report:
        from pyqkit import report as reports

        if backend not in self._reports:
            self._reports[backend] = reports.build(self.designs, backend)
        return self._reports[backend]

    def report(
        self,
        simulated: bool = False,
        say: Say | None = None,
        backend: str = backends.DEFAULT,
        timing: bool = False,
    ) -> Report:
        """Cycles, resources and FIFO depths per layer and in total, all estimated.

        Parameters
        ----------
        backend : {"rtl", "hls"}
            That cycles and rates are of; both stand under `backends`.
        simulated : bool
            Count interval and latency in engine `rtl` instead, which has to be built first.
        say : callable, optional
            Called with a word on what is being built.
        timing : bool
            Synthesise every block of the SystemVerilog, and time its longest path; needs Yosys.
        """
        found = self._estimated(backend)
        if timing:
            found = replace(found, timing=self.designs.timing(say))
        if simulated:
            from pyqkit import report as reports

            found = reports.simulated(found, self.engine("rtl", say), self.graph)
        return found

    def energy(self, x: np.ndarray, say: Say | None = None) -> NetworkEnergy:
        """What a frame costs, modelled from the toggles of the design's netlists.

        Needs Yosys, Verilator and a C++ compiler.

        Parameters
        ----------
        x : numpy.ndarray, shape (frames, *input shape)
            Two frames or more; the first few are simulated.
        say : callable, optional
            Called with a word on what is being done.
        """
        from pyqkit.emulate.energy import network_energy

        codes = self.encode(x[: ENERGY_FRAMES + 1])
        return network_energy(self.designs.rtl, codes, self.board.part, say=say)

    def save_report(self, path: str | Path, report: Report | None = None, force: bool = False) -> None:
        """Write the report (this one, or a new one) as one HTML page that needs nothing else."""
        from pyqkit.report_page import write
        from pyqkit.report_tradeoff import tradeoff

        check_file(Path(path), force)
        write(report or self.report(), tradeoff(self.designs), path, force)

    def save_folding(self, path: str | Path, force: bool = False) -> None:
        """Write the foldings of the hardware as a file, to be edited and compiled with."""
        folding.write(self.compiled.foldings, path, force, self.compiled.passes)

    # ---- files -------------------------------------------------------------------------------------

    def save(self, folder: str | Path, force: bool = False, say: Say | None = None) -> Path:
        """Write the build folder, what `contents` gives; an earlier one is replaced if `force`."""
        target = Path(folder)
        build_folder.check_target(target, force)
        found = self.contents(say)
        if say is not None:
            say(f"writing {target}")
        build_folder.write(target, found, force)
        return target

    def contents(self, say: Say | None = None) -> dict[str, bytes]:
        """Every file of the build folder, by its path in it; see `pyqkit.build_contents.contents`."""
        if say is not None:
            say("making C++ and SystemVerilog")
        return build_contents.contents(self.designs, self.exact, self.report().to_json())

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        board: str | None = None,
        backend: str | None = None,
        batch: int | None = None,
        timeout_s: float | None = None,
        clock_mhz: float | None = None,
        overclock: bool | None = None,
    ) -> Accelerator | Driver:
        """Open what a path holds; needs neither torch nor onnx.

        Parameters
        ----------
        path : str or Path
            A build folder, also packed, wherever it has been moved to (one whose design does not fit its
            board is warned of); or an overlay, given by its .bit, its folder, or the name alone of one that
            is installed.
        board, backend, batch, timeout_s, clock_mhz, overclock : optional
            For an overlay, as for `pyqkit.runtime.Driver.load`.

        Returns
        -------
        Accelerator or Driver
            The second for an overlay, on a board or on the emulated one. Both are called with frames.

        Raises
        ------
        UserError
            If there is neither, or options came that do not suit.
        """
        options: dict[str, Any] = {
            "board": board,
            "backend": backend,
            "batch": batch,
            "timeout_s": timeout_s,
            "clock_mhz": clock_mhz,
            "overclock": overclock,
        }
        given = {name: value for name, value in options.items() if value is not None}
        if _is_overlay(Path(path)):
            from pyqkit.runtime import Driver

            return Driver.load(path, **given)
        if given:
            raise UserError(
                f"options were expected for an overlay alone, but {', '.join(given)} came with "
                f"{path}; give the path of a .bit file"
            )
        return cls.from_build_folder(path)

    @classmethod
    def from_build_folder(cls, folder: str | Path) -> Accelerator:
        """As `load`, for a build folder alone."""
        return cls(build_contents.read(folder).designs)


def _is_overlay(path: Path) -> bool:
    """Whether a path is one of a bitstream, a folder that holds one, or the name of one that is installed."""
    if path.suffix == ".bit":
        return True
    if path.is_dir():
        return not (path / build_folder.MANIFEST).exists() and any(path.glob("*.bit"))
    return len(path.parts) == 1 and not path.exists() and is_installed(path.name)
