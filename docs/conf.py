"""Sphinx: `make docs` builds the site into build/site, from the pages of the repository and the docstrings.

The source folder is the repository, so that links between pages work in the site as they do in a checkout.
Every warning is an error. Nothing is fetched, neither by the build nor by the pages.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

import pyqkit

project = "pyqkit"
author = "the authors of pyqkit"
release = version = pyqkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["deflist"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "benchmarks/README.md", "benchmarks/results/*.md"]
exclude_patterns = [".*", "build"]
myst_heading_anchors = 3

nitpicky = True  # a reference that leads nowhere is an error
nitpick_ignore_regex = [
    ("py:class", r"(abc|collections|enum|typing|torch|brevitas)\..*"),  # not described here
    ("py:class", r".*\._\w+"),  # private bases
    ("py:obj", r".*\.[A-Z]"),  # type variables
]
default_role = "name"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc says types and shapes
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"pyqkit {release}"
html_copy_source = False
templates_path = ["templates"]
html_additional_pages = {"index": "redirect.html"}


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or leads from one to an attribute or a field."""
    pieces = name.split(".")
    for length in range(len(pieces), 0, -1):
        try:
            found = importlib.import_module(".".join(pieces[:length]))
        except ModuleNotFoundError:
            continue
        for piece in pieces[length:]:
            if piece in getattr(found, "__annotations__", {}):
                return True
            found = getattr(found, piece, None)
        return found is not None
    return False


class Name(PyXRefRole):
    """What stands in single backticks: a name of pyqkit leads to its description, others are as they are."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text.startswith("pyqkit.") and not resolves(self.text):
            message = self.inliner.reporter.warning(f"nothing is called {self.text}", line=self.lineno)
            return [nodes.literal(self.rawtext, self.text)], [message]
        documented = self.env.get_domain("py").find_obj(self.env, None, None, self.text, None)
        if not self.text.startswith("pyqkit.") or not documented:
            return [nodes.literal(self.rawtext, self.text)], []
        self.name, self.refdomain, self.reftype = "py:obj", "py", "obj"
        return super().run()


class Modules(SphinxDirective):
    """``.. modules:: PACKAGE``: the public members of each module of a package, whichever there are."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        package = importlib.import_module(self.arguments[0])
        names = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
        text = "".join(f".. rubric:: {name}\n\n.. automodule:: {name}\n\n" for name in names)
        return self.parse_text_to_nodes(text)


def titled(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give tables of results, which begin without one, a title."""
    if docname.startswith("benchmarks/results/") and not source[0].startswith("#"):
        source[0] = f"# {docname.rpartition('/')[2].replace('_', ' ')}\n\n{source[0]}"


def starred(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let the star of ``shape (frames, *output shape)`` be a star and no emphasis."""
    lines[:] = [re.sub(r"(?<=, )\*(?=\w)", r"\*", line) for line in lines]


def self_contained(app: Sphinx, exception: Exception | None) -> None:
    """Refuse pages that would fetch a script, a style, a font or a picture from elsewhere."""
    for page in Path(app.outdir).rglob("*.html"):
        fetched = re.findall(
            r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(https?:)?//', page.read_text()
        )
        if fetched and exception is None:
            raise ExtensionError(f"{page.name} fetches something from elsewhere")
    for style in Path(app.outdir).rglob("*.css"):
        if re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()) and exception is None:
            raise ExtensionError(f"{style.name} fetches something from elsewhere")


def setup(app: Sphinx) -> None:
    """Announce what is defined above."""
    app.add_role("name", Name())
    app.add_directive("modules", Modules)
    app.connect("source-read", titled)
    app.connect("autodoc-process-docstring", starred, priority=600)  # behind numpydoc
    app.connect("build-finished", self_contained)
