"""Which models the newest runs called, how much, and at which costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from app.ops.store.database import Database
from app.ops.store.tables import runs

NEWEST_RUNS = 50_000
"""So many of the newest runs are looked at."""


@dataclass
class ModelUse:
    """One model, as one provider serves it."""

    provider: str | None
    model: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    """Calls whose costs nobody knows."""

    def add(self, usage: Mapping[str, Any]) -> None:
        """Count one call, from its usage as it is written."""
        self.calls += 1
        self.prompt_tokens += usage.get("prompt_tokens", 0)
        self.completion_tokens += usage.get("completion_tokens", 0)
        self.cost += Decimal(usage.get("total_cost", 0))
        self.unpriced += "total_cost" not in usage


def model_uses(database: Database) -> list[ModelUse]:
    """The models of the newest runs; those with the most calls of unknown costs first, then the most used."""
    newest = select(func.max(runs.c.num) - NEWEST_RUNS).scalar_subquery()
    wanted = select(runs.c.usage).where(runs.c.num > newest, runs.c.usage.is_not(None))
    uses: dict[tuple[str | None, str], ModelUse] = {}
    with database.read() as db:
        for usage in db.scalars(wanted):
            if "model" in usage:
                key = (usage.get("provider"), usage["model"])
                if key not in uses:
                    uses[key] = ModelUse(*key)
                uses[key].add(usage)
    return sorted(uses.values(), key=lambda use: (-use.unpriced, -use.calls, use.model))
