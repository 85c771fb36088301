"""Tables, sentences and pictures of one study or several, as far as they have come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyqkit import untrusted
from pyqkit.errors import UserError
from pyqkit.files import replacing_folder
from pyqkit.hardware.mac_costs import label
from pyqkit.studies.folder import MAX_TEXT, STUDY, Folder
from pyqkit.studies.minifloat import claims
from pyqkit.studies.minifloat.plots import draw
from pyqkit.studies.minifloat.rows import FLOAT, Row
from pyqkit.studies.minifloat.study import MinifloatStudy
from pyqkit.studies.minifloat.table import Line, lines, markdown, write_parquet
from pyqkit.studies.runner import Results, collect
from pyqkit.studies.study import Definition

TABLE, PAGE = "minifloat.parquet", "minifloat.md"


def write(folders: Sequence[Path], output: Path, force: bool) -> list[Path]:
    """A folder with table, page and pictures of what studies have found; the files that are in it.

    Raises
    ------
    UserError
        If a folder is not one of this study or nothing in it has finished.
    """
    unique = found(folders)
    networks = list(dict.fromkeys(line.network for line in unique if line.weights != FLOAT))
    pictures = [f"{network}.png" for network in networks]
    with replacing_folder(output, force, "a folder of an earlier report", _listing) as made:
        write_parquet(unique, made / TABLE)
        (made / PAGE).write_text(page(unique))
        for network, picture in zip(networks, pictures):
            draw(unique, network, made / picture)
    return [output / name for name in (TABLE, PAGE, *pictures)]


def found(folders: Sequence[Path]) -> list[Line]:
    """Rows of several studies that have finished, each once: the last one counts.

    Raises
    ------
    UserError
        If there are none, or a folder is not one of this study.
    """
    measured = [line for folder in folders for line in lines(read(folder))]
    if all(line.weights == FLOAT for line in measured):
        raise UserError(
            "a study of which some rows have finished was expected, but none of "
            f"{', '.join(map(str, folders)) or 'no folder'} has; go on with 'pyqkit study minifloat --resume'"
        )
    return list({_key(line): line for line in measured}.values())


def _key(line: Line) -> tuple[str, str, str, str, bool, str, int]:
    return line.network, line.weights, line.acts, line.recipe, line.signed, line.act_scale, line.images


def _listing(folder: Path) -> set[str] | None:
    names = {entry.name for entry in folder.iterdir()}
    return {TABLE, PAGE, *(name for name in names if name.endswith(".png"))} if PAGE in names else None


def read(folder: Path) -> Results[Row]:
    """What a study has found until now.

    Raises
    ------
    UserError
        If the folder is not one of this study.
    """
    try:
        data = untrusted.json_data(untrusted.text(folder / STUDY, MAX_TEXT))
        rows = tuple(Row(**task["parameters"]) for task in data["tasks"])
        definition = Definition(MinifloatStudy(rows))
        if definition.to_json() != data:
            raise ValueError("it is another study, or one of another version")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"the folder of a minifloat study was expected, but {folder / STUDY} is none ({error}); name the "
            "--out of 'pyqkit study minifloat'"
        ) from None
    return collect(Folder(folder, definition), partial=True)


def page(measured: Sequence[Line]) -> str:
    """Sentences of the paper, each with the figures that speak for and against it, and the whole table."""
    made = claims.comparisons(measured)
    more = claims.gains(made)
    return _PAGE.format(
        counted=claims.counted(made),
        accuracy="\n".join(claims.accuracy(made)),
        label=label(),
        fronts="\n".join(claims.fronts(measured)),
        fronts_counted=claims.fronts_counted(measured),
        gains="\n".join(claims.gains_table(more)),
        gains_counted=claims.gains_counted(more),
        table=markdown(measured),
    )


_PAGE = """## Claim: minifloats beat integers in accuracy from 4 bits on

{counted}

{accuracy}

The best minifloat of a width is chosen on every second image, and the gain is that on the others.

## Claim: integers often stay on the front of accuracy and LUTs

{fronts_counted}

{fronts}

LUTs are those of one multiply-accumulate, {label}; each format has the best of its recipes.

## Claim: transformers gain most

{gains_counted}

{gains}

## All rows

{table}"""
