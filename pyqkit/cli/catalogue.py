"""Commands that list what there is: number formats and boards."""

from __future__ import annotations

import click

from pyqkit.cli.group import main, print_json


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def formats(name: str | None, as_json: bool) -> None:
    """Table of number formats, or every code of the format NAME."""
    from pyqkit.tables import code_count, code_table, format_table, show

    if name is None:
        rows = format_table()
        print_json({"formats": rows}) if as_json else show("number formats", rows)
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
