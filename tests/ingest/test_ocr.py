"""Scanned pages and pictures become text, each with its page; hostile pictures cost little and are refused."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from email.message import EmailMessage
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image
from PIL.Image import Image as Picture
from pptx import Presentation

from ingest.errors import RefusedFile
from ingest.parsers import ParsedDocument, parse
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()
DPI = 200
LEAVE = [
    "# Annual leave of all staff",
    "Every employee has twenty five days of annual leave in a calendar year.",
    "Five of these days may be carried over until the end of March, with the",
    "approval of the head of the department.",
]
TRAVEL = ["# Travel by train", "Journeys of less than four hours are made by train in second class."]
TEXT = "Five of these days may be carried over until the end of March"


@pytest.fixture
def scan(make_pdf):
    """Draws the upper part of pages of lines, as a scanner would."""

    def draw(*pages: list[str]) -> list[Picture]:
        document = pypdfium2.PdfDocument(make_pdf(*pages))
        drawn = [page.render(scale=DPI / 72).to_pil().convert("L") for page in document]
        return [page.crop((0, 0, page.width, page.height // 3)) for page in drawn]

    return draw


def saved(picture: Picture, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **({"resolution": DPI} if kind == "PDF" else {}), **options)
    return file.getvalue()


def read(name: str, data: bytes, settings: IngestSettings = SETTINGS) -> ParsedDocument:
    return parse(name, data, settings)


def refusal(name: str, data: bytes, settings: IngestSettings = SETTINGS) -> RefusedFile:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, settings)
    return caught.value


def words(document: ParsedDocument) -> str:
    return " ".join(block.text for block in document.blocks)


def png_of(width: int, height: int) -> bytes:
    """A picture that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_a_scanned_page_is_read_as_if_it_were_text(scan) -> None:
    pages = scan(LEAVE, TRAVEL)
    document = read("rules.pdf", saved(pages[0], "PDF", save_all=True, append_images=pages[1:]))
    assert (document.title, document.pages) == ("rules", 2)
    assert [block.page for block in document.blocks][-1] == 2
    assert f"{TEXT}, with the approval of the head of the department." in words(document)
    assert "made by train in second class" in document.blocks[-1].text


def test_one_scanned_page_among_pages_of_text_is_read_in_its_place(scan, make_pdf) -> None:
    mixed = pypdfium2.PdfDocument(make_pdf(["The first page is text."], ["The third page is text."]))
    scanned = pypdfium2.PdfDocument(saved(scan(LEAVE)[0], "PDF"))
    mixed.import_pages(scanned, index=1)
    file = io.BytesIO()
    mixed.save(file)
    document = read("mixed.pdf", file.getvalue())
    assert {block.page for block in document.blocks} == {1, 2, 3}
    assert TEXT in " ".join(block.text for block in document.blocks if block.page == 2)


def test_tables_of_a_scan_keep_their_rows(scan) -> None:
    rows = ["|2023|2022", "Products|96,388|104,429", "Services|20,766|19,516"]
    [table] = read("sales.png", saved(scan(rows)[0], "PNG")).blocks
    assert (table.kind, table.page) == ("table", 1)
    assert "Services | 20,766 | 19,516" in table.text


def test_words_broken_over_two_lines_are_mended(scan) -> None:
    lines = ["Employees are entitled to twenty five days and to more compen-", "sation when they leave the company."]
    assert "more compensation when" in words(read("a.png", saved(scan(lines)[0], "PNG")))


@pytest.mark.parametrize(("ending", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("bmp", "BMP"), ("gif", "GIF")])
def test_pictures_of_every_kind_are_read(scan, ending: str, kind: str) -> None:
    assert TEXT in words(read(f"scan.{ending}", saved(scan(LEAVE)[0], kind)))


def test_the_pages_of_a_tiff_are_numbered(scan) -> None:
    first, second = scan(LEAVE, TRAVEL)
    document = read("fax.tiff", saved(first, "TIFF", save_all=True, append_images=[second], compression="tiff_lzw"))
    assert (document.pages, document.blocks[-1].page) == (2, 2)
    refused = refusal("fax.tiff", saved(first, "TIFF", save_all=True, append_images=[second]), limited(ocr_max_pages=1))
    assert (refused.reason, "ocr_max_pages" in refused.finding) == ("too_large", True)


def limited(**limits: int) -> IngestSettings:
    return IngestSettings(**limits)


def test_text_on_a_transparent_ground_is_read(scan) -> None:
    page = scan(LEAVE)[0]
    drawn = Image.new("RGBA", page.size, (0, 0, 0, 0))
    drawn.paste((0, 0, 0, 255), mask=page.point(lambda value: 255 - value))
    assert TEXT in words(read("a.png", saved(drawn, "PNG")))


def test_greys_of_sixteen_bits_are_read(scan) -> None:
    page = scan(LEAVE)[0]
    deep = Image.new("I;16", page.size)
    deep.putdata([257 * value for value in page.tobytes()])
    assert TEXT in words(read("a.png", saved(deep, "PNG")))


def test_a_photo_is_turned_as_its_camera_says(scan) -> None:
    page = scan(LEAVE)[0].rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    assert TEXT in words(read("a.jpg", saved(page, "JPEG", exif=exif)))


def test_a_page_scanned_on_its_side_is_turned(scan) -> None:
    lines = [*LEAVE, *(f"Paragraph {number} of the rules is here to be read." for number in range(12))]
    assert TEXT in words(read("a.png", saved(scan(lines)[0].rotate(90, expand=True), "PNG")))


def test_pictures_in_archives_and_mails_are_read(scan) -> None:
    picture = saved(scan(LEAVE)[0], "PNG")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("scans/leave.png", picture)
    [block] = [block for block in read("all.zip", file.getvalue()).blocks if TEXT in block.text]
    assert block.headings[0] == "scans/leave.png"
    message = EmailMessage()
    message["Subject"] = "Leave"
    message.set_content("See the scan.")
    message.add_attachment(picture, maintype="image", subtype="png", filename="leave.png")
    assert TEXT in words(read("leave.eml", message.as_bytes()))


def test_a_slide_that_is_a_picture_is_read(scan) -> None:
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    slide.shapes.add_picture(io.BytesIO(saved(scan(LEAVE)[0], "PNG")), 0, 0, presentation.slide_width)
    file = io.BytesIO()
    presentation.save(file)
    document = read("a.pptx", file.getvalue())
    assert TEXT in words(document)
    assert {block.page for block in document.blocks} == {1}


def test_pages_and_pictures_without_words_are_empty() -> None:
    blank = Image.radial_gradient("L").resize((900, 900))
    for name, kind in (("a.png", "PNG"), ("a.pdf", "PDF")):
        refused = refusal(name, saved(blank, kind))
        assert refused.reason == "empty"
        assert str(refused).startswith("Text recognition finds no words")


def test_without_text_recognition_a_scan_has_no_text(scan) -> None:
    off = IngestSettings(ocr_languages=())
    picture = scan(LEAVE)[0]
    assert refusal("a.pdf", saved(picture, "PDF"), off).reason == "no_text"
    assert refusal("a.png", saved(picture, "PNG"), off).reason == "no_text"


def test_a_language_without_a_model_is_named(scan, tmp_path: Path) -> None:
    refused = refusal("a.png", saved(scan(LEAVE)[0], "PNG"), IngestSettings(ocr_languages=("xyz",)))
    assert (refused.reason, "no model for xyz" in refused.finding) == ("no_text", True)
    nowhere = IngestSettings(ocr_models=str(tmp_path))
    assert str(tmp_path) in refusal("a.png", saved(scan(LEAVE)[0], "PNG"), nowhere).finding


def test_pictures_that_unpack_to_gigantic_ones_are_too_large() -> None:
    started = time.monotonic()
    for width, height in ((60_000, 60_000), (10_100, 10_000), (2_000_000_000, 1)):
        assert refusal("a.png", png_of(width, height)).reason == "too_large", (width, height)
    assert time.monotonic() - started < 2


def test_damaged_and_disguised_pictures_are_refused(scan) -> None:
    picture = saved(scan(LEAVE)[0], "PNG")
    assert refusal("a.png", picture[: len(picture) // 2]).reason == "broken"
    assert refusal("a.png", picture[:20]).reason == "broken"
    assert refusal("a.png", png_of(500, 500)).reason == "broken"
    assert refusal("a.jpg", picture).reason == "wrong_extension"
    assert refusal("a.png", b"<svg/>").reason == "broken"
    assert refusal("a.tiff", b"II*\x00\x08\x00\x00\x00" + b"\xff" * 40).reason == "broken"


def test_a_tiff_whose_pages_go_in_a_circle_ends(scan) -> None:
    data = bytearray(saved(scan(TRAVEL)[0], "TIFF"))
    [start] = struct.unpack_from("<I", data, 4)
    [entries] = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * entries, start)
    assert read("a.tiff", bytes(data)).pages == 1


def test_only_the_first_picture_of_an_animation_is_read(scan) -> None:
    first = scan(LEAVE)[0]
    frames = [Image.new("L", (40, 40), number % 256) for number in range(2_000)]
    data = saved(first, "GIF", save_all=True, append_images=frames)
    started = time.process_time()
    document = read("a.gif", data)
    assert (document.pages, TEXT in words(document)) == (1, True)
    assert time.process_time() - started < 10


def test_a_pdf_with_more_scans_than_allowed_is_refused_before_they_are_read(scan) -> None:
    page = scan(TRAVEL)[0]
    data = saved(page, "PDF", save_all=True, append_images=[page] * 4)
    pages: list[None] = []
    with pytest.raises(RefusedFile) as caught:
        parse("a.pdf", data, IngestSettings(ocr_max_pages=3), on_page=lambda: pages.append(None))
    assert (caught.value.reason, pages) == ("too_large", [])


def test_every_page_that_is_recognised_is_announced(scan) -> None:
    pages = scan(TRAVEL, TRAVEL)
    announced: list[None] = []
    data = saved(pages[0], "PDF", save_all=True, append_images=pages[1:])
    assert parse("a.pdf", data, SETTINGS, on_page=lambda: announced.append(None)).pages == len(announced) == 2


def test_a_page_that_takes_too_long_is_refused(scan) -> None:
    refused = refusal("a.png", saved(scan(LEAVE)[0], "PNG"), IngestSettings(ocr_page_timeout_s=0.001))
    assert (refused.reason, "ocr_page_timeout_s" in refused.finding) == ("timed_out", True)
