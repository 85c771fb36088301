"""Members of a zip file: a description in JSON and its arrays, sealed by digests."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyqkit import npy, untrusted
from pyqkit.digest import digest, own_digest
from pyqkit.formats.reading import check


@dataclass(frozen=True)
class Members:
    """Two members that belong together.

    Attributes
    ----------
    description, arrays : str
        Their names.
    schema : int
        Of the description.
    """

    description: str
    arrays: str
    schema: int

    def added(self, content: bytes, data: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
        """A zip file (without bytes, a new one) with the two behind what it has; the same for equal data."""
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        files = {self.arrays: digest(packed.getvalue())}
        description = {"schema": self.schema, **data, "files": files}
        description["sha256"] = own_digest(description)
        members = {self.description: json.dumps(description).encode(), self.arrays: packed.getvalue()}
        file = io.BytesIO(content)
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as made:
            for name, member in members.items():
                made.writestr(zipfile.ZipInfo(name), member, zipfile.ZIP_DEFLATED)  # no dates
        return file.getvalue()

    def read(self, archive: untrusted.Archive) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Description and arrays, unchanged; raises one of `reading.DAMAGE` for anything else."""
        data = untrusted.json_data(archive.content(self.description))
        unchanged = data["schema"] == self.schema and data["sha256"] == own_digest(data)
        check(unchanged, f"a {self.description} that was changed")
        raw = archive.content(self.arrays)
        check(data["files"] == {self.arrays: digest(raw)}, f"an {self.arrays} that was changed")
        return data, npy.archive(raw)
