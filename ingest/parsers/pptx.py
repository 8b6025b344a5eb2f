"""Presentations (PPTX)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.archive import Allowance
from ingest.parsers.base import Block, Outline, ParsedDocument, one_line, table_lines
from ingest.parsers.nested import ParseFile
from ingest.parsers.safe_xml import refuse_declarations

_FEW_LETTERS = 40
"""A slide with less text shows its pictures' text, if anything: they are read."""


def parse(data: bytes, stem: str, allowance: Allowance, parse_file: ParseFile) -> ParsedDocument:
    """Every shown slide below its title, numbered as in the presentation, with its tables, charts and notes."""
    from pptx import Presentation

    refuse_declarations(allowance.unpack(data))
    presentation = Presentation(io.BytesIO(data))
    outline = Outline()
    for number, slide in enumerate(presentation.slides, start=1):
        if slide._element.get("show") != "0":
            _add_slide(outline, slide, number, parse_file)
    title = one_line(presentation.core_properties.title or "")
    generic = title.lower() in {"", "powerpoint presentation"}
    return ParsedDocument(stem if generic else title, outline.finish(), len(presentation.slides))


def _add_slide(outline: Outline, slide: Any, number: int, parse_file: ParseFile) -> None:
    title = slide.shapes.title
    outline.close(1)
    outline.heading(title.text_frame.text if title is not None else "", 1, page=number)
    for shape in _shapes(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _add_shape(outline, shape, number)
    for block in _pictured(slide, parse_file):
        outline.add(block.text, block.kind, number, block.header)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text
        outline.add(f"Notes: {notes}" if notes.strip() else "", page=number)


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    """All shapes, those of groups among them."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _pictured(slide: Any, parse_file: ParseFile) -> Iterator[Block]:
    """The text of the pictures on a slide that has hardly any other. Raises RefusedFile("too_large")."""
    from pptx.shapes.picture import Picture

    shapes = list(_shapes(slide.shapes))
    written = "".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)
    if sum(map(str.isalnum, written)) >= _FEW_LETTERS:
        return
    for shape in shapes:
        try:
            if isinstance(shape, Picture):
                yield from parse_file(f"picture.{shape.image.ext}", shape.image.blob).blocks
        except RefusedFile as refused:
            if refused.reason == "too_large":
                raise
        except (ValueError, KeyError):  # the picture is no part of the file, or not what it claims to be
            continue


def _add_shape(outline: Outline, shape: Any, page: int) -> None:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        outline.add(table_lines(rows), "table", page)
    elif getattr(shape, "has_chart", False):
        _add_chart(outline, shape.chart, page)
    elif shape.has_text_frame:
        lines = [paragraph.text for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
        outline.add("\n".join(lines), "list" if len(lines) > 1 else "paragraph", page)
    else:
        outline.add(_alternative_text(shape), page=page)


def _add_chart(outline: Outline, chart: Any, page: int) -> None:
    """A chart as the table that it draws."""
    if chart.has_title and chart.chart_title.has_text_frame:
        outline.add(chart.chart_title.text_frame.text, page=page)
    for plot in chart.plots:
        series = list(plot.series)
        values = zip(*(one.values for one in series), strict=False)
        rows = [["" if value is None else f"{value:.15g}" for value in row] for row in values]
        named = [[str(category), *row] for category, row in zip(plot.categories, rows, strict=False)]
        outline.add(table_lines([["", *(one.name for one in series)], *named]), "table", page)


def _alternative_text(shape: Any) -> str:
    """What the author wrote about a picture; a single word is a file's name."""
    text = one_line(shape._element._nvXxPr.cNvPr.get("descr") or "")
    return text if " " in text else ""
