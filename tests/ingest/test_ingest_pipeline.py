"""Folders to releases: idempotent, follows changes and deletions, survives bad files, publishes once or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.pipeline import ingest
from ingest.report import FileReport, IngestReport
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.name: file.reason or file.status for file in report.files}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def test_what_is_ingested_is_found_with_page_and_heading(
    corpus: Corpus, folder: Path, settings: IngestSettings, make_pdf, word_file: bytes
) -> None:
    write(folder, "leave.md", "# Leave\n## Carry-over\nFive days may be carried over until March.")
    write(folder, "deep/report.pdf", make_pdf(["Nothing here."], ["Revenue grew to 12 million."]))
    write(folder, "grades.docx", word_file)
    report = ingest([folder], corpus, settings)
    assert statuses(report) == {"deep/report.pdf": "added", "grades.docx": "added", "leave.md": "added"}
    assert report.published
    assert (report.release, corpus.release().number) == (1, 1)
    assert (report.exit_code, corpus.release().passages) == (0, report.passages)
    [hit, *_] = await corpus.search("revenue grew million", groups=["everyone"])
    assert (hit.passage.document, hit.passage.page) == ("deep/report.pdf", 2)
    [hit, *_] = await corpus.search("days carried over until March", groups=["everyone"], limit=1)
    assert (hit.passage.heading, hit.passage.title) == ("Leave > Carry-over", "Leave")
    document = corpus.documents()[str(folder / "deep/report.pdf")]
    assert (document.pages, document.media_type) == (2, "application/pdf")
    stored = corpus.original(document.id)
    assert stored is not None
    assert stored.read_bytes() == (folder / "deep/report.pdf").read_bytes()


def test_a_second_run_changes_nothing(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    write(folder, "a.md", "# A\nText.")
    ingest([folder], corpus, settings)
    report = ingest([folder], corpus, settings)
    assert statuses(report) == {"a.md": "unchanged"}
    assert not report.published
    assert (report.release, corpus.release().number, report.exit_code) == (1, 1, 0)


async def test_changes_and_deletions_are_followed_below_the_path_only(
    corpus: Corpus, folder: Path, settings: IngestSettings
) -> None:
    changed = write(folder, "hr/changed.md", "The badge is blue.")
    gone = write(folder, "hr/gone.md", "Parking is free.")
    outside = write(folder, "it/outside.md", "Passwords are long.")
    ingest([folder], corpus, settings)
    changed.write_text("The badge is green.")
    gone.unlink()
    outside.unlink()
    report = ingest([folder / "hr"], corpus, settings)
    assert statuses(report) == {"hr/changed.md": "changed", "hr/gone.md": "removed"}
    assert set(corpus.documents()) == {str(changed), str(outside)}
    hits = await corpus.search("badge parking passwords", groups=["everyone"])
    assert {hit.passage.text for hit in hits} == {"The badge is green.", "Passwords are long."}


def test_bad_files_are_refused_by_name_and_the_rest_goes_on(
    corpus: Corpus, folder: Path, settings: IngestSettings, make_pdf
) -> None:
    write(folder, "good.md", "Text.")
    write(folder, "broken.pdf", b"%PDF-1.4 garbage")
    write(folder, "empty.txt", b"")
    write(folder, "blank.md", " \n \t ")
    write(folder, "locked.pdf", make_pdf(["secret"], password="pass"))
    write(folder, "large.txt", "word " * 2000)
    write(folder, "photo.heic", b"\xff\xd8\xff")
    write(folder, ".hidden/secret.md", "Hidden.")
    write(folder, ".hidden.md", "Hidden.")
    report = ingest([folder], corpus, settings.model_copy(update={"max_file_bytes": 5000}))
    assert statuses(report) == {
        "good.md": "added",
        "broken.pdf": "broken",
        "empty.txt": "empty",
        "blank.md": "empty",
        "locked.pdf": "encrypted",
        "large.txt": "too_large",
        "photo.heic": "unsupported",
    }
    assert {file.name for file in report.files if file.status == "empty"} == {"empty.txt", "blank.md"}
    assert all(file.detail for file in report.files if file.status in {"empty", "refused"})
    assert report.exit_code == 0
    assert list(corpus.documents()) == [str(folder / "good.md")]


def test_what_is_left_out_of_an_archive_is_named(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("leave.md", "# Leave\nFive days.")
        archive.writestr("photo.heic", b"\xff\xd8\xff")
    [row] = ingest([folder], corpus, settings).files
    assert (row.status, row.passages) == ("added", 1)
    assert row.detail.startswith("Files inside it that were left out: 1. photo.heic: This format cannot be read.")


def test_only_bad_files_publish_nothing_and_exit_with_1(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    write(folder, "empty.txt", b"")
    report = ingest([folder], corpus, settings)
    assert (report.exit_code, report.published, corpus.release().number) == (1, False, 0)


def test_a_changed_file_that_is_refused_keeps_its_earlier_version(
    corpus: Corpus, folder: Path, settings: IngestSettings
) -> None:
    path = write(folder, "a.md", "The first version.")
    ingest([folder], corpus, settings)
    before = corpus.documents()
    path.write_bytes(b"")
    [row] = ingest([folder], corpus, settings).files
    assert (row.status, row.reason) == ("empty", "empty")
    assert "earlier version stays" in row.detail
    assert corpus.documents() == before


def test_a_dry_run_reports_and_changes_nothing(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    write(folder, "a.md", "Text.")
    report = ingest([folder], corpus, settings, dry_run=True)
    assert statuses(report) == {"a.md": "added"}
    assert (report.passages, report.published, corpus.release().number) == (1, False, 0)


async def test_groups_are_set_kept_and_changed(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    path = write(folder, "minutes.md", "The board met.")
    ingest([folder], corpus, settings, groups=("board",))
    assert await corpus.search("board met", groups=["everyone"]) == []
    assert statuses(ingest([folder], corpus, settings)) == {"minutes.md": "unchanged"}
    path.write_text("The board met again.")
    ingest([folder], corpus, settings)
    assert corpus.documents()[str(path)].groups == ("board",)
    assert statuses(ingest([folder], corpus, settings, groups=("everyone",))) == {"minutes.md": "changed"}
    assert len(await corpus.search("board met", groups=["everyone"])) == 1


def test_links_out_of_the_folder_are_not_followed(
    corpus: Corpus, folder: Path, tmp_path: Path, settings: IngestSettings
) -> None:
    outside = write(tmp_path / "private", "secret.md", "Secret.")
    target = write(folder, "a.md", "Text.")
    (folder / "out.md").symlink_to(outside)
    (folder / "outer").symlink_to(outside.parent)
    (folder / "inside.md").symlink_to(target)
    (folder / "dangling.md").symlink_to(folder / "nowhere.md")
    os.mkfifo(folder / "pipe.md")
    report = ingest([folder], corpus, settings)
    assert statuses(report) == {
        "a.md": "added",
        "inside.md": "added",
        "out.md": "link",
        "outer": "link",
        "dangling.md": "unreadable",
        "pipe.md": "unreadable",
    }


def test_include_and_exclude(corpus: Corpus, folder: Path) -> None:
    for name in ("a.md", "b.txt", "old/c.md"):
        write(folder, name, "Text.")
    settings = IngestSettings(include=("*.md",), exclude=("old/*",))
    assert statuses(ingest([folder], corpus, settings)) == {"a.md": "added"}


def test_a_missing_path_or_an_emptied_folder_is_an_error(
    corpus: Corpus, folder: Path, settings: IngestSettings
) -> None:
    with pytest.raises(IngestError, match="nowhere"):
        ingest([folder / "nowhere"], corpus, settings)
    write(folder, "a.md", "Text.").rename(folder.parent / "a.md")
    write(folder, "b.md", "Text.")
    ingest([folder], corpus, settings)
    (folder / "b.md").unlink()
    with pytest.raises(IngestError, match="mounted"):
        ingest([folder], corpus, settings)
    assert len(corpus.documents()) == 1
    ingest([folder], corpus, settings, allow_empty=True)
    assert corpus.documents() == {}


def test_a_single_file_removes_nothing_and_keeps_its_name(
    corpus: Corpus, folder: Path, settings: IngestSettings
) -> None:
    write(folder, "sub/a.md", "One.")
    path = write(folder, "sub/b.md", "Two.")
    ingest([folder], corpus, settings)
    path.write_text("Two, changed.")
    [row] = ingest([path], corpus, settings).files
    assert row.status == "changed"
    assert {document.name for document in corpus.documents().values()} == {"sub/a.md", "sub/b.md"}


def test_an_interrupt_leaves_the_published_release_and_the_next_run_finishes(
    corpus: Corpus, folder: Path, settings: IngestSettings
) -> None:
    write(folder, "a.md", "One.")
    ingest([folder], corpus, settings)
    for number in range(8):
        write(folder, f"new/{number}.md", f"Text {number}.")

    def interrupt(report: FileReport, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest([folder], corpus, settings, on_progress=interrupt)
    assert (corpus.release().number, len(corpus.documents())) == (1, 1)
    ingest([folder], corpus, settings)
    assert len(corpus.documents()) == 9


def test_progress_counts_every_file(corpus: Corpus, folder: Path, settings: IngestSettings) -> None:
    for number in range(7):
        write(folder, f"{number}.md", f"Text {number}.")
    write(folder, "bad.xyz", "?")
    seen: list[tuple[int, int]] = []
    ingest([folder], corpus, settings, on_progress=lambda report, done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]


KILLED = """
import sys
from pathlib import Path
from ingest.pipeline import ingest
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

if __name__ == "__main__":
    corpus = Corpus.open(RetrievalSettings(), Path(sys.argv[1]), HashingEmbedder())
    report = lambda file, done, total: print(done, flush=True)
    ingest([Path(sys.argv[2])], corpus, IngestSettings(), on_progress=report)
"""


def test_a_killed_ingest_leaves_the_published_release_and_the_next_run_finishes(
    corpus: Corpus, folder: Path, tmp_path: Path, settings: IngestSettings
) -> None:
    write(folder, "a.md", "One.")
    ingest([folder], corpus, settings)
    for number in range(40):
        write(folder, f"new/{number}.md", f"Text {number}.")
    script = write(tmp_path, "killed.py", KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(tmp_path / "data"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"20\n":
            assert process.poll() is None
        process.kill()
    assert (corpus.release().number, len(corpus.documents())) == (1, 1)
    ingest([folder], corpus, settings)
    assert len(corpus.documents()) == 41
