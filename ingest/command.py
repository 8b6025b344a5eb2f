"""What `parley ingest` shows: a progress bar while it works, then a row for each file of note, then the totals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ingest.errors import GateFailed, IngestError
from ingest.gate import gate_of
from ingest.pipeline import OnProgress, ingest_from
from ingest.report import FileReport, IngestReport
from ingest.settings import IngestSettings
from ingest.sources.base import Source
from ingest.sources.configured import Sources
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
    source: Source,
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
    """Ingest what a source holds and print the report: a table, or JSON on standard output, of a failure too.

    `gate` names a file of questions in place of the settings' one.

    Returns the exit code: 0 where at least one file was taken in, kept or removed, even if others were refused;
    1 where nothing could be.
    """
    out, err = out or Console(), err or Console(stderr=True)

    def work(on_progress: OnProgress) -> IngestReport:
        return ingest_from(
            source,
            corpus,
            settings,
            groups=groups,
            owner=owner,
            dry_run=dry_run,
            allow_empty=allow_empty,
            gate=gate_of(settings, gate),
            on_progress=on_progress,
        )

    outcome = _attempt(work, err)
    if as_json:
        _print_json(_plain(outcome), out)
    elif isinstance(outcome, IngestReport):
        _show(outcome, out)
    return _exit_code(outcome)


def run_sources(
    names: Sequence[str],
    sources: Sources,
    corpus: Corpus,
    *,
    dry_run: bool = False,
    as_json: bool = False,
    allow_empty: bool = False,
    gate: Path | None = None,
    out: Console | None = None,
    err: Console | None = None,
) -> int:
    """Run configured sources one by one and print their reports, as JSON by name. Returns as `run` does, the worst."""
    out, err = out or Console(), err or Console(stderr=True)
    results: dict[str, object] = {}
    codes = [0]
    for name in names:
        if not as_json:
            out.print(Text(f"{name}:", style="bold"))
        outcome = _attempt(partial(sources.run, name, corpus, dry_run, allow_empty, gate), err)
        if isinstance(outcome, IngestReport) and not as_json:
            _show(outcome, out)
        results[name] = _plain(outcome)
        codes.append(_exit_code(outcome))
    if as_json:
        _print_json(results, out)
    return max(codes)


def _attempt(work: Callable[[OnProgress], IngestReport], err: Console) -> IngestReport | Exception:
    """The report, or the failure, which is shown."""
    try:
        with _progress(err) as on_progress, redirect_stdout(err.file):  # an engine's messages are no part of a report
            return work(on_progress)
    except (IngestError, RetrievalError) as error:
        err.print(Text(str(error), style="red"), soft_wrap=True)
        return error


def _exit_code(outcome: IngestReport | Exception) -> int:
    return outcome.exit_code if isinstance(outcome, IngestReport) else 1


def _plain(outcome: IngestReport | Exception) -> dict[str, object]:
    """The outcome as JSON: the report, or the `error`; a gate that failed says what was ingested and not found, too."""
    if isinstance(outcome, IngestReport):
        return outcome.model_dump(mode="json")
    if isinstance(outcome, GateFailed) and outcome.report:
        report = outcome.report.model_dump(mode="json")
        return {**report, "error": str(outcome), "unanswered": outcome.unanswered}
    return {"error": str(outcome)}


def _print_json(value: dict[str, object], out: Console) -> None:
    out.file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    """A bar with rate and remaining time on a terminal, a second one for what is encoded anew; elsewhere nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading", total=None, rate="")
        anew = progress.add_task("Encoding anew", total=None, rate="passages", visible=False)
        made = 0

        def on_progress(report: FileReport | None, done: int, total: int) -> None:
            nonlocal made
            if report is None:
                progress.update(task, description="Reading")
                progress.update(anew, completed=done, total=total, visible=True)
                return
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
    out.print(Text(report.summary()), soft_wrap=True)


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
