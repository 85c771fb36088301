"""Write the table of number formats into README.md, between its markers. ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from pyqkit.tables import format_table, markdown

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- formats: written by tools/format_table.py -->", "<!-- end of formats -->"


def expected(text: str) -> str:
    """README with the table that the code gives."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{markdown(format_table())}\n{END}{after}"


def main() -> int:
    text = README.read_text()
    if "--check" in sys.argv:
        return int(text != expected(text))
    README.write_text(expected(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
