"""What the pages ask about budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["user", "team", "experiment"]


@dataclass(frozen=True)
class Spending:
    """A budget for a period, and what is spent or set aside of it."""

    kind: Kind
    payer: str
    """A user's pseudonym, or the name of a team or an experiment."""
    per: str
    """`day`, `week` or `month`."""
    renews: datetime
    usd: float
    usd_limit: float | None
    tokens: int
    tokens_limit: int | None

    @property
    def share(self) -> float:
        """How much of it is spent, 0 to 1: in dollars or in tokens, whichever is nearer to its end."""
        return min(1.0, max(_share(self.usd, self.usd_limit), _share(self.tokens, self.tokens_limit)))


Spendings = Callable[[], Sequence[Spending]]
"""All budgets there are."""


def no_budgets() -> Sequence[Spending]:
    """Where only traces are known, as in an ops layer that runs alone."""
    return ()


def _share(spent: float, limit: float | None) -> float:
    if limit is None:
        return 0.0
    return spent / limit if limit else 1.0
