"""Load that is replayed: what is read of a trace, how it is scaled, and what is said of those who asked."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from agents.models.local import LlamaChat
from agents.models.settings import ModelSettings
from evals.bench.replay import crowd_figures, unnamed_figure
from evals.load.arrivals import RECORDED, TOKENS, Arrival, every_nth, paced, recorded
from evals.load.engine import EngineUsers
from evals.load.replay import FLOOR_S, Fared, replay, saturated_s

TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,879,55
2023-11-16 18:15:51.3910170,91,16
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    file.write_text(TRACE)
    return file


def test_arrivals_keep_the_distances_and_a_quarter_of_the_tokens(trace: Path) -> None:
    first, second, third = recorded(3, users=2, file=trace)
    assert (first.at_s, round(second.at_s, 4)) == (0.0, 4.3146)
    assert (second.prompt_tokens, second.answer_tokens) == (99, 27)
    assert first.user == third.user != second.user


def test_a_trace_that_is_absent_gives_no_arrivals(tmp_path: Path) -> None:
    assert recorded(3, users=2, file=tmp_path / "none.csv") == []


def test_every_recorded_request_fits_a_default_lane(shared_data: Path) -> None:
    everything = recorded(1_000_000, users=50)
    assert len(everything) > 10_000
    assert max(one.tokens for one in everything) < 4096
    assert shared_data in RECORDED.parents
    assert TOKENS < 1


def test_another_pace_keeps_bursts(trace: Path) -> None:
    slow = paced(recorded(4, users=1, file=trace), over_s=47.1)
    assert slow[-1].at_s == pytest.approx(47.1)
    assert (slow[2].at_s - slow[1].at_s) / slow[-1].at_s == pytest.approx(0.2273 / 4.7104, rel=1e-3)


def test_a_sample_has_small_and_large_requests() -> None:
    arrivals = [Arrival(0.0, "one", prompt_tokens=tokens, answer_tokens=1) for tokens in range(100, 0, -1)]
    assert [one.prompt_tokens for one in every_nth(arrivals, 40)] == [21, 61]


async def test_arrivals_ask_in_their_order_and_all_fates_are_kept(trace: Path) -> None:
    asked, ended = [], []

    async def ask(arrival: Arrival) -> int:
        asked.append(arrival.prompt_tokens)
        return -arrival.prompt_tokens

    arrivals = paced(recorded(4, users=1, file=trace), over_s=0.05)
    fates = await replay(arrivals, ask, lambda: ended.append(1))
    assert asked == [one.prompt_tokens for one in arrivals]
    assert fates == [-one.prompt_tokens for one in arrivals]
    assert len(ended) == 4


async def test_a_saturated_engine_has_no_more_at_once_than_allowed(trace: Path) -> None:
    here, most = 0, 0

    async def ask(arrival: Arrival) -> None:
        nonlocal here, most
        here += 1
        most = max(most, here)
        await asyncio.sleep(0)
        here -= 1

    await saturated_s(recorded(4, users=1, file=trace), ask, at_once=2)
    assert most == 2


def test_a_wait_is_judged_by_its_promise_and_a_tiny_promise_by_a_floor() -> None:
    assert Fared("one", waited_s=12.0, promised_s=10.0).off == pytest.approx(0.2)
    assert Fared("one", waited_s=8.0, promised_s=10.0).off == pytest.approx(0.2)
    assert Fared("one", waited_s=0.6, promised_s=0.1).off == pytest.approx(0.5 / FLOOR_S)
    assert Fared("one", waited_s=0.0).off is None


def test_a_report_on_a_crowd_counts_errors_and_takes_refusals_that_were_honoured_for_none() -> None:
    fared = [Fared("one", error="deadline_exceeded"), Fared("two", refusals=2), Fared("three", 1.0, 3.0, 2.0)]
    errors, refused, _, _, promises = crowd_figures(fared, per_s=0.5)
    assert (errors.parley, errors.met, errors.note) == (1, False, "deadline_exceeded")
    assert refused.parley == 1
    assert (promises.parley, promises.met) == (0.5, False)


def test_promises_about_answers_of_unknown_length_are_reported_without_a_target() -> None:
    fared = [Fared("one"), Fared("two", waited_s=5.0, promised_s=4.0)]
    assert unnamed_figure(fared).parley == 0.25
    assert unnamed_figure(fared).met is None


@pytest.mark.model
async def test_answers_have_the_recorded_length_whether_it_is_named_or_the_reader_breaks_off() -> None:
    arrivals = [Arrival(0.0, user, prompt_tokens=40, answer_tokens=6) for user in ("one", "two")]
    with closing(LlamaChat.build(ModelSettings(context_tokens=512, parallel=1))) as chat:
        chat.warm()
        named = await asyncio.gather(*map(EngineUsers(chat).ask, arrivals))
        unnamed = await asyncio.gather(*map(EngineUsers(chat, max_tokens=400).ask, arrivals))
        assert chat.engine.under_way == 0
    assert [one.answer_tokens for one in named] == [6, 6]
    assert all(6 <= one.answer_tokens < 400 for one in unnamed)
    for first, second in (named, unnamed):
        assert (first.promised_s, second.promised_s is None) == (None, False)
        assert first.waited_s < second.waited_s < second.first_s
