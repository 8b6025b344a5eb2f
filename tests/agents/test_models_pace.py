"""What a request is told about its wait."""

from __future__ import annotations

import random
from collections import deque

import pytest

from agents.models.engine import Generation, Sampling
from agents.models.engine.forecast import Forecast
from agents.models.engine.pace import Pace, Work
from agents.models.engine.requests import Pass
from agents.models.text import TextAssembler

PASS_S, READ_S, SAY_S = 0.01, 0.002, 0.004


def seconds(read: float, said: int) -> float:
    return PASS_S + READ_S * read + SAY_S * said


@pytest.fixture
def pace() -> Pace:
    """One that has seen enough of a model to know it."""
    pace = Pace()
    for _ in range(40):
        for read, said in [(512, 0), (128, 3), (0, 1), (0, 4)]:
            pace.note_pass(read, said, seconds(read, said))
    return pace


@pytest.mark.parametrize(("read", "said"), [(512, 0), (128, 3), (300, 0), (0, 1), (0, 8)])
def test_a_pass_takes_what_such_passes_took(pace: Pace, read: int, said: int) -> None:
    assert pace.pass_s(read, said) == pytest.approx(seconds(read, said), rel=0.05)


def test_one_pass_tells_how_slow_the_machine_is_for_others_too() -> None:
    typical, slow = Pace(), Pace()
    slow.note_pass(96, 0, 4 * typical.pass_s(96, 0))
    for read, said in [(512, 0), (128, 3), (0, 4)]:
        assert slow.pass_s(read, said) == pytest.approx(4 * typical.pass_s(read, said), rel=0.1)


def test_the_pace_follows_a_machine_that_becomes_slow(pace: Pace) -> None:
    for _ in range(60):
        pace.note_pass(128, 2, 3 * seconds(128, 2))
        pace.note_pass(0, 3, 3 * seconds(0, 3))
    assert pace.pass_s(128, 3) == pytest.approx(3 * seconds(128, 3), rel=0.1)


@pytest.mark.parametrize(
    ("running", "ahead", "lanes", "expected"),
    [
        ([], [], 2, 0.0),
        ([Work(0, 50)], [], 2, 0.0),
        ([Work(0, 50)], [], 1, 50 * seconds(0, 1)),
        ([Work(0, 50), Work(0, 20)], [], 2, 20 * seconds(0, 2)),
        ([Work(512, 10)], [], 1, seconds(512, 0) + 10 * seconds(0, 1)),
        # four portions of the prompt are read while the other answers; then both do
        ([Work(0, 20), Work(512, 100)], [], 2, 4 * seconds(128, 1) + 16 * seconds(0, 2)),
        ([Work(0, 20)], [Work(512, 30)], 1, 20 * seconds(0, 1) + seconds(512, 0) + 30 * seconds(0, 1)),
        ([Work(0, 20), Work(0, 60)], [Work(0, 70)], 2, 60 * seconds(0, 2)),
    ],
)
def test_a_wait_is_what_is_ahead_played_through(
    pace: Pace, running: list[Work], ahead: list[Work], lanes: int, expected: float
) -> None:
    assert pace.wait_s(running, ahead, lanes) == pytest.approx(expected, rel=0.05, abs=1e-9)


def test_how_long_an_answer_becomes_is_learned_from_past_ones() -> None:
    pace = Pace()
    for said in [10] * 32 + [90] * 32:
        pace.note_answer(said, 100)
    assert [pace.unsaid(0, 100, luck) for luck in (0.1, 0.9)] == [10, 90]
    assert [pace.unsaid(0, 200, luck) for luck in (0.1, 0.9)] == [20, 180]
    assert [pace.unsaid(50, 100, luck) for luck in (0.1, 0.9)] == [40, 40], "it is none of the short ones"
    assert pace.unsaid(95, 100, 0.5) == pytest.approx(2.5)
    assert pace.unsaid(100, 100, 0.5) == 1


def test_of_a_prompt_that_was_broken_off_so_much_is_known_as_was_read() -> None:
    broken_off = Generation(
        id=0,
        prompt=range(100),
        sampling=Sampling(max_tokens=8),
        text=TextAssembler(()),
        emit=lambda outcome: None,
        user="",
        turn="",
        total_s=1.0,
        submitted=0.0,
        read_tokens=0,
    )
    forecast = Forecast(lanes=2)
    assert forecast.known_tokens(range(100), [broken_off]) == 100, "it will have been read"
    forecast.note_pass(Pass(read=30, said=0, seconds=0.1), [broken_off])
    forecast.note_answer(broken_off)
    assert forecast.known_tokens(range(100), []) == 30


def test_promises_are_kept_in_a_long_line() -> None:
    """Four lanes, twenty waiting, answers of random lengths: the wait that was told is off by a quarter at most."""
    chance = random.Random(7)
    pace = Pace()
    for _ in range(64):
        pace.note_answer(chance.randint(20, 120), 120)
        pace.note_pass(128, 3, seconds(128, 3) * chance.uniform(0.8, 1.2))
        pace.note_pass(0, 4, seconds(0, 4) * chance.uniform(0.8, 1.2))
    line = deque(Work(300, chance.randint(20, 120)) for _ in range(24))
    told = [
        pace.wait_s([], [Work(300, pace.unsaid(0, 120, (0.5 + at * 0.618) % 1)) for at in range(place)], 4)
        for place in range(24)
    ]
    running: list[Work] = []
    waited, now = [], 0.0
    while line:
        while line and len(running) < 4:
            running.append(line.popleft())
            waited.append(now)
        reading = next((work for work in running if work.unread > 0), None)
        saying = [work for work in running if work.unread <= 0]
        read = min(reading.unread, 128 if saying else 512) if reading else 0
        if reading:
            reading.unread -= read
        for work in saying:
            work.unsaid -= 1
        running = [work for work in running if work.unread > 0 or work.unsaid > 0]
        now += seconds(read, len(saying)) * chance.uniform(0.8, 1.2)
    long = [(told_s, waited_s) for told_s, waited_s in zip(told, waited, strict=True) if waited_s > 5]
    assert len(long) > 10
    assert all(abs(told_s - waited_s) <= 0.25 * waited_s for told_s, waited_s in long)
