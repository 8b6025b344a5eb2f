"""Files that are meant to do harm, or are not what they seem: each one is refused for the true reason."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from openpyxl import Workbook
from pptx import Presentation

from ingest.errors import RefusedFile
from ingest.parsers import parse
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()
BOMB = '<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY c SYSTEM "file:///etc/hostname">]>'
OPEN_DOCUMENT = {"mimetype": "application/vnd.oasis.opendocument.text"}


def refusal(name: str, data: bytes, settings: IngestSettings = SETTINGS) -> RefusedFile:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, settings)
    return caught.value


def zipped(members: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def rewritten(data: bytes, part: str, change: Callable[[str], bytes]) -> bytes:
    """An archive with one of its parts changed."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**members, part: change(members[part].decode())})


def declaring(declaration: str, encoding: str = "utf-8") -> Callable[[str], bytes]:
    """Puts a declaration before a part's first element, in an encoding of choice."""

    def change(markup: str) -> bytes:
        body = markup.partition("?>")[2]
        return f'<?xml version="1.0" encoding="{encoding}"?>{declaration}{body}'.encode(encoding)

    return change


def locked(data: bytes) -> bytes:
    """An archive whose first file claims to need a password."""
    changed = bytearray(data)
    central = changed.find(b"PK\x01\x02")
    changed[central + 8 : central + 10] = struct.pack("<H", 1)
    return bytes(changed)


def saved(file: Workbook | Presentation) -> bytes:
    target = io.BytesIO()
    file.save(target)
    return target.getvalue()


def workbook() -> bytes:
    book = Workbook()
    book.active["A1"] = "text"
    return saved(book)


def slides() -> bytes:
    presentation = Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[0]).shapes.title.text = "Title"
    return saved(presentation)


@pytest.fixture
def office_files(word_file: bytes) -> list[tuple[str, bytes, str]]:
    """A file of each Office format, with its main part."""
    return [
        ("a.docx", word_file, "word/document.xml"),
        ("a.xlsx", workbook(), "xl/worksheets/sheet1.xml"),
        ("a.pptx", slides(), "ppt/slides/slide1.xml"),
    ]


@pytest.mark.parametrize("declaration", [BOMB, OUTSIDE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_office_files_that_declare_entities_are_unsafe(office_files, declaration: str, encoding: str) -> None:
    for name, data, part in office_files:
        assert refusal(name, rewritten(data, part, declaring(declaration, encoding))).reason == "unsafe", name


@pytest.mark.parametrize("declaration", [BOMB, OUTSIDE])
def test_books_and_open_documents_that_declare_entities_are_unsafe(declaration: str) -> None:
    text = {**OPEN_DOCUMENT, "content.xml": f"{declaration}<x>&c;</x>"}
    assert refusal("a.odt", zipped(text)).reason == "unsafe"
    book = {"mimetype": "application/epub+zip", "META-INF/container.xml": f"{declaration}<x>&c;</x>"}
    assert refusal("a.epub", zipped(book)).reason == "unsafe"


def test_an_archive_that_unpacks_to_far_more_than_it_weighs_is_unsafe() -> None:
    refused = refusal("a.zip", zipped({"a.txt": b"a" * 20_000_000}))
    assert refused.reason == "unsafe"
    assert "bomb" in refused.finding
    text = {**OPEN_DOCUMENT, "content.xml": b" " * 20_000_000}
    assert refusal("a.odt", zipped(text)).reason == "unsafe"


def test_archives_in_an_archive_share_its_limits() -> None:
    members = {f"{number}.zip": zipped({"a.txt": b"word " * 200}) for number in range(5)}
    assert parse("a.zip", zipped(members), IngestSettings(max_unpacked_bytes=10_000)).blocks
    assert refusal("a.zip", zipped(members), IngestSettings(max_unpacked_bytes=5_000)).reason == "too_large"
    many = {f"{number}.txt": b"" for number in range(6_000)}
    assert refusal("a.zip", zipped({"1.zip": zipped(many), "2.zip": zipped(many)})).reason == "too_large"


def test_an_archive_whose_entries_all_point_at_the_same_bytes_counts_each() -> None:
    data = zipped({"a.txt": b"word " * 1_000})
    start = data.find(b"PK\x01\x02")
    end = data.rfind(b"PK\x05\x06")
    entry = data[start:end]
    ending = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 50, 50, 50 * len(entry), start, 0)
    overlapping = data[:start] + 50 * entry + ending
    assert refusal("a.zip", overlapping, IngestSettings(max_unpacked_bytes=100_000)).reason == "too_large"


def test_an_archive_that_seems_to_hold_itself_without_end_is_refused() -> None:
    data = zipped({"note.txt": "text"})
    for _ in range(10):
        data = zipped({"again.zip": data})
    refused = refusal("again.zip", data)
    assert refused.reason == "too_large"
    assert "deep" in refused.finding


def test_files_with_a_password_are_encrypted(office_files, make_pdf) -> None:
    protected = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le")
    for name, data, _ in office_files:
        assert refusal(name, protected).reason == "encrypted", name
        assert refusal(name, locked(data)).reason == "encrypted", name
    assert refusal("a.zip", locked(zipped({"a.txt": "text"}))).reason == "encrypted"
    assert refusal("a.pdf", make_pdf(["text"], password="pass")).reason == "encrypted"


def test_files_with_the_ending_of_another_format_say_what_they_are(office_files, make_pdf) -> None:
    for name, data, _ in office_files:
        others = [other for other, _, _ in office_files if other != name] + ["a.zip", "a.pdf", "a.txt", "a.odt"]
        for other in others:
            assert refusal(other, data).reason == "wrong_extension", (name, other)
    assert refusal("a.xlsx", zipped({"a.txt": "text"})).reason == "wrong_extension"
    assert refusal("a.docx", b"{\\rtf1 text}").reason == "wrong_extension"
    assert refusal("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(50)).reason == "wrong_extension"
    assert refusal("a.zip", make_pdf(["text"])).reason == "wrong_extension"
    older = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "WordDocument".encode("utf-16-le")
    assert refusal("a.docx", older).reason == "wrong_extension"


def pdf_of(*objects: bytes) -> bytes:
    """A PDF of numbered objects; the first one is its catalog."""
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n" % size + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + table + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(data))


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"


def test_pages_that_hold_themselves_are_refused() -> None:
    data = pdf_of(CATALOG, b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]/Parent 2 0 R>>")
    assert refusal("a.pdf", data).reason in {"broken", "empty"}


def test_drawings_that_draw_themselves_are_refused() -> None:
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 4 0 R>>>>/Length 5>>"
    form += b"stream\n/F Do\nendstream"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Resources<</XObject<</F 4 0 R>>>>/Contents 5 0 R>>"
    content = b"<</Length 5>>stream\n/F Do\nendstream"
    data = pdf_of(CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page, form, content)
    with Sandbox(SETTINGS) as sandbox, pytest.raises(RefusedFile) as caught:
        sandbox.extract("a.pdf", data)
    assert caught.value.reason in {"broken", "empty", "timed_out"}


def test_a_pdf_of_ten_thousand_pages_is_too_large() -> None:
    pages = b"<</Type/Pages/Count 10000/Kids[" + b"3 0 R " * 10_000 + b"]>>"
    data = pdf_of(CATALOG, pages, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>")
    refused = refusal("a.pdf", data)
    assert (refused.reason, "10000 pages" in refused.finding) == ("too_large", True)


def test_a_page_of_gigantic_size_is_recognised_at_a_size_that_fits() -> None:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 2000000 2000000]/Contents 4 0 R>>"
    content = b"<</Length 19>>stream\n0 0 900 900 re f\nendstream"
    data = pdf_of(CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page, content)
    with Sandbox(SETTINGS) as sandbox, pytest.raises(RefusedFile) as caught:
        sandbox.extract("a.pdf", data)
    assert caught.value.reason == "empty"


def test_truncated_files_are_broken(office_files) -> None:
    book = {"mimetype": "application/epub+zip", "META-INF/container.xml": "<c/>"}
    files = [(name, data) for name, data, _ in office_files]
    files += [("a.zip", zipped({"a.txt": "text" * 100})), ("a.epub", zipped(book))]
    for name, data in files:
        assert refusal(name, data[: len(data) // 2]).reason == "broken", name
    assert refusal("a.rtf", b"plain text").reason == "broken"


def test_damaged_parts_are_broken(office_files) -> None:
    for name, data, part in office_files:
        assert refusal(name, rewritten(data, part, lambda markup: markup[:40].encode())).reason == "broken", name
    assert refusal("a.odt", zipped({**OPEN_DOCUMENT, "content.xml": "<x><y></x>"})).reason == "broken"
    assert refusal("a.epub", zipped({"mimetype": "application/epub+zip"})).reason == "broken"
