"""A text that every installation has: docstrings of the Python library."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

_LEAST = 40  # characters of a docstring that is taken
_DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def docstrings(folders: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Docstrings of the library's modules, classes and functions in ASCII, in the order of its files.

    Parameters
    ----------
    folders : tuple of str
        Packages of the library; all of it by default, but its tests.
    """
    library = Path(sysconfig.get_path("stdlib"))
    roots = [library / folder for folder in folders] or [library]
    paths = sorted(path for root in roots for path in root.rglob("*.py"))
    left_out = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    found = dict[str, None]()  # each once
    for path in paths:
        if not left_out & set(path.relative_to(library).parts):
            found |= dict.fromkeys(_of_file(path))
    return tuple(found)


def _of_file(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # files that are no Python on purpose
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    texts = [ast.get_docstring(node) or "" for node in nodes]
    return [text for text in texts if len(text) >= _LEAST and text.isascii()]
