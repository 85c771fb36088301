"""Who may import whom, read from the source, and that importing costs and does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "pyqkit"
MODULES = sorted(ROOT.rglob("*.py"))

# Part -> parts it may import, itself, `errors` and `names` always. The longest name that fits a module is its
# part.
# What names, attributes and constants of a file say.
ONNX_READING = {"graph.model", "graph.external_data", "graph.limits"}
CONVENTIONS = {"graph.conventions"}  # what makes a real-valued model definite
# What the files of an overlay say; a board reads them.
_BITS = {"overlay.bitfile", "overlay.hwh"}
OVERLAY_PARTS: dict[str, set[str]] = {
    **{name: {"untrusted"} for name in _BITS},
    "overlay.counters": {"overlay.hwh"},
    "overlay.array_block": {"overlay.hwh"},
    "overlay.seal": {"digest", *_BITS},
    "overlay.manifest": {"array.machine", "digest", "formats", "untrusted", "overlay.seal", *_BITS},
    "overlay.install": {"files", "overlay.manifest", "overlay.seal"},
}
OVERLAY_FILES = set(OVERLAY_PARTS)


def _parts(names: str) -> set[str]:
    return set(names.split())


MAY_IMPORT: dict[str, set[str]] = {
    "names": set(),
    "errors": set(),
    "untrusted": set(),
    "npy": {"untrusted"},
    "frames": {"npy"},
    "formats": {"discovery"},
    # On use alone: the emulated board, and the engine to compare with; see test_runtime_loads_little.
    "runtime": _parts("array array.isa array.machine board_emulation build_contents build_folder compiled")
    | _parts("driver_rate emulate formats host")
    | OVERLAY_FILES,
    "driver_rate": {"formats", "overlay.hwh"},
    "custom_op": {"formats"},
    # an export is compared with its module
    "quant": _parts("array.contention discovery emulate.kernels files formats graph graph.layer_names npy")
    | {"untrusted", "verify", *ONNX_READING},
    "host": {"discovery", "formats", "graph.fields", "graph.limits"},
    "graph": {"formats", "discovery", "host", "graph.fields", "graph.limits"},
    "graph.fields": {"formats"},
    "graph.input_format": {"formats", "graph.model"},
    "graph.lowering": {"formats", "discovery", "graph", "graph.input_format", "host"}
    | ONNX_READING
    | CONVENTIONS,
    "graph.onnx_node": {"graph.lowering", "host", *ONNX_READING},
    "graph.importer": {
        "graph",
        "graph.input_format",
        "graph.layer_names",
        "graph.lowering",
        "graph.onnx_node",
        *ONNX_READING,
    },
    "graph.layer_names": {"graph.model"},
    "graph.limits": set(),
    "graph.external_data": {"graph.limits", "untrusted"},
    "graph.model": {"graph.external_data", "graph.limits", "untrusted"},
    **{name: set() for name in CONVENTIONS},
    **OVERLAY_PARTS,
    "overlay": {
        "array",
        "array.compiler",
        "array.machine",
        "array.rtl",
        "backends",
        "boards",
        "build_contents",
        "build_folder",
        "designs",
        "digest",
        "emulate",
        "files",
        "formats",
    }
    | {"npy", "programs", "report", "rtl", "untrusted"}
    | OVERLAY_FILES,  # sources anew
    "board_emulation": _parts(
        "array array.isa array.machine formats boards build_folder build_contents engines"
    )
    | OVERLAY_FILES,  # an engine computes
    "boards": {"files", "untrusted"},
    "array": _parts("array.contention array.host array.machine array.isa array.families digest files formats")
    | {"host", "npy", "untrusted"},
    "array.contention": set(),
    "array.compiler": _parts("array array.host array.machine array.isa array.families formats graph"),
    "array.host": {"formats", "graph", "graph.fields"},
    "array.machine": {"digest", "discovery", "formats"},
    "array.isa": {"array.machine"},
    "array.families": {"array.machine", "discovery", "formats"},
    "array.hls": _parts("array array.families array.isa array.machine array.rtl discovery formats"),
    "array.rtl": {"array", "array.families", "array.isa", "array.machine", "discovery", "formats", "rtl"},
    "array.area": {"array.machine", "array.rtl"},
    "array.search": _parts(
        "array array.area array.compiler array.families array.isa array.machine boards graph"
    ),
    "build_folder": {"digest", "files", "formats", "npy", "untrusted"},
    "digest": set(),
    "cache": {"files", "renaming"},
    "cache_entries": {"cache", "files"},
    "command_files": {"files"},
    "console": set(),
    "discovery": set(),
    "doctor": set(),
    "renaming": set(),
    "files": {"renaming"},
    "programs": {"files"},
    "dataflow": {"formats", "graph"},
    "hls": {"discovery", "formats", "graph", "files", "dataflow"},
    "rtl": {"discovery", "formats", "graph", "dataflow", "cache", "files", "programs"},
    "hardware": _parts("boards dataflow discovery files formats graph rtl untrusted"),
    # A compiled network, what is worked out of it, and what takes both.
    "compiled": {"boards", "graph"},
    "designs": {"compiled", "graph", "hls", "rtl", "hardware"},
    "engines": {"designs", "discovery", "graph"},
    "backends": {"dataflow", "designs"},
    "emulate": _parts(
        "array array.compiler array.families array.hls array.isa array.machine array.rtl cache designs"
    )
    | _parts("discovery engines")
    | _parts("emulate.build emulate.kernels files formats graph hls programs rtl"),
    "emulate.build": {"cache", "programs"},
    "emulate.kernels": {"cache", "emulate.build", "files", "formats"},
    "build_contents": _parts(
        "backends boards build_folder compiled designs emulate formats graph hardware hls rtl"
    ),
    "reference": {"formats", *ONNX_READING, *CONVENTIONS},  # nothing of what is compared with it
    "verify": {
        "array.compiler",
        "compiled",
        "emulate",
        "engines",
        "formats",
        "graph",
        "graph.conventions",
        "reference",
        *ONNX_READING,
    },
    "finn": {"formats", "graph", "graph.fields", "dataflow", "hls", "hardware", "emulate", "cache"},
    "studies": _parts("command_files digest emulate.kernels files formats npy quant tables untrusted") | {""},
    "studies.minifloat": _parts("digest files formats frames hardware quant studies untrusted"),
    "studies.lpq": _parts("digest files formats frames quant studies"),
    "studies.microscopiq": _parts("digest files formats quant studies untrusted"),
    "studies.palquant": _parts("digest files quant studies untrusted"),
    "studies.formats_search": _parts("accelerator boards compiler dataflow files formats frames graph")
    | _parts("graph.importer graph.model hardware quant studies studies.lpq"),
    "story": _parts(
        "array array.compiler array.isa array.machine driver_rate files formats graph npy runtime"
    )
    | {"untrusted"},
    "story.making": _parts("formats quant story studies studies.microscopiq"),
    "tables": {"formats"},
    "report": {"backends", "designs", "driver_rate", "engines", "formats", "graph", "hardware", "hls", "host"}
    | {"rtl"},
    "report_vivado": {"formats", "rtl", "untrusted"},
    "report_tables": {"backends", "emulate", "report", "report_vivado", "rtl", "tables"},
    "report_tradeoff": {"designs", "hardware"},
    "report_page": {"report", "report_tables", "report_tradeoff", "files"},
    "accelerator": _parts(
        "backends boards build_contents build_folder compiled designs emulate engines files"
    )
    | _parts("formats graph hardware overlay.install report report_page report_tradeoff runtime verify"),
    "compiler": _parts("accelerator boards compiled designs engines graph graph.importer graph.input_format")
    | _parts("hardware quant")
    | ONNX_READING,
    "demo": {"build_folder", "files", "formats", "quant", "report_tables", "studies", "tables", ""},
    "cli": _parts(
        "accelerator boards build_folder cache cache_entries compiler console demo doctor files frames"
    )
    | {"command_files", "emulate"}
    | _parts("array array.compiler array.machine array.search hardware overlay quant report_tables")
    | _parts("report_vivado studies studies.formats_search studies.lpq studies.microscopiq studies.minifloat")
    | _parts("studies.palquant story story.making tables")
    | {""},
    "__main__": {"cli"},
    "": set(),  # pyqkit/__init__.py looks names up on use
}
# fmt: off
HEAVY = {
    "torch", "brevitas", "onnx", "qonnx", "onnxruntime", "matplotlib", "rich", "sklearn", "click", "jinja2",
    "pynq", "finn", "pyarrow", "joblib", "threadpoolctl", "distributed", "safetensors", "PIL", "transformers",
}
# fmt: on
ALLOWED_HEAVY = {
    "quant": {"torch", "brevitas", "onnx", "qonnx", "safetensors", "PIL", "transformers"},
    "demo": {"torch", "matplotlib"},
    "studies": {"torch", "brevitas", "sklearn", "click", "rich", "joblib", "threadpoolctl", "distributed"},
    "studies.minifloat": {"torch", "matplotlib", "pyarrow"},
    "studies.lpq": {"torch", "matplotlib"},
    "studies.microscopiq": {"torch"},
    "studies.palquant": {"torch", "matplotlib"},
    "studies.formats_search": {"torch", "matplotlib"},
    "custom_op": {"onnx", "qonnx"},
    "graph.input_format": {"onnx"},
    "graph.onnx_node": {"onnx"},
    **{name: {"onnx"} for name in ONNX_READING},
    "finn": {"finn", "onnx", "qonnx"},
    "reference": {"onnx"},
    "verify": {"onnx", "qonnx"},
    "tables": {"rich"},
    "report_page": {"jinja2"},
    "cli": {"click", "rich"},
    "command_files": {"click"},
    "runtime": {"pynq"},
    "board_emulation": {"pynq"},
}
# What runs on a board: numpy alone, Python 3.10.
# fmt: off
BOARD_PARTS = (
    "names", "errors", "discovery", "formats", "graph.fields", "graph.limits", "host", "runtime",
    "array", "array.families", "array.isa", "array.machine",
    "driver_rate", "build_folder", "digest", "files", "renaming", "npy", "untrusted", *OVERLAY_FILES,
)
# fmt: on
PYNQ = {"pynq", "pynqmetadata"}  # there on a board
# fmt: off
EFFECTS = {
    "environ", "getenv", "open", "read_text", "read_bytes", "write_text", "exists", "is_file", "mkdir",
    "Popen", "CDLL", "urlopen",
}
# fmt: on


def part_of(module: str) -> str:
    """Longest part whose name starts `module` (dotted, without the leading ``pyqkit.``)."""
    pieces = module.split(".")
    for length in range(len(pieces), -1, -1):
        name = ".".join(pieces[:length])
        if name in MAY_IMPORT:
            return name
    raise AssertionError(f"{module} belongs to no part")


def name_of(path: Path) -> str:
    pieces = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)


def _runs(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from _runs(child)


def imports(path: Path) -> Iterator[str]:
    """Full dotted names that a file imports, also inside functions."""
    for node in _runs(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, f"{path}: absolute imports only"
            for alias in node.names:
                if (node.module, alias.name) == ("pyqkit", "__version__"):
                    continue
                inside = ROOT.parent.joinpath(*node.module.split("."), alias.name)
                yield (
                    f"{node.module}.{alias.name}"
                    if inside.is_dir() or inside.with_suffix(".py").is_file()
                    else node.module
                )


def test_the_table_has_no_circle() -> None:
    """Whatever is built of the parts has an order in which it can be understood."""
    assert set(TopologicalSorter(MAY_IMPORT).static_order()) == set(MAY_IMPORT)
    with pytest.raises(CycleError):
        tuple(TopologicalSorter({**MAY_IMPORT, "formats": {"cli"}}).static_order())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    part = part_of(name_of(path))
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "pyqkit":
            target = part_of(rest)
            assert target in {part, "errors", "names"} | MAY_IMPORT[part], (
                f"{name_of(path)} imports {name}; {part} may not import {target}"
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_stay_where_they_belong(path: Path) -> None:
    part = part_of(name_of(path))
    for name in imports(path):
        package = name.partition(".")[0]
        assert package not in HEAVY - ALLOWED_HEAVY.get(part, set()), f"{name_of(path)} imports {package}"
        if part in BOARD_PARTS:
            assert package in {"pyqkit", "numpy", *PYNQ} or package in sys.stdlib_module_names, (
                f"{name_of(path)} imports {package}"
            )


def _at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: everything outside function bodies."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.AnnAssign):  # what is annotated is not evaluated
            pending += [node.target, *([node.value] if node.value else [])]
        elif not isinstance(node, ast.Lambda):
            pending += list(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_read_or_started_at_import(path: Path) -> None:
    for node in _at_import(ast.parse(path.read_text())):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        assert name not in EFFECTS, f"{path.name}:{node.lineno} uses {name} at import"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", [p for p in MODULES if part_of(name_of(p)) in BOARD_PARTS], ids=lambda p: str(p.relative_to(ROOT))
)
def test_board_parts_are_python_3_10(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 10))


def _modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_pyqkit_loads_nothing() -> None:
    assert not {"numpy", *HEAVY} & _modules_after("import pyqkit")


def test_formats_load_numpy_only() -> None:
    loaded = _modules_after("import pyqkit.formats; pyqkit.formats.parse('e2m1').encode(1.0)")
    assert not HEAVY & loaded and "numpy" in loaded


def test_runtime_loads_little() -> None:
    loaded = _modules_after("import pyqkit.runtime")
    assert "pyqkit.runtime.driver" in loaded and not HEAVY & loaded
    assert (
        not {
            f"pyqkit.{part}"
            for part in (
                "graph.graph",
                "graph.ops",
                "hls",
                "emulate",
                "hardware",
                "build_contents",
                "board_emulation",
                "boards",
            )
        }
        & loaded
    )


@pytest.mark.parametrize(
    "name", ["cli", "accelerator", "graph.graph", "hls.generate", "hardware.folding", "emulate.exact", "demo"]
)
def test_no_module_of_the_command_line_loads_torch(name: str) -> None:
    assert not (HEAVY - {"click"}) & _modules_after(f"import pyqkit.{name}")


def test_the_rules_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import os\nfrom pyqkit.emulate import exact\nHOME = os.environ['HOME']\ndef f():\n    import torch\n"
    )
    assert set(imports(bad)) == {"os", "pyqkit.emulate.exact", "torch"}
    assert any(
        isinstance(node, ast.Attribute) and node.attr in EFFECTS
        for node in _at_import(ast.parse(bad.read_text()))
    )
    assert part_of("emulate.exact") not in MAY_IMPORT["formats"]
