"""`parley prompts …`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.reporting import reporting

if TYPE_CHECKING:
    from agents.prompts.examples import Trial
    from agents.prompts.pins import Pin
    from app.prompts.desk import Found, PromptDesk, TrialOptions
    from app.prompts.overview import PromptRow

OpenDesk = Callable[[], "PromptDesk"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A prompt file.")]
Either = Annotated[str, typer.Argument(help="A prompt file as NAME@VERSION, or a prompt of the hub as NAME:TAG.")]
OfHub = Annotated[str, typer.Argument(metavar="NAME:TAG", help="A prompt of the hub, by tag or commit.")]
Examples = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Examples of your own, JSON lines.")]
Model = Annotated[str | None, typer.Option(help="A model below [models] to try it with; the default one otherwise.")]
Force = Annotated[bool, typer.Option("--force", help="Don't try the examples first.")]


def prompts_app(desk: OpenDesk, out: Console | None = None) -> typer.Typer:
    """The commands about prompts."""
    app = typer.Typer(help="Prompts: the files, the prompt hub, and what is pinned of it.", invoke_without_command=True)
    console = out or Console()
    _add_reading(app, desk, console)
    _add_trying(app, desk, console)
    _add_changing(app, desk, console)
    return app


def _add_reading(app: typer.Typer, desk: OpenDesk, console: Console) -> None:
    @app.callback()
    def prompts(context: typer.Context, as_json: AsJson = False) -> None:
        if context.invoked_subcommand is None:
            list_prompts(as_json)

    @app.command("list")
    def list_prompts(as_json: AsJson = False) -> None:
        """Show the prompt files, what is pinned, what the hub has, and who answers with which."""
        from app.prompts.overview import overview

        with _reporting():
            found = overview(desk())
        if as_json:
            _print_json(console, found.model_dump())
            return
        console.print(_table(found.rows))
        if found.problem:
            _say(console, f"Without the hub: {found.problem}")

    @app.command()
    def show(name: Either) -> None:
        """Show what a model is told, for an example."""
        from agents.prompts.examples import SAMPLE, examples_of

        with _reporting():
            found = desk().find(name)
        example = next(iter(examples_of(found.stem)), SAMPLE)
        _head(console, found)
        for message in found.prompt.render(example.question, example.evidence):
            _say(console, f"\n[{message.type}]\n{message.text}")

    @app.command()
    def diff(older: Either, newer: Either) -> None:
        """Compare two prompts line by line."""
        with _reporting():
            before, after = (desk().find(name).prompt for name in (older, newer))
        texts = before.text.splitlines(), after.text.splitlines()
        lines = difflib.unified_diff(*texts, fromfile=before.version, tofile=after.version, lineterm="")
        _say(console, "\n".join(lines) or "They say the same.")


def _add_trying(app: typer.Typer, desk: OpenDesk, console: Console) -> None:
    @app.command()
    def test(name: Either, examples: Examples = None, model: Model = None, as_json: AsJson = False) -> None:
        """Have the model answer the examples of a prompt, and check what it says; status 1 if one fails."""
        with _reporting():
            found = desk().find(name)
            trials = desk().test(found, _options(examples, model))
        if as_json:
            _print_json(console, [trial.model_dump() for trial in trials])
        else:
            _show_trials(console, found, trials)
        if any(trial.faults for trial in trials):
            raise typer.Exit(1)


def _add_changing(app: typer.Typer, desk: OpenDesk, console: Console) -> None:
    @app.command()
    def push(name: File, force: Force = False, examples: Examples = None, model: Model = None) -> None:
        """Add a prompt file to the hub, as the newest version there."""
        with _reporting():
            found = desk().file(name)
            _require_passed(desk(), found, None if force else _options(examples, model), console)
            commit = desk().push(found)
        _say(console, f"{name} is hub:{found.stem}:{commit.hash} now.")

    @app.command()
    def pull(name: OfHub, force: Force = False, examples: Examples = None, model: Model = None) -> None:
        """Pin a name of the hub to the version that it means now, and keep a copy."""
        with _reporting():
            _pin(desk(), name, name, None if force else _options(examples, model), console)

    @app.command()
    def pin(
        name: Annotated[
            str | None, typer.Argument(metavar="[NAME:TAG]", help="The name; without one, all pins.")
        ] = None,
        commit: Annotated[str | None, typer.Argument(help="The version that it shall mean, by tag or hash.")] = None,
        force: Force = False,
        examples: Examples = None,
        model: Model = None,
    ) -> None:
        """Show which version each name means, or pin a name to a version of your choice."""
        from agents.prompts.hub_name import HubName

        with _reporting():
            if name is None:
                _show_pins(console, desk().pins())
            elif commit is None:
                _show_pins(console, [desk().pinned(name)])
            else:
                version = str(HubName.parse(name).at(commit))
                _pin(desk(), name, version, None if force else _options(examples, model), console)


def _pin(desk: PromptDesk, name: str, version: str, options: TrialOptions | None, console: Console) -> None:
    found = desk.find(version)
    _head(console, found)
    _require_passed(desk, found, options, console)
    pin = desk.pin(name, found)
    _say(console, f"{pin.name} means {pin.commit} from the next start on.")


def _require_passed(desk: PromptDesk, found: Found, options: TrialOptions | None, console: Console) -> None:
    """Try the prompt out, unless that was not wanted; a failure ends the command."""
    if options is None:
        return
    trials = desk.test(found, options)
    _show_trials(console, found, trials)
    if any(trial.faults for trial in trials):
        _say(console, "Nothing was changed. --force goes on in spite of it.")
        raise typer.Exit(1)


def _options(examples: Path | None, model: str | None) -> TrialOptions:
    from app.prompts.desk import TrialOptions

    return TrialOptions(examples, model)


@contextmanager
def _reporting() -> Iterator[None]:
    """A refusal is one line on stderr and exit status 1."""
    from agents.errors import TurnError
    from agents.prompts import PromptError

    with reporting(PromptError, TurnError):
        yield


def _table(rows: Sequence[PromptRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("prompt", "version", "used by", "state"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(Text(row.name), row.commit[:8], Text(", ".join(row.used_by)), Text(row.state))
    return table


def _head(console: Console, found: Found) -> None:
    _say(console, f"{found.prompt.version}: {len(found.prompt.text)} characters")
    if found.had_model:
        _say(console, "The model settings attached to it are left out; models are chosen in the settings.")


def _show_trials(console: Console, found: Found, trials: Sequence[Trial]) -> None:
    if not trials:
        _say(console, f"There are no examples of {found.stem}; name a file with --examples.")
    for trial in trials:
        _say(console, f"{'FAILED' if trial.faults else 'passed'}  {trial.question}\n        {trial.answer.strip()}")
        for fault in trial.faults:
            _say(console, f"      - It {fault}.")


def _show_pins(console: Console, pins: Sequence[Pin]) -> None:
    for pin in pins:
        _say(console, f"{pin.name} means {pin.commit}, pinned {pin.pinned_at.astimezone():%Y-%m-%d %H:%M}")
    if not pins:
        _say(console, "Nothing is pinned. `parley prompts pull NAME:TAG` pins a prompt of the hub.")


def _print_json(console: Console, value: object) -> None:
    console.file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
