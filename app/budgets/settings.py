"""Settings of budgets: the `[budgets]` section."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Period = Literal["day", "week", "month"]


class Budget(BaseModel):
    """What may be spent in a period, in UTC: a day, a week from Monday, or a month."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """US dollars; None sets no limit."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens read and written; None sets no limit."""
    per: Period = "month"

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.usd is None and self.tokens is None:
            raise ValueError("a budget needs usd or tokens, or both")
        return self


class BudgetSettings(BaseModel):
    """Who may spend how much on models. A turn is paid from every budget that applies to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Budget | None = None
    """What each user may spend."""
    team: Budget | None = None
    """What the members of each reader group may spend together, where `teams` says nothing else."""
    teams: dict[str, Budget] = Field(default_factory=dict)
    """What the members of a reader group may spend together, by its name."""
    experiments: dict[str, Budget] = Field(default_factory=dict)
    """What all arms of an experiment may spend together, by its name."""
    when_spent: Literal["quote", "refuse"] = "quote"
    """`quote`: where no model can be paid any more, the quoted passages are the answer. `refuse`: a user or team that
    has spent its budget is told to come back when it renews."""
