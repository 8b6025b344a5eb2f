"""What the content owner sees."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from ingest.command import MAX_UNCHANGED_ROWS, run
from ingest.settings import IngestSettings
from ingest.sources.folder import FolderSource
from retrieval.corpus import Corpus


def show(path: Path, corpus: Corpus, *, terminal: bool = False, **options: bool) -> tuple[int, str, str]:
    out, err = (Console(file=io.StringIO(), width=120, force_terminal=terminal) for _ in range(2))
    code = run(FolderSource((path,)), corpus, IngestSettings(), out=out, err=err, **options)
    return code, out.file.getvalue(), err.file.getvalue()


def test_plain_output_has_a_line_for_each_file_and_the_totals(corpus: Corpus, folder: Path) -> None:
    (folder / "a.md").write_text("Text.")
    (folder / "b.xyz").write_text("?")
    code, out, err = show(folder, corpus)
    assert code == 0
    assert out.splitlines()[0] == "added\ta.md\t\t1"
    assert out.splitlines()[1].startswith("refused\tb.xyz\t\t\tThis format cannot be read.")
    assert "1 added, 1 refused. Passages made: 1" in out
    assert "Release 1 is published" in out
    assert err == ""


def test_a_terminal_gets_a_table_in_which_names_are_not_markup(corpus: Corpus, folder: Path) -> None:
    (folder / "[bold]a.md").write_text("Text.")
    code, out, _ = show(folder, corpus, terminal=True)
    assert code == 0
    assert "[bold]a.md" in out


def test_many_unchanged_files_are_only_counted(corpus: Corpus, folder: Path) -> None:
    for number in range(MAX_UNCHANGED_ROWS + 1):
        (folder / f"{number}.md").write_text(f"Text {number}.")
    show(folder, corpus)
    (folder / "new.md").write_text("New.")
    _, out, _ = show(folder, corpus)
    assert [line.split("\t")[1] for line in out.splitlines() if "\t" in line] == ["new.md"]
    assert f"{MAX_UNCHANGED_ROWS + 1} unchanged" in out


def test_json_and_dry_run(corpus: Corpus, folder: Path) -> None:
    (folder / "a.md").write_text("Text.")
    code, out, _ = show(folder, corpus, dry_run=True, as_json=True)
    report = json.loads(out)
    assert (code, report["dry_run"], report["published"]) == (0, True, False)
    assert [(file["name"], file["status"]) for file in report["files"]] == [("a.md", "added")]


def test_errors_are_one_sentence(corpus: Corpus, folder: Path) -> None:
    code, out, err = show(folder / "nowhere", corpus)
    assert (code, out) == (1, "")
    assert "cannot be opened" in err
    with corpus.draft():
        (folder / "a.md").write_text("Text.")
        code, _, err = show(folder, corpus)
    assert code == 1
    assert "Another ingest" in err
