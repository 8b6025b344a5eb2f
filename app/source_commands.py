"""`parley sources …`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel

    from ingest.run_log import Failure, Run
    from ingest.sources.configured import Sources, SourceState

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str | None, typer.Argument(help="Name of the source; all by default.")]


def sources_app(
    open_sources: Callable[[], Sources], remove_source: Callable[[str], str], out: Console | None = None
) -> typer.Typer:
    """The commands about the configured sources. `remove_source` takes a name and returns what came of it."""
    app = typer.Typer(help="The configured sources: their last runs, and what failed.", invoke_without_command=True)
    console = out or Console()
    _add_reading(app, open_sources, console)
    _add_changing(app, open_sources, remove_source, console)
    return app


def _add_reading(app: typer.Typer, open_sources: Callable[[], Sources], console: Console) -> None:
    @app.callback()
    def sources(context: typer.Context, as_json: AsJson = False) -> None:
        if context.invoked_subcommand is None:
            list_sources(as_json)

    @app.command("list")
    def list_sources(as_json: AsJson = False) -> None:
        """Show every configured source, its last run, and how many of its files fail."""
        states = open_sources().states()
        if as_json:
            _print_json(console, states)
        elif states:
            console.print(_table(states))
        else:
            _say(console, "No sources are configured. Add a section [sources.NAME] to parley.toml.")

    @app.command()
    def failures(name: Name = None, as_json: AsJson = False) -> None:
        """Show the files that could not be taken in: why, how often, and when they are tried again."""
        found = open_sources().log.failures(name)
        if as_json:
            _print_json(console, found)
        elif found:
            console.print(_failures_table(found))
        else:
            _say(console, "No file failed.")


def _add_changing(
    app: typer.Typer, open_sources: Callable[[], Sources], remove_source: Callable[[str], str], console: Console
) -> None:
    @app.command()
    def retry(name: Name = None) -> None:
        """Let the next run try every file again that could not be taken in."""
        count = open_sources().log.forget(name)
        _say(console, f"Files that are tried again with the next run: {count}.")

    @app.command()
    def remove(name: Annotated[str, typer.Argument(help="Name of the source.")]) -> None:
        """Remove the documents of a source that is configured no more."""
        from ingest.errors import IngestError
        from retrieval.errors import RetrievalError

        try:
            _say(console, remove_source(name))
        except (IngestError, RetrievalError) as error:
            _say(Console(stderr=True), str(error))
            raise typer.Exit(1) from None


def _table(states: Iterable[SourceState]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("source", "kind", "every", "last run"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what came of it", overflow="fold")
    table.add_column("failing", justify="right")
    table.add_column("again and again", justify="right")
    for state in states:
        run = state.last_run
        figures = str(state.failing or ""), str(state.dead_letters or "")
        came = Text(run.error or _counts(run), style="red" if run.error else "") if run else Text("")
        table.add_row(state.name, state.kind, str(state.every), _when(run.at) if run else "never", came, *figures)
    return table


def _failures_table(failures: Iterable[Failure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("source", "file", "reason", "tries", "first", "last", "again"):
        table.add_column(heading, overflow="fold")
    for failure in failures:
        again = _when(failure.next_at) if failure.next_at else "when it has changed" if failure.version else "next run"
        times = _when(failure.first_at), _when(failure.last_at), again
        reason = Text(f"{failure.reason}: {failure.refused()}")
        table.add_row(failure.origin, Text(failure.name), reason, str(failure.count), *times)
    return table


def _counts(run: Run) -> str:
    return ", ".join(f"{count} {status}" for status, count in run.counts.items()) or "no files found"


def _when(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _print_json(console: Console, models: Iterable[BaseModel]) -> None:
    values = [model.model_dump(mode="json") for model in models]
    console.file.write(json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
