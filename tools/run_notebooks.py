"""Run notebooks from top to bottom.

The first cell that fails ends it with its error. Nothing is written back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    for name in sys.argv[1:]:
        path = Path(name)
        notebook = nbformat.read(path, as_version=4)
        print(f"{path.name} ...", flush=True)
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
        plots = sum(
            "image/png" in out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", [])
        )
        print(f"{path.name}: {len(notebook.cells)} cells, {plots} plots")


if __name__ == "__main__":
    main()
