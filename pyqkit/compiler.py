"""`compile`: a network as PyTorch or QONNX becomes an accelerator for a board."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.compiled import Compiled
from pyqkit.designs import Designs
from pyqkit.engines import Say
from pyqkit.errors import UserError, brief, plain
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.graph.input_format import InputFormat
from pyqkit.graph.probes import probe
from pyqkit.graph.reuse import Reuse, left_out
from pyqkit.hardware import folding
from pyqkit.hardware import reuse as sharing
from pyqkit.hardware.estimator import without_block

OBJECTIVES = ("rate", "latency")


def compile(
    network: Any,
    example_input: Any = None,
    *,
    board: str | Path = "ZCU104",
    target_fps: float | None = None,
    lut_share: float | None = None,
    resource_share: float = 1.0,
    objective: str = "rate",
    clock_mhz: float | None = None,
    fold: str | Path | dict[str, Folding] | None = None,
    input_format: str | None = None,
    probes: Sequence[str] = (),
    reuse: str = "auto",
    allow_overflow: bool = False,
    say: Say | None = None,
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
    resource_share : float
        Part of the board's flip-flops, block RAM and DSPs that the search may take.
    objective : {"rate", "latency"}
        What the search is for: frames per second, or a short time from a frame to its result, for which the
        rest of `lut_share` is spent; a `target_fps` is kept either way.
    clock_mhz : float, optional
        The board's by default.
    fold : path or dict, optional
        Folding file or foldings, instead of the search.
    input_format : str, optional
        What an unquantised input holds: ``FORMAT``, ``FORMAT:SCALE`` or either behind ``NAME=``, such as
        ``uint8`` for pixels 0..255 and ``uint8:1/255`` for pixels 0..1; see `pyqkit.graph.input_format`.
        Other numbers are rounded to the format and saturate.
    probes : sequence of str
        Layers whose codes leave the accelerator too, each over a stream and a DMA of its own, so that
        `pyqkit.runtime.Driver.compare` says which layer is wrong; see `pyqkit.graph.probes.probe`.
    reuse : {"auto", "on", "off"}
        Whether equal layers in a row are one set of hardware that frames pass several times, with the
        constants of each; "auto" where nothing else fits the board or has the rate. See docs/folding.md.
    allow_overflow : bool
        Go on with a design that takes more than the board has; its report says so.
    say : callable, optional
        Called with a word on what is being done.

    Raises
    ------
    UserError
        If the network cannot be lowered (all nodes are named), the rate cannot be met, the design does not
        fit the board, or a probe is no layer.

    Examples
    --------
    The README has one from layers to a build folder; a file that any tool wrote compiles so:

    >>> accelerator = compile("net.onnx", board="PYNQ-Z2", target_fps=1000)  # doctest: +SKIP
    >>> y = accelerator(frames)  # doctest: +SKIP
    >>> accelerator.save("build/net")  # doctest: +SKIP
    """
    described = boards.load(board)
    clock = described.clock_mhz if clock_mhz is None else clock_mhz
    _check_wishes(clock, target_fps, lut_share, resource_share, objective, fold)
    allowed = described.with_share(resource_share)
    say = say or (lambda word: None)
    say("reading the network")
    graph, content = read_graph(network, example_input, input_format)
    probe(graph, [probes] if isinstance(probes, str) else probes)
    say("searching for foldings")
    if fold is not None:
        made = sharing.given(graph, allowed, clock, fold, reuse)
    else:
        made = sharing.choose(graph, allowed, clock, target_fps, lut_share, allow_overflow, reuse)
    _note(graph, made.reuse)
    if objective == "latency":
        made = sharing.shorter(made, allowed, target_fps, lut_share)
    foldings = made.foldings | folding.wider_outputs(made.search.estimator, made.foldings)
    source = plain(Path(network).name) if isinstance(network, (str, Path)) else ""
    compiled = Compiled(graph, described, float(clock), foldings, content, source, made.reuse)
    accelerator = Accelerator(Designs(compiled, made.search))
    if not allow_overflow:
        accelerator.check_fit()
    return accelerator


def _note(graph: Graph, reuse: Reuse | None) -> None:
    """Say which operators no accelerator has a block for, and which layers could nearly share hardware."""
    graph.notes += [] if reuse is None else left_out(graph, reuse)
    missing = without_block(graph)
    if missing:
        graph.notes.append(
            f"{', '.join(missing)}: no accelerator has a block for these, so that cycles and resources leave "
            "them out; engine exact runs the network, and an array, whose host computes them"
        )


def read_graph(
    network: Any, example_input: Any = None, input_format: str | None = None
) -> tuple[Graph, bytes]:
    """The dataflow graph of a network, and the QONNX file it came from; arguments are those of `compile`."""
    return _read(_model_bytes(network, example_input), network, input_format)


def _check_wishes(
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None,
    resource_share: float,
    objective: str,
    fold: str | Path | dict[str, Folding] | None,
) -> None:
    """Wishes that exclude one another, or that nobody can have."""
    if not boards.is_clock(clock_mhz):
        raise UserError(
            f"a clock from 1 to below 1000 MHz was expected, but {clock_mhz} came; leave it out for the "
            "board's own"
        )
    for option, value in (("target rate", target_fps), ("share of the LUTs", lut_share)):
        if fold is not None and value is not None:
            raise UserError(f"a folding or a {option} was expected, but both came; leave one out")
    if not 0 < resource_share <= 1:
        raise UserError(
            f"a share of the resources above 0 and up to 1 was expected, but {resource_share:g} came; 1 "
            "takes all that the board has"
        )
    if objective not in OBJECTIVES or (fold is not None and objective != OBJECTIVES[0]):
        raise UserError(
            f"objective {' or '.join(OBJECTIVES)}, and rate with a folding, was expected, but "
            f"{brief(objective)} came; leave it out"
        )


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


def _read(content: bytes, network: Any, input_format: str | None) -> tuple[Graph, bytes]:
    """The graph of a model, and that model: with its input's format, if that was declared."""
    from pyqkit.graph.model import check_model, parse_model, serialised

    if input_format is None:
        return _lowered(content, network), content
    declared = InputFormat.parse(input_format)
    model = parse_model(content, _name(network))
    check_model(model)
    content = serialised(declared.declared(model))
    graph = _lowered(content, network)
    graph.inputs = [replace(port, declared=str(declared)) for port in graph.inputs]
    graph.notes.append(f"its input was declared as {declared}; other numbers are rounded and saturate")
    return graph, content


def _name(network: Any) -> str:
    """What a message calls a network."""
    return str(network) if isinstance(network, (str, Path)) else "the model"


def _lowered(content: bytes, network: Any) -> Graph:
    from pyqkit.graph.importer import import_qonnx, network_name
    from pyqkit.graph.model import parse_model

    name = _name(network)
    try:
        model = parse_model(content, name)
        return import_qonnx(model, network_name(model.graph.name, network))
    except (UserError, ImportError):
        raise
    except (
        Exception
    ) as error:  # a damaged file can break any assumption; the cause stays attached for who looks for a bug
        raise UserError(
            f"a sound QONNX model was expected, but {name} breaks the importer "
            f"({type(error).__name__}: {error}); export it again"
        ) from error
