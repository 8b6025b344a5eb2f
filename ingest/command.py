"""What `parley ingest` shows: a progress bar while it works, then a row for each file of note, then the totals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ingest.errors import IngestError
from ingest.gate import Gate
from ingest.pipeline import OnProgress, ingest
from ingest.report import FileReport, IngestReport
from ingest.settings import IngestSettings
from retrieval.corpus import Corpus
from retrieval.errors import RetrievalError

MAX_UNCHANGED_ROWS = 40
_STYLES = {
    "added": "green",
    "changed": "cyan",
    "unchanged": "dim",
    "removed": "yellow",
    "empty": "yellow",
    "refused": "red",
}


def run(
    path: Path,
    corpus: Corpus,
    settings: IngestSettings,
    *,
    groups: tuple[str, ...] | None = None,
    owner: str | None = None,
    dry_run: bool = False,
    as_json: bool = False,
    allow_empty: bool = False,
    gate: Path | None = None,
    out: Console | None = None,
    err: Console | None = None,
) -> int:
    """Ingest a file or folder and print the report: a table, or JSON on standard output.

    `gate` names a file of questions in place of the settings' one.

    Returns the exit code: 0 where at least one file was taken in, kept or removed, even if others were refused;
    1 where nothing could be.
    """
    out, err = out or Console(), err or Console(stderr=True)
    try:
        gate_file = gate or (Path(settings.gate) if settings.gate else None)
        with _progress(err) as on_progress:
            report = ingest(
                [path],
                corpus,
                settings,
                groups=groups,
                owner=owner,
                dry_run=dry_run,
                allow_empty=allow_empty,
                gate=Gate.read(gate_file, settings.gate_recall) if gate_file else None,
                on_progress=on_progress,
            )
    except (IngestError, RetrievalError) as error:
        err.print(Text(str(error), style="red"))
        return 1
    if as_json:
        out.file.write(report.model_dump_json(indent=2) + "\n")
    else:
        _show(report, out)
    return report.exit_code


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    """A bar with rate and remaining time on a terminal; elsewhere nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading", total=None, rate="")
        made = 0

        def on_progress(report: FileReport, done: int, total: int) -> None:
            nonlocal made
            made += report.passages
            elapsed_s = progress.tasks[0].elapsed or 0.0
            rate = f"{made / elapsed_s:.0f} passages/s" if made and elapsed_s else ""
            stage = "Publishing" if done == total else "Reading"
            progress.update(task, completed=done, total=total, rate=rate, description=stage)

        yield on_progress


def _show(report: IngestReport, out: Console) -> None:
    """The table and the totals; unchanged files are only counted where they are many."""
    counts = report.counts()
    rows = [file for file in report.files if file.status != "unchanged" or counts["unchanged"] <= MAX_UNCHANGED_ROWS]
    if not out.is_terminal:
        for file in rows:
            out.file.write("\t".join([file.status, file.name, *_figures(file), file.detail]).rstrip() + "\n")
    elif rows:
        out.print(_table(rows))
    out.print(Text(_totals(report)), soft_wrap=True)


def _table(rows: list[FileReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("file", overflow="fold")
    table.add_column("pages", justify="right")
    table.add_column("passages", justify="right")
    table.add_column("", overflow="fold")
    for file in rows:
        style = _STYLES[file.status]
        table.add_row(Text(file.status, style=style), Text(file.name), *_figures(file), Text(file.detail))
    return table


def _figures(file: FileReport) -> tuple[str, str]:
    return str(file.pages or ""), str(file.passages or "")


def _totals(report: IngestReport) -> str:
    files = ", ".join(f"{count} {status}" for status, count in report.counts().items() if count) or "no files found"
    made = f"Passages made: {report.passages}, in {report.seconds:.1f} s."
    if report.dry_run:
        return f"{files}. {made} This was a dry run: nothing was changed."
    outcome = f"Release {report.release} is published" if report.published else f"Release {report.release} stays"
    return f"{files}. {made} {outcome}."
