"""An ingest with another encoder: every passage is encoded anew, and no unchanged file is parsed again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from ingest.command import run
from ingest.pipeline import ingest
from ingest.report import FileReport
from ingest.settings import IngestSettings
from ingest.sources.folder import FolderSource
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings


@contextmanager
def opened(folder: Path, dimension: int) -> Iterator[Corpus]:
    with closing(Corpus.open(RetrievalSettings(), folder, HashingEmbedder(dimension))) as corpus:
        yield corpus


@pytest.fixture
def data(folder: Path, tmp_path: Path) -> Path:
    """A corpus of three files in 64 dimensions."""
    for name in ("leave", "travel", "canteen"):
        (folder / f"{name}.md").write_text(f"# {name.title()}\n\nThe rule of {name}.\n")
    with opened(tmp_path / "data", 64) as corpus:
        ingest([folder], corpus, IngestSettings())
    return tmp_path / "data"


def found(corpus: Corpus) -> set[str]:
    return {hit.passage.text for hit in corpus.search_now("rule", groups=["everyone"])}


def test_unchanged_files_are_encoded_anew_without_being_parsed(data: Path, folder: Path) -> None:
    steps: list[tuple[str | None, int, int]] = []

    def on_progress(report: FileReport | None, done: int, total: int) -> None:
        steps.append((report.status if report else None, done, total))

    with opened(data, 32) as corpus:
        report = ingest([folder], corpus, IngestSettings(), on_progress=on_progress)
        assert (report.published, report.release, report.reencoded, report.passages) == (True, 2, 3, 0)
        assert {file.status for file in report.files} == {"unchanged"}
        assert steps[:3] == [("unchanged", done, 3) for done in (1, 2, 3)]
        assert steps[-1] == (None, 3, 3)
        assert found(corpus) == {"The rule of leave.", "The rule of travel.", "The rule of canteen."}
        again = ingest([folder], corpus, IngestSettings())
        assert (again.published, again.reencoded) == (False, 0)


def test_changed_and_missing_files_are_handled_as_always(data: Path, folder: Path) -> None:
    (folder / "leave.md").write_text("# Leave\n\nAnother rule of leave.\n")
    (folder / "travel.md").unlink()
    with opened(data, 32) as corpus:
        report = ingest([folder], corpus, IngestSettings())
        assert (report.passages, report.reencoded) == (1, 1)
        assert found(corpus) == {"Another rule of leave.", "The rule of canteen."}
        assert corpus.release().documents == 2


def test_documents_from_elsewhere_are_encoded_anew_too(data: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "fees.md").write_text("# Fees\n\nThe rule of fees.\n")
    with opened(data, 32) as corpus:
        assert ingest([tmp_path / "other"], corpus, IngestSettings()).reencoded == 3
        assert "The rule of canteen." in found(corpus)
        assert "The rule of fees." in found(corpus)


def test_a_dry_run_says_so_and_changes_nothing(data: Path, folder: Path) -> None:
    with opened(data, 32) as corpus:
        report = ingest([folder], corpus, IngestSettings(), dry_run=True)
        assert (report.published, report.reencoded, corpus.published().number) == (False, 3, 1)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_tells_how_many(data: Path, folder: Path, terminal: bool) -> None:
    out, err = (Console(file=io.StringIO(), width=120, force_terminal=terminal) for _ in range(2))
    with opened(data, 32) as corpus:
        assert run(FolderSource((folder,)), corpus, IngestSettings(), out=out, err=err) == 0
    assert "Passages made: 0, encoded anew by another encoder: 3, in" in out.file.getvalue()
    assert "Release 2 is published." in out.file.getvalue()
    assert ("Encoding anew" in err.file.getvalue()) == terminal


def test_the_json_report_counts_them(data: Path, folder: Path) -> None:
    out = Console(file=io.StringIO())
    with opened(data, 32) as corpus:
        run(FolderSource((folder,)), corpus, IngestSettings(), as_json=True, out=out)
    report = json.loads(out.file.getvalue())
    assert (report["reencoded"], report["release"], report["published"]) == (3, 2, True)
