"""ZIP archives, which most formats are: opened only where they are intact, open to read, and no bomb."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from ingest.errors import RefusedFile
from ingest.settings import IngestSettings

_MAX_MEMBERS = 10_000
_MAX_DEPTH = 4
_MAX_RATIO = 200
_RATIO_FROM_BYTES = 10_000_000


@dataclass(slots=True)
class Allowance:
    """What one file may still unpack to, all the archives inside it together."""

    unpacked_bytes: int
    members: int = _MAX_MEMBERS
    depth: int = _MAX_DEPTH

    @classmethod
    def of(cls, settings: IngestSettings) -> Allowance:
        """That of a file of which nothing is read yet."""
        return cls(settings.max_unpacked_bytes)

    def enter(self) -> None:
        """Go one file deeper. Raises RefusedFile where files lie in files without end."""
        if not self.depth:
            raise RefusedFile("too_large", f"Files lie in files, more than {_MAX_DEPTH} deep.")
        self.depth -= 1

    def leave(self) -> None:
        """Come back to the file around."""
        self.depth += 1

    def unpack(self, data: bytes) -> zipfile.ZipFile:
        """Open an archive and subtract what it holds. Raises RefusedFile, before anything is unpacked."""
        archive = open_archive(data)
        size = sum(member.file_size for member in archive.infolist())
        if size > max(_RATIO_FROM_BYTES, _MAX_RATIO * len(data)):
            raise RefusedFile("unsafe", f"It would unpack to {size // len(data)} times its size, as a bomb does.")
        self.unpacked_bytes -= size
        self.members -= len(archive.infolist())
        if self.members < 0:
            raise RefusedFile("too_large", f"It holds more than {_MAX_MEMBERS} files.")
        if self.unpacked_bytes < 0:
            raise RefusedFile("too_large", "It would unpack to more than ingest.max_unpacked_bytes.")
        return archive


def open_archive(data: bytes) -> zipfile.ZipFile:
    """An intact archive without a password. Raises RefusedFile."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise RefusedFile("broken", "It is no intact archive.") from error
    if any(member.flag_bits & 1 for member in archive.infolist()):
        raise RefusedFile("encrypted")
    return archive
