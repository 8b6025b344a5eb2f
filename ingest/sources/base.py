"""The seam to where documents come from: a source finds files, and each file can be read by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from ingest.errors import RefusedFile
from ingest.parsers import media_type
from retrieval.passages import Document


@dataclass(frozen=True, slots=True)
class Content:
    """What reading a file yields."""

    data: bytes
    name: str
    """What readers see; its ending says how the bytes are parsed."""
    version: str = ""
    """What the source says that tells these bytes from others; empty where only the bytes tell."""


@dataclass(frozen=True, slots=True)
class Found(ABC):
    """A file that a source has found. Pickled, it can be read by another process."""

    source: str
    """What identifies it: an absolute path, or a URI."""
    name: str
    """What readers see: the path below the source."""
    version: str = field(default="", kw_only=True)
    """As in `Content`; empty where it is only known once the file is read."""

    @property
    def uri(self) -> str:
        """What the document's id is derived from."""
        return self.source

    @abstractmethod
    def read(self, max_bytes: int, known: str = "") -> Content | None:
        """The file as it is now, or None where its version is still `known`.

        Raises Gone where the source says that it is there no more, RefusedFile where it cannot be had or is too large.
        """


@dataclass(slots=True)
class Discovery:
    """What a source holds now."""

    files: list[Found] = field(default_factory=list)
    refused: list[tuple[Found, RefusedFile]] = field(default_factory=list)
    would_find: Callable[[Document], bool] = lambda document: False
    """Whether a known document would have been found, were it still there."""

    def take(self, found: Found) -> None:
        """List a file among those to read, or as refused where its name says that it cannot be parsed."""
        try:
            media_type(found.name)
        except RefusedFile as refused:
            self.refused.append((found, refused))
        else:
            self.files.append(found)

    def gone(self, known: Mapping[str, Document]) -> list[Document]:
        """Of the known documents, by source, those that are there no more."""
        there = {found.source for found in self.files} | {found.source for found, _ in self.refused}
        return [known[source] for source in known if source not in there and self.would_find(known[source])]


class Source(Protocol):
    """Where documents come from."""

    @property
    def name(self) -> str:
        """The name that it has in the settings, which its documents carry; empty for a place named on the spot."""

    def discover(self) -> Discovery:
        """Everything that it holds. Raises IngestError where that cannot be said, so that nothing counts as gone."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Which names are wanted."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def want(self, name: str) -> bool:
        """Whether a name matches `include` and not `exclude`."""
        return _matches(name, self.include) and not _matches(name, self.exclude)


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class RetiredSource:
    """A source that is configured no more: none of its documents is there any longer."""

    name: str

    def discover(self) -> Discovery:
        """Nothing."""
        return Discovery(would_find=came_through(self.name))


def came_through(name: str) -> Callable[[Document], bool]:
    """Whether a document came through the source of this name; what is named on the spot has none of its own."""
    return lambda document: name != "" and document.origin == name


def too_large(size: int, max_bytes: int) -> RefusedFile:
    """The refusal of a file of so many bytes."""
    return RefusedFile("too_large", f"It has {size / 1e6:.1f} MB; {max_bytes / 1e6:.1f} MB are allowed.")
