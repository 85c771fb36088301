"""Arrays on the command line: what ``--array`` does in ``pyqkit compile`` and ``pyqkit overlay``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyqkit.cli.group import print_json, progress
from pyqkit.command_files import check_unread
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file

if TYPE_CHECKING:
    from pyqkit.array.machine import Machine
    from pyqkit.array.search import Choice
    from pyqkit.boards import Board
    from pyqkit.graph.graph import Graph

AUTO = "auto"
Say = Callable[[str], None]


def compile_for_array(
    network: str,
    output: str,
    where: tuple[str, str, float | None, bool],
    shares: tuple[float | None, float],
    input_format: str | None,
    wishes: Sequence[Any],
    as_json: bool,
    force: bool,
) -> None:
    """Write a program for an array, and say in how many cycles it runs.

    Parameters
    ----------
    where : (str, str, float or None, bool)
        Array, board, clock in MHz, and whether factors that are too wide are refused.
    shares : (float or None, float)
        Parts of the board's LUTs and of its other resources that an array may take that is searched for.
    wishes : sequence
        Options of dataflow accelerators: none of them can be had.
    """
    from pyqkit import boards
    from pyqkit.array import report
    from pyqkit.array.compiler import fitted
    from pyqkit.compiler import read_graph
    from pyqkit.emulate.array import network as for_array

    _check_wishes(where[0], shares[0], wishes)
    check_file(Path(output), force)
    array, board, clock_mhz, exact = where
    described = boards.load(board)
    clock = described.clock_mhz if clock_mhz is None else clock_mhz
    with progress("compiling") as say:
        graph, _ = read_graph(network, input_format=input_format)
        choice = _searched(graph, described, shares, say) if array == AUTO else None
        chosen = machine_of(array) if choice is None else choice.machine
        graph, rounded = (graph, []) if exact else fitted(graph, chosen)
        made = for_array(graph, chosen)
        made.save(output, force)
    found = report.report(made.program)
    if as_json:
        print_json({**_json(output, chosen.name, clock, found), "rounded": rounded, **_looked_at(choice)})
        return
    if choice is not None:
        _show_choice(choice, described)
    _show(output, chosen.name, clock, found)
    if rounded:
        click.echo(plain(f"factors were rounded in {', '.join(rounded)}; --exact-factors refuses instead"))


def _json(output: str, array: str, clock: float, found: Any) -> dict[str, Any]:
    from pyqkit.array import report

    given, taken = found.frame_bytes
    return {
        "file": output,
        "array": array,
        "clock_mhz": clock,
        "cycles": found.frame_cycles,
        "frames_per_second": clock * 1e6 / found.frame_cycles,
        "bytes_to_the_array": given,
        "bytes_from_the_array": taken,
        "bytes_once": found.setup_bytes,
        "segments": found.segments,
        "host": [{"layers": list(step.layers), "seconds_here": step.seconds} for step in found.host],
        "host_share": found.host_share,
        "layers": report.rows(found),
    }


def _show(output: str, array: str, clock: float, found: Any) -> None:
    from pyqkit.array import report
    from pyqkit.tables import show

    show(f"{output}: a program for {array}", report.rows(found))
    rate, cycles = clock * 1e6 / found.frame_cycles, found.frame_cycles
    given, taken = found.frame_bytes
    click.echo(plain(f"{cycles:,} cycles a frame (modelled), {rate:,.1f} frames a second at {clock:g} MHz"))
    segments = "one segment" if found.segments == 1 else f"{found.segments} segments"
    click.echo(
        plain(
            f"{segments}, a transfer each way for a batch of frames: {given:,} bytes in and {taken:,} out a "
            f"frame, {found.setup_bytes:,} once"
        )
    )
    if found.host:
        layers = ", ".join(layer for step in found.host for layer in step.layers)
        click.echo(
            plain(f"the host does {layers}: {found.host_share:.1%} of a frame's time (measured on this one)")
        )


def _check_wishes(array: str, share: float | None, wishes: Sequence[Any]) -> None:
    if any(wish is not None for wish in wishes):
        raise UserError(
            "no target, folding and probe was expected with --array, but one came; leave them out, an array "
            "is as fast as it is"
        )
    if array != AUTO and share is not None:
        raise UserError(
            "no share was expected with an array that is there already, but one came; leave it out"
        )


def _searched(graph: Graph, board: Board, shares: tuple[float | None, float], say: Say) -> Choice:
    from pyqkit.array import search

    lut_share = search.LUT_SHARE if shares[0] is None else shares[0]
    return search.choose(graph, board, lut_share, shares[1], say)


def machine_of(array: str) -> Machine:
    """A machine by its name, or that of a network's file."""
    from pyqkit.array import machine, network

    return network.load(array).program.machine if array.endswith(".zip") else machine.named(array)


def _looked_at(choice: Choice | None) -> dict[str, Any]:
    """What was searched, as JSON data."""
    if choice is None:
        return {}
    rows = [
        {
            "array": one.machine.name,
            "estimated": vars(one.area),
            "cycles": one.cycles or None,
            "lacks": one.lacks or None,
        }
        for one in choice.candidates
    ]
    return {"machine": choice.machine.to_json(), "candidates": rows}


def _show_choice(choice: Choice, board: Board) -> None:
    """Which machine was chosen, and why."""
    from pyqkit.tables import show

    rows = [
        {
            "array": one.machine.name,
            "LUT": round(one.area.lut),
            "BRAM36": one.area.bram36,
            "DSP": round(one.area.dsp),
            "cycles": one.cycles or None,
            "": f"too little {one.lacks}" if one.lacks else "fewest cycles" * (one == choice.chosen),
        }
        for one in choice.candidates
    ]
    show(f"arrays for {board.name}: estimated, and cycles of a frame (modelled)", rows)
    machine = choice.machine
    modes = ", ".join(mode.name for mode in machine.modes)
    click.echo(
        plain(
            f"{machine.name}: {machine.rows} x {machine.columns} elements of family {machine.family} in "
            f"{modes}; {machine.activation_words:,} words of activations, {machine.weight_words:,} of "
            f"weights, {machine.accumulators} sums a bank"
        )
    )


def overlay_of_array(
    build: str | None,
    array: str | None,
    board: str | None,
    backend: str,
    emulated: bool,
    output: str | None,
    counters: bool,
    force: bool,
) -> None:
    """Make an overlay of an array; arguments are those of the command."""
    from pyqkit import boards
    from pyqkit.overlay import array as arrays
    from pyqkit.overlay import emulated as emulation
    from pyqkit.overlay import vendor

    if array is None or build is not None:
        raise UserError(
            f"a build folder or --array was expected, but {'both' if build else 'neither'} came; give one"
        )
    if board is None or backend != "rtl" or counters:
        raise UserError(
            "a --board, and neither --backend nor --counters, were expected with --array, but something else "
            "came; an array is SystemVerilog, and always counts"
        )
    described = boards.load(board)
    machine = machine_of(array)
    planned = arrays.plan(machine, described)
    target = Path(output) if output else Path("overlays") / machine.name / described.name
    check_unread("--output", target / f"{planned.name}.zip")  # it may be the program that --array names
    if emulated:
        made = emulation.write_planned(planned, target, force)
        click.echo(plain(f"{made}: for the emulated board; load it with pyqkit.runtime.Array.load"))
    else:
        made = vendor.make_planned(planned, target, backend, force)
        click.echo(plain(f"{made}: for {described.name}; copy the four files {planned.name}.* to the board"))
