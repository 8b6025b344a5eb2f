"""The few statistics that the experiment page needs, each honest about repeated users and small samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, valid for one look at a sample whose size was fixed in advance."""

    low: float
    high: float


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of the values lie, interpolated; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def clustered_rate_interval(clusters: Sequence[tuple[int, int]]) -> Interval | None:
    """Wilson interval of successes / trials where each cluster (successes, trials) is one user.

    A user's turns resemble each other, so the sample counts as smaller by the design effect of the ratio
    estimator, and never as larger than the turns. Where everybody agrees, that effect cannot be estimated and
    each user counts once. None with fewer than two users.
    """
    users, trials = len(clusters), sum(n for _, n in clusters)
    if users < 2:
        return None
    rate = sum(good for good, _ in clusters) / trials
    variance = users / (users - 1) * sum((good - rate * n) ** 2 for good, n in clusters) / trials**2
    effective = min(trials, rate * (1 - rate) / variance) if variance else users
    return wilson(rate, effective)


def wilson(rate: float, n: float) -> Interval:
    """Wilson's score interval of a proportion seen in a sample of (effective) size `n` > 0."""
    centre = rate + Z95**2 / (2 * n)
    margin = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    return Interval(max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale))


def difference_interval(rate: float, within: Interval, baseline: float, base_within: Interval) -> Interval:
    """Newcombe's interval of `rate - baseline`, from the intervals of the two."""
    down = math.hypot(rate - within.low, base_within.high - baseline)
    up = math.hypot(within.high - rate, baseline - base_within.low)
    return Interval(rate - baseline - down, rate - baseline + up)


def chi_square_p(observed: Sequence[int], weights: Sequence[float]) -> float | None:
    """How probable a split at least as uneven as `observed` is when arms are drawn by `weights`.

    None where some arm expects fewer than five, too few for the test.
    """
    total = sum(observed)
    expected = [total * weight / sum(weights) for weight in weights]
    if min(expected) < 5:
        return None
    statistic = sum((seen - due) ** 2 / due for seen, due in zip(observed, expected, strict=True))
    return _chi_square_tail(statistic, len(observed) - 1)


def _chi_square_tail(x: float, degrees: int) -> float:
    """P(chi-square > x), by the recurrence that raises the degrees of freedom two at a time."""
    half = x / 2
    tail, start = (math.exp(-half), 2) if degrees % 2 == 0 else (math.erfc(math.sqrt(half)), 1)
    for k in range(start, degrees, 2):
        tail += math.exp(k / 2 * math.log(half) - half - math.lgamma(k / 2 + 1)) if half else 0.0
    return tail
