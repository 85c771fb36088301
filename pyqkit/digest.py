"""Hashes of files and of manifests."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def own_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own entry ``sha256``."""
    return digest(json.dumps({k: v for k, v in manifest.items() if k != "sha256"}, sort_keys=True).encode())
