"""FINN's surroundings: the package, and the folder into which it generates."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pyqkit.errors import MissingToolError, UserError

SUPPORTED = "1.6"


def use_folder(folder: str | Path) -> Path:
    """Let FINN generate into a folder, which is made if it does not exist.

    To be called before any of its transformations.

    FINN reads the folder from the environment, also in the processes that it starts, so this sets
    ``FINN_BUILD_DIR`` and what goes with it.

    Raises
    ------
    MissingToolError
        Without finn-plus.
    UserError
        For another version than 1.6, or if the folder cannot be made.
    """
    try:
        found = version("finn-plus")
    except PackageNotFoundError as error:
        raise MissingToolError(
            "finn-plus 1.6.1 was expected, but it is not installed; "
            "call pip install 'pyqkit[host,finn]' and then pip install --no-deps finn-plus==1.6.1"
        ) from error
    if not found.startswith(f"{SUPPORTED}."):
        raise UserError(
            f"finn-plus {SUPPORTED} was expected, but {found} is installed; call pip install "
            "--no-deps finn-plus==1.6.1"
        )
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"a folder that can be made was expected, but {path} cannot ({error}); choose another one"
        ) from error
    from finn.util import settings

    os.environ["FINN_BUILD_DIR"] = str(path)
    # Need not exist; without it FINN makes ~/.finn.
    os.environ.setdefault("FINN_SETTINGS", str(path / "settings.yaml"))
    settings._SETTINGS = None
    used = settings.get_settings()
    # Its Tcl reads these.
    os.environ.update(FINN_RTLLIB=str(used.finn_rtllib), FINN_CUSTOM_HLS=str(used.finn_custom_hls))
    return path
