"""Each format yields its text with headings and pages; what cannot be read is refused for the true reason."""

from __future__ import annotations

import pytest

from ingest.errors import RefusedFile
from ingest.parsers import ParsedDocument, parse
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()


def read(name: str, data: bytes | str) -> ParsedDocument:
    return parse(name, data.encode() if isinstance(data, str) else data, SETTINGS)


def refusal(name: str, data: bytes, settings: IngestSettings = SETTINGS) -> str:
    with pytest.raises(RefusedFile) as caught:
        parse(name, data, settings)
    return caught.value.reason


def test_markdown_keeps_headings_lists_tables_and_code() -> None:
    document = read(
        "leave.md",
        "---\ntitle: Leave policy\n---\n# Leave\nFirst *line*\nsecond line.\n\n## Rules\n- ask\n- wait\n\n"
        "| Grade | Days |\n|---|---|\n| Senior | 28 |\n\n```\ndays = 5\n```\n",
    )
    assert document.title == "Leave policy"
    assert [(block.kind, block.headings, block.text) for block in document.blocks] == [
        ("paragraph", ("Leave",), "First line second line."),
        ("list", ("Leave", "Rules"), "- ask\n- wait"),
        ("table", ("Leave", "Rules"), "Grade: Senior | Days: 28"),
        ("code", ("Leave", "Rules"), "days = 5"),
    ]


def test_html_leaves_out_chrome_and_scripts() -> None:
    document = read(
        "page.html",
        "<title>Leave</title><nav>Home</nav><header>Logo</header><script>alert(1)</script><style>p{}</style>"
        "<main><header><h1>Leave</h1></header><p>Five <b>days</b>.<div hidden>secret</div></main>"
        "<aside>Ads</aside><footer>Imprint</footer>",
    )
    assert document.title == "Leave"
    assert [(block.headings, block.text) for block in document.blocks] == [(("Leave",), "Five days.")]


def test_html_layout_tables_are_read_as_text() -> None:
    document = read("old.html", "<table><tr><td><h2>Leave</h2><p>Five days.</p></td></tr></table>")
    assert [(block.kind, block.headings, block.text) for block in document.blocks] == [
        ("paragraph", ("Leave",), "Five days.")
    ]


def test_a_heading_with_nothing_below_it_is_not_lost() -> None:
    blocks = read("page.html", "<h1>Contact</h1><h2>By phone</h2><h2>By mail</h2><p>Write to us.</p>").blocks
    assert [(block.headings, block.text) for block in blocks] == [
        (("Contact",), "By phone"),
        (("Contact", "By mail"), "Write to us."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_in_any_encoding(encoding: str) -> None:
    text = "Übertrag\n\nFünf Tage Urlaub können bis zum 31. März übertragen werden – danach verfällt der Anspruch.\n"
    document = read("leave.txt", text.encode(encoding))
    assert document.title == "Übertrag"
    assert [block.text for block in document.blocks] == [part for part in text.strip().split("\n\n")]


def test_control_and_invisible_characters_are_removed() -> None:
    [block] = read("odd.txt", "car\u00adry\u200bover\x07 \u202efi\ufb01ve").blocks
    assert block.text == "carryover fifive"


def test_word_files_keep_headings_lists_and_tables_in_order(word_file: bytes) -> None:
    document = read("leave.docx", word_file)
    assert [(block.kind, block.headings, block.text) for block in document.blocks] == [
        ("paragraph", ("Leave",), "Leave is requested in the portal."),
        ("paragraph", ("Leave", "Carry-over"), "Five days may be carried over."),
        ("list", ("Leave", "Carry-over"), "- until March\n- with approval"),
        ("table", ("Leave", "Carry-over"), "Grade: Senior | Days: 28"),
        ("paragraph", ("Leave", "Carry-over"), "After the table."),
    ]


def test_pdf_keeps_pages_headings_and_table_rows(make_pdf) -> None:
    prose = ["The company reports its results for the quarter in the table below,", "in millions of dollars."]
    document = read(
        "report.pdf",
        make_pdf(
            ["# Results", *prose, "|2023|2022", "Products|$ 96,388|$ 104,429", "Services|20,766|19,516"],
            ["# Outlook", *prose],
            title="Quarterly report",
        ),
    )
    assert (document.title, document.pages) == ("Quarterly report", 2)
    table = "| 2023 | 2022\nProducts | $ 96,388 | $ 104,429\nServices | 20,766 | 19,516"
    assert [(block.page, block.headings, block.text) for block in document.blocks] == [
        (1, ("Results",), " ".join(prose)),
        (1, ("Results",), table),
        (2, ("Outlook",), " ".join(prose)),
    ]
    assert document.blocks[1].header == "| 2023 | 2022"


def test_pdf_currency_signs_stay_with_their_numbers(make_pdf) -> None:
    rows = ["Leading|$ 5|$ 6", "Trailing|5 €|6 €"]
    [table] = read("prices.pdf", make_pdf(rows)).blocks
    assert table.text == "Leading | $ 5 | $ 6\nTrailing | 5 € | 6 €"


def test_pdf_running_lines_are_left_out(make_pdf) -> None:
    filler = [f"Sentence {line} of the page is here to be read." for line in range(8)]
    pages = [["Acme handbook", *filler, f"Page {number} of 5"] for number in range(1, 6)]
    text = " ".join(block.text for block in read("handbook.pdf", make_pdf(*pages)).blocks)
    assert "Acme" not in text
    assert "Page 3" not in text
    assert text.count("Sentence 4 of the page") == 5


def test_pdf_pages_are_called_what_the_document_calls_them(make_pdf) -> None:
    plain = make_pdf(["The preface."], ["The first chapter."])
    labels = b"/PageLabels<</Nums[0<</S/r/St 4>> 1<</S/D>>]>>/Type /Catalog"
    labelled = plain.replace(b"/Type /Catalog", labels)
    assert read("book.pdf", plain).page_labels == ()
    assert read("book.pdf", labelled).page_labels == ("iv", "1")
    with Sandbox(SETTINGS) as sandbox:
        pieces = sandbox.extract("book.pdf", labelled).pieces
    assert [(piece.page, piece.page_label) for piece in pieces] == [(1, "iv"), (2, "1")]


def test_files_that_cannot_be_read_are_refused_for_the_true_reason(make_pdf, word_file: bytes) -> None:
    assert refusal("a.xyz", b"text") == "unsupported"
    assert refusal("a.txt", b"") == "empty"
    assert refusal("a.md", b" \n\t\n") == "empty"
    assert refusal("a.html", b"<script>1</script>") == "empty"
    assert refusal("a.txt", b"--- ***") == "empty"
    assert refusal("a.pdf", make_pdf(["secret"], password="pass")) == "encrypted"
    assert refusal("a.pdf", make_pdf([])) == "empty"
    assert refusal("a.pdf", make_pdf([]), IngestSettings(ocr_languages=())) == "no_text"
    assert refusal("a.pdf", b"%PDF-1.7\n" + b"\x00garbage" * 50) == "broken"
    assert refusal("a.pdf", b"just text") == "broken"
    assert refusal("a.txt", make_pdf(["text"])) == "wrong_extension"
    assert refusal("a.pdf", word_file) == "wrong_extension"
    assert refusal("a.docx", word_file[: len(word_file) // 2]) == "broken"
    assert refusal("a.txt", bytes(range(256)) * 40) == "broken"


def test_a_file_over_a_limit_is_refused(make_pdf, word_file: bytes) -> None:
    assert refusal("a.pdf", make_pdf(["one"], ["two"]), IngestSettings(max_pages=1)) == "too_large"
    assert refusal("a.docx", word_file, IngestSettings(max_unpacked_bytes=1000)) == "too_large"
