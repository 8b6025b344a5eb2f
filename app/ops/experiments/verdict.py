"""What the numbers of an experiment allow one to say, in plain sentences."""

from __future__ import annotations

from app.ops.experiments.report import ArmReport, ExperimentReport
from app.ops.experiments.statistics import difference_interval

UNEVEN_P = 0.001
"""Below it the split of users is called broken; strict, because the page is looked at often."""
FEW_RATERS = 30
"""Fewer users with a rating than this, and an arm's thumbs are not compared."""


def findings(report: ExperimentReport) -> list[str]:
    """What may be concluded, most important first: the split of users, then each arm against the baseline."""
    if not any(arm.summary.turns for arm in report.arms):
        return ["No turns yet, so there is nothing to compare."]
    baseline, *others = report.arms
    return [_split(report), *(_liking(arm, baseline) for arm in others)]


def broken_split(report: ExperimentReport) -> bool:
    """Whether users are divided so unlike the weights that no other number should be believed."""
    return report.split_p is not None and report.split_p < UNEVEN_P


def _split(report: ExperimentReport) -> str:
    if report.split_p is None:
        return "Too few users to check whether they are divided as configured."
    chance = f"p = {report.split_p:.2g}" if report.split_p >= 0.0001 else "p < 0.0001"
    if broken_split(report):
        return (
            f"The users are not divided as configured ({chance}). Find the cause before you believe any "
            "difference below: changed weights, arms that fail before they are recorded, or a faulty assignment."
        )
    return f"The users are divided as configured, as far as can be told ({chance})."


def _liking(arm: ArmReport, baseline: ArmReport) -> str:
    gap = _gap(arm, baseline)
    if gap is None:
        fewest = min(arm, baseline, key=lambda side: side.summary.thumbs.raters)
        return (
            f"Nothing can be said yet about whether “{arm.name}” is liked more than “{baseline.name}”: "
            f"users who rated “{fewest.name}”: {fewest.summary.thumbs.raters}; needed in each arm: {FEW_RATERS}."
        )
    difference, low, high = gap
    numbers = f"{difference:+.0f} points, 95 % interval {low:+.0f} to {high:+.0f}"
    if low <= 0 <= high:
        return f"Whether “{arm.name}” is liked more than “{baseline.name}” is open ({numbers})."
    word = "more" if difference > 0 else "less"
    return (
        f"Users who rate like “{arm.name}” {word} than “{baseline.name}” ({numbers}), "
        "provided that the size of this sample was fixed before the start."
    )


def _gap(arm: ArmReport, baseline: ArmReport) -> tuple[float, float, float] | None:
    """Difference of the thumbs rates and its interval, in percentage points; None with too few raters."""
    ours, theirs = arm.summary.thumbs, baseline.summary.thumbs
    if min(ours.raters, theirs.raters) < FEW_RATERS:
        return None
    if ours.rate is None or theirs.rate is None or ours.interval is None or theirs.interval is None:
        return None
    interval = difference_interval(ours.rate, ours.interval, theirs.rate, theirs.interval)
    return 100 * (ours.rate - theirs.rate), 100 * interval.low, 100 * interval.high
