"""The files below a path, and what cannot be taken in before it is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from ingest.errors import IngestError, RefusedFile
from ingest.settings import IngestSettings


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read."""

    path: Path
    name: str
    """The path below the ingested folder."""

    @property
    def source(self) -> str:
        """What identifies the file: its absolute path."""
        return str(self.path)


@dataclass(slots=True)
class Discovery:
    """What lies below the given paths."""

    files: list[Found] = field(default_factory=list)
    refused: list[tuple[Found, RefusedFile]] = field(default_factory=list)
    roots: list[Path] = field(default_factory=list)
    """Folders that were walked: a known document below them that was not found is gone."""
    unreadable: list[Path] = field(default_factory=list)
    """Folders that could not be listed: nothing is known about what lies below."""

    def gone(self, known: Iterable[str]) -> list[str]:
        """Of the known sources, those that lay below one of the folders and are there no more."""
        there = {found.source for found in self.files} | {found.source for found, _ in self.refused}
        return [source for source in known if source not in there and self._was_walked(Path(source))]

    def _was_walked(self, path: Path) -> bool:
        return any(map(path.is_relative_to, self.roots)) and not any(map(path.is_relative_to, self.unreadable))


def discover(paths: Iterable[Path], settings: IngestSettings) -> Discovery:
    """Every file below the paths, sorted. Raises IngestError for a path that does not exist."""
    discovery = Discovery()
    for path in paths:
        try:
            root = path.resolve(strict=True)
        except OSError as error:
            raise IngestError(f"{path} cannot be opened: {error.strerror}. Check the path.") from error
        if root.is_dir():
            discovery.roots.append(root)
            _walk(root, settings, discovery)
        else:
            _take(Found(root, root.name), root.parent, discovery)
    discovery.files = sorted(set(discovery.files), key=lambda found: found.source)
    return discovery


def _walk(root: Path, settings: IngestSettings, discovery: Discovery) -> None:
    for folder, folders, names in os.walk(root, onerror=lambda error: _unreadable(error, root, discovery)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in [*names, *links]:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if not name.startswith(".") and _is_wanted(relative, settings):
                _take(Found(path, relative), root, discovery)


def _unreadable(error: OSError, root: Path, discovery: Discovery) -> None:
    folder = Path(error.filename)
    discovery.unreadable.append(folder)
    found = Found(folder, folder.relative_to(root).as_posix())
    discovery.refused.append((found, RefusedFile("unreadable", "The folder cannot be listed.")))


def _is_wanted(relative: str, settings: IngestSettings) -> bool:
    return _matches(relative, settings.include) and not _matches(relative, settings.exclude)


def _matches(relative: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(relative, glob) for glob in globs)


def _take(found: Found, root: Path, discovery: Discovery) -> None:
    """List a file among those to read, or with the reason why it is not to be read."""
    try:
        found.source.encode()
        target = found.path.resolve(strict=True)
        if not target.is_relative_to(root):
            raise RefusedFile("link")
        if not target.is_file():
            raise RefusedFile("unreadable", "It is no ordinary file.")
    except UnicodeEncodeError:
        readable = Found(found.path, found.name.encode("utf-8", "backslashreplace").decode())
        discovery.refused.append((readable, RefusedFile("unreadable", "Its name is not valid UTF-8.")))
    except OSError as error:
        discovery.refused.append((found, RefusedFile("unreadable", f"{error.strerror}.")))
    except RefusedFile as refused:
        discovery.refused.append((found, refused))
    else:
        discovery.files.append(found)


def read(found: Found, max_bytes: int) -> bytes:
    """A file's bytes. Raises RefusedFile where they cannot be had or are too many."""
    try:
        with found.path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise RefusedFile("unreadable", f"{error.strerror}.") from error
    if len(data) > max_bytes:
        size = found.path.stat().st_size
        raise RefusedFile("too_large", f"It has {size / 1e6:.1f} MB; {max_bytes / 1e6:.1f} MB are allowed.")
    return data
