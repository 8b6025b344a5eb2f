"""XML without declarations: what declares a document type, where entity bombs and foreign files hide, is not read."""

from __future__ import annotations

import io
import zipfile
from typing import IO
from xml.etree import ElementTree
from xml.parsers import expat

from ingest.errors import RefusedFile

_CHUNK_BYTES = 65_536
_XML = (".xml", ".rels")


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML document. Raises RefusedFile where it is broken or declares a document type."""
    try:
        _read_prolog(io.BytesIO(data))
        return ElementTree.fromstring(data)  # noqa: S314 - nothing is declared, so nothing can be expanded
    except (expat.ExpatError, ElementTree.ParseError) as error:
        raise RefusedFile("broken", "Its XML is not well-formed.") from error


def refuse_declarations(archive: zipfile.ZipFile) -> None:
    """Refuse an office file one of whose parts declares a document type, before a library opens it."""
    for member in archive.infolist():
        try:
            with archive.open(member) as file:
                _read_prolog(file)
        except expat.ExpatError as error:
            if member.filename.lower().endswith(_XML):
                raise RefusedFile("broken", "A part of it is no XML.") from error


def local_name(tag: str) -> str:
    """A tag or attribute without its namespace."""
    return tag.rpartition("}")[2]


def _read_prolog(file: IO[bytes]) -> None:
    """Read up to the first element, where a document type would have to stand. Raises RefusedFile or ExpatError."""
    parser = expat.ParserCreate()
    at_root = False

    def element(name: str, attributes: dict[str, str]) -> None:
        nonlocal at_root
        at_root = True

    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = element
    while not at_root and (chunk := file.read(_CHUNK_BYTES)):
        parser.Parse(chunk)


def _refuse(name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
    raise RefusedFile("unsafe", "Its XML declares a document type, where entity bombs and foreign files hide.")
