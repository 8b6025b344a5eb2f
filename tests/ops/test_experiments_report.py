"""The numbers of an experiment against ones made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter

from app.ops.experiments.report import report
from app.ops.experiments.settings import Arm, Experiment
from app.ops.experiments.statistics import (
    chi_square_p,
    clustered_rate_interval,
    difference_interval,
    percentile,
    wilson,
)
from app.ops.experiments.verdict import broken_split, findings
from app.ops.store import Ingest, OpsStore
from app.ops.store.models import FeedbackFields, RunFields

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)
TONE = Experiment(arms=(Arm(name="control"), Arm(name="short")))


def run(**fields: Any) -> RunFields:
    """A run as the API takes it in."""
    return _RUN.validate_python(fields)


def record(store: OpsStore, variant: str | None, user: str, *, thumb: float | None = None, **metadata: Any) -> UUID:
    """One turn of the experiment "tone" as the chat records it."""
    run_id = uuid4()
    facts = {"experiment": "tone", "variant": variant, "user_hash": user, "status": "answered"} | metadata
    turn = run(id=run_id, name="turn", start_time=START, end_time=START, extra={"metadata": facts})
    ratings = [] if thumb is None else [FeedbackFields(run_id=run_id, key="user_score", score=thumb)]
    store.ingest(Ingest(posts=[turn], feedback=ratings))
    return run_id


def arms(store: OpsStore, experiment: Experiment | None = TONE) -> dict[str, Any]:
    with store.read() as db:
        return {arm.name: arm.summary for arm in report(db, "tone", experiment).arms}


def says(store: OpsStore) -> str:
    with store.read() as db:
        return "\n".join(findings(report(db, "tone", TONE)))


def test_each_arm_counts_its_own_turns_users_costs_and_times(store: OpsStore) -> None:
    record(store, "control", "ann", cost_usd=1.0, total_s=1.0, first_token_s=0.1, sentences=3, unsupported=1)
    record(store, "control", "ann", cost_usd=3.0, total_s=3.0, sentences=5, unsupported=1)
    record(store, "control", "bob", cost_usd=5.0, total_s=8.0, first_token_s=0.3, status="failed")
    record(store, "short", "eve", cost_usd=0.5)
    control, short = arms(store)["control"], arms(store)["short"]
    assert (control.turns, control.users, control.outcomes) == (3, 2, {"answered": 2, "failed": 1})
    assert (control.cost_usd.total, control.cost_usd.mean, control.cost_usd.p50) == (9.0, 3.0, 3.0)
    assert control.latency_s.p95 == pytest.approx(7.5)
    assert (control.first_token_s.n, control.first_token_s.p50) == (2, pytest.approx(0.2))
    assert (control.unsupported, control.sentences, control.unsupported_share) == (2, 8, 0.25)
    assert (short.turns, short.cost_usd.p95, short.latency_s.p50, short.unsupported_share) == (1, 0.5, 0.0, None)


def test_turns_without_a_rating_are_missing_not_disliked(store: OpsStore) -> None:
    for user in ("ann", "bob", "eve"):
        record(store, "control", user, thumb=1)
        record(store, "control", user)
    thumbs = arms(store)["control"].thumbs
    assert (thumbs.up, thumbs.down, thumbs.rated, thumbs.raters, thumbs.rate) == (3, 0, 3, 3, 1.0)
    assert arms(store)["short"].thumbs.rate is None


def test_a_changed_rating_counts_once_and_an_undone_one_not_at_all(store: OpsStore) -> None:
    changed, undone = record(store, "control", "ann", thumb=1), record(store, "control", "bob", thumb=0)
    later = START + timedelta(days=400)
    store.ingest(Ingest(feedback=[FeedbackFields(run_id=changed, key="user_score", score=0, created_at=later)]))
    for one in store.feedback.find(run_ids=[undone]):
        store.feedback.delete(one.id)
    thumbs = arms(store)["control"].thumbs
    assert (thumbs.up, thumbs.down) == (0, 1)


def test_other_feedback_is_no_thumb_and_other_traces_are_no_turns(store: OpsStore) -> None:
    rated = record(store, "control", "ann")
    store.ingest(
        Ingest(
            posts=[
                run(id=uuid4(), name="turn", parent_run_id=rated, extra={"metadata": {"experiment": "tone"}}),
                run(id=uuid4(), name="notebook", extra={"metadata": {"experiment": "tone", "variant": "control"}}),
            ],
            feedback=[FeedbackFields(run_id=rated, key="correctness", score=1)],
        )
    )
    control = arms(store)["control"]
    assert (control.turns, control.thumbs.rated) == (1, 0)


def test_arms_that_are_no_longer_configured_stay_visible(store: OpsStore) -> None:
    record(store, "old", "ann")
    record(store, None, "bob")
    assert list(arms(store)) == ["control", "short", "old"]
    assert list(arms(store, None)) == ["old"]


def test_values_of_the_wrong_type_are_not_recorded_values(store: OpsStore) -> None:
    record(store, "control", "ann", cost_usd="free", first_token_s={"a": 1}, sentences=[1], unsupported=1e300)
    control = arms(store)["control"]
    assert (control.cost_usd.n, control.first_token_s.n, control.sentences, control.unsupported) == (0, 0, 0, 0)


def test_an_even_split_passes_and_an_uneven_one_is_called_broken(store: OpsStore) -> None:
    for number in range(40):
        record(store, "control" if number % 2 else "short", f"user {number}")
    with store.read() as db:
        even = report(db, "tone", TONE)
    assert even.split_p == pytest.approx(1.0)
    assert "divided as configured, as far as can be told" in says(store)
    for number in range(40, 75):
        record(store, "control", f"user {number}")
    with store.read() as db:
        assert broken_split(report(db, "tone", TONE))
    assert "not divided as configured" in says(store)


def test_users_in_two_arms_are_counted(store: OpsStore) -> None:
    record(store, "control", "ann")
    record(store, "short", "ann")
    record(store, "short", "bob")
    with store.read() as db:
        assert report(db, "tone", TONE).crossed_users == 1


def test_findings_wait_for_enough_raters_and_then_speak_with_their_condition(store: OpsStore) -> None:
    assert says(store) == "No turns yet, so there is nothing to compare."
    for number in range(29):
        record(store, "control", f"c{number}", thumb=0)
        record(store, "short", f"s{number}", thumb=1)
    assert "Nothing can be said yet" in says(store)
    record(store, "control", "c29", thumb=0)
    record(store, "short", "s29", thumb=1)
    assert "like “short” more than “control” (+100 points" in says(store)
    assert "fixed before the start" in says(store)


def test_findings_leave_open_what_the_interval_leaves_open(store: OpsStore) -> None:
    for number in range(40):
        record(store, "control", f"c{number}", thumb=number % 2)
        record(store, "short", f"s{number}", thumb=number % 2)
    assert "is open (+0 points" in says(store)


def test_many_ratings_of_few_users_do_not_narrow_the_interval() -> None:
    alone = clustered_rate_interval([(1, 1)] * 20 + [(0, 1)] * 20)
    repeated = clustered_rate_interval([(10, 10)] * 20 + [(0, 10)] * 20)
    assert alone is not None
    assert repeated is not None
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_the_interval_of_independent_ratings_is_wilsons() -> None:
    seen = clustered_rate_interval([(1, 1)] * 30 + [(0, 1)] * 10)
    assert seen is not None
    assert (seen.low, seen.high) == pytest.approx((0.598, 0.858), abs=0.006)


def test_agreement_of_all_is_not_certainty() -> None:
    seen = clustered_rate_interval([(1, 1)] * 10)
    assert seen is not None
    assert (seen.low, seen.high) == pytest.approx((0.722, 1.0), abs=0.001)
    assert clustered_rate_interval([(5, 9)]) is None


def test_difference_interval_agrees_with_newcombes_example() -> None:
    # Newcombe 1998, method 10: 56/70 against 48/80 gives 0.0524 to 0.3339.
    rate, base = 56 / 70, 48 / 80
    gap = difference_interval(rate, wilson(rate, 70), base, wilson(base, 80))
    assert (gap.low, gap.high) == pytest.approx((0.0524, 0.3339), abs=0.0001)


@pytest.mark.parametrize(
    ("observed", "weights", "p"),
    [([60, 40], [1, 1], 0.0455), ([30, 30, 40], [1, 1, 1], 0.3679), ([20, 30, 20, 30], [1, 1, 1, 1], 0.2615)],
)
def test_chi_square_agrees_with_the_tables(observed: list[int], weights: list[float], p: float) -> None:
    assert chi_square_p(observed, weights) == pytest.approx(p, abs=0.0001)


def test_chi_square_is_silent_where_it_does_not_hold() -> None:
    assert chi_square_p([4, 4], [1, 1]) is None
    assert chi_square_p([100, 0], [99, 1]) is None


def test_percentiles_interpolate() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
