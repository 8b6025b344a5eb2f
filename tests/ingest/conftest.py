"""Real files, made on the spot, and a real corpus in a temporary folder."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docx import Document as WordDocument
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

MakePdf = Callable[..., bytes]
MakeOle = Callable[[dict], bytes]


@pytest.fixture
def settings() -> IngestSettings:
    return IngestSettings()


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    corpus = Corpus.open(RetrievalSettings(), tmp_path / "data", HashingEmbedder())
    yield corpus
    corpus.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    return folder


@pytest.fixture
def make_pdf() -> MakePdf:
    """Builds a PDF of pages of lines; a line that starts with `# ` is set bold, `|` starts a new column."""

    def make(*pages: list[str], password: str = "", title: str = "") -> bytes:
        file = io.BytesIO()
        encryption = StandardEncryption(password) if password else None
        canvas = Canvas(file, pagesize=A4, encrypt=encryption)
        canvas.setTitle(title)
        for lines in pages:
            for number, line in enumerate(lines):
                bold = line.startswith("# ")
                canvas.setFont("Helvetica-Bold" if bold else "Helvetica", 11)
                for column, cell in enumerate(line.removeprefix("# ").split("|")):
                    canvas.drawString(72 + 200 * column, 780 - 14 * number, cell)
            canvas.showPage()
        canvas.save()
        return file.getvalue()

    return make


@pytest.fixture
def make_ole() -> MakeOle:
    """Builds an OLE container of storages and streams, which an Outlook message is."""
    spec = importlib.util.spec_from_file_location("ole", Path(__file__).with_name("ole.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.container


@pytest.fixture
def word_file() -> bytes:
    """A DOCX with headings, a list and a table."""
    document = WordDocument()
    document.add_heading("Leave", level=1)
    document.add_paragraph("Leave is requested in the portal.")
    document.add_heading("Carry-over", level=2)
    document.add_paragraph("Five days may be carried over.")
    document.add_paragraph("until March", style="List Bullet")
    document.add_paragraph("with approval", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Grade", "Days", "Senior", "28"], strict=True):
        cell.text = text
    document.add_paragraph("After the table.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
