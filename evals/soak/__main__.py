"""`python -m evals.soak [--minutes N]`: load the product, kill its engine now and then, and say what is left of it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from app.environment import prepare_environment
from evals.soak.course import run
from evals.soak.report import CURVES, Check, Course, checks, sparkline


def main(
    minutes: Annotated[float, typer.Option(help="How long the load goes on.")] = 30.0,
    users: Annotated[int, typer.Option(help="How many people ask at once.")] = 8,
    seed: Annotated[int, typer.Option(help="Repeats what they do.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Exit with 1 where something does not hold."""
    prepare_environment()
    err = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with (
        tempfile.TemporaryDirectory(prefix="parley-soak-") as folder,
        Progress(*columns, console=err, disable=not err.is_terminal) as progress,
    ):
        task = progress.add_task("soak", total=minutes * 60)
        course = asyncio.run(run(Path(folder), minutes * 60, users, seed, lambda: progress.advance(task)))
    held = checks(course)
    _print_json(course, held) if as_json else _print(course, held, Console())
    raise typer.Exit(0 if all(check.holds for check in held) else 1)


def _print(course: Course, held: list[Check], out: Console) -> None:
    table = Table(title="What the load has left")
    for heading in ("what must hold", "", "detail"):
        table.add_column(heading)
    for check in held:
        table.add_row(check.what, "[green]holds[/]" if check.holds else "[red]does not hold[/]", check.detail)
    out.print(table)
    ends = Table("how turns ended", "turns")
    for end, count in course.ends.most_common():
        ends.add_row(end, str(count))
    out.print(ends)
    for name, take in CURVES.items():
        sizes = [take(one) for one in course.inside]
        out.print(f"{name:16} {min(sizes):6.0f} to {max(sizes):6.0f} MiB  {sparkline(sizes)}", highlight=False)


def _print_json(course: Course, held: list[Check]) -> None:
    report = {
        "checks": [asdict(check) for check in held],
        "ends": dict(course.ends.most_common()),
        "memory_mib": {name: [round(take(one)) for one in course.inside[::60]] for name, take in CURVES.items()},
    }
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
