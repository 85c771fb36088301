"""What the command line prints: rows of plain data, shown by rich."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyqkit.errors import plain
from pyqkit.formats import NumberFormat, examples, parse

if TYPE_CHECKING:
    from rich.table import Table

MOST_CODES = 1024  # rows in which a format is printed whole
_WIDE = 240
_NARROW = 12  # to which columns of text are folded before a table is divided
# Counts of `pyqkit.verify.float32`: title of the column, and what the count is in words.
_FLOAT32 = {
    "differing": ("differing", ""),
    "ties": ("ties", "on a tie"),
    "float32_bound": ("in bound", "within the bound of float32's error of a boundary"),
    "log_table": ("by table", "by the log-to-linear table"),
    "earlier_layers": ("follow", "that follow from earlier layers"),
    "unexplained": ("unexplained", "unexplained"),
}

# One line of the table each; `examples()` has hundreds.
SHOWN = [
    "int2",
    "int4",
    "int8",
    "int8narrow",
    "uint4",
    "uint8z128",
    "odd2",
    "e2m0",
    "e2m1",
    "e3m0",
    "e1m2",
    "ue3m2",
    "e2m3",
    "e3m2",
    "e3m4",
    "e4m3",
    "e5m2",
    "e4m3fn",
    "e5m2ieee",
    "lp2_0_1",
    "lp4_0_3",
    "lp4_1_3",
    "lp6_1_3",
    "lp8_1_3",
    "lp8_2_3",
    "lp8_1_3@-0.25",
    "mx32_e2m1",
    "mx32_int8",
    "mx16_int4_mse",
]


def format_row(fmt: Any) -> dict[str, Any]:
    """One format as a row of the table."""
    if fmt.block:
        element = format_row(fmt.element)
        return {**element, "name": fmt.name, "bits": round(fmt.bits, 3), "what": fmt.description}
    positive = fmt.values[fmt.values > 0]
    return {
        "name": fmt.name,
        "bits": fmt.bits,
        "what": fmt.description,
        "values": len(fmt.values),
        "largest": float(fmt.maximum),
        "smallest": float(fmt.minimum),
        "smallest positive": float(positive[0]) if len(positive) else None,
    }


def format_table() -> list[dict[str, Any]]:
    """Rows of representative formats."""
    return [format_row(parse(name)) for name in SHOWN]


def short_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of formats, short enough for a terminal: their range in one cell."""
    return [
        {
            "name": row["name"],
            "bits": row["bits"],
            "what": row["what"],
            "values": row["values"],
            "range": _range(row["smallest"], row["largest"]),
            "above 0": row["smallest positive"] and float(f"{row['smallest positive']:.4g}"),
        }
        for row in rows
    ]


def _range(low: float, high: float) -> str:
    return f"\u00b1{_text(high)}" if low == -high else f"{_text(low)} to {_text(high)}"


def _element(name: str) -> NumberFormat:
    return parse(name).element


def code_count(name: str) -> int:
    """Number of codes of a format."""
    return int(2 ** _element(name).bits)


def code_table(name: str) -> list[dict[str, Any]]:
    """Codes of a format.

    Bits, integer and value; of a format of more than `MOST_CODES` the ends and the middle.
    """
    fmt, count = _element(name), code_count(name)
    codes = (
        range(count)
        if count <= MOST_CODES
        else (*range(4), *range(count // 2 - 4, count // 2 + 4), *range(count - 4, count))
    )
    return [
        {
            "code": code,
            "bits": format(code, f"0{fmt.bits}b"),
            "integer": fmt.base.integer(code),
            "value": float(fmt.decode(code)),
        }
        for code in codes
    ]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    header = list(rows[0])
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(_text(row[key]) for key in header) + " |" for row in rows])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.6g}"
    large = isinstance(value, int) and abs(value) >= 10_000
    return f"{value:,}" if large else str(value)


def show(
    title: str, rows: Sequence[dict[str, Any]], caption: str | None = None, whole: Sequence[str] = ()
) -> None:
    """Print rows as a table. Names in them are text and no markup, whatever they hold.

    On a terminal it is as wide as that: cells of text go on in the next line, numbers and the columns `whole`
    do not, and what is left over stands in a further table behind the first column.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=_WIDE)  # a file has no width to cut columns to
    console.print(Text(plain(title), style="table.title"))
    for keys in _side_by_side(rows, whole, console.width):
        console.print(_table(rows, keys, whole))
    if caption is not None:
        console.print(Text("\n".join(map(plain, caption.splitlines())), style="table.caption"))


def _side_by_side(rows: Sequence[dict[str, Any]], whole: Sequence[str], width: int) -> list[list[str]]:
    """Columns of each table: as many as fit, the first one in each."""
    if not rows:
        return []
    first, *others = rows[0]
    tables, left = [[first]], 0
    for key in others:
        longest = max(len(_text(row[key])) for row in rows)
        needs = 2 + max(
            longest if _is_whole(rows, key, whole) else min(longest, _NARROW), min(len(key), _NARROW)
        )
        if needs > left and len(tables[-1]) > 1:
            tables.append([first])
        if len(tables[-1]) == 1:
            left = width - min(max(len(_text(row[first])) for row in rows), _NARROW)
        tables[-1].append(key)
        left -= needs
    return tables


def _is_whole(rows: Sequence[dict[str, Any]], key: str, whole: Sequence[str]) -> bool:
    return key in whole or _is_number(rows, key)


def _is_number(rows: Sequence[dict[str, Any]], key: str) -> bool:
    return all(isinstance(row[key], (int, float)) or row[key] is None for row in rows)


def _table(rows: Sequence[dict[str, Any]], keys: Sequence[str], whole: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for key in keys:
        table.add_column(
            Text(plain(key)),
            justify="right" if _is_number(rows, key) else "left",
            no_wrap=_is_whole(rows, key, whole),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(plain(_text(row[key]))) for key in keys))
    return table


def show_verification(result: dict[str, Any]) -> None:
    """Print what `verify` found."""
    reference = result["reference"]
    caption = (
        f"{result['frames']} frames; engines {', '.join(result['engines'])}: {result['mismatches']} "
        "codes differ between them"
    )
    caption += _rounded(result)
    if reference is None:
        print(caption)
        return
    float32 = reference["float32"]
    layers = reference["layers"]
    exact = [{"layer": name, **entry} for name, entry in layers.items()]
    floats = [
        {"layer": name, **{title: float32["layers"][name][key] for key, (title, _) in _FLOAT32.items()}}
        for name in layers
    ]
    why = {
        text: sum(layer[key] for layer in float32["layers"].values())
        for key, (_, text) in _FLOAT32.items()
        if text
    }
    reasons = ", ".join(f"{count} {text}" for text, count in why.items())
    votes = reference["top1_agreement"]
    caption += (
        f"; {reference['codes_differing']} of {reference['codes']:,} codes differ from the QONNX "
        "model in exact arithmetic"
        f"{'' if votes is None else f', top-1 agreement {votes:.2%}'}."
        f"{_of_definitions(reference['moved'])}{_on_the_host(reference['host'])}"
    )
    beside = (
        f"On {float32['frames']} frames {float32['codes_differing']} of {float32['codes']:,} codes differ "
        f"from float32 execution{f': {reasons}' if float32['codes_differing'] else ''}."
    )
    if not layers:
        print(f"{caption}\n{beside}")
        return
    show("layers against the QONNX model in exact arithmetic", exact, caption)
    print()
    show("codes that differ from float32 execution, and why", floats, beside)


def _rounded(result: dict[str, Any]) -> str:
    """What rounded factors of arrays have moved."""
    return "".join(
        f"; {name} has rounded factors in {len(one['layers'])} layers: {one['moved']} of {one['codes']:,} "
        "codes moved by the definition"
        for name, one in result["rounded"].items()
    )


def _moved(result: dict[str, Any]) -> list[str]:
    """A sentence for each array that moves more than rounded factors explain."""
    return [
        f"{one['moved']} of {one['codes']} codes are moved by the rounded factors of {name}, {one['far']} of "
        "them farther from a boundary than rounding reaches; take scales by tensor, or an array with wider "
        "multipliers."
        for name, one in result["rounded"].items()
        if not one["accepted"]
    ]


def _of_definitions(found: dict[str, int]) -> str:
    """A line on what written definitions do to codes, empty where there are none."""
    if not found["codes"]:
        return ""
    return (
        f"\nWritten definitions (softmax) move {found['differing']} of {found['codes']:,} codes from those "
        f"of real numbers, {found['far']} of them farther than they may."
    )


def _on_the_host(steps: dict[str, dict[str, int]]) -> str:
    """A line on what the host computes, empty where it has no part."""
    compared, differing = (sum(step[key] for step in steps.values()) for key in ("values", "differing"))
    line = f"\nOn the host {differing} of {compared:,} numbers differ: {', '.join(steps)}."
    return line if steps else ""


def _too_far(found: dict[str, int]) -> list[str]:
    """What speaks against codes of written definitions."""
    if not found["far"]:
        return []
    return [
        f"{found['far']} codes of written definitions (softmax) are farther from the real numbers than they "
        "may be; report this model."
    ]


def verdict(result: dict[str, Any]) -> list[str]:
    """What speaks against an accelerator in what `verify` found, one sentence each; none for a right one.

    Codes that differ from the QONNX model, or else between engines; and what float32 execution does not
    confirm.
    """
    reference = result["reference"]
    sentences = []
    if reference and reference["differing_layers"]:
        layers = reference["differing_layers"]
        sentences.append(
            f"{reference['codes_differing']} of {reference['codes']} codes differ from the QONNX "
            f"model in {', '.join(layers)}, named in the "
            f"order of the network; look at {layers[0]} first, because what follows reads its codes."
        )
    elif result["mismatches"]:
        sentences.append(
            f"{result['mismatches']} codes of the outputs differ between the engines "
            f"{', '.join(result['engines'])}."
        )
    sentences += _moved(result)
    sentences += _too_far(reference["moved"] if reference else {"far": 0})
    steps = reference["host"] if reference else {}
    wrong = [name for name, step in steps.items() if step["differing"]]
    if wrong:
        sentences.append(
            f"{sum(steps[name]['differing'] for name in wrong)} numbers that the host computes differ from "
            f"those of the QONNX model, in {', '.join(wrong)}; look at {wrong[0]} first."
        )
    float32 = reference["float32"] if reference else {}
    if float32.get("unexplained_layers"):
        sentences.append(
            f"{float32['codes_unexplained']} codes in {', '.join(float32['unexplained_layers'])} differ from "
            "float32 execution, and neither a tie nor the error of float32 explains them; the accelerator or "
            "its reading of the file is wrong there."
        )
    if float32.get("over_excused_layers"):
        sentences.append(
            f"So many codes in {', '.join(float32['over_excused_layers'])} lie on ties or within the error "
            "of float32 that its execution does not confirm the accelerator there; with power-of-two scales "
            "float32 sums are exact."
        )
    return sentences


__all__ = [
    "code_count",
    "code_table",
    "examples",
    "format_row",
    "format_table",
    "markdown",
    "show",
    "show_verification",
    "verdict",
]
