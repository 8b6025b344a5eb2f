"""What an experiment has shown so far: the arms side by side."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.ops.experiments.settings import Experiment
from app.ops.experiments.statistics import chi_square_p
from app.ops.experiments.summary import Summary, summarise
from app.ops.turns import Turn, TurnFilter, read_turns


@dataclass(frozen=True)
class ArmReport:
    """One arm and its turns."""

    name: str
    share: float | None
    """Of users that the settings give it; None for an arm that is recorded but no longer configured."""
    summary: Summary


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


def report(db: sqlite3.Connection, name: str, experiment: Experiment | None) -> ExperimentReport:
    """The numbers of the experiment called `name`, from all turns that name an arm."""
    turns = [turn for turn in read_turns(db, TurnFilter(experiment=name), sort="oldest") if turn.variant]
    by_arm: dict[str, list[Turn]] = {arm.name: [] for arm in experiment.arms} if experiment else {}
    arms_of_user: dict[str, set[str]] = defaultdict(set)
    for turn in turns:
        by_arm.setdefault(str(turn.variant), []).append(turn)
        if turn.user_hash:
            arms_of_user[turn.user_hash].add(str(turn.variant))
    arms = tuple(ArmReport(arm, share(experiment, arm), summarise(members)) for arm, members in by_arm.items())
    return ExperimentReport(
        name=name,
        experiment=experiment,
        arms=arms,
        split_p=_split_p(arms),
        crossed_users=sum(len(seen) > 1 for seen in arms_of_user.values()),
        first=turns[0].started if turns else None,
        last=turns[-1].started if turns else None,
    )


def share(experiment: Experiment | None, arm: str) -> float | None:
    """The share of users that the settings give an arm; None where they don't know it."""
    weights = {configured.name: configured.weight for configured in experiment.arms} if experiment else {}
    return weights[arm] / sum(weights.values()) if arm in weights else None


def _split_p(arms: Sequence[ArmReport]) -> float | None:
    """Only configured arms can be checked: nothing says how many users the others should have had."""
    pairs = [(arm.summary.users, arm.share) for arm in arms if arm.share is not None]
    return chi_square_p([users for users, _ in pairs], [due for _, due in pairs]) if pairs else None
