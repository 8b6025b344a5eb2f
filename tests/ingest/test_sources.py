"""Configured sources: their groups and owners, what belongs to them, and the files that could not be taken in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.pipeline import ingest
from ingest.report import FileReport, IngestReport
from ingest.run_log import RunLog
from ingest.settings import IngestSettings
from ingest.sources.configured import Sources
from ingest.sources.factory import source_at
from ingest.sources.settings import FolderSettings, SourceSettings
from retrieval.corpus import Corpus
from retrieval.errors import CorpusBusy

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
MakeSources = Callable[..., Sources]


@pytest.fixture
def sources(tmp_path: Path) -> MakeSources:
    def make(**configured: SourceSettings) -> Sources:
        return Sources(configured, IngestSettings(), tmp_path / "data", now=lambda: NOW)

    return make


def at(path: Path, **more: object) -> FolderSettings:
    return FolderSettings.model_validate({"kind": "folder", "path": path, **more})


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.name: file.reason or file.status for file in report.files}


def test_groups_and_owner_of_a_source_win_and_follow_the_settings(
    corpus: Corpus, folder: Path, sources: MakeSources
) -> None:
    path = folder / "a.md"
    path.write_text("The board met.")
    ingest([folder], corpus, IngestSettings(), groups=("hr",), owner="Bob")
    sources(board=at(folder, groups=["board"], owner="Ann")).run("board", corpus)
    document = corpus.documents()[str(path)]
    assert (document.groups, document.owner, document.origin) == (("board",), "Ann", "board")
    assert statuses(sources(board=at(folder)).run("board", corpus)) == {"a.md": "changed"}
    document = corpus.documents()[str(path)]
    assert (document.groups, document.owner) == (("everyone",), "")


def test_sources_of_one_folder_do_not_remove_each_other_s_documents(
    corpus: Corpus, folder: Path, sources: MakeSources
) -> None:
    for name in ("a.md", "b.txt"):
        (folder / name).write_text(f"Text of {name}.")
    both = sources(notes=at(folder, include=["*.md"]), texts=at(folder, include=["*.txt"]))
    both.run("notes", corpus)
    both.run("texts", corpus)
    assert statuses(both.run("notes", corpus)) == {"a.md": "unchanged"}
    (folder / "b.txt").unlink()
    assert statuses(both.run("notes", corpus)) == {"a.md": "unchanged"}
    with pytest.raises(IngestError, match="1 documents are known from it"):
        both.run("texts", corpus)


def test_a_folder_named_on_the_spot_leaves_the_sources_what_is_theirs(
    corpus: Corpus, folder: Path, sources: MakeSources
) -> None:
    (folder / "a.md").write_text("One.")
    (folder / "b.md").write_text("Two.")
    both = sources(notes=at(folder, groups=["board"]))
    both.run("notes", corpus)
    assert statuses(ingest([folder], corpus, IngestSettings())) == {"a.md": "unchanged", "b.md": "unchanged"}
    (folder / "b.md").unlink()
    ingest([folder], corpus, IngestSettings())
    assert len(corpus.documents()) == 2
    assert statuses(both.run("notes", corpus)) == {"a.md": "unchanged", "b.md": "removed"}


def test_a_folder_that_is_away_keeps_its_documents_and_its_last_run_says_so(
    corpus: Corpus, folder: Path, sources: MakeSources
) -> None:
    (folder / "a.md").write_text("One.")
    mounted = sources(disk=at(folder))
    mounted.run("disk", corpus)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(IngestError, match="cannot be opened"):
        mounted.run("disk", corpus)
    assert len(corpus.documents()) == 1
    assert "cannot be opened" in mounted.log.runs()["disk"].error


def test_a_refused_file_is_read_again_only_once_it_has_changed(
    corpus: Corpus, folder: Path, sources: MakeSources
) -> None:
    path = folder / "a.pdf"
    path.write_bytes(b"%PDF-1.4 garbage")
    notes = sources(notes=at(folder))
    first = notes.run("notes", corpus)
    [failure] = notes.log.failures()
    assert (failure.reason, failure.count, failure.next_at, failure.first_at) == ("broken", 1, None, NOW)
    again = notes.run("notes", corpus)
    assert (again.files, notes.log.failures()) == (first.files, [failure])
    path.write_bytes(b"%PDF-1.4 other garbage")
    notes.run("notes", corpus)
    assert notes.log.failures()[0].count == 2
    path.unlink()
    (folder / "a.md").write_text("Good.")
    notes.run("notes", corpus)
    assert notes.log.failures() == []


def test_a_dry_run_and_a_busy_corpus_leave_no_trace(corpus: Corpus, folder: Path, sources: MakeSources) -> None:
    (folder / "a.md").write_text("One.")
    (folder / "b.xyz").write_text("?")
    notes = sources(notes=at(folder))
    notes.run("notes", corpus, dry_run=True)
    with corpus.draft(), pytest.raises(CorpusBusy):
        notes.run("notes", corpus)
    assert (notes.log.runs(), notes.log.failures()) == ({}, [])


def test_a_source_that_is_not_configured_is_named(corpus: Corpus, folder: Path, sources: MakeSources) -> None:
    with pytest.raises(IngestError, match="no source nowhere in the settings; configured are: notes"):
        sources(notes=at(folder)).run("nowhere", corpus)


def refused(reason: str, version: str = "") -> IngestReport:
    row = FileReport(name="a", source="https://example.com/a", status="refused", reason=reason, version=version)  # type: ignore[arg-type]
    return IngestReport(files=[row], release=1)


def test_what_cannot_be_reached_waits_twice_as_long_each_time_and_a_day_at_most(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "sources.db")
    now, waits = NOW, []
    for _ in range(12):
        held = log.held("web", "1", now)
        assert held == {}
        log.record("web", refused("unreachable"), held, "1", now)
        [failure] = log.failures("web")
        assert failure.next_at is not None
        waits.append(failure.next_at - now)
        assert list(log.held("web", "1", failure.next_at - timedelta(seconds=1))) == ["https://example.com/a"]
        now = failure.next_at
    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits[-1] == timedelta(days=1)
    assert (failure.count, failure.first_at) == (12, NOW)


def test_a_file_that_was_not_tried_is_not_counted(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "sources.db")
    log.record("web", refused("unreachable"), {}, "1", NOW)
    before = log.failures()
    log.record("web", refused("unreachable"), log.held("web", "1", NOW), "1", NOW + timedelta(minutes=1))
    assert log.failures() == before


def test_what_is_held_depends_on_how_files_are_parsed(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "sources.db")
    log.record("web", refused("broken", version="abc"), {}, "1", NOW)
    assert list(log.held("web", "1", NOW)) == ["https://example.com/a"]
    assert log.held("web", "2", NOW) == {}
    assert log.held("other", "1", NOW) == {}
    assert (log.forget("other"), log.forget("web"), log.failures()) == (0, 1, [])


@pytest.mark.parametrize("place", ["ftp://example.com", "https://ann:secret@example.com/", "https://"])
def test_a_place_that_cannot_be_ingested_is_refused_in_a_sentence(tmp_path: Path, place: str) -> None:
    with pytest.raises(IngestError) as error:
        source_at(place, IngestSettings(), tmp_path)
    assert "cannot be ingested" in str(error.value)
    assert "secret" not in str(error.value)
