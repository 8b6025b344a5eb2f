"""The soak's report: what must hold at the end, and what it says where it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from agents.errors import DeadlineExceeded, ModelBusy, TurnError
from evals.load.streamed import NO_END, Heard
from evals.soak.inside import Inside
from evals.soak.report import Course, checks, slope_per_s, sparkline
from evals.soak.users import UNKNOWN, end_of

MemoryOf = Callable[[int], float]


def inside(at: int = 0, **state: Any) -> Inside:
    at_rest = {
        "at": at,
        "server_mib": 700.0,
        "engine_mib": 400.0,
        "engine_pid": 1,
        "others_mib": 60.0,
        "waiting": 0,
        "under_way": 0,
        "turns": 0,
        "threads": {"MainThread": 1, "engine": 1, "asyncio": 3},
    }
    return Inside.model_validate(at_rest | state)


def course(*, engine_mib: MemoryOf = lambda at: 400.0, rest: Inside | None = None, **others: Any) -> Course:
    seen = [inside(at, engine_mib=engine_mib(at), engine_pid=1 if at < 50 else 2) for at in range(600)]
    usual: dict[str, Any] = {"ends": Counter({"answered": 9}), "kills": 1, "pending": 0, "answers_after": True}
    return Course(inside=seen, rest=rest or inside(600, engine_pid=2), **(usual | others))


def failing(of: Course) -> list[str]:
    return [check.what for check in checks(of) if not check.holds]


def test_a_calm_course_passes_every_check() -> None:
    assert failing(course()) == []


@pytest.mark.parametrize(
    ("of", "what"),
    [
        (course(ends=Counter({UNKNOWN + "turn_failed": 1})), "every turn ended in a known way"),
        (course(pending=1), "every turn ended in a known way"),
        (course(rest=inside(engine_pid=2, waiting=1)), "nothing is stuck"),
        (course(rest=inside(engine_pid=2, under_way=1)), "nothing is stuck"),
        (course(rest=inside(engine_pid=2, turns=1)), "nothing is stuck"),
        (course(answers_after=False), "nothing is stuck"),
        (course(rest=inside(engine_pid=2, threads={"MainThread": 1})), "no thread was lost or left over"),
        (course(rest=inside(engine_pid=2, threads={"MainThread": 1, "engine": 2})), "no thread was lost or left over"),
        (course(kills=2), "the engine came back after each kill"),
        (course(engine_mib=lambda at: 400.0 + at / 4), "memory is flat: engine"),
    ],
)
def test_what_does_not_hold_is_named(of: Course, what: str) -> None:
    assert failing(of) == [what]


def test_memory_may_grow_while_caches_fill() -> None:
    assert failing(course(engine_mib=lambda at: min(at, 250))) == []


def test_a_pool_of_threads_may_have_another_size() -> None:
    assert failing(course(rest=inside(engine_pid=2, threads={"MainThread": 1, "engine": 1, "asyncio": 6}))) == []


@pytest.mark.parametrize(
    ("heard", "end"),
    [
        (Heard(figures={"status": "answered", "error": None}), "answered"),
        (Heard(figures={"status": "answered", "error": {"code": ModelBusy.code}}), "answered, model_busy"),
        (Heard(error=DeadlineExceeded.code), "refused, deadline_exceeded"),
        (Heard(error=TurnError.code), UNKNOWN + "turn_failed"),
        (Heard(error=NO_END), UNKNOWN + NO_END),
    ],
)
def test_an_end_is_known_where_it_says_why(heard: Heard, end: str) -> None:
    assert end_of(heard) == end


def test_a_slope_is_that_of_the_line_through_the_values() -> None:
    assert slope_per_s([10.0, 11.0, 12.0], [5.0, 7.0, 9.0]) == pytest.approx(2.0)


def test_a_sparkline_goes_from_the_least_to_the_most() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert len(sparkline(range(1000))) == 60
