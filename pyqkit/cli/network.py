"""Commands that take a network from its file to an overlay: compile, emulate, verify, report, overlay."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from pyqkit.cli.array import compile_for_array, overlay_of_array
from pyqkit.cli.group import main, print_json, progress
from pyqkit.command_files import Named, Read, Written
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file, replacing


@main.command("compile")
@click.argument("network", type=Read())
@click.option("-o", "--output", required=True, type=Written(), help="Build folder to write.")
@click.option(
    "--board",
    type=Named(),
    default="ZCU104",
    show_default=True,
    help="Board name, or the path of a TOML file.",
)
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
@click.option(
    "--resource-share",
    type=float,
    default=1.0,
    show_default=True,
    help="Part of the board's flip-flops, block RAM and DSPs that the search may take.",
)
@click.option(
    "--objective",
    type=click.Choice(["rate", "latency"]),
    default="rate",
    show_default=True,
    help="What to search for: frames per second, or a short time from a frame to its result.",
)
@click.option("--clock-mhz", type=float, help="Clock; the board's by default.")
@click.option("--fold", type=Read(), help="Folding file, instead of the search.")
@click.option(
    "--write-fold",
    type=Written(),
    help="Write the foldings to this file, to be edited and given to --fold.",
)
@click.option(
    "--input-format",
    metavar="[NAME=]FORMAT[:SCALE]",
    help="What an unquantised input holds: uint8 for pixels 0..255, uint8:1/255 for pixels 0..1, uint1 for "
    "features 0 and 1, bipolar for -1 and 1, int16 for samples.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    help="A layer whose codes leave the accelerator too, to compare with; several times.",
)
@click.option(
    "--reuse",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Whether equal layers in a row are one set of hardware that frames pass several times; 'auto' where "
    "nothing else fits the board or has the rate.",
)
@click.option(
    "--array",
    type=Named(),
    help="Write a program for this array instead, a zip file; --board gives the clock. 'auto' searches the "
    "array that fits the board; the file of a program stands for its array. See docs/array.md.",
)
@click.option(
    "--exact-factors",
    is_flag=True,
    help="With --array: refuse a layer whose factors are wider than the array's, instead of rounding them.",
)
@click.option(
    "--allow-overflow", is_flag=True, help="Go on with a design that takes more than the board has."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the report.")
@click.option("--force", is_flag=True, help="Replace an existing build folder or folding file.")
def compile_command(
    network: str,
    output: str,
    board: str,
    target_fps: float | None,
    lut_share: float | None,
    resource_share: float,
    objective: str,
    clock_mhz: float | None,
    fold: str | None,
    write_fold: str | None,
    input_format: str | None,
    probes: tuple[str, ...],
    reuse: str,
    array: str | None,
    exact_factors: bool,
    allow_overflow: bool,
    as_json: bool,
    force: bool,
) -> None:
    """Compile the QONNX file NETWORK into a build folder."""
    if array is not None:
        if reuse != "auto" or objective != "rate":
            raise UserError(
                "neither --reuse nor --objective was expected with --array, but one came; leave it out, an "
                "array runs all layers in turn"
            )
        wishes = (target_fps, fold, write_fold, *probes)
        where, shares = (array, board, clock_mhz, exact_factors), (lut_share, resource_share)
        compile_for_array(network, output, where, shares, input_format, wishes, as_json, force)
        return
    if exact_factors:
        raise UserError("--array was expected with --exact-factors; an accelerator's factors are exact")
    from pyqkit.build_folder import check_target
    from pyqkit.compiler import compile as compile_network
    from pyqkit.hardware import folding
    from pyqkit.report_tables import summary

    check_target(Path(output), force)
    if write_fold is not None:
        check_file(Path(write_fold), force)
    with progress("compiling") as say:
        accelerator = compile_network(
            network,
            board=board,
            target_fps=target_fps,
            lut_share=lut_share,
            resource_share=resource_share,
            objective=objective,
            clock_mhz=clock_mhz,
            fold=fold,
            input_format=input_format,
            probes=probes,
            reuse=reuse,
            allow_overflow=allow_overflow,
            say=say,
        )
        with nullcontext() if write_fold is None else replacing(Path(write_fold), force) as beside:
            if beside is not None:
                beside.write_text(folding.text(accelerator.compiled.foldings, accelerator.compiled.passes))
            accelerator.save(output, force=force, say=say)
    report = accelerator.report()
    if as_json:
        print_json({"folder": output} | report.to_json())
        return
    for note in report.notes:
        click.echo(plain(f"note: {note}"), err=True)
    click.echo(plain(f"{output}: {len(accelerator.graph.operators)} operators for {accelerator.board.name}"))
    click.echo(plain(summary(report)))


@main.command()
@click.argument("build", type=Read())
@click.option("--input", "source", required=True, type=Read(), help="Frames in npy format.")
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
    from pyqkit.accelerator import Accelerator
    from pyqkit.tables import show_verification, verdict

    x = frames.read(Path(source))
    with progress("verifying") as update:
        result = Accelerator.from_build_folder(build).verify(x, engines, progress=update)
    if as_json:
        print_json(result)
    else:
        show_verification(result)
    wrong = verdict(result)
    for sentence in wrong:
        click.echo(plain(sentence), err=True)
    if wrong:
        ctx.exit(1)


@main.command()
@click.argument("build", type=Read())
@click.option(
    "--simulate",
    is_flag=True,
    help="Count cycles in engine rtl instead of estimating them; needs Verilator and a C++ compiler.",
)
@click.option(
    "--backend",
    default="rtl",
    show_default=True,
    help="What cycles and rates are of: rtl or hls. Both are in the JSON.",
)
@click.option(
    "--timing",
    is_flag=True,
    help="Synthesise every block and show what clock it may reach, estimated (logic); needs Yosys, and "
    "minutes for a large network the first time.",
)
@click.option(
    "--vivado",
    type=Read(),
    help="Show what Vivado made of every layer beside the estimates: the file that 'make ooc' of a project "
    "wrote, or the folder of the overlay that holds the project.",
)
@click.option(
    "--energy",
    is_flag=True,
    help="Simulate the netlists of all blocks with the first frames of --input, and show what a frame costs, "
    "modelled; needs Yosys, Verilator and a C++ compiler, and minutes for a large network.",
)
@click.option("--input", "source", type=Read(), help="With --energy: frames in npy format.")
@click.option("--html", type=Written(), help="Write one self-contained HTML page with plots to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--force", is_flag=True, help="Replace an existing HTML file.")
def report(
    build: str,
    simulate: bool,
    backend: str,
    timing: bool,
    vivado: str | None,
    energy: bool,
    source: str | None,
    html: str | None,
    as_json: bool,
    force: bool,
) -> None:
    """What each layer of BUILD is and takes, and which limits."""
    from pyqkit import frames, report_vivado
    from pyqkit.accelerator import Accelerator
    from pyqkit.report_tables import show_energy, show_report, show_vivado

    if energy != (source is not None):
        raise UserError("--energy and --input were expected together, but one came alone; add the other")
    x = None if source is None else frames.read(Path(source))
    if html is not None:
        check_file(Path(html), force)
    with progress("report") as say:
        accelerator = Accelerator.from_build_folder(build)
        found = accelerator.report(simulated=simulate, say=say, backend=backend, timing=timing)
        made = None if vivado is None else report_vivado.read(Path(vivado), accelerator.designs.rtl)
        spent = None if x is None else accelerator.energy(x, say)
        if html is not None:
            accelerator.save_report(html, found, force)
    if as_json:
        more = {} if made is None else {"vivado": made.to_json()}
        more |= {} if spent is None else {"energy": spent.to_json()}
        print_json(found.to_json() | more)
    elif html is not None:
        click.echo(plain(f"{html}: report of {found.network} on {found.board} ({found.source})"))
    else:
        show_report(found)
        if made is not None:
            print()
            show_vivado(found, made)
        if spent is not None:
            print()
            show_energy(spent)


@main.command()
@click.argument("build", type=Read(), required=False)
@click.option(
    "--array",
    type=Named(),
    help="Instead of BUILD: the array to make an overlay of, such as lpa8x8, or a program for it.",
)
@click.option("--board", type=Named(), help="The board that BUILD must be for, or that the array is for.")
@click.option(
    "--backend",
    default="rtl",
    show_default=True,
    help="rtl: SystemVerilog, for Vivado alone; hls: C++ for Vitis HLS.",
)
@click.option("--emulated", is_flag=True, help="For the emulated board: no vendor tool is needed.")
@click.option(
    "-o", "--output", type=click.Path(), help="Folder to write into; overlays/NAME/BOARD by default."
)
@click.option(
    "--allow-overflow", is_flag=True, help="Go on with a design that takes more than the board has."
)
@click.option("--counters", is_flag=True, help="Count cycles, frames and stalls, for Driver.counters().")
@click.option("--force", is_flag=True, help="Replace an existing overlay.")
def overlay(
    build: str | None,
    array: str | None,
    board: str | None,
    backend: str,
    emulated: bool,
    output: str | None,
    allow_overflow: bool,
    counters: bool,
    force: bool,
) -> None:
    """Make an overlay of BUILD: bitstream, hardware handoff, manifest and the packed build folder.

    The overlay of an array is loaded once, and then given one program after the other, as 'pyqkit compile
    --array' makes them.

    Exit code 3 where Vitis HLS or Vivado is missing: everything up to them is done then, and the sentence
    says how to go on.
    """
    from pyqkit.accelerator import Accelerator
    from pyqkit.boards import load
    from pyqkit.build_folder import read
    from pyqkit.overlay import emulated as emulation
    from pyqkit.overlay import vendor

    if build is None or array is not None:
        overlay_of_array(build, array, board, backend, emulated, output, counters, force)
        return
    source, own = Path(build), read(Path(build))[0]["board"]["name"]
    if board is not None and load(board).name != own:
        raise UserError(
            f"a build for {load(board).name} was expected, but {build} is for {own}; compile again "
            f"with --board {board}"
        )
    if not allow_overflow:
        Accelerator.from_build_folder(source).check_fit()
    name = source.resolve().name
    target = Path(output) if output else Path("overlays") / name / own
    if emulated:
        made = emulation.write(source, target, name, force, with_counters=counters)
        click.echo(plain(f"{made}: for the emulated board; load it with pyqkit.Accelerator.load"))
    else:
        made = vendor.make(source, target, backend, name, force, counters)
        click.echo(plain(f"{made}: for {own}; copy the four files {name}.* to the board"))
