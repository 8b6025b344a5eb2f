"""What an experiment has shown so far: the arms side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.ops.experiments.settings import Experiment
from app.ops.experiments.statistics import chi_square_p
from app.ops.experiments.summary import Summary, measure, no_turns
from app.ops.savings import Savings, savings_by
from app.ops.store.tables import turns
from app.ops.turns import TurnFilter, plain_conditions

MAX_ARMS = 50
"""Of an experiment, so many arms that were recorded are shown."""


@dataclass(frozen=True)
class ArmReport:
    """One arm and its turns."""

    name: str
    share: float | None
    """Of users that the settings give it; None for an arm that is recorded but no longer configured."""
    summary: Summary
    reuse: Savings
    """Of all its turns, also where the summary leaves some out."""


@dataclass(frozen=True)
class ExperimentReport:
    """The arms, baseline first, and whether users were divided as configured."""

    name: str
    experiment: Experiment | None
    """None where only old traces speak of it."""
    arms: tuple[ArmReport, ...]
    split_p: float | None
    """Chance of a split at least this uneven if assignment works; None where it cannot be told."""
    crossed_users: int
    """Users seen in more than one arm, as happens when weights change."""
    first: datetime | None
    last: datetime | None


def report(
    db: Connection, name: str, experiment: Experiment | None, *, only_new_answers: bool = False
) -> ExperimentReport:
    """The numbers of the experiment called `name`, from all turns that name an arm.

    With `only_new_answers`, turns that an earlier answer was shown again in are left out.
    """
    members = [*plain_conditions(TurnFilter(experiment=name)), turns.c.variant.is_not(None)]
    reuse = {arm: savings for (arm,), savings in savings_by(db, [turns.c.variant], members).items()}
    measured = measure(db, turns.c.variant, [*members, turns.c.cache.is_(None)] if only_new_answers else members)
    configured = [arm.name for arm in experiment.arms] if experiment else []
    recorded = [*_in_order(measured.groups), *sorted(reuse)]
    names = list(dict.fromkeys([*configured, *recorded]))[: max(MAX_ARMS, len(configured))]
    arms = tuple(
        ArmReport(arm, share(experiment, arm), measured.groups.get(arm) or no_turns(), reuse.get(arm) or Savings())
        for arm in names
    )
    return ExperimentReport(
        name=name,
        experiment=experiment,
        arms=arms,
        split_p=_split_p(arms),
        crossed_users=measured.crossed_users,
        first=min((arm.first for arm in measured.groups.values() if arm.first), default=None),
        last=max((arm.last for arm in measured.groups.values() if arm.last), default=None),
    )


def share(experiment: Experiment | None, arm: str) -> float | None:
    """The share of users that the settings give an arm; None where they don't know it."""
    weights = {configured.name: configured.weight for configured in experiment.arms} if experiment else {}
    return weights[arm] / sum(weights.values()) if arm in weights else None


def _split_p(arms: Sequence[ArmReport]) -> float | None:
    """Only configured arms can be checked: nothing says how many users the others should have had."""
    pairs = [(arm.summary.users, arm.share) for arm in arms if arm.share is not None]
    return chi_square_p([users for users, _ in pairs], [due for _, due in pairs]) if pairs else None


def _in_order(arms: Mapping[str, Summary]) -> list[str]:
    """The arms in the order in which they first answered."""
    return sorted(arms, key=lambda arm: (arms[arm].first, arm))
