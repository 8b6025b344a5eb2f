"""Archives, books, OpenDocument, rich text and JSON yield their text with its structure."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from ingest.errors import RefusedFile
from ingest.parsers import ParsedDocument, parse
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()
ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)


def zipped(members: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def read(name: str, data: bytes | str) -> ParsedDocument:
    return parse(name, data.encode() if isinstance(data, str) else data, SETTINGS)


def found(document: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    return [(block.headings, block.text) for block in document.blocks]


def refusal(name: str, data: bytes) -> RefusedFile:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, SETTINGS)
    return caught.value


def test_the_files_in_an_archive_stand_below_their_paths(make_pdf) -> None:
    members = {"hr/leave.md": "# Leave\nFive days.", "report.pdf": make_pdf(["one"], ["two"]), "x/": ""}
    members |= {".hidden/a.md": "No.", "__MACOSX/a.md": "No.", "x/.b.md": "No.", "photo.heic": b"\xff\xd8\xff"}
    document = read("all.zip", zipped(members))
    assert [(block.headings, block.page, block.text) for block in document.blocks] == [
        (("hr/leave.md", "Leave"), None, "Five days."),
        (("report.pdf",), 1, "one"),
        (("report.pdf",), 2, "two"),
    ]
    assert [(name, refused.reason) for name, refused in document.left_out] == [("photo.heic", "unsupported")]


def test_an_archive_in_which_nothing_can_be_read_is_refused_for_the_first_reason() -> None:
    assert refusal("a.zip", zipped({"photo.heic": b"\xff\xd8\xff"})).reason == "unsupported"
    assert refusal("a.zip", zipped({"a.txt": b" "})).reason == "empty"
    assert refusal("a.zip", zipped({})).reason == "empty"


def book(**changes: str) -> bytes:
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<c><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></c>',
        "OPS/book.opf": (
            '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Tales</dc:title><dc:creator>Ann</dc:creator></metadata>'
            '<manifest><item id="b" href="two.xhtml"/><item id="a" href="part%20one.xhtml"/>'
            '<item id="unused" href="cover.xhtml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
        ),
        "OPS/part one.xhtml": "<!DOCTYPE html><html><body><h1>One</h1><p>First.</p></body></html>",
        "OPS/two.xhtml": "<html><body><h1>Two</h1><p>Second.</p></body></html>",
        "OPS/cover.xhtml": "<html><body><p>Cover.</p></body></html>",
    }
    return zipped({**members, **changes})


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    document = read("tales.epub", book())
    assert document.title == "Tales"
    assert found(document) == [((), "Author: Ann"), (("One",), "First."), (("Two",), "Second.")]


def test_a_book_with_copy_protection_is_encrypted_but_not_one_with_scrambled_fonts() -> None:
    def locks(path: str) -> dict[str, str]:
        return {"META-INF/encryption.xml": f'<encryption><CipherReference URI="{path}"/></encryption>'}

    assert refusal("a.epub", book(**locks("OPS/two.xhtml"))).reason == "encrypted"
    assert len(read("a.epub", book(**locks("OPS/font.otf"))).blocks) == 3


def test_a_book_without_a_chapter_that_it_lists_is_broken() -> None:
    spine = book().replace(b"OPS/two.xhtml", b"OPS/six.xhtml")
    assert refusal("a.epub", spine).reason == "broken"


def open_document(body: str, manifest: str = "<manifest/>") -> bytes:
    content = f"<office:document-content {ODF}><office:body><office:text>{body}</office:text></office:body>"
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{content}</office:document-content>",
            "META-INF/manifest.xml": manifest,
        }
    )


def test_open_document_texts_keep_headings_lists_and_tables() -> None:
    document = read(
        "leave.odt",
        open_document(
            '<text:h text:outline-level="1">Leave</text:h><text:p>Five<text:s/>days<text:line-break/>a year.</text:p>'
            "<text:list><text:list-item><text:p>ask</text:p></text:list-item>"
            "<text:list-item><text:p>wait</text:p></text:list-item></text:list>"
            '<text:h text:outline-level="2">Grades</text:h>'
            "<table:table><table:table-row><table:table-cell><text:p>Grade</text:p></table:table-cell>"
            "<table:table-cell><text:p>Days</text:p></table:table-cell>"
            '<table:table-cell table:number-columns-repeated="1000"/></table:table-row>'
            "<table:table-row><table:table-cell><text:p>Senior</text:p></table:table-cell>"
            "<table:table-cell><text:p>28</text:p></table:table-cell></table:table-row></table:table>"
        ),
    )
    assert found(document) == [
        (("Leave",), "Five days\na year."),
        (("Leave",), "- ask\n- wait"),
        (("Leave", "Grades"), "Grade: Senior | Days: 28"),
    ]


def test_an_encrypted_open_document_text_is_refused() -> None:
    locked = open_document("<text:p>?</text:p>", "<manifest><encryption-data/></manifest>")
    assert refusal("a.odt", locked).reason == "encrypted"


def test_rich_text_yields_paragraphs_and_tables() -> None:
    document = read(
        "leave.rtf",
        r"{\rtf1\ansi {\b Leave\par}Five days of \'fcberlanger Urlaub.\par"
        r"{\trowd\cellx3000\cellx6000 Grade\cell Days\cell\row Senior\cell 28\cell\row}After.\par}",
    )
    assert [block.text for block in document.blocks] == [
        "Leave",
        "Five days of überlanger Urlaub.",
        "Grade: Senior | Days: 28",
        "After.",
    ]


def test_json_keys_are_headings_and_records_stay_together() -> None:
    value = {
        "name": "Acme",
        "open": True,
        "office": {"city": "Ghent", "rooms": ["Oak", "Elm"], "nothing": None},
        "staff": [{"name": "Ann", "boss": {"name": "Bob"}}, {"name": "Cy"}],
    }
    assert found(read("a.json", json.dumps(value))) == [
        ((), "name: Acme\nopen: true"),
        (("office",), "city: Ghent"),
        (("office", "rooms"), "Oak; Elm"),
        (("staff",), "name: Ann\nboss.name: Bob"),
        (("staff",), "name: Cy"),
    ]


def test_json_lines_are_records() -> None:
    assert [text for _, text in found(read("a.jsonl", '{"a": 1, "b": [2, 3]}\n\n{"a": 4}\n'))] == [
        "a: 1\nb: 2; 3",
        "a: 4",
    ]


def test_what_is_no_json_is_broken_and_what_holds_no_value_empty() -> None:
    assert refusal("a.json", b'{"a": ').reason == "broken"
    assert refusal("a.jsonl", b'{"a": 1}\n{"a"').reason == "broken"
    assert refusal("a.json", b"[" * 100_000).reason == "broken"
    assert refusal("a.json", b"[null, {}]").reason == "empty"
