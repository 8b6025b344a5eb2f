"""What a failing model costs: pauses, tries, and being left alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, ModelUnreachable, TooLong, TurnError
from agents.models import ModelPool, ModelSettings
from agents.models.backoff import Backoff
from agents.models.breaker import CircuitBreaker


class Clock:
    """Stands still until it is put forward."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(3, 30.0, clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        assert breaker.let_through()
        breaker.failed()


def test_a_circuit_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.state == "open"
    assert not breaker.let_through()
    assert breaker.trial_in_s == 30.0


def test_one_call_tries_a_half_open_circuit_and_decides(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.state == "half_open"
    assert [breaker.let_through() for _ in range(3)] == [True, False, False]
    breaker.failed()
    assert (breaker.state, breaker.trial_in_s) == ("open", 30.0)
    clock.now += 30
    assert breaker.let_through()
    breaker.succeeded()
    assert breaker.state == "closed"
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_a_trial_that_is_given_up_leaves_its_place_to_the_next(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 30
    assert breaker.let_through()
    breaker.gave_up()
    assert breaker.state == "half_open"
    assert breaker.let_through()


def test_a_call_from_before_does_not_shorten_the_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    assert breaker.let_through()
    fail(breaker, 3)
    clock.now += 20
    breaker.failed()
    assert (breaker.state, breaker.trial_in_s) == ("open", 30.0)


@pytest.mark.parametrize("error", [ModelUnavailable(), DeadlineExceeded(), TooLong(), TurnError()])
def test_what_will_last_is_not_tried_again(error: TurnError) -> None:
    assert Backoff().pause_s(error, 1) is None


def test_pauses_double_and_are_drawn_from_all_below() -> None:
    drawn = iter([1.0, 1.0, 1.0, 1.0, 0.0])
    backoff = Backoff(first_s=1.0, longest_s=4.0, random=lambda: next(drawn))
    assert [backoff.pause_s(ModelUnreachable(), tries) for tries in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 4.0, 0.0]


def test_a_provider_that_says_when_to_come_back_is_obeyed_or_left() -> None:
    backoff = Backoff(first_s=1.0, longest_s=4.0, random=lambda: 0.5)
    assert backoff.pause_s(ModelBusy(retry_after_s=3.0), 1) == 3.5
    assert backoff.pause_s(ModelBusy(retry_after_s=4.1), 1) is None
    assert backoff.pause_s(ModelUnreachable(retry_after_s=float("inf")), 1) is None
    assert backoff.pause_s(ModelBusy(), 1) == 0.5


def test_a_chain_is_a_model_and_its_own_fallbacks_each_once() -> None:
    named = {
        "large": ModelSettings(name="openai:m", fallbacks=("small", "default", "large")),
        "small": ModelSettings(name="scripted", fallbacks=("large",)),
    }
    pool = ModelPool(ModelSettings(fallbacks=("small",)), named)
    assert pool.chain() == [None, "small"]
    assert pool.chain("large") == ["large", "small", None]
    assert pool.chain("small") == ["small", "large"]
    with pytest.raises(ModelUnavailable, match="No model other"):
        pool.chain("other")


def test_each_model_has_one_breaker_of_its_own() -> None:
    pool = ModelPool(ModelSettings(breaker_failures=1), {"other": ModelSettings(name="scripted")})
    assert pool.breaker() is pool.breaker(None)
    pool.breaker().failed()
    assert {name: breaker.state for name, breaker in pool.breakers().items()} == {"default": "open", "other": "closed"}


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"retries": 6}, {"breaker_failures": 0}, {"breaker_cooldown_s": 0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ModelSettings.model_validate(wrong)
