"""Write requests on disk: one file each, in the order in which they were made, shared by processes."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

SUFFIX = ".request"
ABANDONED_AFTER_S = 3600


class SpoolFull(Exception):
    """The spool has used up its disk space."""


class Unreadable(Exception):
    """A file in the spool is not a request."""


@dataclass(frozen=True)
class WriteRequest:
    """A request to deliver: `path` begins with / and is relative to the sink's endpoint. Holds no credentials."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Spool:
    """A folder of requests. Every file in it is whole: it is renamed into place once it is safe on disk."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._rejected = folder / "rejected"
        self._max_bytes = max_bytes
        self._numbers = count()
        self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def put(self, request: WriteRequest) -> None:
        """Keep a request; on return it survives a crash. Raises `SpoolFull`, `OSError`."""
        metadata = {"method": request.method, "path": request.path, "headers": request.headers}
        content = json.dumps(metadata).encode() + b"\n" + request.body
        if self._size_bytes() + len(content) > self._max_bytes:
            raise SpoolFull(f"{self._folder} holds {self._max_bytes} bytes; is the sink down?")
        # The clock orders files of several processes, the number those of this one within a tick.
        name = f"{time.time_ns():020d}-{next(self._numbers):08d}-{os.getpid()}{SUFFIX}"
        _write_durably(self._folder / f".{name}", self._folder / name, content)

    def waiting(self) -> list[Path]:
        """The files to deliver, oldest first."""
        return sorted(self._folder.glob(f"[!.]*{SUFFIX}"))

    def load(self, file: Path) -> WriteRequest:
        """Raises `Unreadable`."""
        metadata, _, body = file.read_bytes().partition(b"\n")
        try:
            return WriteRequest(**json.loads(metadata), body=body)
        except (ValueError, TypeError) as error:
            raise Unreadable(f"{file.name} is not a spooled request") from error

    def remove(self, file: Path) -> None:
        """Forget a delivered request."""
        file.unlink(missing_ok=True)

    def reject(self, file: Path, reason: str) -> None:
        """Set a request aside that the sink will never take, with the reason beside it."""
        (self._rejected / f"{file.name}.reason.txt").write_text(reason, encoding="utf-8")
        file.rename(self._rejected / file.name)

    def oldest_age_s(self) -> float:
        """How long the oldest request has waited; 0.0 when none waits."""
        files = self.waiting()
        return max(0.0, time.time() - int(files[0].name.partition("-")[0]) / 1e9) if files else 0.0

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Hold the right to deliver; yields whether this process has it. The system frees it when a process dies."""
        with (self._folder / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _size_bytes(self) -> int:
        return sum(_size_bytes(file) for file in self._folder.glob(f"*{SUFFIX}"))

    def _sweep(self) -> None:
        for leftover in self._folder.glob(f".*{SUFFIX}"):
            if time.time() - leftover.stat().st_mtime > ABANDONED_AFTER_S:
                leftover.unlink(missing_ok=True)


def _write_durably(draft: Path, file: Path, content: bytes) -> None:
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # delivered meanwhile
        return 0
