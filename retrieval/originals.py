"""The files that were ingested, kept byte for byte under the hash of their content."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Originals:
    """Content-addressed files in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, content_hash: str) -> Path | None:
        """Where the content lies; None where it was not kept."""
        path = self._place(content_hash)
        return path if path.is_file() else None

    def keep(self, content_hash: str, content: bytes) -> None:
        """Store `content` durably, whole or not at all; raises ValueError where the hash is not its SHA-256."""
        if hashlib.sha256(content).hexdigest() != content_hash:
            raise ValueError("content_hash is not the SHA-256 of the original's bytes")
        target = self._place(content_hash)
        if target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, target)

    def prune(self, keep: Collection[str]) -> None:
        """Delete the contents that are not named, and what killed drafts left."""
        for path in self._root.glob("*/*"):
            if path.name not in keep:
                path.unlink(missing_ok=True)

    def _place(self, content_hash: str) -> Path:
        if not _SHA256.fullmatch(content_hash):
            raise ValueError("content_hash must be a SHA-256 in lower-case hex")
        return self._root / content_hash[:2] / content_hash
