"""`parley releases …`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.reporting import reporting

if TYPE_CHECKING:
    from retrieval.passages import KeptRelease
    from retrieval.releases import DocumentChange, ReleaseDiff, Releases

OpenReleases = Callable[[], AbstractContextManager["Releases"]]
ArmsByRelease = Callable[[], Mapping[int, Sequence[str]]]
"""The arms of experiments that name a release, by its number."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(help="The release's number.", min=1)]
Older = Annotated[int | None, typer.Argument(help="The older one; what the newer was built on by default.", min=1)]
Newer = Annotated[int | None, typer.Argument(help="The newer one; the published one by default.", min=1)]
Keep = Annotated[int, typer.Option(help="How many of the newest to keep, besides the published one.", min=1)]


def releases_app(
    open_releases: OpenReleases, arms: ArmsByRelease = dict[int, list[str]], out: Console | None = None
) -> typer.Typer:
    """The commands about releases; each opens the corpus for as long as it needs it."""
    app = typer.Typer(help="The releases of the corpus: compare, publish, roll back.", invoke_without_command=True)
    console = out or Console()
    _add_reading(app, open_releases, arms, console)
    _add_changing(app, open_releases, console)
    return app


def _add_reading(app: typer.Typer, open_releases: OpenReleases, arms: ArmsByRelease, console: Console) -> None:
    @app.callback()
    def releases(context: typer.Context, as_json: AsJson = False) -> None:
        if context.invoked_subcommand is None:
            list_releases(as_json)

    @app.command("list")
    def list_releases(as_json: AsJson = False) -> None:
        """Show every release that is kept."""
        with reporting(), open_releases() as releases:
            kept = releases.kept()
        if as_json:
            _print_json(console, [{**one.model_dump(), "arms": [*arms().get(one.number, ())]} for one in kept])
        elif kept:
            console.print(_table(kept, arms()))
        else:
            _say(console, "Nothing has been published yet. Run `parley ingest FOLDER`.")

    @app.command()
    def diff(
        older: Older = None,
        newer: Newer = None,
        passages: Annotated[bool, typer.Option("--passages", help="Show the texts too.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show what a release changed: documents, and passages in each."""
        with reporting(), open_releases() as releases:
            found = releases.diff(older, newer)
        if as_json:
            hidden = None if passages else {"documents": {"__all__": {"texts"}}}
            _print_json(console, found.model_dump(exclude=hidden))
        else:
            _show(console, found, passages)


def _add_changing(app: typer.Typer, open_releases: OpenReleases, console: Console) -> None:
    @app.command()
    def publish(number: Number) -> None:
        """Let readers see this release from their next question on."""
        with reporting(), open_releases() as releases:
            _say(console, f"Release {releases.publish(number).number} is published.")

    @app.command()
    def rollback() -> None:
        """Publish the release that the published one was built on."""
        with reporting(), open_releases() as releases:
            _say(console, f"Release {releases.rollback().number} is published again.")

    @app.command()
    def prune(keep: Keep = 1) -> None:
        """Forget all but the newest releases, the published one, and those that arms of experiments name."""
        with reporting(), open_releases() as releases:
            forgotten = releases.prune(keep)
        listed = ", ".join(map(str, forgotten)) or "none"
        _say(console, f"Forgotten: {listed}. What they share an index with others in, the next ingest frees.")


def _table(kept: list[KeptRelease], arms: Mapping[int, Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("release", "made", "documents", "passages", "built on", ""):
        table.add_column(heading, no_wrap=True)
    table.add_column("encoder", overflow="fold")
    for release in kept:
        made = f"{datetime.fromisoformat(release.published_at or '').astimezone():%Y-%m-%d %H:%M}"
        counts = str(release.documents), str(release.passages), str(release.built_on or "")
        used = ["published"] if release.published else []
        used += [f"arm of {arm}" for arm in arms.get(release.number, ())]
        table.add_row(str(release.number), made, *counts, ", ".join(used), Text(release.encoder))
    return table


def _show(console: Console, found: ReleaseDiff, passages: bool) -> None:
    for document in found.documents:
        _say(console, f"{document.change:<8} {document.document}{_counts(document)}")
        for text in document.texts if passages else []:
            for sign, words in (("-", text.before), ("+", text.after)):
                if words is not None:
                    _say(console, f"    {sign} " + words.replace("\n", "\n      "))
    total = f"{len(found.documents)} documents differ" if len(found.documents) != 1 else "1 document differs"
    _say(console, f"Release {found.after} against release {found.before}: {total}.")


def _counts(document: DocumentChange) -> str:
    counts = ", ".join(f"{count} {change}" for change, count in document.passages.items() if count)
    return f"  (passages: {counts})" if counts else ""


def _print_json(console: Console, value: object) -> None:
    console.file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
