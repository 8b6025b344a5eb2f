"""Real office, web and PDF files: each one is read or refused by name, and no passage is empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.discovery import discover
from ingest.errors import REASONS, RefusedFile
from ingest.parsers import MEDIA_TYPES
from ingest.sandbox import Extract, Sandbox
from ingest.settings import IngestSettings

DATA = Path(__file__).parents[3] / "shared" / "data"
SUPPORTED = tuple(f"*{suffix}" for suffix in MEDIA_TYPES)


def extracts(folder: Path, settings: IngestSettings) -> dict[str, Extract | RefusedFile]:
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    results: dict[str, Extract | RefusedFile] = {}
    with Sandbox(settings) as sandbox:
        for found in discover([folder], settings).files:
            try:
                results[found.name] = sandbox.extract(found.name, found.path.read_bytes())
            except RefusedFile as refused:
                results[found.name] = refused
    return results


@pytest.mark.parametrize("folder", ["docs_unstructured", "docs_markitdown"])
def test_every_sample_is_read_or_refused_by_name(folder: str) -> None:
    results = extracts(DATA / folder, IngestSettings(include=SUPPORTED))
    refused = {name: str(result.reason) for name, result in results.items() if isinstance(result, RefusedFile)}
    assert set(refused.values()) <= set(REASONS) - {"unsupported", "timed_out", "broken"}
    read = {name: result for name, result in results.items() if isinstance(result, Extract)}
    assert len(read) > 2 * len(refused)
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
