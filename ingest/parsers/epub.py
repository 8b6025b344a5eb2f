"""Books (EPUB): a ZIP archive of web pages and the order to read them in."""

from __future__ import annotations

import zipfile
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from ingest.errors import RefusedFile
from ingest.parsers import html
from ingest.parsers.archive import Allowance
from ingest.parsers.base import Outline, ParsedDocument, one_line
from ingest.parsers.safe_xml import local_name, parse_xml

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_ABOUT = (("Author", "creator"), ("About", "description"))


def parse(data: bytes, stem: str, allowance: Allowance) -> ParsedDocument:
    """Author and description, then the chapters in reading order, with their headings."""
    archive = allowance.unpack(data)
    package_path = next(element.get("full-path", "") for element in _all(_xml(archive, _CONTAINER), "rootfile"))
    package = _xml(archive, package_path)
    chapters = _chapters(package, dirname(package_path))
    _refuse_locked(archive, chapters)
    outline = Outline()
    outline.add(
        "\n".join(f"{label}: {_words(package, name)}" for label, name in _ABOUT if _words(package, name)), "list"
    )
    for path in chapters:
        outline.extend(html.parse(_member(archive, path), stem).blocks)
    return ParsedDocument(_words(package, "title") or stem, outline.finish())


def _words(package: Element, name: str) -> str:
    """What the book says about itself."""
    return ", ".join(filter(None, (one_line("".join(element.itertext())) for element in _all(package, name))))


def _chapters(package: Element, folder: str) -> list[str]:
    """Paths of the pages, in the order of the spine."""
    paths = {item.get("id"): item.get("href", "") for item in _all(package, "item")}
    spine = [paths.get(item.get("idref"), "") for item in _all(package, "itemref")]
    return [normpath(join(folder, unquote(path))) for path in spine if path]


def _refuse_locked(archive: zipfile.ZipFile, chapters: list[str]) -> None:
    """Refuse a book with copy protection; only its fonts may be scrambled."""
    if _ENCRYPTION in archive.namelist():
        locked = {unquote(element.get("URI", "")) for element in _all(_xml(archive, _ENCRYPTION), "CipherReference")}
        if locked.intersection(chapters):
            raise RefusedFile("encrypted")


def _xml(archive: zipfile.ZipFile, path: str) -> Element:
    return parse_xml(_member(archive, path))


def _member(archive: zipfile.ZipFile, path: str) -> bytes:
    try:
        return archive.read(path)
    except KeyError as error:
        raise RefusedFile("broken", "A part that it lists is missing.") from error


def _all(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if local_name(element.tag) == name]
