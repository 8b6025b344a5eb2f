"""`parley ops …`: the ops layer alone, its workspaces and keys, and the care of what it has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from app.ops.store import OpsStore
    from app.ops.store.workspaces import Workspaces

WorkspaceOption = Annotated[str, typer.Option(help="The workspace's name.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Folder = Annotated[Path, typer.Argument(help="A folder for the files.")]
Days = Annotated[str, typer.Argument(help="How many days, 0 for ever, or `default` to follow `ops.keep_days`.")]


@dataclass(frozen=True)
class OpsCommands:
    """What the commands need of the settings, read when a command runs."""

    workspaces: Callable[[], AbstractContextManager[Workspaces]]
    serve: Callable[[str | None, int | None], None]
    keep_days: Callable[[], int]
    out: Console

    @contextmanager
    def store(self, workspace: str) -> Iterator[OpsStore]:
        """The store of that workspace. A refusal is one line on stderr and exit status 1."""
        with self.reporting(), self.workspaces() as opened:
            yield opened.store(opened.named(workspace))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """A refusal is one line on stderr and exit status 1."""
        from app.ops.store import StoreError

        try:
            yield
        except StoreError as error:
            Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None

    def say(self, text: str) -> None:
        """One line, as it is."""
        self.out.print(text, markup=False, highlight=False, soft_wrap=True)


def ops_app(commands: OpsCommands) -> typer.Typer:
    """The group of commands; without one of them it serves."""
    app = typer.Typer(help="The ops layer alone: a LangSmith for this machine.", invoke_without_command=True)

    @app.callback()
    def alone(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            commands.serve(None, None)

    @app.command()
    def run(host: Host = None, port: Port = None) -> None:
        """Serve the LangSmith API and the ops pages, without the chat."""
        commands.serve(host, port)

    app.add_typer(_workspaces_app(commands), name="workspaces")
    app.add_typer(_keys_app(commands), name="keys")
    app.add_typer(_retention_app(commands), name="retention")
    _add_care(app, commands)
    _add_transfer(app, commands)
    return app


def _workspaces_app(commands: OpsCommands) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="Tenants that share the server and nothing else.")

    @app.command()
    def add(name: Annotated[str, typer.Argument(help="What it is called.")]) -> None:
        """Make a workspace and a key that opens it."""
        with commands.reporting(), commands.workspaces() as workspaces:
            workspace = workspaces.add(name)
            commands.say(f"Added {name}, LANGSMITH_WORKSPACE_ID {workspace.id}. Its key, shown only now:")
            commands.say(workspaces.create_key(workspace, "first"))

    @app.command("list")
    def list_workspaces() -> None:
        """Show every workspace."""
        table = Table("name", "LANGSMITH_WORKSPACE_ID")
        with commands.reporting(), commands.workspaces() as workspaces:
            for workspace in workspaces.all():
                table.add_row(workspace.name, str(workspace.id))
        commands.out.print(table)

    return app


def _keys_app(commands: OpsCommands) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="API keys of workspaces.")

    @app.command()
    def create(
        workspace: WorkspaceOption = "default",
        label: Annotated[str, typer.Option(help="What the key is for.")] = "api",
    ) -> None:
        """Make a key; it is shown once."""
        with commands.reporting(), commands.workspaces() as workspaces:
            key = workspaces.create_key(workspaces.named(workspace), label)
        commands.say("Keep this key now; it is not shown again:")
        commands.say(key)

    @app.command("list")
    def list_keys() -> None:
        """Show every key, without its secret."""
        table = Table("id", "workspace", "label", "begins with", "created", "revoked")
        with commands.reporting(), commands.workspaces() as workspaces:
            names = {workspace.id: workspace.name for workspace in workspaces.all()}
            for key in workspaces.api_keys():
                moments = map(_moment, (key.created_at, key.revoked_at))
                table.add_row(str(key.id), names[key.workspace_id], key.label, f"{key.prefix}…", *moments)
        commands.out.print(table)

    @app.command()
    def revoke(key_id: Annotated[UUID, typer.Argument(help="The key's id, from `parley ops keys list`.")]) -> None:
        """End a key at once, and the sessions of browsers that signed in with it."""
        with commands.reporting(), commands.workspaces() as workspaces:
            workspaces.revoke_key(key_id)
        commands.say(f"The key {key_id} no longer works.")

    return app


def _retention_app(commands: OpsCommands) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="How long the traces of a project are kept.")

    @app.command("set")
    def set_days(
        project: Annotated[str, typer.Argument(help="The project's name.")],
        days: Days,
        workspace: WorkspaceOption = "default",
    ) -> None:
        """Keep the traces of a project for so many days."""
        if days != "default" and not days.isdecimal():
            raise typer.BadParameter("must be a number of days, or `default`")
        with commands.store(workspace) as store:
            store.projects.keep(project, None if days == "default" else int(days))
        commands.say(f"{project}: {_kept(None if days == 'default' else int(days))}.")

    @app.command("list")
    def list_days(workspace: WorkspaceOption = "default") -> None:
        """Show how long each project's traces are kept."""
        table = Table("project", "kept")
        with commands.store(workspace) as store:
            for project in store.projects.find():
                table.add_row(project.name, _kept(project.keep_days))
        commands.out.print(table)

    return app


def _add_care(app: typer.Typer, commands: OpsCommands) -> None:
    @app.command()
    def sweep(
        dry_run: Annotated[bool, typer.Option(help="Say what would be deleted, and delete nothing.")] = False,
        workspace: WorkspaceOption = "default",
    ) -> None:
        """Delete traces that are older than their project keeps them. A running server does so every hour."""
        keep_days = commands.keep_days()
        with commands.store(workspace) as store:
            swept = store.retention.expired(keep_days) if dry_run else store.retention.sweep(keep_days)
        would = "would be deleted" if dry_run else f"deleted, {swept.freed_bytes:,} bytes of files freed"
        commands.say(f"{swept.traces:,} traces with {swept.runs:,} runs {would}.")

    @app.command()
    def vacuum(workspace: WorkspaceOption = "default") -> None:
        """Give the space of what was deleted back to the disk."""
        with commands.store(workspace) as store, commands.out.status("Rewriting the database"):
            freed = store.retention.sweep_blobs()
            store.database.vacuum()
        commands.say(f"Done; {freed:,} bytes of files freed.")


def _add_transfer(app: typer.Typer, commands: OpsCommands) -> None:
    @app.command("export")
    def export_all(
        folder: Folder,
        form: Annotated[Literal["jsonl", "parquet"], typer.Option("--format", help="What to write.")] = "jsonl",
        project: Annotated[str | None, typer.Option(help="Only the traces of this project.")] = None,
        since: Annotated[datetime | None, typer.Option(help="Only traces that began then or later (UTC).")] = None,
        workspace: WorkspaceOption = "default",
    ) -> None:
        """Write everything that a workspace holds to files, one for each kind of record."""
        from app.ops.transfer import export_store

        with commands.store(workspace) as store:
            written = export_store(store, folder, form, project=project, since=since, console=commands.out)
        commands.say(f"{written.rows:,} records and {written.files:,} attached files are in {folder}.")

    @app.command("import")
    def import_all(folder: Folder, workspace: WorkspaceOption = "default") -> None:
        """Read an export in JSON lines into a workspace that is empty."""
        from app.ops.transfer import import_store

        with commands.store(workspace) as store:
            read = import_store(store, folder, console=commands.out)
        commands.say(f"{read.rows:,} records and {read.files:,} attached files were read.")


def _kept(days: int | None) -> str:
    if days is None:
        return "as ops.keep_days says"
    return f"{days} days" if days else "for ever"


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""
