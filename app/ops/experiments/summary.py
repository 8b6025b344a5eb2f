"""Many turns in numbers: how they ended, what they cost, how long they took, how they were liked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from app.ops.experiments.statistics import Interval, clustered_rate_interval, percentile
from app.ops.turns import Turn


@dataclass(frozen=True)
class Spread:
    """A measure over the `n` turns that recorded it; None where none did."""

    n: int
    total: float
    mean: float | None
    p50: float | None
    p95: float | None


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

    @property
    def unsupported_share(self) -> float | None:
        """Of the sentences that the model wrote, how many no passage supports."""
        return self.unsupported / self.sentences if self.sentences else None

    @property
    def failed_share(self) -> float | None:
        """Of all turns, how many failed."""
        return self.outcomes.get("failed", 0) / self.turns if self.turns else None


def summarise(turns: Sequence[Turn]) -> Summary:
    """The numbers of these turns."""
    return Summary(
        turns=len(turns),
        users=len({turn.user_hash for turn in turns if turn.user_hash}),
        thumbs=_thumbs(turns),
        cost_usd=_spread([turn.cost_usd for turn in turns]),
        latency_s=_spread([turn.total_s for turn in turns]),
        first_token_s=_spread([turn.first_token_s for turn in turns]),
        sentences=int(sum(turn.sentences or 0 for turn in turns)),
        unsupported=int(sum(turn.unsupported or 0 for turn in turns)),
        outcomes=dict(Counter(turn.outcome for turn in turns).most_common()),
    )


def _thumbs(turns: Sequence[Turn]) -> Thumbs:
    by_user: dict[str, list[bool]] = defaultdict(list)
    for turn in turns:
        if turn.thumb is not None:
            by_user[turn.user_hash or turn.id].append(turn.thumb > 0)
    up = sum(sum(ratings) for ratings in by_user.values())
    rated = sum(len(ratings) for ratings in by_user.values())
    interval = clustered_rate_interval([(sum(ratings), len(ratings)) for ratings in by_user.values()])
    return Thumbs(up=up, down=rated - up, raters=len(by_user), interval=interval)


def _spread(values: Sequence[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    return Spread(
        n=len(known),
        total=sum(known),
        mean=fmean(known) if known else None,
        p50=percentile(known, 0.5),
        p95=percentile(known, 0.95),
    )
