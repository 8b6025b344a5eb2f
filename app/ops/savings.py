"""What showing earlier answers again has spared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from app.ops.store.tables import turns


@dataclass(frozen=True)
class Savings:
    """Of some turns: how many were answered, how many of these by an earlier answer, and what that spared."""

    answered: int = 0
    exact: int = 0
    """To the same words."""
    semantic: int = 0
    """To other words that ask the same."""
    cost_usd: float = 0.0
    """What all of them cost."""
    saved_usd: float = 0.0
    saved_s: float = 0.0
    """Of models' work."""
    saved_tokens: float = 0.0

    @property
    def reused(self) -> int:
        """Turns that were answered by an earlier answer."""
        return self.exact + self.semantic

    @property
    def hit_rate(self) -> float | None:
        """Their share of the answered."""
        return self.reused / self.answered if self.answered else None


def savings_by(
    db: Connection, groups: Sequence[ColumnElement[Any]], conditions: Sequence[ColumnElement[bool]]
) -> dict[tuple[Any, ...], Savings]:
    """The turns that fulfil the conditions, by the values of `groups`."""
    named = [group.label(f"group_{number}") for number, group in enumerate(groups)]
    columns = turns.c
    amounts = (
        func.count(case((columns.outcome == "answered", 1))),
        func.count(case((columns.cache == "exact", 1))),
        func.count(case((columns.cache == "semantic", 1))),
        *(func.coalesce(func.sum(columns[name]), 0.0) for name in ("cost_usd", "saved_usd", "saved_s", "saved_tokens")),
    )
    wanted = select(*named, *amounts).where(*conditions).group_by(*(label.name for label in named))
    return {tuple(row[: len(named)]): Savings(*row[len(named) :]) for row in db.execute(wanted)}
