"""The `parley` command."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.environment import prepare_environment
from app.settings import DEBUG, ConfigurationError, Settings, load_settings

if TYPE_CHECKING:
    from agents.turn import TurnResult
    from app.auth.users import Accounts
    from app.ops.store.workspaces import Workspaces
    from app.prompts.desk import PromptDesk
    from retrieval.filters import Filters
    from retrieval.releases import Releases

prepare_environment()

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Cited answers from your own documents.")
models_app = typer.Typer(no_args_is_help=True, help="The models that come with Parley.")
app.add_typer(models_app, name="models")
out, err = Console(), Console(stderr=True)


@app.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve the chat, the ops pages and the APIs."""
    from app.serve import serve

    serve(_listening_at(host, port), out)


@app.command()
def ingest(
    place: Annotated[
        str, typer.Argument(help="A file, a folder, or an address; without one, the configured sources.")
    ] = "",
    source: Annotated[list[str] | None, typer.Option(help="Name of a configured source; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Report what would change, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    groups: Annotated[str, typer.Option(help="Reader groups, comma-separated; empty means everyone.")] = "",
    owner: Annotated[str | None, typer.Option(help="Who looks after these documents and hears of complaints.")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="Questions that the new release must answer, as JSON lines.")
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Remove the known documents of a place that holds none any more.")
    ] = False,
) -> None:
    """Read documents and publish them as a new release of the corpus."""
    from app.sources import ingest_place, ingest_sources

    if place and source:
        raise typer.BadParameter("name a place or sources, not both")
    if not place and (groups or owner is not None):
        raise typer.BadParameter("the readers and the owner of a source are set in its section of parley.toml")
    settings = _settings()
    options = {"dry_run": dry_run, "as_json": as_json, "gate": gate, "allow_empty": allow_empty}
    if place:
        raise typer.Exit(ingest_place(settings, place, _split(groups) or None, owner, **options))
    raise typer.Exit(ingest_sources(settings, source, **options))


@app.command()
def watch() -> None:
    """Run the configured sources by their schedule, and folders as soon as they change, until interrupted."""
    from app.sources import watch_sources

    raise typer.Exit(watch_sources(_settings()))


@app.command()
def parse(
    file: Annotated[Path, typer.Argument(help="A file of any format that is ingested.", exists=True, dir_okay=False)],
    page: Annotated[int | None, typer.Option(min=1, help="Only this page or slide.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print title, pages and passages as JSON.")] = False,
) -> None:
    """Show what would be indexed of a file, passage by passage; nothing is stored."""
    from ingest.parse_command import run as run_parse

    raise typer.Exit(run_parse(file, _settings().ingest, page=page, as_json=as_json))


@app.command()
def duplicates(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the passages.")] = False) -> None:
    """Show which documents say nearly the same as others, how much of them, and whose they are."""
    from app.duplicates import show_duplicates

    show_duplicates(_settings(), as_json, out)


@app.command()
def budgets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what is spent and left of the budgets of users, teams and experiments."""
    from app.budgets.command import show_budgets

    show_budgets(_settings(), as_json, out)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer, its citations and figures as JSON.")
    ] = False,
    groups: Annotated[str, typer.Option(help="Ask as a reader of these groups, comma-separated.")] = "",
    within: Annotated[
        list[str] | None,
        typer.Option(
            "--in", help="Ask only of this document or folder, or of all that fit a pattern; may be repeated."
        ),
    ] = None,
) -> None:
    """Ask one question from the terminal."""
    from agents.errors import TurnError
    from app.ask import ask_once

    where = _filters(within or [])
    logging.basicConfig(level=logging.ERROR)
    try:
        result = asyncio.run(ask_once(_settings(), question, _split(groups), where, None if as_json else out))
    except TurnError as error:
        err.print(error.message, markup=False)
        raise typer.Exit(1) from None
    if as_json:
        _print_json(result)


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def evals(context: typer.Context) -> None:
    """Measure answers, the search and the citation check on data of your own."""
    logging.basicConfig(level=logging.ERROR)  # a trial has no sink: its traces stay on the disk
    # By name: evals stands above app, and imports it.
    import_module("evals.command").evals_app(context.args, prog_name="parley evals")


@models_app.command("verify")
def verify_models() -> None:
    """Check that the packaged models are in place and are the bytes that were published."""
    from app.models import verify

    for line in verify():
        out.print(line, markup=False, highlight=False)


def _print_json(result: TurnResult) -> None:
    from app.api.openai import figures

    sys.stdout.write(json.dumps({"answer": result.text, **figures(result)}, ensure_ascii=False, indent=2) + "\n")


def _split(groups: str) -> tuple[str, ...]:
    return tuple(filter(None, (group.strip() for group in groups.split(","))))


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigurationError as error:
        _show_configuration_error(error)
        raise typer.Exit(2) from None


def _filters(documents: list[str]) -> Filters | None:
    """The documents to ask of; None for all of them."""
    from pydantic import ValidationError

    from retrieval.filters import Filters

    try:
        return Filters(documents=tuple(documents)) if documents else None
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--in") from None


def _show_configuration_error(error: ConfigurationError) -> None:
    err.print(f"Parley cannot start with these settings:\n{error}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _accounts() -> Iterator[Accounts]:
    from app.auth.users import Accounts

    settings = _settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    accounts = Accounts.open(settings.data_dir / "chat.db", settings.auth)
    try:
        yield accounts
    finally:
        accounts.close()


def _add_ops_commands() -> None:
    from app.ops.command import OpsCommands, ops_app

    commands = OpsCommands(
        workspaces=_workspaces, serve=_serve_ops, keep_days=lambda: _settings().ops.keep_days, out=out
    )
    app.add_typer(ops_app(commands), name="ops")


@contextmanager
def _workspaces() -> Iterator[Workspaces]:
    from app.ops_store import open_workspaces

    workspaces = open_workspaces(_settings())
    try:
        yield workspaces
    finally:
        workspaces.close()


def _serve_ops(host: str | None, port: int | None) -> None:
    from app.serve_ops import serve_ops

    serve_ops(_listening_at(host, port), out)


def _listening_at(host: str | None, port: int | None) -> Settings:
    """The settings, with what the command line says about where to listen."""
    settings = _settings()
    changes = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=changes)})


@contextmanager
def _releases() -> Iterator[Releases]:
    from app.corpus import open_corpus

    corpus = open_corpus(_settings())
    try:
        yield corpus.releases()
    finally:
        corpus.close()


def _add_release_commands() -> None:
    from app.releases import releases_app

    app.add_typer(releases_app(_releases, lambda: _settings().arms_by_release), name="releases")


def _add_source_commands() -> None:
    from app.source_commands import sources_app
    from app.sources import open_sources, remove_source

    commands = sources_app(lambda: open_sources(_settings()), lambda name: remove_source(_settings(), name))
    app.add_typer(commands, name="sources")


def _add_document_commands() -> None:
    from app.documents import documents_app, open_records

    app.add_typer(documents_app(lambda: open_records(_settings())), name="documents")


def _add_prompt_commands() -> None:
    from app.prompts.commands import prompts_app

    app.add_typer(prompts_app(_prompt_desk, out), name="prompts")


def _prompt_desk() -> PromptDesk:
    from app.prompts.desk import PromptDesk

    return PromptDesk(_settings())


def _add_account_commands() -> None:
    from app.auth.commands import keys_app, users_app

    app.add_typer(users_app(_accounts), name="users")
    app.add_typer(keys_app(_accounts), name="keys")


_add_account_commands()
_add_release_commands()
_add_document_commands()
_add_source_commands()
_add_prompt_commands()
_add_ops_commands()


def main() -> None:
    """Entry point: a known failure is one line, never a stack trace."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ConfigurationError as error:
        _show_configuration_error(error)
        raise SystemExit(2) from None
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        err.print(f"{type(error).__name__}: {error}", markup=False)
        err.print(f"Set {DEBUG}=1 to see where it happened.", markup=False)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
