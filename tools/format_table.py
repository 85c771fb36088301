"""Write what the code says of number formats into README.md (between its markers) and docs/formats.md.

``--check`` only compares.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from pyqkit.formats import examples
from pyqkit.tables import format_row, format_table, markdown

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- formats: written by tools/format_table.py -->", "<!-- end of formats -->"
HEAD = """# Number formats

<!-- written by tools/format_table.py (make format-table) from pyqkit/formats; edits are overwritten -->

One section a family: its definition as it stands in the source, and the formats that the tests enumerate.
`largest` and `smallest` leave out infinities. Any other legal parameters can be named as well; `pyqkit
formats NAME` prints every code of a format. What all families share:
"""


def readme(text: str) -> str:
    """README with the table that the code gives."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{markdown(format_table())}\n{END}{after}"


def reference(_: str) -> str:
    """docs/formats.md: definitions and complete tables."""
    from pyqkit.formats import base

    parts = [HEAD, _quoted(base)]
    for family, members in groupby(examples(), key=type):
        parts += [
            f"\n## {family.__name__}\n",
            _quoted(sys.modules[family.__module__]),
            f"\n{inspect.getdoc(family)}".split("\n\n")[0] + "\n",
        ]
        parts.append(markdown([format_row(fmt) for fmt in members]))
        if family.aliases:
            same = ", ".join(f"`{theirs}` is `{ours}`" for theirs, ours in family.aliases.items())
            parts.append(f"\nNames of other tools are taken too: {same}.")
    return "\n".join(parts) + "\n"


def _quoted(module: object) -> str:
    return f"```text\n{inspect.getdoc(module)}\n```"


PAGES: dict[Path, Callable[[str], str]] = {
    ROOT / "README.md": readme,
    ROOT / "docs" / "formats.md": reference,
}


def main() -> int:
    stale = 0
    for path, expected in PAGES.items():
        text = path.read_text() if path.exists() else ""
        if text == expected(text):
            continue
        stale = 1
        if "--check" in sys.argv:
            print(f"{path.name} is not what the code gives; run 'make format-table'")
        else:
            path.write_text(expected(text))
            print(f"{path.name} written")
    return stale if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
