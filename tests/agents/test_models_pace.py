"""What a request is told about its wait."""

from __future__ import annotations

import pytest

from agents.models.engine.pace import Pace, wait_s


@pytest.mark.parametrize(
    ("running", "ahead", "lanes", "expected"),
    [
        ([], [], 2, 0.0),
        ([5.0], [], 2, 0.0),
        ([5.0], [], 1, 5.0),
        ([3.0, 1.0], [], 2, 2.0),  # the shorter one has half of the model: it takes twice its second
        ([3.0, 1.0], [1.0], 2, 4.0),  # the one ahead begins after 2 s, with 2 s left of the other
        ([1.0], [2.0, 3.0], 1, 6.0),
        ([4.0], [1.0, 1.0], 3, 0.0 + 3.0),
    ],
)
def test_a_wait_is_what_is_ahead_shared_evenly(
    running: list[float], ahead: list[float], lanes: int, expected: float
) -> None:
    assert wait_s(running, ahead, lanes) == pytest.approx(expected)


def test_the_pace_follows_what_passes_take() -> None:
    pace = Pace(read_s=1.0, say_s=1.0, said=1.0)
    for _ in range(40):
        pace.note_pass(read=100, said=0, seconds=0.5)
        pace.note_pass(read=0, said=4, seconds=0.08)
        pace.note_pass(read=50, said=2, seconds=99.0)
        pace.note_answer(said=30, allowed=100)
    assert pace.read_s == pytest.approx(0.005, rel=0.05)
    assert pace.say_s == pytest.approx(0.02, rel=0.01)
    assert pace.work_s(unread=200, said=10, allowed=100) == pytest.approx(200 * 0.005 + 20 * 0.02, rel=0.05)
    assert pace.work_s(unread=0, said=90, allowed=100) > 0
