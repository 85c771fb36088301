"""Commands about pyqkit itself: doctor, cache, demo."""

from __future__ import annotations

import math

import click

from pyqkit.cli.group import main, print_json
from pyqkit.command_files import Written
from pyqkit.errors import UserError

_LISTED = 20  # entries of the cache that fit a terminal


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Which tools are here, and what each missing one would add."""
    from pyqkit.doctor import examine
    from pyqkit.tables import show

    rows = examine()
    if as_json:
        print_json({"tools": rows})
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
        print_json(
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
            for e in sorted(left, key=lambda e: not e.flaw)[:_LISTED]
        ]
        more = f"; {len(left) - _LISTED} more entries, which --json lists" if len(left) > _LISTED else ""
        removal = f"; {len(removed)} removed" if prune else ""
        unused = f"; not used, because {reason}: compiled libraries last as long as a run" if reason else ""
        show(
            "cache",
            rows,
            f"{folder or 'no folder'}: {sum(e.bytes for e in left) / 1e6:,.1f} MB{more}{removal}{unused}",
        )
    if any(entry.flaw for entry in left):
        ctx.exit(1)


@main.command()
@click.option(
    "-o",
    "--output",
    default="build/demo",
    show_default=True,
    type=Written(),
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
