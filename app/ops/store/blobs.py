"""Files beside the database, each stored once under the hash of its content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.ops.store.errors import NotFound

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Blobs:
    """Content-addressed files below one folder. What `put` returned is on the disk."""

    folder: Path

    def put(self, content: bytes) -> str:
        """Store bytes, once however often they come; gives back their digest (SHA-256, hex)."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        with self._locked(fcntl.LOCK_SH):
            if path.exists():
                os.utime(path)  # young again: whoever sent it will refer to it
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_durably(path, content)
        return digest

    def path(self, digest: str) -> Path:
        """The file with that content. Raises NotFound."""
        path = self._path(digest)
        if not _DIGEST.fullmatch(digest) or not path.is_file():  # clients may have sent something else
            raise NotFound("The file is not here any more.")
        return path

    def sweep(self, kept: Collection[str], older_than: datetime) -> int:
        """Delete every file that was put before then and is not in `kept`; gives back how many bytes that freed."""
        freed = 0
        for path in self._files():
            if path.name not in kept:
                with self._locked(fcntl.LOCK_EX):
                    about = path.stat()
                    if about.st_mtime < older_than.timestamp():
                        path.unlink()
                        freed += about.st_size
        return freed

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        """Held while a file is put, and against that while one is deleted; by all processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, kind)
            yield
        finally:
            os.close(lock)

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
