"""`parley budgets`: what is spent and left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from app.budgets.book import BudgetBook
from app.ops.budgets import Spending
from app.ops_store import private_folder
from app.settings import Settings


def show_budgets(settings: Settings, as_json: bool, out: Console) -> None:
    """Print every budget, those that are nearest to their end first."""
    with closing(BudgetBook.open(private_folder(settings.data_dir) / "budgets.db", settings.budgets)) as book:
        budgets = sorted(book.spending(), key=lambda one: (-one.share, one.kind, one.payer))
    if as_json:
        out.print_json(json.dumps([_as_json(one) for one in budgets]))
    elif budgets:
        out.print(_table(budgets))
    else:
        out.print("Nothing is limited, or nothing is spent yet: section \\[budgets] of parley.toml sets limits.")


def _as_json(one: Spending) -> dict[str, Any]:
    return {**asdict(one), "renews": one.renews.isoformat(), "share": round(one.share, 4)}


def _table(budgets: Sequence[Spending]) -> Table:
    table = Table("whose", "spent", "", "dollars", "tokens", "a", "renews (UTC)")
    for one in budgets:
        table.add_row(
            f"{one.kind} {one.payer[:24]}",
            ProgressBar(total=1, completed=one.share, width=20),
            f"{one.share:.0%}",
            _part(f"{one.usd:.2f}", None if one.usd_limit is None else f"{one.usd_limit:.2f}"),
            _part(f"{one.tokens:,}", None if one.tokens_limit is None else f"{one.tokens_limit:,}"),
            one.per,
            f"{one.renews:%Y-%m-%d}",
        )
    return table


def _part(spent: str, limit: str | None) -> str:
    return "–" if limit is None else f"{spent} of {limit}"
