"""How values read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.ops.views.figures import bars, span
from app.ops.views.formats import ago, count, duration, excerpt, many, percent, size, usd


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0851, "85 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3725, "1 h 2 min"),
        (4 * 86400, "4 days"),
    ],
)
def test_durations(seconds: float | None, reads: str) -> None:
    assert duration(seconds) == reads


@pytest.mark.parametrize(
    ("amount", "reads"),
    [
        (None, "–"),
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.5, "$0.50"),
        (0.0123, "$0.012"),
        (0.0000274, "$0.000027"),
        (1e-30, "$0.0000000000"),
    ],
)
def test_money(amount: float | None, reads: str) -> None:
    assert usd(amount) == reads


def test_shares_counts_and_sizes() -> None:
    assert [percent(share) for share in (None, 0, 0.004, 0.0996, 0.5, 1)] == ["–", "0%", "0.4%", "10%", "50%", "100%"]
    assert (count(None), count(12345), many(1, "turn"), many(0, "turn")) == ("–", "12,345", "1 turn", "0 turns")
    assert [size(number) for number in (0, 999, 1_500_000, 3e12)] == ["0 B", "999 B", "2 MB", "3000.0 GB"]


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [
        (-3, "just now"),
        (50, "50 s ago"),
        (90, "90 s ago"),
        (7300, "2 h ago"),
        (86400, "24 h ago"),
        (9e5, "10 days ago"),
    ],
)
def test_ages_have_one_unit(seconds: float, reads: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert ago(now - timedelta(seconds=seconds), now) == reads


def test_excerpts_are_one_short_line() -> None:
    assert excerpt(" a\n\nb ", 10) == "a b"
    assert excerpt("a" * 1000, 10) == "a" * 9 + "…"
    assert excerpt(None, 10) == ""


def test_bars_fill_the_picture_and_show_the_smallest() -> None:
    tall, none, tiny = bars([1000, 0, 1], height=100)
    assert (tall.y, tall.height, none.height, tiny.height) == (0, 100, 0, 4)
    assert bars([], height=100) == []
    assert [bar.height for bar in bars([0, 0], height=100)] == [0, 0]


@pytest.mark.parametrize(("start_s", "length_s", "total_s"), [(0, 0, 0), (-5, 1, 2), (1, 9, 2), (2, 0, 2)])
def test_spans_stay_visible_and_inside(start_s: float, length_s: float, total_s: float) -> None:
    bar = span(start_s, length_s, total_s)
    assert 0 <= bar.x <= bar.x + bar.width <= 1000
    assert bar.width >= 4
