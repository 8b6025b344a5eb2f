"""Pictures (PNG, JPEG, TIFF, WEBP, BMP, GIF), by text recognition: a page each, or as many as a TIFF has."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.errors import RefusedFile
from ingest.parsers.base import ParsedDocument
from ingest.parsers.layout import blocks
from ingest.parsers.ocr import MAX_SIDE_PX, Recognition

if TYPE_CHECKING:
    from PIL.Image import Image

TIFF = "image/tiff"
FORMATS = {TIFF: "TIFF", "image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
FORMATS |= {"image/bmp": "BMP", "image/gif": "GIF"}
"""Their names in Pillow; no other of its many decoders is tried."""

_MAX_PIXELS = 100_000_000


def parse(data: bytes, stem: str, kind: str, recognition: Recognition) -> ParsedDocument:
    """The text of each page; of an animation, that of its first picture."""
    pages = []
    for picture in _pictures(data, kind):
        recognition.reserve(1)
        pages.append(recognition.lines(picture))
    return ParsedDocument(stem, blocks(pages), len(pages))


def _pictures(data: bytes, kind: str) -> Iterator[Image]:
    """The pages, one after the other."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[kind]]) as file:
            yield _legible(file)
            while kind == TIFF and _turn_page(file):
                yield _legible(file)
    except Image.DecompressionBombError as error:
        raise RefusedFile("too_large", f"It has more than {_MAX_PIXELS:,} pixels.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise RefusedFile("broken", "The picture is damaged or cut off.") from error


def _turn_page(file: Image) -> bool:
    """Go to the next page, if there is one."""
    try:
        file.seek(file.tell() + 1)
    except EOFError:
        return False
    return True


def _legible(file: Image) -> Image:
    """A picture on white, turned as its camera says, no larger than needed."""
    from PIL import ImageOps

    if file.width * file.height > _MAX_PIXELS:
        raise RefusedFile("too_large", f"It has {file.width:,} x {file.height:,} pixels.")
    picture = _on_white(ImageOps.exif_transpose(file))
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    return picture


def _on_white(picture: Image) -> Image:
    """The picture in 256 steps of each colour, and white where it is transparent."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        picture = picture.point(lambda value: value / 256).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
