"""Write the parts of pyqkit into docs/architecture.md, between its markers: a picture of their layers, and a
table of what each does and may import.

The rules are those of tests/test_imports.py, what a part does is the first sentence of its docstring.
``--check`` only compares.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.test_imports import MAY_IMPORT

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- parts: written by tools/part_table.py -->", "<!-- end of parts -->"
ALWAYS = ("errors", "names")  # every part may import them
WIDTH = 110


def layers(rules: Mapping[str, set[str]]) -> list[list[str]]:
    """Parts by the longest way down to one that imports nothing; a part imports lower layers alone.

    Raises
    ------
    ValueError
        If parts import one another in a circle.
    """
    found: list[list[str]] = []
    left = {part: below - {part} for part, below in rules.items()}
    while left:
        free = sorted(part for part, below in left.items() if not below & left.keys())
        if not free:
            raise ValueError(f"parts import one another in a circle: {', '.join(sorted(left))}")
        found.append(free)
        for part in free:
            del left[part]
    return found


def sentence(part: str) -> str:
    """First sentence of the docstring of a part."""
    base = ROOT.joinpath("pyqkit", *part.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".:").replace("``", "`")


def picture(rules: Mapping[str, set[str]]) -> str:
    """Layers, the highest first, each a line or more."""
    lines = ["a part imports parts below its own line, never beside or above it", ""]
    found = layers(rules)
    for level in range(len(found) - 1, -1, -1):
        names = "  ".join(shown(part) for part in found[level])
        lines += textwrap.wrap(
            names,
            WIDTH - 8,
            initial_indent=f"{level:2}  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "```text\n" + "\n".join(lines) + "\n```"


def shown(part: str) -> str:
    """Name of a part; the package's own file has none."""
    return part or "pyqkit"


def table(rules: Mapping[str, set[str]]) -> str:
    """One row a part, the highest layer first."""
    rows = ["| part | what it is | may import |", "| --- | --- | --- |"]
    for layer in reversed(layers(rules)):
        for part in layer:
            below = ", ".join(f"`{shown(name)}`" for name in sorted(rules[part] - {part, *ALWAYS}))
            rows.append(f"| `{shown(part)}` | {sentence(part)} | {below or 'nothing'} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """The page with what the rules give."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{picture(MAY_IMPORT)}\n\n{table(MAY_IMPORT)}\n{END}{after}"


def main() -> int:
    """Write or compare."""
    text = PAGE.read_text()
    if text == page(text):
        return 0
    if "--check" in sys.argv:
        print(f"{PAGE.name} is not what tests/test_imports.py gives; run 'python -m tools.part_table'")
        return 1
    PAGE.write_text(page(text))
    print(f"{PAGE.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
