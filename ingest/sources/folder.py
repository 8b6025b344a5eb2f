"""Files and folders of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import IngestError, RefusedFile
from ingest.sources.base import Content, Discovery, Found, Patterns, too_large
from retrieval.passages import Document


class FolderFile(Found):
    """A file; its source is its absolute path."""

    __slots__ = ()

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.source)

    @property
    def uri(self) -> str:
        return self.path.as_uri()

    def read(self, max_bytes: int, known: str = "") -> Content:
        """Its bytes, whatever is known. Raises RefusedFile where they cannot be had or are too many."""
        try:
            with self.path.open("rb") as file:
                data = file.read(max_bytes + 1)
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise RefusedFile("unreadable", f"{error.strerror}.") from error
        if len(data) > max_bytes:
            raise too_large(size, max_bytes)
        return Content(data, self.name)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The files below some paths, sorted. Hidden files and links that lead out of a folder are left out."""

    paths: tuple[Path, ...]
    patterns: Patterns = field(default_factory=Patterns)
    name: str = ""

    def discover(self) -> Discovery:
        """Raises IngestError for a path that does not exist."""
        walk = _Walk(self.patterns, self.name)
        for path in self.paths:
            try:
                walk.take_path(path.resolve(strict=True))
            except OSError as error:
                raise IngestError(f"{path} cannot be opened: {error.strerror}. Check the path.") from error
        walk.discovery.files = sorted(set(walk.discovery.files), key=lambda found: found.source)
        return walk.discovery


class _Walk:
    """One look at the folders."""

    def __init__(self, patterns: Patterns, name: str) -> None:
        self._patterns = patterns
        self._name = name
        self._roots: list[Path] = []
        self._unreadable: list[Path] = []
        self.discovery = Discovery(would_find=self._would_find)

    def take_path(self, root: Path) -> None:
        """List a file, or the files below a folder."""
        if not root.is_dir():
            self._take(FolderFile(str(root), root.name), root.parent)
            return
        self._roots.append(root)
        for folder, folders, names in os.walk(root, onerror=lambda error: self._skip(error, root)):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in [*names, *links]:
                path = Path(folder, name)
                relative = path.relative_to(root).as_posix()
                if not name.startswith(".") and self._patterns.want(relative):
                    self._take(FolderFile(str(path), relative), root)

    def _would_find(self, document: Document) -> bool:
        path = Path(document.source)
        ours = document.origin == self._name and (self._name or any(map(path.is_relative_to, self._roots)))
        return bool(ours) and not any(map(path.is_relative_to, self._unreadable))

    def _skip(self, error: OSError, root: Path) -> None:
        folder = Path(error.filename)
        self._unreadable.append(folder)
        found = FolderFile(str(folder), folder.relative_to(root).as_posix())
        self.discovery.refused.append((found, RefusedFile("unreadable", "The folder cannot be listed.")))

    def _take(self, found: FolderFile, root: Path) -> None:
        """List a file among those to read, or with the reason why it is not to be read."""
        try:
            found.source.encode()
            target = found.path.resolve(strict=True)
            if not target.is_relative_to(root):
                raise RefusedFile("link")
            if not target.is_file():
                raise RefusedFile("unreadable", "It is no ordinary file.")
        except UnicodeEncodeError:
            readable = FolderFile(found.source, found.name.encode("utf-8", "backslashreplace").decode())
            self.discovery.refused.append((readable, RefusedFile("unreadable", "Its name is not valid UTF-8.")))
        except OSError as error:
            self.discovery.refused.append((found, RefusedFile("unreadable", f"{error.strerror}.")))
        except RefusedFile as refused:
            self.discovery.refused.append((found, refused))
        else:
            self.discovery.take(found)
