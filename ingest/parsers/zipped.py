"""ZIP archives: each file inside is read by the parser of its own format."""

from __future__ import annotations

from pathlib import PurePosixPath

from ingest.parsers.archive import Allowance
from ingest.parsers.base import ParsedDocument
from ingest.parsers.nested import NestedFiles, ParseFile


def parse(data: bytes, stem: str, allowance: Allowance, parse_file: ParseFile) -> ParsedDocument:
    """The text of all files inside, each below its path; hidden ones are left out."""
    inside = NestedFiles(parse_file)
    archive = allowance.unpack(data)
    for member in archive.infolist():
        if not member.is_dir() and not _is_hidden(member.filename):
            inside.read(member.filename, archive.read(member))
    return inside.document(stem, [])


def _is_hidden(name: str) -> bool:
    """Whether a file is one that a file manager left behind, or that a folder would not be searched for."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
