"""A turn whose models fail, anywhere in the chain and at any moment, ends answered: by another, or by the quotes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk

from agents.answering.settings import AnsweringSettings
from agents.arms import Arm
from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, ModelUnreachable, Refused, TooLong
from agents.models import ModelPool, ModelSettings
from agents.models.backoff import Backoff
from agents.models.scripted import ScriptedChat
from agents.nodes.generate import CUT
from agents.routing import RoutingRule
from agents.settings import TurnSettings
from agents.turn import Delta, Evidence, Finished, Notice, TurnResult

CARRY_OVER = "How many days of unused leave may be carried over?"
QUOTED = "> At most five days of unused leave may be carried over to the next year. [1]\n\n"
PHRASED = "You may carry over at most five days of leave."
ANSWERED = f"{QUOTED}{PHRASED} [1] "
INSTEAD = "These are the passages themselves."
PATIENT = {"first_token_timeout_s": 60, "timeout_s": 60}
HANGS = {"first_token_timeout_s": 0.1, "timeout_s": 0.3}
"""How long to wait for a model of which the test knows that it hangs."""


class Failing(ScriptedChat):
    """Says its words and then fails, or hangs where there is no error. Notes what is done with it."""

    words: str = ""
    error: Any = None
    counted_at: float | None = None
    asked: int = 0
    ended: bool = False

    def get_num_tokens_from_messages(self, *args: Any, **kwargs: Any) -> int:
        self.counted_at = time.perf_counter()
        return super().get_num_tokens_from_messages(*args, **kwargs)

    async def _astream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        self.asked += 1
        try:
            for chunk in self._chunks(messages, None)[:-1]:
                yield chunk
            if self.error is None:
                await asyncio.Event().wait()
            raise self.error
        finally:
            self.ended = True

    def _reply(self, messages: Any) -> str:
        return self.words


class Healthy(ScriptedChat):
    """Answers. Counts how often it was asked."""

    asked: int = 0

    def _reply(self, messages: Any) -> str:
        self.asked += 1
        return PHRASED


def pool(*models: ScriptedChat, **settings: Any) -> dict[str, Any]:
    """The first model as the default, and the others as its fallbacks, as parts of a turn with long answers."""
    clock = settings.pop("clock", lambda: 0.0)
    others = {f"m{number}": model for number, model in enumerate(models[1:], 1)}
    named = {name: settings_for(model, settings) for name, model in others.items()}
    default = settings_for(models[0], {"fallbacks": tuple(others), **settings})
    models_ = ModelPool(default, named, default=models[0], others=others, clock=clock)
    return {"models": models_, "answering": AnsweringSettings(model_sentences=9)}


def settings_for(model: ScriptedChat, settings: dict[str, Any]) -> ModelSettings:
    hangs = isinstance(model, Failing) and model.error is None
    return ModelSettings(**{"name": "scripted", "retries": 0, **(HANGS if hangs else PATIENT), **settings})


def near_the_end(model: Failing) -> Callable[[], float]:
    """A clock that jumps to half a second before the end of 19 when the model is about to be asked."""
    return lambda: 18.5 + time.perf_counter() - model.counted_at if model.counted_at else 0.0


def pauses(lengths: list[float]) -> Backoff:
    """Draws one half, and notes the pauses instead of making them."""

    async def sleep(seconds: float) -> None:
        lengths.append(seconds)

    return Backoff(first_s=1.0, longest_s=4.0, random=lambda: 0.5, sleep=sleep)


def outcomes(result: TurnResult) -> list[str]:
    return [attempt.outcome for attempt in result.attempts]


FAILURES = pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ModelUnavailable(), "model_unavailable"),
        (ModelUnreachable(), "model_unavailable"),
        (ModelBusy(retry_after_s=60), "model_busy"),
        (TooLong(), "too_long"),
        (DeadlineExceeded(), "deadline_exceeded"),
        (None, "deadline_exceeded"),
        (ValueError("foreign"), "model_unavailable"),
        (StopIteration(), "model_unavailable"),
        (ConnectionResetError(), "model_unavailable"),
        (TimeoutError(), "deadline_exceeded"),
    ],
    ids=repr,
)
MOMENTS = ("", "You may carry", "You may carry over 12 days of leave. And")
"""What a model has said when it fails: nothing, no whole sentence, nothing that is supported."""


@FAILURES
async def test_what_fails_before_a_shown_word_is_followed_by_the_next(
    open_assistant, ask, error: Exception | None, outcome: str
) -> None:
    failing = [Failing(words=words, error=error, model_name=f"after {words!r}") for words in MOMENTS]
    async with open_assistant(parts=pool(*failing, Healthy(model_name="healthy"))) as assistant:
        events = [event async for event in assistant.stream(ask(CARRY_OVER))]
    result = events[-1].result
    assert (result.status, result.text, result.error, result.model) == ("answered", ANSWERED, None, "healthy")
    assert outcomes(result) == [outcome] * 3 + ["answered"]
    assert [attempt.model for attempt in result.attempts] == [*(model.model_name for model in failing), "healthy"]
    assert (result.sentences, result.unsupported) == (1, 0), "only the answer's own sentences count"
    assert not any(isinstance(event, Notice) for event in events)


@FAILURES
async def test_the_quotes_stand_where_every_model_fails(
    open_assistant, ask, remembered, error: Exception | None, outcome: str
) -> None:
    failing = [Failing(words=words, error=error) for words in MOMENTS]
    async with open_assistant(parts=pool(*failing)) as assistant:
        events = [event async for event in assistant.stream(ask(CARRY_OVER))]
    assert [type(event) for event in events] == [Evidence, Notice, Finished]
    assert events[1].text.startswith(("The model", "This is too long"))
    assert events[1].text.endswith(f". {INSTEAD}")
    result = events[-1].result
    assert (result.status, result.text, outcomes(result)) == ("answered", QUOTED, [outcome] * 3)
    assert result.error["code"] == outcome
    assert await remembered() == [("user", CARRY_OVER), ("assistant", QUOTED)]


@FAILURES
async def test_what_fails_after_shown_words_keeps_them_and_says_that_it_is_cut(
    open_assistant, ask, remembered, error: Exception | None, outcome: str
) -> None:
    second = Healthy()
    failing = Failing(words=f"{PHRASED} Days that", error=error)
    async with open_assistant(parts=pool(failing, second)) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert (result.status, result.text) == ("answered", f"{ANSWERED}\n\n{CUT}")
    assert (outcomes(result), result.error["code"], second.asked) == (["cut"], outcome, 0)
    assert result.usage.completion_tokens == len(failing.words.split()), "what it said is counted"
    assert result.usage.prompt_tokens > 0
    assert await remembered() == [("user", CARRY_OVER), ("assistant", result.text)]


async def test_a_model_is_stopped_once_no_more_of_it_may_be_shown(open_assistant, ask) -> None:
    chatty = Failing(words=f"{PHRASED} And I could say so much more")
    parts = {**pool(chatty, **PATIENT), "answering": AnsweringSettings(model_sentences=1)}
    async with open_assistant(parts=parts) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert (result.status, result.text, result.error, outcomes(result)) == ("answered", ANSWERED, None, ["answered"])
    assert chatty.ended
    assert 0 < result.usage.completion_tokens < len(chatty.words.split())
    assert result.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("words", "outcome", "text"),
    [("", "deadline_exceeded", QUOTED), (f"{PHRASED} And", "cut", f"{ANSWERED}\n\n{CUT}")],
)
async def test_the_turns_end_is_the_models_end_too(open_assistant, ask, words: str, outcome: str, text: str) -> None:
    hanging, second = Failing(words=words), Healthy()
    parts = {**pool(hanging, second, **PATIENT, breaker_failures=1), "clock": near_the_end(hanging)}
    async with open_assistant(parts=parts, turn=TurnSettings(timeout_s=20)) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert (result.status, result.text, outcomes(result)) == ("answered", text, [outcome])
    assert hanging.ended
    assert result.error["code"] == "deadline_exceeded"


async def test_a_model_is_not_blamed_for_what_others_took_of_the_turns_time(open_assistant, ask) -> None:
    slow, second = Failing(error=ModelUnavailable()), Failing()
    parts = {**pool(slow, second, Healthy(), **PATIENT, breaker_failures=1), "clock": near_the_end(second)}
    async with open_assistant(parts=parts, turn=TurnSettings(timeout_s=20)) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert outcomes(result) == ["model_unavailable", "deadline_exceeded"], "no time is left for the third"
    assert [breaker.state for breaker in parts["models"].breakers().values()] == ["open", "closed", "closed"]


async def test_a_turn_stopped_in_a_fallback_is_recorded_with_what_it_took(open_assistant, ask) -> None:
    ended: list[TurnResult] = []
    hanging = Failing(words=f"{PHRASED} And")
    prices = {"prompt_usd_per_million": 1}
    parts = pool(Failing(error=ModelUnavailable()), hanging, **PATIENT, **prices, breaker_failures=1)
    async with (
        open_assistant(parts=parts, on_ended=lambda asker, result: ended.append(result)) as assistant,
        aclosing(assistant.stream(ask(CARRY_OVER))) as events,
    ):
        async for event in events:
            if isinstance(event, Delta):
                break
    assert (ended[0].status, outcomes(ended[0])) == ("stopped", ["model_unavailable", "stopped"])
    assert ended[0].attempts[1].usage.completion_tokens == len(hanging.words.split())
    assert ended[0].cost_usd == ended[0].attempts[1].cost_usd > 0
    assert [breaker.state for breaker in parts["models"].breakers().values()] == ["open", "closed"]


async def test_what_may_be_over_in_a_moment_is_tried_again(open_assistant, ask) -> None:
    lengths: list[float] = []
    model = ScriptedChat(replies=[ModelUnreachable(), ModelBusy(retry_after_s=2), PHRASED])
    async with open_assistant(parts={**pool(model, retries=2), "backoff": pauses(lengths)}) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert (result.text, outcomes(result)) == (ANSWERED, ["model_unavailable", "model_busy", "answered"])
    assert lengths == [0.5, 3.0]


async def test_tries_are_bounded_and_what_will_last_is_not_tried_again(open_assistant, ask) -> None:
    lengths: list[float] = []
    for error, asked in [(ModelUnreachable(), 3), (ModelUnavailable(), 1), (ModelBusy(retry_after_s=30), 1)]:
        failing, healthy = Failing(error=error), Healthy()
        parts = {**pool(failing, healthy, retries=2), "backoff": pauses(lengths)}
        async with open_assistant(parts=parts) as assistant:
            assert (await assistant.ask(ask(CARRY_OVER))).text == ANSWERED
        assert (failing.asked, healthy.asked) == (asked, 1)


@pytest.mark.parametrize(("turn_s", "first_token_s"), [(3.0, 60), (60, 3.0)])
async def test_no_pause_is_longer_than_the_turn_or_a_first_word_may_take(
    open_assistant, ask, turn_s: float, first_token_s: float
) -> None:
    lengths: list[float] = []
    failing = Failing(error=ModelBusy(retry_after_s=3.9))
    parts = {**pool(failing, retries=2, first_token_timeout_s=first_token_s), "backoff": pauses(lengths)}
    async with open_assistant(parts=parts, turn=TurnSettings(timeout_s=turn_s)) as assistant:
        assert (await assistant.ask(ask(CARRY_OVER))).text == QUOTED
    assert (failing.asked, lengths) == (1, [])


async def test_a_model_that_keeps_failing_is_left_alone_until_a_trial_succeeds(open_assistant, ask) -> None:
    now = [0.0]
    failing, healthy = Failing(error=ModelUnavailable()), Healthy()
    parts = pool(failing, healthy, breaker_failures=2, breaker_cooldown_s=30, clock=lambda: now[0])
    async with open_assistant(parts=parts) as assistant:
        results = [await assistant.ask(ask(CARRY_OVER, thread=str(number))) for number in range(3)]
        assert [outcomes(result)[0] for result in results] == ["model_unavailable", "model_unavailable", "circuit_open"]
        assert failing.asked == 2
        assert all(result.text == ANSWERED for result in results)
        now[0], failing.error = 30.0, ValueError()
        assert outcomes(await assistant.ask(ask(CARRY_OVER, thread="trial")))[0] == "model_unavailable"
        assert outcomes(await assistant.ask(ask(CARRY_OVER, thread="after")))[0] == "circuit_open"
        now[0], failing.error = 60.0, ModelBusy(retry_after_s=60)
        assert outcomes(await assistant.ask(ask(CARRY_OVER, thread="back")))[0] == "model_busy"
        assert parts["models"].breaker().state == "closed"
    assert failing.asked == 4


async def test_a_model_that_will_not_is_not_one_that_cannot(open_assistant, ask) -> None:
    """Nobody can close a model to others by asking what it refuses."""
    errors = [ModelBusy(retry_after_s=60), TooLong(), Refused("Not that.")]
    parts = pool(*(Failing(error=error) for error in errors), breaker_failures=1)
    async with open_assistant(parts=parts) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert outcomes(result) == ["model_busy", "too_long", "refused"]
    assert {breaker.state for breaker in parts["models"].breakers().values()} == {"closed"}


async def test_each_attempt_is_paid_at_its_own_models_price(open_assistant, ask) -> None:
    named = {"cheap": ModelSettings(name="scripted", completion_usd_per_million=1e6)}
    dear = ModelSettings(name="scripted", completion_usd_per_million=2e6, fallbacks=("cheap",), retries=0)
    models = ModelPool(
        dear,
        named,
        default=Failing(words="Two words", error=ModelUnavailable()),
        others={"cheap": Healthy()},
    )
    async with open_assistant(parts={"models": models}) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    words = len(PHRASED.split())
    assert [attempt.cost_usd for attempt in result.attempts] == [2 * 2.0, float(words)]
    assert result.cost_usd == 4.0 + words
    assert result.usage.completion_tokens == 2 + words


async def test_an_arms_model_brings_its_own_fallbacks(open_assistant, ask) -> None:
    named = {
        "b": ModelSettings(name="scripted", fallbacks=("c", "default"), retries=0),
        "c": ModelSettings(name="scripted", retries=0),
    }
    others = {name: Failing(error=ModelUnavailable(), model_name=name) for name in named}
    models = ModelPool(ModelSettings(name="scripted"), named, default=Healthy(), others=others)
    assign = lambda user_hash: Arm(experiment="e", variant="v", model="b")  # noqa: E731
    async with open_assistant(parts={"models": models, "routing": [anything("c")]}, assign=assign) as assistant:
        result = await assistant.ask(ask(CARRY_OVER))
    assert [attempt.model for attempt in result.attempts] == ["b", "c", "scripted"]
    assert (result.text, result.route) == (ANSWERED, ""), "what an experiment compares is not routed"


def anything(model: str, **conditions: Any) -> RoutingRule:
    return RoutingRule(name=f"to {model}", model=model, **conditions)


async def routed(open_assistant: Callable[..., Any], asking: Awaitable[Any] | Any, *rules: RoutingRule) -> TurnResult:
    small, default = Healthy(model_name="small"), Healthy(model_name="large")
    models = ModelPool(
        ModelSettings(name="scripted"),
        {"small": ModelSettings(name="scripted")},
        default=default,
        others={"small": small},
    )
    async with open_assistant(parts={"models": models, "routing": rules}) as assistant:
        return await assistant.ask(asking)


async def test_the_first_rule_that_holds_chooses_the_model_and_is_recorded(open_assistant, ask) -> None:
    short, rest = anything("small", max_question_chars=10), anything("default")
    result = await routed(open_assistant, ask(CARRY_OVER, thread="a"), short, rest)
    assert (result.model, result.route) == ("large", "to default")
    result = await routed(open_assistant, ask(CARRY_OVER, thread="b"), anything("small"), rest)
    assert (result.model, result.route) == ("small", "to small")
    result = await routed(open_assistant, ask(CARRY_OVER, thread="c"), short)
    assert (result.model, result.route) == ("large", "")
