"""Many turns in numbers: how they ended, what they cost, how long they took, how they were liked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select

from app.ops.experiments.statistics import Interval, clustered_rate_interval, percentile
from app.ops.store.tables import turns

SAMPLE = 10_000
"""Medians and percentiles are of so many turns, the newest."""
_MEASURES = ("cost_usd", "total_s", "first_token_s")
Sample = dict[str, list[float]]
"""Values by measure."""


@dataclass(frozen=True)
class Spread:
    """A measure over the `n` turns that recorded it; None where none did."""

    n: int
    total: float
    p50: float | None
    p95: float | None

    @property
    def mean(self) -> float | None:
        """Of the turns that recorded it."""
        return self.total / self.n if self.n else None


@dataclass(frozen=True)
class Thumbs:
    """Ratings. Turns without a rating are missing, neither liked nor disliked."""

    up: int
    down: int
    raters: int
    """Distinct users behind the ratings."""
    interval: Interval | None
    """Of the rate, 95 %, clustered by user; None with fewer than two raters."""

    @property
    def rated(self) -> int:
        """Turns with a rating."""
        return self.up + self.down

    @property
    def rate(self) -> float | None:
        """Share of thumbs up among rated turns."""
        return self.up / self.rated if self.rated else None


@dataclass(frozen=True)
class Summary:
    """Costs in US dollars, times in seconds."""

    turns: int
    users: int
    thumbs: Thumbs
    cost_usd: Spread
    latency_s: Spread
    first_token_s: Spread
    sentences: int
    unsupported: int
    outcomes: dict[str, int]
    """Turns by how they ended, most frequent first."""
    first: datetime | None
    """When the first turn and the last one began."""
    last: datetime | None

    @property
    def unsupported_share(self) -> float | None:
        """Of the sentences that the model wrote, how many no passage supports."""
        return self.unsupported / self.sentences if self.sentences else None

    @property
    def failed_share(self) -> float | None:
        """Of all turns, how many failed."""
        return self.outcomes.get("failed", 0) / self.turns if self.turns else None


@dataclass(frozen=True)
class Measured:
    """Groups of turns in numbers."""

    groups: dict[str, Summary]
    """The largest first."""
    crossed_users: int
    """Users seen in more than one group."""


def measure(db: Connection, group: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]) -> Measured:
    """The turns that fulfil the conditions, by the value of `group`."""
    endings = _by_group(db.execute(_endings(group, conditions)))
    users = _by_group(db.execute(_users(group, conditions)))
    strangers = _by_group(db.execute(_strangers(group, conditions)))
    samples = _samples(db, group, conditions)
    seen = Counter(row.user_hash for rows in users.values() for row in rows)
    return Measured(
        groups={
            name: _summary(rows, users[name], strangers[name], samples.get(name) or _no_sample())
            for name, rows in endings.items()
        },
        crossed_users=sum(groups > 1 for groups in seen.values()),
    )


def no_turns() -> Summary:
    """The summary of nothing."""
    return _summary([], [], [], _no_sample())


def _summary(
    endings: Sequence[Row[Any]], users: Sequence[Row[Any]], strangers: Sequence[Row[Any]], sample: Sample
) -> Summary:
    return Summary(
        turns=sum(row.n for row in endings),
        users=len(users),
        thumbs=_thumbs(users, strangers),
        cost_usd=_spread(endings, sample["cost_usd"], "cost_usd"),
        latency_s=_spread(endings, sample["total_s"], "total_s"),
        first_token_s=_spread(endings, sample["first_token_s"], "first_token_s"),
        sentences=int(sum(row.sentences or 0 for row in endings)),
        unsupported=int(sum(row.unsupported or 0 for row in endings)),
        outcomes={row.outcome: row.n for row in endings},
        first=min((row.first for row in endings), default=None),
        last=max((row.last for row in endings), default=None),
    )


def _endings(group: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]) -> Any:
    """Counts and sums for each group and outcome."""
    amounts = (part for name in _MEASURES for part in _count_and_sum(name))
    more = [func.sum(turns.c[name]).label(name) for name in ("sentences", "unsupported")]
    more += [func.min(turns.c.started).label("first"), func.max(turns.c.started).label("last")]
    wanted = select(group.label("group_"), turns.c.outcome, func.count().label("n"), *amounts, *more)
    return wanted.where(*conditions).group_by("group_", turns.c.outcome).order_by(func.count().desc(), turns.c.outcome)


def _count_and_sum(name: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    column = turns.c[name]
    return func.count(column).label(f"{name}_n"), func.sum(column).label(f"{name}_sum")


def _users(group: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]) -> Any:
    """The users of each group, and the thumbs that they gave."""
    wanted = select(group.label("group_"), turns.c.user_hash, *_ratings())
    return wanted.where(*conditions, turns.c.user_hash.is_not(None)).group_by("group_", turns.c.user_hash)


def _strangers(group: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]) -> Any:
    """The thumbs of each group that nobody can be asked about."""
    unknown = (turns.c.user_hash.is_(None), turns.c.thumb.is_not(None))
    return select(group.label("group_"), *_ratings()).where(*conditions, *unknown).group_by("group_")


def _ratings() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return func.count(case((turns.c.thumb > 0, 1))).label("up"), func.count(turns.c.thumb).label("rated")


def _samples(db: Connection, group: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]]) -> dict[str, Sample]:
    """What the newest turns of each group measured, in order of size."""
    measures = (turns.c[name] for name in _MEASURES)
    wanted = select(group.label("group_"), *measures).where(*conditions)
    samples: dict[str, Sample] = defaultdict(_no_sample)
    for name, *values in db.execute(wanted.order_by(turns.c.started.desc()).limit(SAMPLE)):
        for known, value in zip(samples[name].values(), values, strict=True):
            if value is not None:
                known.append(value)
    return {name: {measure: sorted(known) for measure, known in sample.items()} for name, sample in samples.items()}


def _no_sample() -> Sample:
    return {name: [] for name in _MEASURES}


def _by_group(rows: Iterable[Row[Any]]) -> dict[str, list[Row[Any]]]:
    groups: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    return groups


def _thumbs(users: Sequence[Row[Any]], strangers: Sequence[Row[Any]]) -> Thumbs:
    """A turn without a user counts as one of a user of its own."""
    clusters = [(row.up, row.rated) for row in users if row.rated]
    for row in strangers:
        clusters += [(1, 1)] * row.up + [(0, 1)] * (row.rated - row.up)
    up, rated = sum(up for up, _ in clusters), sum(n for _, n in clusters)
    return Thumbs(up=up, down=rated - up, raters=len(clusters), interval=clustered_rate_interval(clusters))


def _spread(endings: Sequence[Row[Any]], ordered: Sequence[float], name: str) -> Spread:
    return Spread(
        n=sum(getattr(row, f"{name}_n") for row in endings),
        total=sum(getattr(row, f"{name}_sum") or 0 for row in endings),
        p50=percentile(ordered, 0.5),
        p95=percentile(ordered, 0.95),
    )
