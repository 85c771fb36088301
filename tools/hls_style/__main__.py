"""Every header of ``hls/`` against the style in which it schedules by inspection, as part of `make lint`.

python -m tools.hls_style [HEADER ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyqkit.hls.generate import library
from tools.hls_style.rules import RULES
from tools.hls_style.source import Header


def findings(path: Path) -> list[str]:
    """What is wrong in a header, a line each."""
    header = Header(path, library())
    return [
        f"{path.name}:{line}: {sentence} ({name})"
        for name, rule in RULES.items()
        for line, sentence in rule(header)
    ]


def main(arguments: list[str]) -> int:
    """Print what is wrong; 1 if something is."""
    paths = [Path(name) for name in arguments] or sorted(
        path for folder in (".", "array") for path in (library() / folder).glob("*.hpp")
    )
    found = [line for path in paths for line in findings(path)]
    print("\n".join(found) if found else f"{len(paths)} headers schedule by inspection")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
