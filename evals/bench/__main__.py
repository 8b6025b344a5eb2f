"""`python -m evals.bench [--only NAME] [--json]`: run the benches one after the other and print their figures."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app.environment import prepare_environment
from evals.bench.figures import Figure, Skipped, number

BENCHES = (
    "overhead",
    "model",
    "chats",
    "first_words",
    "replay",
    "search",
    "ingestion",
    "growth",
    "traces",
    "memory",
)
"""Modules of this package, in the order in which they run."""
ON_REQUEST = ("replay_product",)
"""Run only where they are named."""
_MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}

Outcome = list[Figure] | Skipped | str
"""A bench's figures, why it was not run, or how it failed."""


def main(
    only: Annotated[str, typer.Option(help=f"Run one bench: {', '.join(BENCHES + ON_REQUEST)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure Parley beside the raw engines, in turns in the same run."""
    if only and only not in BENCHES + ON_REQUEST:
        raise typer.BadParameter(f"there is no bench {only}; choose from {', '.join(BENCHES + ON_REQUEST)}")
    prepare_environment()
    logging.disable(logging.WARNING)
    err = Console(stderr=True)
    names = [only] if only else BENCHES
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        outcomes = {name: run(name, progress) for name in progress.track(names, description="benches")}
    print_json(outcomes) if as_json else Console().print(table(outcomes))
    if any(isinstance(outcome, str) for outcome in outcomes.values()):
        raise typer.Exit(1)


def run(name: str, progress: Progress) -> Outcome:
    """One bench in a folder of its own; a bench that fails says why and stops no other."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        try:
            figures: list[Figure] = import_module(f"evals.bench.{name}").measure(Path(folder), progress)
            return figures
        except Skipped as skipped:
            return skipped
        except Exception as error:
            return f"failed: {type(error).__name__}: {error}"


def table(outcomes: dict[str, Outcome]) -> Table:
    """The report for people."""
    rows = Table(title="Parley beside the raw engines", caption="medians where no quantile is named")
    rows.add_column("what", min_width=22)
    for heading in ("Parley", "raw engine", "ratio"):
        rows.add_column(heading, justify="right")
    rows.add_column("target")
    for name, outcome in outcomes.items():
        rows.add_row(Text(name, style="bold"))
        if isinstance(outcome, Skipped):
            rows.add_row(Text(f"skipped: {outcome}", style="yellow"))
        elif isinstance(outcome, str):
            rows.add_row(Text(outcome, style="red"))
        else:
            for figure in outcome:
                rows.add_row(*_cells(figure))
        rows.add_section()
    return rows


def _cells(figure: Figure) -> tuple[Text | str, ...]:
    what = Text(figure.what).append(f"\nbeside {figure.against}" if figure.against else "", style="dim")
    what.append(f"\n{figure.note}" if figure.note else "", style="yellow")
    raw = f"{number(figure.raw)} {figure.unit}" if figure.raw is not None else ""
    target = f"{figure.target or ''}\n{_MARKS[figure.met]}".strip()
    return what, f"{number(figure.parley)} {figure.unit}", raw, number(figure.ratio), target


def print_json(outcomes: dict[str, Outcome]) -> None:
    """The report for programs: figures by bench, or why a bench has none."""
    report = {name: _as_json(outcome) for name, outcome in outcomes.items()}
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def _as_json(outcome: Outcome) -> Any:
    if isinstance(outcome, Skipped):
        return {"skipped": str(outcome)}
    return {"error": outcome} if isinstance(outcome, str) else [figure.as_json() for figure in outcome]


if __name__ == "__main__":
    typer.run(main)
