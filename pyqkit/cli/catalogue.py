"""Commands that list what there is: number formats and boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pyqkit.cli.group import main, print_json

if TYPE_CHECKING:
    from pyqkit.boards import Board


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def formats(name: str | None, as_json: bool) -> None:
    """Table of number formats, or every code of the format NAME."""
    from pyqkit.tables import code_count, code_table, format_table, short_rows, show

    if name is None:
        rows = format_table()
        print_json({"formats": rows}) if as_json else show(
            "number formats", short_rows(rows), whole=("range",)
        )
        return
    rows, count = code_table(name), code_count(name)
    if as_json:
        print_json({"format": name, "count": count, "codes": rows})
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
        print_json({"boards": [b.to_json() for b in found]})
        return
    if name:
        show(found[0].name, _figures(found[0]))
        return
    rows = [
        {
            "name": b.name,
            "part": b.part,
            "MHz": b.clock_mhz,
            **{kind.upper(): count for kind, count in b.resources.items() if kind != "ff"},
            "image": b.image,
        }
        for b in found
    ]
    show(
        "boards",
        rows,
        "Flip-flops, power rails and where each figure comes from: pyqkit boards NAME.",
        whole=("name", "part", "image"),
    )


def _figures(board: Board) -> list[dict[str, str]]:
    """A board's figures, each with its source; the name that Vivado has for it is its own."""
    sources = {"board_part": "the maker's board files, which Vivado needs"} | board.sources
    figures = {
        "board_part": board.board_part,
        "part": board.part,
        "clock_mhz": f"{board.clock_mhz:g}",
        "resources": ", ".join(f"{count:,} {kind}" for kind, count in board.resources.items()),
        "image": board.image,
        "rails": ", ".join(filter(None, board.rails.values())),
    }
    return [
        {
            "figure": figure,
            "value": figures.get(figure, ""),
            "source": source + (" (unconfirmed)" if figure in board.unconfirmed else ""),
        }
        for figure, source in sources.items()
    ]
