from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from pydantic import ValidationError

from app.ops.experiments.assignment import assign
from app.ops.experiments.settings import Arm, Experiment

USERS = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(10_000)]


def experiment(**weights: float) -> Experiment:
    return Experiment(arms=tuple(Arm(name=name, weight=weight) for name, weight in weights.items()))


def arms_of(test: Experiment, name: str = "tone") -> list[str]:
    return [assign(name, test, user).name for user in USERS]


def test_a_user_keeps_the_arm_whatever_the_order_of_arms() -> None:
    assert arms_of(experiment(a=1, b=2, c=3)) == arms_of(experiment(c=3, a=1, b=2))


def test_assignment_is_the_same_in_every_release() -> None:
    assert [assign("tone", experiment(a=1, b=1), user).name for user in ("u1", "u2", "u3", "u4")] == [
        "b",
        "b",
        "a",
        "a",
    ]


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 95, "b": 5}, {"a": 1, "b": 2, "c": 7}])
def test_arms_get_their_share_of_users(weights: dict[str, float]) -> None:
    counts = Counter(arms_of(experiment(**weights)))
    for arm, weight in weights.items():
        share = weight / sum(weights.values())
        four_deviations = 4 * (share * (1 - share) / len(USERS)) ** 0.5
        assert counts[arm] / len(USERS) == pytest.approx(share, abs=four_deviations)


def test_raising_one_weight_moves_users_only_to_that_arm_and_no_more_than_needed() -> None:
    before, after = arms_of(experiment(a=50, b=50)), arms_of(experiment(a=50, b=75))
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {("a", "b")}
    assert len(moved) / len(USERS) == pytest.approx(0.1, abs=0.012)


def test_a_new_arm_takes_users_from_the_others_and_moves_nobody_else() -> None:
    before, after = arms_of(experiment(a=1, b=1)), arms_of(experiment(a=1, b=1, c=1))
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {"c"}


def test_experiments_divide_users_independently() -> None:
    test = experiment(a=1, b=1)
    both = Counter(zip(arms_of(test, "tone"), arms_of(test, "length"), strict=True))
    assert all(count == pytest.approx(2500, abs=180) for count in both.values())


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([{"name": "a"}], "at least two arms"),
        ([{"name": "a"}, {"name": "a"}], "used more than once: a"),
        ([{"name": "a"}, {"name": "b", "weight": 0}], "greater than 0"),
        ([{"name": "a"}, {"name": "b", "weight": float("inf")}], "finite"),
        ([{"name": "a"}, {"name": "../b"}], "pattern"),
        ([{"name": "a"}, {"name": "b", "modle": "x"}], "Extra inputs"),
    ],
)
def test_unusable_arms_are_refused_with_the_reason(arms: list[dict[str, object]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Experiment.model_validate({"arms": arms})
