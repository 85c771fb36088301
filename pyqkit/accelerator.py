"""`Accelerator`: a compiled network that can be reported on, emulated, verified, saved and loaded."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit import boards, build_folder
from pyqkit.boards import Board
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file, replacing
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, decode_output, encode_input, order_codes

ENGINES = ("exact", "hls", "rtl")
VERIFIED = ("exact", "hls")  # unless told otherwise: what needs a C++ compiler and nothing else
GOLDEN_FRAMES = 4


def compile(
    network: Any,
    example_input: Any = None,
    *,
    board: str | Path = "ZCU104",
    target_fps: float | None = None,
    lut_share: float | None = None,
    clock_mhz: float | None = None,
    fold: str | Path | dict[str, Folding] | None = None,
    probes: Sequence[str] = (),
    allow_overflow: bool = False,
) -> Accelerator:
    """Compile a quantised network for a board.

    Parameters
    ----------
    network : path, onnx.ModelProto or torch.nn.Module
        QONNX, or a module with Brevitas layers (then `example_input` gives the shape).
    example_input : torch.Tensor, optional
    board : str or path
        Name or TOML file.
    target_fps : float, optional
        Frames per second to reach with the least resources; without it the fastest design that fits the
        board.
    lut_share : float, optional
        Part of the board's LUTs that the search may take; 0.7 without `target_fps`, 1 with it.
    clock_mhz : float, optional
        The board's by default.
    fold : path or dict, optional
        Folding file or foldings, instead of the search.
    probes : sequence of str
        Layers whose codes leave the accelerator too, each over a stream and a DMA of its own, so that
        `pyqkit.runtime.Driver.compare` says which layer is wrong; see `pyqkit.graph.probes.probe`.
    allow_overflow : bool
        Go on with a design that takes more than the board has; its report says so.

    Raises
    ------
    UserError
        If the network cannot be lowered (all nodes are named), the rate cannot be met, the design does not
        fit the board, or a probe is no layer.
    """
    from pyqkit.graph.probes import probe
    from pyqkit.hardware import folding

    described = boards.load(board)
    clock = described.clock_mhz if clock_mhz is None else clock_mhz
    if not boards.is_clock(clock):
        raise UserError(
            f"a clock from 1 to below 1000 MHz was expected, but {clock} came; leave it out for the "
            "board's own"
        )
    for option, value in (("target rate", target_fps), ("share of the LUTs", lut_share)):
        if fold is not None and value is not None:
            raise UserError(f"a folding or a {option} was expected, but both came; leave one out")
    content = _model_bytes(network, example_input)
    graph = _lowered(content, str(network) if isinstance(network, (str, Path)) else "the model")
    probe(graph, [probes] if isinstance(probes, str) else probes)
    if fold is None:
        foldings = folding.find(graph, described, clock, target_fps, lut_share, allow_overflow)
    else:
        foldings = folding.check(fold, graph, "fold") if isinstance(fold, dict) else folding.read(fold, graph)
    source = plain(Path(network).name) if isinstance(network, (str, Path)) else ""
    accelerator = Accelerator(graph, described, float(clock), foldings, content, source)
    if not allow_overflow:
        accelerator.check_fit()
    return accelerator


def _model_bytes(network: Any, example_input: Any) -> bytes:
    from pyqkit.graph.model import read_model, serialised

    if isinstance(network, (str, Path)):
        _, content = read_model(Path(network))
        return content
    if hasattr(network, "SerializeToString"):
        return serialised(network)
    if not hasattr(network, "state_dict") or example_input is None:
        raise UserError(
            "an ONNX file, or a torch module and an example input, was expected; pass "
            "pyqkit.compile(module, example_input)"
        )
    from pyqkit.quant import export_qonnx

    with tempfile.TemporaryDirectory() as folder:
        return export_qonnx(network, example_input, Path(folder) / "network.onnx").read_bytes()


def _lowered(content: bytes, name: str) -> Graph:
    from pyqkit.graph.importer import import_qonnx
    from pyqkit.graph.model import parse_model

    try:
        return import_qonnx(parse_model(content, name))
    except (UserError, ImportError):
        raise
    except (
        Exception
    ) as error:  # a damaged file can break any assumption; the cause stays attached for who looks for a bug
        raise UserError(
            f"a sound QONNX model was expected, but {name} breaks the importer "
            f"({type(error).__name__}: {error}); export it again"
        ) from error


class Accelerator:
    """A network lowered, folded and ready for its engines.

    Attributes
    ----------
    graph : Graph
    board : Board
    clock_mhz : float
    foldings : dict of str to Folding
    model : bytes or None
        The QONNX file it came from.
    source : str
        Name of that file; empty for a model that was given as an object.
    """

    def __init__(
        self,
        graph: Graph,
        board: Board,
        clock_mhz: float,
        foldings: dict[str, Folding],
        model: bytes | None = None,
        source: str = "",
    ) -> None:
        self.graph, self.board, self.clock_mhz, self.foldings, self.model, self.source = (
            graph,
            board,
            clock_mhz,
            foldings,
            model,
            source,
        )
        self._engines: dict[str, Any] = {}

    def __repr__(self) -> str:
        return (
            f"Accelerator({self.graph.name!r}, board={self.board.name!r}, "
            f"operators={len(self.graph.operators)})"
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs of frames, from the `exact` engine (emulated)."""
        return self.emulate(x)

    def engine(self, name: str, say: Callable[[str], None] | None = None) -> Any:
        """Engine by name, made on first use; `say` is called with a word on what is being built."""
        if name not in ENGINES:
            raise UserError(
                f"engine {', '.join(ENGINES)} was expected, but {name!r} came; choose one of them"
            )
        if name not in self._engines:
            if name == "exact":
                from pyqkit.emulate.exact import ExactEngine

                self._engines[name] = ExactEngine(self.graph)
            elif name == "hls":
                from pyqkit.emulate.hls import HlsEngine

                self._engines[name] = HlsEngine(self.graph, self.foldings)
            else:
                from pyqkit.emulate.rtl import RtlEngine

                self._engines[name] = RtlEngine(self.graph, self.foldings, say=say)
        return self._engines[name]

    def encode(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Codes of the input ports for frames of real numbers."""
        if len(self.graph.inputs) != 1:
            names = ", ".join(port.onnx_name for port in self.graph.inputs)
            raise UserError(
                f"a network with one input was expected, but this one has {names}; join them into "
                "one, and slice it"
            )
        return {
            port.tensor: encode_input(port, self.graph.tensors[port.tensor], x) for port in self.graph.inputs
        }

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
            float32, or codes.

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
        """As `emulate`, every output of the network by its name in the ONNX graph; probes are none."""
        found = self.engine(engine, progress).run(self.encode(x), progress=progress)
        ports = {port.onnx_name: port for port in self.graph.results}
        if codes:
            return {name: order_codes(port, found[port.tensor]) for name, port in ports.items()}
        return {
            name: decode_output(port, self.graph.tensors[port.tensor], found[port.tensor])
            for name, port in ports.items()
        }

    def trace(self, x: np.ndarray, path: str | Path, force: bool = True) -> None:
        """Simulate the first frame of `x` in engine `rtl` and write all signals to an FST file, in the place
        of an earlier one if `force`.
        """
        from pyqkit.emulate.rtl import RtlEngine

        with replacing(Path(path), force) as beside:  # a trace of a run that was stopped says little
            RtlEngine(self.graph, self.foldings, trace=beside).run(self.encode(np.asarray(x)[:1]))

    def verify(
        self, x: np.ndarray, engines: Sequence[str] = VERIFIED, progress: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """Engines against each other and against the QONNX model; see `pyqkit.verify.compare.verify`."""
        from pyqkit.verify.compare import verify

        return verify(self, np.asarray(x), engines, progress)

    def check_fit(self) -> None:
        """Refuse a design that takes more than its board has (estimated).

        Raises
        ------
        UserError
            With every resource that is exceeded, and by how much.
        """
        from pyqkit.hardware import fit
        from pyqkit.hardware.estimator import Estimator

        fit.check(Estimator(self.graph).total(self.foldings), self.board)

    def report(self, simulated: bool = False) -> dict[str, Any]:
        """Cycles, resources and FIFO depths per layer and in total, all estimated; see `pyqkit.report.build`.

        Parameters
        ----------
        simulated : bool
            Count interval and latency in engine `rtl` instead, which has to be built first.
        """
        from pyqkit.report import build

        return build(self, simulated)

    def save_report(
        self, path: str | Path, report: dict[str, Any] | None = None, force: bool = False
    ) -> None:
        """Write the report (this one, or a new one) as one HTML page that needs nothing else."""
        from pyqkit.report import tradeoff
        from pyqkit.report_page import write

        check_file(Path(path), force)
        write(report or self.report(), tradeoff(self), path, force)

    def save_folding(self, path: str | Path, force: bool = False) -> None:
        """Write the foldings as a file, to be edited and compiled with."""
        from pyqkit.hardware.folding import write

        write(self.foldings, path, force)

    def save(self, folder: str | Path, force: bool = False) -> Path:
        """Write the build folder: what `contents` gives."""
        target = Path(folder)
        build_folder.check_target(target, force)
        build_folder.write(target, self.contents(), force)
        return target

    def contents(self, report: dict[str, Any] | None = None) -> dict[str, bytes]:
        """Every file of the build folder, by its path in it.

        These are the manifest, arrays, generated C++ and SystemVerilog with their libraries, golden vectors
        and the QONNX file.

        Parameters
        ----------
        report : dict, optional
            A report that is known already, instead of a new one, which can take long for a large network.
        """
        from pyqkit import __version__
        from pyqkit.graph.serialise import to_json
        from pyqkit.hardware import folding
        from pyqkit.hls import generate as hls
        from pyqkit.rtl import generate as rtl

        graph, arrays = to_json(self.graph)
        design = hls.generate(self.graph, self.foldings)
        texts = {"hls": design.files, "rtl": rtl.generate(self.graph, self.foldings).files}
        sources = {
            f"{folder}/{name}": text.encode()
            for folder, files in texts.items()
            for name, text in files.items()
        }
        headers = hls.library()
        sources |= {
            f"hls/include/{p.relative_to(headers)}": p.read_bytes()
            for p in headers.rglob("*")
            if p.suffix in (".hpp", ".h")
        }
        sources |= {f"rtl/{p.name}": p.read_bytes() for p in rtl.library().glob("*.sv")}
        if self.model is not None:
            sources[build_folder.MODEL] = self.model
        manifest = {
            "pyqkit": __version__,
            "source": self.source,
            "board": self.board.to_json(),
            "clock_mhz": self.clock_mhz,
            "graph": graph,
            "folding": folding.to_json(self.foldings),
            "streams": {
                side: [end.to_json() for end in ends]
                for side, ends in (("inputs", design.inputs), ("outputs", design.outputs))
            },
            "report": report or self.report(),
        }
        data = {build_folder.ARRAYS: arrays, build_folder.GOLDEN: self._golden()}
        return build_folder.sealed(
            manifest, {name: build_folder.archive(held) for name, held in data.items()} | sources
        )

    def _golden(self) -> dict[str, np.ndarray]:
        """A few frames of codes with the codes they must give: all smallest, all largest, and random ones."""
        random = np.random.default_rng(0)
        inputs = {}
        for port in self.graph.inputs:
            tensor = self.graph.tensors[port.tensor]
            frames = random.choice(tensor.format.codes, (GOLDEN_FRAMES, *tensor.shape))
            frames[0], frames[1] = tensor.format.codes[0], tensor.format.codes[-1]
            inputs[port.tensor] = frames
        outputs = self.engine("exact").run(inputs)
        return {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}

    def selftest(self, folder: str | Path, engine: str = "exact") -> int:
        """Differing codes of an engine on the golden vectors of a build folder; 0 is what must come."""
        ends = [
            {port.tensor: self.graph.tensors[port.tensor] for port in side}
            for side in (self.graph.inputs, self.graph.outputs)
        ]
        given, wanted = build_folder.load_golden(Path(folder), ends[0], ends[1])
        found = self.engine(engine).run(given)
        return int(sum((found[name] != codes).sum() for name, codes in wanted.items()))

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Any:
        """Open what a path holds; needs neither torch nor onnx.

        Parameters
        ----------
        path : str or Path
            A build folder, also packed, wherever it has been moved to (one whose design does not fit its
            board is warned of); or an overlay, given by its .bit, its folder, or the name alone of one that
            is installed.
        options
            For an overlay, as for `pyqkit.runtime.Driver.load`.

        Returns
        -------
        Accelerator or pyqkit.runtime.Driver
            The second for an overlay, on a board or on the emulated one. Both are called with frames.
        """
        from pyqkit.overlay.install import is_installed

        folder = Path(path)
        installed = len(folder.parts) == 1 and not folder.exists() and is_installed(folder.name)
        if (
            installed
            or folder.suffix == ".bit"
            or (
                folder.is_dir()
                and not (folder / build_folder.MANIFEST).exists()
                and any(folder.glob("*.bit"))
            )
        ):
            from pyqkit.runtime import Driver

            return Driver.load(folder, **options)
        if options:
            raise UserError(
                f"options were expected for an overlay alone, but {', '.join(options)} came with "
                f"{path}; give the path of a .bit file"
            )
        return cls.from_build_folder(folder)

    @classmethod
    def from_build_folder(cls, folder: Path) -> Accelerator:
        """As `load`, for a build folder alone."""
        from pyqkit.graph.serialise import from_json
        from pyqkit.hardware import folding

        manifest, arrays = build_folder.read(folder)
        missing = {"board", "clock_mhz", "folding", "graph", "source"} - set(manifest)
        if missing or not boards.is_clock(manifest["clock_mhz"]):
            what = f"{min(missing)} is missing" if missing else f"its clock is {manifest['clock_mhz']}"
            raise build_folder.BuildFolderError(
                f"a complete manifest was expected in {folder}, but {what}; compile the network again"
            )
        where = str(folder / build_folder.MANIFEST)
        graph = from_json(manifest["graph"], arrays)
        if any(port.limits is None for port in graph.inputs):
            raise build_folder.BuildFolderError(
                f"limits of every input were expected in {folder}, but some are missing; compile again"
            )
        foldings = folding.from_json(manifest["folding"], graph, where)
        board = boards.from_data(manifest["board"], where)
        content = (
            build_folder.content(folder, build_folder.MODEL)
            if build_folder.MODEL in manifest["files"]
            else None
        )
        accelerator = cls(
            graph, board, float(manifest["clock_mhz"]), foldings, content, str(manifest["source"])
        )
        report = manifest.get("report")
        # What a folder claims is looked at, not believed.
        if isinstance(report, dict) and report.get("overflow"):
            found = accelerator.report()
            if found["overflow"]:
                warnings.warn(f"{folder}: {found['notes'][0]}", stacklevel=3)
        return accelerator
