"""Arrays on the command line: what ``--array`` does in ``pyqkit compile`` and ``pyqkit overlay``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pyqkit.cli.group import print_json, progress
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file


def compile_for_array(
    network: str,
    output: str,
    where: tuple[str, str, float | None, bool],
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
    wishes : sequence
        Options of dataflow accelerators: none of them can be had.
    """
    from pyqkit import boards
    from pyqkit.array import machine, report
    from pyqkit.array.compiler import fitted
    from pyqkit.compiler import read_graph
    from pyqkit.emulate.array import network as for_array

    if any(wish is not None for wish in wishes):
        raise UserError(
            "no target, share, folding and probe was expected with --array, but one came; leave them out, an "
            "array is as fast as it is"
        )
    check_file(Path(output), force)
    array, board, clock_mhz, exact = where
    clock = boards.load(board).clock_mhz if clock_mhz is None else clock_mhz
    with progress("compiling"):
        chosen = machine.named(array)
        graph, _ = read_graph(network, input_format=input_format)
        graph, rounded = (graph, []) if exact else fitted(graph, chosen)
        made = for_array(graph, chosen)
        made.save(output, force)
    found = report.report(made.program)
    if as_json:
        print_json({**_json(output, array, clock, found), "rounded": rounded})
        return
    _show(output, array, clock, found)
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
    from pyqkit.array import machine
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
    planned = arrays.plan(machine.named(array), described)
    target = Path(output) if output else Path("overlays") / array / described.name
    if emulated:
        made = emulation.write_planned(planned, target, force)
        click.echo(plain(f"{made}: for the emulated board; load it with pyqkit.runtime.Array.load"))
    else:
        made = vendor.make_planned(planned, target, backend, force)
        click.echo(plain(f"{made}: for {described.name}; copy the four files {planned.name}.* to the board"))
