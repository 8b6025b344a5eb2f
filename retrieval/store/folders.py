"""Copying and syncing whole folders."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_ZEROS = bytes(_CHUNK_BYTES)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder that readers may have open; holes in its files stay holes.

    An engine that opens a shard rewrites small files by renaming temporary ones, which are left out.
    """
    shutil.copytree(source, target, copy_function=_copy_sparse, ignore=shutil.ignore_patterns(".atomicwrite*"))


def _copy_sparse(source: str, target: str) -> None:
    with open(source, "rb", buffering=0) as reader, open(target, "wb", buffering=0) as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            if chunk == _ZEROS[: len(chunk)]:
                writer.seek(len(chunk), os.SEEK_CUR)
            else:
                writer.write(chunk)
        writer.truncate()


def remove_folder(folder: Path) -> None:
    """Delete a folder that readers may be opening this very moment; what cannot be deleted yet stays, hidden.

    It is renamed first, so that nobody can put another file into it by its name.
    """
    hidden = folder if folder.name.startswith(".") else folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        shutil.rmtree(folder.rename(hidden), ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Force every file and folder below `folder`, and its own name, to the disk."""
    for path in (folder.parent, folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
