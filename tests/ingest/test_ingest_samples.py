"""Real office, web and PDF files: each one is read or refused by name, and no passage is empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import RefusedFile
from ingest.sandbox import Extract, Sandbox
from ingest.settings import IngestSettings
from ingest.sources.base import Patterns
from ingest.sources.folder import FolderSource

DATA = Path(__file__).parents[3] / "shared" / "data"
NOT_READ = {
    "docs_unstructured": {
        "duplicate-paragraphs.doc": "unsupported",
        "eml/empty.eml": "empty",
        "eml/fake-encrypted.eml": "encrypted",
        "emoji.xlsx": "empty",  # pictures of faces, no words
        "empty.txt": "empty",
        "empty.xlsx": "empty",
        "factbook-utf-16.xml": "unsupported",
        "factbook.xml": "unsupported",
        "fake-doc-emphasized-text.doc": "unsupported",
        "fake-encrypted.msg": "encrypted",
        "fake-text-all-whitespace.txt": "empty",
        "fake.doc": "unsupported",
        "img/example.jpg": "empty",  # a photo of a flower
        "language-docs/eng_spa_mult.doc": "unsupported",
        "language-docs/eng_spa_mult.ppt": "unsupported",
        "language-docs/eng_spa_mult.xml": "unsupported",
        "password_protected.xlsx": "encrypted",
        "pdf/password.pdf": "encrypted",
        "simple.doc": "unsupported",
        "test-image-jpg-mime.pptx": "empty",  # a slide with a logo
    },
    "docs_markitdown": {
        "LICENSE": "unsupported",
        "test_files/expected_outputs/MEDRPT-2024-PAT-3847_medical_report_scan.md": "empty",
        "test_files/random.bin": "unsupported",
        "test_files/test_notebook.ipynb": "unsupported",
        "test_files/test_rss.xml": "unsupported",
    },
}


def extracts(folder: Path, settings: IngestSettings) -> dict[str, Extract | RefusedFile]:
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    discovery = FolderSource((folder,), Patterns(settings.include)).discover()
    results: dict[str, Extract | RefusedFile] = {found.name: refused for found, refused in discovery.refused}
    with Sandbox(settings) as sandbox:
        for found in discovery.files:
            try:
                results[found.name] = sandbox.extract(found.name, Path(found.source).read_bytes())
            except RefusedFile as refused:
                results[found.name] = refused
    return results


@pytest.mark.parametrize("folder", ["docs_unstructured", "docs_markitdown"])
def test_every_sample_is_read_or_refused_for_a_true_reason(folder: str) -> None:
    results = extracts(DATA / folder, IngestSettings())
    refused = {name: str(result.reason) for name, result in results.items() if isinstance(result, RefusedFile)}
    assert refused == NOT_READ[folder]
    read = {name: result for name, result in results.items() if isinstance(result, Extract)}
    for name, extract in read.items():
        assert extract.pieces, name
        assert all(any(map(str.isalnum, piece.text)) for piece in extract.pieces), name
        pages = {piece.page for piece in extract.pieces if extract.pages and piece.page}
        assert pages <= set(range(1, (extract.pages or 0) + 1)), name


def test_the_pages_and_rows_of_a_quarterly_report() -> None:
    results = extracts(DATA / "kg_rag_sec10q" / "v1" / "docs", IngestSettings(include=("2023 Q1 AAPL.pdf",)))
    report = results["2023 Q1 AAPL.pdf"]
    assert isinstance(report, Extract)
    assert report.pages == 46
    [statement] = [piece for piece in report.pieces if "Total net sales | 117,154 | 123,945" in piece.text]
    assert statement.page == 4
    assert statement.text.startswith("(In millions, except")
    assert "Three Months Ended | December 31, 2022 | December 25, 2021" in statement.text
    assert "STATEMENTS OF OPERATIONS" in statement.heading
    highlights = [piece for piece in report.pieces if piece.heading.endswith("Quarterly Highlights")]
    assert {piece.page for piece in highlights} == {18}
    assert not any("Form 10-Q | 15" in piece.text for piece in report.pieces)
