"""The program ``pyqkit``.

The command line, and an end in one line if it is interrupted while it still loads.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    import signal

    try:
        from pyqkit.cli import main as command

        command()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
        print("pyqkit: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
