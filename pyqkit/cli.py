"""The command line: ``pyqkit COMMAND``. Each command is one function; heavy imports happen inside them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import click

import pyqkit
from pyqkit.console import console
from pyqkit.errors import UserError, plain
from pyqkit.files import check_apart, check_file, is_stream, replacing

_SYSTEM = "files that can be read and written were expected, but the system says: {}; check the path"
_PATIENCE = 2.0  # seconds that a command may take without showing progress


class _Group(click.Group):
    """Prints a user's mistake as one sentence and exits with its code (2 as a rule), without a traceback.

    Ctrl-C exits with 130.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        with console():
            try:
                return super().main(*args, **extra)
            except OSError as error:  # not even the help could be written
                _say(_SYSTEM.format(error))
                sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a full disk behind it is noticed here
            return result
        except UserError as error:
            message, code = str(error), error.exit_code
        except click.UsageError as error:
            where = (error.ctx or ctx).command_path
            message, code = f"{plain(error.format_message()).rstrip('.')}; see '{where} --help'", 2
        except ModuleNotFoundError as error:
            if (error.name or "pyqkit").partition(".")[0] == "pyqkit":
                raise
            message, code = (
                f"{error.name} was expected for this command, but it is not installed; pip install "
                "'pyqkit[host]'",
                2,
            )
        except UnicodeEncodeError:
            message, code = (
                "names that a file system can hold were expected, but one has lone surrogates; "
                "write it in UTF-8",
                2,
            )
        except BrokenPipeError:
            raise
        except OSError as error:
            message, code = _SYSTEM.format(error), 2
        except KeyboardInterrupt:
            message, code = "interrupted", 130
        _say(message)
        ctx.exit(code)


def _say(message: str) -> None:
    with suppress(OSError):
        click.echo(f"pyqkit: {message}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pyqkit.__version__)
def main() -> None:
    """From a quantised PyTorch network to a bit-exact FPGA accelerator on a PYNQ board or a laptop."""


@contextmanager
def _progress(text: str, total: int | None = None) -> Iterator[Callable[[Any], None]]:
    """A progress bar on a terminal once it has taken 2 s, nothing elsewhere.

    Called with the number done, or a word on what runs.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from threading import Timer

    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(text, total=total)
    timer = Timer(_PATIENCE, bar.start)
    timer.start()

    def update(done: Any) -> None:
        if isinstance(done, str):
            bar.update(task, description=done)
        else:
            bar.update(task, completed=done)

    try:
        yield update
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data))


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def formats(name: str | None, as_json: bool) -> None:
    """Table of number formats, or every code of the format NAME."""
    from pyqkit.tables import code_count, code_table, format_table, show

    if name is None:
        rows = format_table()
        _print_json({"formats": rows}) if as_json else show("number formats", rows)
        return
    rows, count = code_table(name), code_count(name)
    if as_json:
        _print_json({"format": name, "count": count, "codes": rows})
    else:
        show(
            f"codes of {name}",
            rows,
            f"{len(rows)} of {count:,} codes, at the ends and around the middle"
            if len(rows) < count
            else None,
        )


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def boards(name: str | None, as_json: bool) -> None:
    """Table of boards, or the board NAME (also the path of a TOML file)."""
    from pyqkit import boards as known
    from pyqkit.tables import show

    found = [known.load(n) for n in ([name] if name else known.names())]
    if as_json:
        _print_json({"boards": [b.to_json() for b in found]})
        return
    rows = [
        {
            "name": b.name,
            "part": b.part,
            "MHz": b.clock_mhz,
            **b.resources,
            "image": b.image,
            "rails": ", ".join(filter(None, b.rails.values())),
            "unconfirmed": ", ".join(b.unconfirmed),
        }
        for b in found
    ]
    show(
        "boards",
        rows,
        "\n".join(f"{figure}: {source}" for figure, source in found[0].sources.items()) if name else None,
    )


@main.command("compile")
@click.argument("network", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(), help="Build folder to write.")
@click.option("--board", default="ZCU104", show_default=True, help="Board name, or the path of a TOML file.")
@click.option(
    "--target-fps",
    type=float,
    help="Frames per second to reach with the least resources; else the fastest design that fits.",
)
@click.option(
    "--lut-share",
    type=float,
    help="Part of the board's LUTs that may be taken; 0.7 without a target, 1 with one.",
)
@click.option("--clock-mhz", type=float, help="Clock; the board's by default.")
@click.option("--fold", type=click.Path(), help="Folding file, instead of the search.")
@click.option(
    "--write-fold",
    type=click.Path(),
    help="Write the foldings to this file, to be edited and given to --fold.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    help="A layer whose codes leave the accelerator too, to compare with; several times.",
)
@click.option(
    "--allow-overflow", is_flag=True, help="Go on with a design that takes more than the board has."
)
@click.option("--force", is_flag=True, help="Replace an existing build folder or folding file.")
def compile_command(
    network: str,
    output: str,
    board: str,
    target_fps: float | None,
    lut_share: float | None,
    clock_mhz: float | None,
    fold: str | None,
    write_fold: str | None,
    probes: tuple[str, ...],
    allow_overflow: bool,
    force: bool,
) -> None:
    """Compile the QONNX file NETWORK into a build folder."""
    from pyqkit.accelerator import compile as compile_network
    from pyqkit.build_folder import check_target
    from pyqkit.hardware import folding
    from pyqkit.tables import summary

    check_target(Path(output), force)
    if write_fold is not None:
        check_file(Path(write_fold), force)
    check_apart("--write-fold", write_fold, "--output", output)
    with _progress("compiling"):
        accelerator = compile_network(
            network,
            board=board,
            target_fps=target_fps,
            lut_share=lut_share,
            clock_mhz=clock_mhz,
            fold=fold,
            probes=probes,
            allow_overflow=allow_overflow,
        )
        with nullcontext() if write_fold is None else replacing(Path(write_fold), force) as beside:
            if beside is not None:
                beside.write_text(folding.text(accelerator.foldings))
            accelerator.save(output, force=force)
    report = accelerator.report()
    for note in report["notes"]:
        click.echo(plain(f"note: {note}"), err=True)
    click.echo(plain(f"{output}: {len(accelerator.graph.operators)} operators for {accelerator.board.name}"))
    click.echo(plain(summary(report)))


@main.command()
@click.argument("build", type=click.Path())
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(),
    help="Frames in npy format, as the ONNX graph takes them.",
)
@click.option(
    "--output",
    "target",
    required=True,
    type=click.Path(),
    help="Where to write the results (npy; npz for several outputs).",
)
@click.option("--engine", default="exact", show_default=True, help="exact, hls or rtl.")
@click.option("--codes", is_flag=True, help="Write raw codes instead of real numbers.")
@click.option(
    "--trace",
    type=click.Path(),
    help="With engine rtl: write all signals during the first frame to this FST file.",
)
@click.option("--force", is_flag=True, help="Replace an existing output file.")
def emulate(
    build: str, source: str, target: str, engine: str, codes: bool, trace: str | None, force: bool
) -> None:
    """Run frames through the accelerator BUILD, in software."""
    from pyqkit import frames
    from pyqkit.accelerator import Accelerator

    if trace is not None and engine != "rtl":
        raise UserError(
            f"engine rtl was expected with --trace, but {engine} came; only engine rtl has signals"
        )
    for file in filter(None, (target, trace)):
        check_file(Path(file), force)
    check_apart("--trace", trace, "--output", target)
    x = frames.read(Path(source))
    accelerator = Accelerator.load(build)
    aside = is_stream(Path(target))  # what is said goes to stderr then, where it is not among the frames
    if not aside and (len(accelerator.graph.results) > 1) != (Path(target).suffix == ".npz"):
        names = ", ".join(port.onnx_name for port in accelerator.graph.results)
        raise UserError(
            f"a file in {'npz' if ',' in names else 'npy'} format was expected for {names}, but "
            f"{target} came; change its ending"
        )
    with _progress(f"engine {engine}", total=len(x) if x.ndim else None) as update:
        outputs = accelerator.emulate_outputs(x, engine=engine, codes=codes, progress=update)
        with replacing(Path(target), force) as beside:
            frames.write(beside, outputs)
            if trace is not None:
                accelerator.trace(x, trace, force)
    click.echo(plain(f"{target}: {len(x)} frames from engine {engine} (emulated)"), err=aside)
    if engine == "rtl":
        counts = accelerator.engine(engine).counts
        interval = f", {counts.interval:g} between frames" if len(x) > 1 else ""
        click.echo(
            f"cycles (simulated): {counts.latency} from the first beat to the last of a frame{interval}",
            err=aside,
        )


@main.command()
@click.argument("build", type=click.Path())
@click.option("--input", "source", required=True, type=click.Path(), help="Frames in npy format.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    help="An engine to compare: exact, hls or rtl; several times. [default: exact and hls]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(ctx: click.Context, build: str, source: str, engines: tuple[str, ...], as_json: bool) -> None:
    """Compare the engines of BUILD with each other, with the QONNX model, and with its float32 execution.

    Exit code 1 if any code differs, if float32 execution gives a code that nothing explains, or so many that
    they confirm nothing.
    """
    from pyqkit import frames
    from pyqkit.accelerator import VERIFIED, Accelerator
    from pyqkit.tables import show_verification, verdict

    x = frames.read(Path(source))
    with _progress("verifying") as update:
        result = Accelerator.load(build).verify(x, engines or VERIFIED, progress=update)
    if as_json:
        _print_json(result)
    else:
        show_verification(result)
    wrong, reference = verdict(result), result["reference"]
    if wrong is not None:
        click.echo(plain(wrong), err=True)
    if wrong is not None or (reference and _doubted(reference["float32"])):
        ctx.exit(1)


def _doubted(float32: dict[str, Any]) -> bool:
    """Whether float32 execution does not confirm the accelerator."""
    return bool(float32["unexplained_layers"] or float32["over_excused_layers"])


@main.command()
@click.argument("build", type=click.Path())
@click.option(
    "--simulate",
    is_flag=True,
    help="Count cycles in engine rtl instead of estimating them; needs Verilator and a C++ compiler.",
)
@click.option("--html", type=click.Path(), help="Write one self-contained HTML page with plots to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--force", is_flag=True, help="Replace an existing HTML file.")
def report(build: str, simulate: bool, html: str | None, as_json: bool, force: bool) -> None:
    """What each layer of BUILD is and takes, and which limits."""
    from pyqkit.accelerator import Accelerator
    from pyqkit.tables import show_report

    if html is not None:
        check_file(Path(html), force)
    with _progress("report"):
        accelerator = Accelerator.load(build)
        data = accelerator.report(simulated=simulate)
        if html is not None:
            accelerator.save_report(html, data, force)
    if as_json:
        _print_json(data)
    elif html is not None:
        click.echo(plain(f"{html}: report of {data['network']} on {data['board']} ({data['source']})"))
    else:
        show_report(data)


@main.command()
@click.argument("build", type=click.Path())
@click.option("--board", help="The board that BUILD must be for.")
@click.option(
    "--backend",
    default="hls",
    show_default=True,
    help="hls: C++ for Vitis HLS; rtl: SystemVerilog, for Vivado alone.",
)
@click.option("--emulated", is_flag=True, help="For the emulated board: no vendor tool is needed.")
@click.option(
    "-o", "--output", type=click.Path(), help="Folder to write into; overlays/NAME/BOARD by default."
)
@click.option(
    "--allow-overflow", is_flag=True, help="Go on with a design that takes more than the board has."
)
@click.option("--force", is_flag=True, help="Replace an existing overlay.")
def overlay(
    build: str,
    board: str | None,
    backend: str,
    emulated: bool,
    output: str | None,
    allow_overflow: bool,
    force: bool,
) -> None:
    """Make an overlay of BUILD: bitstream, hardware handoff, manifest and the packed build folder.

    Exit code 3 where Vitis HLS or Vivado is missing: everything up to them is done then, and the sentence
    says how to go on.
    """
    from pyqkit.accelerator import Accelerator
    from pyqkit.boards import load
    from pyqkit.build_folder import read
    from pyqkit.overlay import emulated as emulation
    from pyqkit.overlay import vendor

    source, own = Path(build), read(Path(build))[0]["board"]["name"]
    if board is not None and load(board).name != own:
        raise UserError(
            f"a build for {load(board).name} was expected, but {build} is for {own}; compile again "
            f"with --board {board}"
        )
    if not allow_overflow:
        Accelerator.load(source).check_fit()
    name = source.resolve().name
    target = Path(output) if output else Path("overlays") / name / own
    if emulated:
        click.echo(
            plain(
                f"{emulation.write(source, target, name, force)}: for the emulated board; load it "
                "with pyqkit.Accelerator.load"
            )
        )
    else:
        click.echo(
            plain(
                f"{vendor.make(source, target, backend, name, force)}: for {own}; copy the four "
                f"files {name}.* to the board"
            )
        )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Which tools are here, and what each missing one would add."""
    from pyqkit.doctor import examine
    from pyqkit.tables import show

    rows = examine()
    if as_json:
        _print_json({"tools": rows})
    else:
        show("tools", rows)


@main.command()
@click.option("--check", is_flag=True, help="Compare every digest; exit code 1 if something has changed.")
@click.option("--prune", is_flag=True, help="Throw away everything, or what --older-than says.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="With --prune: only what was not used for so many days.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def cache(ctx: click.Context, check: bool, prune: bool, older_than: float | None, as_json: bool) -> None:
    """What is kept between runs (compiled engines, synthesised blocks), and where."""
    from dataclasses import asdict

    from pyqkit import cache as kept
    from pyqkit import cache_entries
    from pyqkit.tables import show

    if older_than is not None and math.isnan(older_than):
        raise UserError("a number of days was expected with --older-than, but nan came; 30 keeps a month")
    if older_than is not None and not prune:
        raise UserError(
            "--prune was expected with --older-than, but it did not come; add it, or leave out both"
        )
    folder = kept.user_folder()
    reason = "neither XDG_CACHE_HOME nor HOME is an absolute path" if folder is None else kept.why_not(folder)
    found = [] if folder is None or reason else cache_entries.entries(folder, check)
    removed = [] if folder is None or reason or not prune else cache_entries.prune(folder, older_than or 0)
    left = [entry for entry in found if entry.name not in {gone.name for gone in removed}]
    if as_json:
        where = {"folder": folder and str(folder), "not_used_because": reason}
        _print_json(
            {
                **where,
                "entries": [asdict(e) for e in left],
                "bytes": sum(e.bytes for e in left),
                "removed": [e.name for e in removed],
            }
        )
    else:
        state = {None: "", "": "unchanged"}
        rows = [
            {"entry": e.name, "kB": e.bytes / 1000, "days": e.days, "state": state.get(e.flaw, e.flaw)}
            for e in left
        ]
        removal = f"; {len(removed)} removed" if prune else ""
        unused = f"; not used, because {reason}: compiled libraries last as long as a run" if reason else ""
        show(
            "cache",
            rows,
            f"{folder or 'no folder'}: {sum(e.bytes for e in left) / 1e6:,.1f} MB{removal}{unused}",
        )
    if any(entry.flaw for entry in left):
        ctx.exit(1)


@main.command()
@click.option(
    "-o",
    "--output",
    default="build/demo",
    show_default=True,
    type=click.Path(),
    help="Folder for the build and the picture.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of weights and training order.",
)
@click.option("--force", is_flag=True, help="Replace an existing output folder.")
def demo(output: str, seed: int, force: bool) -> None:
    """Train, compile and verify a small network on real data; one table and one picture."""
    from pyqkit.demo import run

    run(output, seed=seed, force=force)


if __name__ == "__main__":
    main()
