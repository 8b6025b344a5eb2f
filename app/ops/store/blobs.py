"""Files beside the database, each stored once under the hash of its content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.ops.store.errors import NotFound


@dataclass(frozen=True)
class Blobs:
    """Content-addressed files below one folder. What `put` returned is on the disk."""

    folder: Path

    def put(self, content: bytes) -> str:
        """Store bytes, once however often they come; gives back their digest (SHA-256, hex)."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_durably(path, content)
        return digest

    def path(self, digest: str) -> Path:
        """The file with that content. Raises NotFound."""
        path = self._path(digest)
        if not path.is_file():
            raise NotFound("The file is not here any more.")
        return path

    def sweep(self, kept: Collection[str]) -> int:
        """Delete every file whose digest is not in `kept`; gives back how many bytes that freed."""
        freed = 0
        for path in self._files():
            if path.name not in kept:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _files(self) -> Iterator[Path]:
        return self.folder.glob("??/" + "?" * 64)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest


def _write_durably(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
