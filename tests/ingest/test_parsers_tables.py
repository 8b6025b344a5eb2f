"""Tables stay readable row by row, with the sheet, the cells or the slide where they stand."""

from __future__ import annotations

import csv
import io
import struct
from datetime import date, datetime

import pytest
from openpyxl import Workbook
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.errors import RefusedFile
from ingest.parsers import ParsedDocument, parse
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()


def read(name: str, data: bytes | str) -> ParsedDocument:
    return parse(name, data.encode() if isinstance(data, str) else data, SETTINGS)


def found(document: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    return [(block.headings, block.text) for block in document.blocks]


def saved(file: Workbook | Presentation) -> bytes:
    target = io.BytesIO()
    file.save(target)
    return target.getvalue()


def refusal(name: str, data: bytes, settings: IngestSettings = SETTINGS) -> str:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, settings)
    return caught.value.reason


def test_what_other_tables_of_the_process_may_hold_stays_as_it_was() -> None:
    before = csv.field_size_limit()
    read("a.csv", "Ann,25\nBob,28\n")
    assert csv.field_size_limit() == before
    assert refusal("a.csv", b"a,b\n" * 60, IngestSettings(max_cells=100)) == "too_large"
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "|")])
def test_each_row_names_its_columns_whatever_the_delimiter(name: str, delimiter: str) -> None:
    rows = [["Grade", "Days", "Note"], ["Senior", "28", "see: rule 5"], ["Junior", "25", ""]]
    document = read(name, "\n".join(delimiter.join(row) for row in rows))
    assert found(document) == [(("A2:C3",), "Grade: Senior | Days: 28 | Note: see: rule 5\nGrade: Junior | Days: 25")]


def test_quoted_cells_may_hold_delimiters_and_line_breaks() -> None:
    [(_, text)] = found(read("a.csv", 'Grade,Note\nSenior,"one, two\nthree"\n'))
    assert text == "Grade: Senior | Note: one, two three"


def test_titles_stand_above_and_empty_rows_between_tables() -> None:
    document = read("a.csv", "Leave,,\nGrade,Days,\nSenior,28,\n,,\nTravel,,\nCity,Rate,\nGhent,120,\n")
    assert found(document) == [
        (("Leave", "A3:B3"), "Grade: Senior | Days: 28"),
        (("Travel", "A7:B7"), "City: Ghent | Rate: 120"),
    ]


def test_a_first_row_of_values_names_nothing() -> None:
    assert found(read("a.csv", "Ann,25\nBob,28\n")) == [(("A1:B2",), "Ann | 25\nBob | 28")]
    assert found(read("a.csv", "Product,2022,2023\nBolts,7,8\n")) == [
        (("A2:C2",), "Product: Bolts | 2022: 7 | 2023: 8")
    ]


def test_column_names_above_a_gap_hold_for_the_values_below_it() -> None:
    document = read("a.csv", "In millions,Year 2023,\n,Sales,Profit\n,,\nEurope,9467,1570\n")
    assert found(document)[-1] == (("A4:C4",), "Europe | Sales: 9467 | Profit: 1570")


def test_rows_of_words_do_not_name_the_values_of_another_table() -> None:
    document = read("a.csv", "Name,City\nAnn,Ghent\n,\nTotal,5\n")
    assert [text for _, text in found(document)] == ["Name: Ann | City: Ghent", "Name: Total | City: 5"]


def test_long_tables_are_cut_with_the_place_of_each_part() -> None:
    lines = ["Name,City,Days", *(f"Person {number},Ghent,{number}" for number in range(2, 302))]
    document = read("a.csv", "\n".join(lines))
    assert len(document.blocks) > 10
    for block in document.blocks:
        first, last = (int(cell[1:]) for cell in block.headings[-1].split(":"))
        rows = block.text.split("\n")
        assert rows[0].startswith(f"Name: Person {first} |")
        assert rows[-1].startswith(f"Name: Person {last} |")


def test_a_workbook_yields_its_visible_sheets_with_values_as_they_are_shown() -> None:
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "Rates"
    sheet.append(["City", "Share", "Since", "Seen", "Total", "Open"])
    sheet.append(["Ghent", 0.125, date(2026, 3, 1), datetime(2026, 3, 1, 9, 30), 0.1 + 0.2, True])
    sheet["B2"].number_format = "0.0%"
    far = workbook.create_sheet("Far")
    far["AB7"] = "Corner"
    workbook.create_sheet("Blank")
    hidden = workbook.create_sheet("Hidden")
    hidden["A1"] = "secret"
    hidden.sheet_state = "hidden"
    assert found(read("a.xlsx", saved(workbook))) == [
        (
            ("Rates", "A2:F2"),
            "City: Ghent | Share: 12.5% | Since: 2026-03-01 | Seen: 2026-03-01 09:30:00 | Total: 0.3 | Open: True",
        ),
        (("Far", "AB7"), "Corner"),
    ]


def test_an_empty_workbook_is_empty_and_a_huge_table_too_large() -> None:
    assert refusal("a.xlsx", saved(Workbook())) == "empty"
    workbook = Workbook()
    for _ in range(30):
        workbook.active.append(["x"] * 5)
    settings = IngestSettings(max_cells=100)
    assert refusal("a.xlsx", saved(workbook), settings) == "too_large"
    assert refusal("a.csv", b"a,b\n" * 60, settings) == "too_large"
    workbook.active["XFD1048576"] = "far away"
    assert read("a.xlsx", saved(workbook)).blocks[-1].headings == ("Sheet", "XFD1048576")


def slides() -> Presentation:
    presentation = Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "Leave"
    first.placeholders[1].text = "Ask first\nThen wait"
    first.notes_slide.notes_text_frame.text = "Mention the portal."
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    table = second.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for cell, text in zip(table.iter_cells(), ["Grade", "Days", "Senior", "28"], strict=True):
        cell.text = text
    chart = CategoryChartData()
    chart.categories = ["2022", "2023"]
    chart.add_series("Revenue", (7, 8.5))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), chart)
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "In a group."
    return presentation


def test_slides_keep_their_number_title_tables_charts_and_notes() -> None:
    document = read("a.pptx", saved(slides()))
    assert document.pages == 2
    assert [(block.page, block.headings, block.text) for block in document.blocks] == [
        (1, ("Leave",), "Ask first\nThen wait"),
        (1, ("Leave",), "Notes: Mention the portal."),
        (2, ("Numbers",), "Grade: Senior | Days: 28"),
        (2, ("Numbers",), "2022 | Revenue: 7\n2023 | Revenue: 8.5"),
        (2, ("Numbers",), "In a group."),
    ]


def test_hidden_slides_are_left_out_and_keep_their_number() -> None:
    presentation = slides()
    presentation.slides[0]._element.set("show", "0")
    assert {block.page for block in read("a.pptx", saved(presentation)).blocks} == {2}


def test_slides_without_words_are_empty() -> None:
    presentation = Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[6])
    assert refusal("a.pptx", saved(presentation)) == "empty"


def older_workbook(*cells: tuple[int, bytes], hidden: bool = False, locked: bool = False) -> bytes:
    """The stream of an older workbook (BIFF5) with one sheet; cells may be percentages or dates."""

    def record(kind: int, body: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHH", 0x500, kind, 0, 0))

    font = record(0x31, struct.pack("<HHHHHBBBBB", 200, 0, 0, 400, 0, 0, 0, 0, 0, 5) + b"Arial")
    styles = b"".join(record(0xE0, struct.pack("<HHHHHHHH", 0, style, 1, 0, 0, 0, 0, 0)) for style in (0, 10, 14))
    before = begin(5) + (record(0x2F, bytes(4)) if locked else b"") + font + styles
    sheet = record(0x85, struct.pack("<IBBB", len(before) + 19, hidden, 0, 4) + b"Days")
    return before + sheet + record(0x0A) + begin(0x10) + b"".join(record(*cell) for cell in cells) + record(0x0A)


def label(row: int, column: int, text: str) -> tuple[int, bytes]:
    return 0x204, struct.pack("<HHHH", row, column, 0, len(text)) + text.encode()


def number(row: int, column: int, value: float, style: int = 0) -> tuple[int, bytes]:
    return 0x203, struct.pack("<HHHd", row, column, style, value)


def test_older_workbooks_are_read_like_current_ones(make_ole) -> None:
    cells = [label(0, 0, "Grade"), label(0, 1, "Share"), label(0, 2, "Since")]
    cells += [label(1, 0, "Senior"), number(1, 1, 0.275, 1), number(1, 2, 45292, 2)]
    [block] = read("days.xls", make_ole({"Book": older_workbook(*cells)})).blocks
    assert block.headings == ("Days", "A2:C2")
    assert block.text == "Grade: Senior | Share: 27.50% | Since: 2024-01-01"


def test_older_workbooks_that_are_hidden_locked_or_damaged_are_not_read(make_ole) -> None:
    def reason(stream: bytes, name: str = "days.xls") -> str:
        with pytest.raises(RefusedFile) as caught:
            read(name, make_ole({"Book": stream}))
        return caught.value.reason

    text = label(0, 0, "Secret")
    assert reason(older_workbook(text, hidden=True)) == "empty"
    assert reason(older_workbook(text, locked=True)) == "encrypted"
    assert reason(older_workbook(text)[:60]) == "broken"
    assert reason(older_workbook(text), "days.xlsx") == "wrong_extension"
