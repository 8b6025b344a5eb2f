"""The bench's arithmetic: ratios, targets, turns, the stopwatch, the report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from evals.bench.__main__ import BENCHES, ON_REQUEST, print_json, run, table
from evals.bench.figures import Figure, Skipped, Target, alternately, median, number, quantile
from evals.bench.timed import Stopwatch

AT_MOST = Target("ratio", "≤", 1.3)


def test_a_ratio_is_parley_over_the_raw_engine() -> None:
    assert Figure("search", "ms", 2.0, 1.0).ratio == 2.0
    assert Figure("search", "ms", 2.0).ratio is None


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("search", "ms", 1.3, 1.0, "Edge", AT_MOST), True),
        (Figure("search", "ms", 1.4, 1.0, "Edge", AT_MOST), False),
        (Figure("search", "ms", 1.4, None, "", AT_MOST), None),
        (Figure("search", "ms", 1.4, 1.0), None),
        (Figure("intake", "runs/s", 3000, 9000, "", Target("parley", "≥", 3000)), True),
        (Figure("intake", "runs/s", 2999, 9000, "", Target("parley", "≥", 3000)), False),
    ],
)
def test_a_target_is_met_or_missed_or_cannot_be_judged(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_quantiles_and_numbers() -> None:
    assert (median([3, 1, 2]), quantile([0, 10], 0.99)) == (2, 9.9)
    assert [number(value) for value in (None, 0.01234, 12.345, 12345.6)] == ["", "0.0123", "12.3", "12,346"]


def test_sides_take_turns_at_going_first() -> None:
    assert alternately("ab", 3) == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_the_stopwatch_counts_overlapping_work_once_and_pauses_between() -> None:
    moments = iter([10.0, 13.0, 20.0, 21.0])
    watch = Stopwatch(clock=lambda: next(moments))
    with watch, watch:
        pass
    with watch:
        pass
    assert watch.take_s() == 4.0
    assert watch.take_s() == 0.0


def test_a_bench_that_fails_is_reported_and_does_not_stop_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run("no_such_bench", Progress(disable=True))
    assert isinstance(outcome, str)
    outcomes = {"broken": outcome, "search": [Figure("p50", "ms", 2.0, 1.0, "Edge", AT_MOST)]}
    print_json(outcomes)
    report = json.loads(capsys.readouterr().out)
    assert "no_such_bench" in report["broken"]["error"]
    assert report["search"][0]["ratio"] == 2.0
    assert report["search"][0]["met"] is False
    console = Console(width=200, record=True)
    console.print(table(outcomes))
    shown = console.export_text()
    assert "no_such_bench" in shown
    assert "missed" in shown


def test_a_figure_says_why_the_other_side_was_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"ingestion": [Figure("ingest", "passages/s", 2.0, None, "LangChain", AT_MOST, "it is not installed")]}
    print_json(outcomes)
    assert json.loads(capsys.readouterr().out)["ingestion"][0]["note"] == "it is not installed"
    console = Console(width=200, record=True)
    console.print(table(outcomes))
    shown = console.export_text()
    assert "it is not installed" in shown
    assert "met" not in shown
    assert "missed" not in shown


def test_a_bench_that_lacks_what_it_needs_says_so_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"replay": Skipped("the trace is not there")}
    print_json(outcomes)
    assert json.loads(capsys.readouterr().out)["replay"] == {"skipped": "the trace is not there"}
    console = Console(width=200, record=True)
    console.print(table(outcomes))
    assert "skipped: the trace is not there" in console.export_text()


def test_an_unknown_bench_is_refused_with_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "evals.bench", "--only", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2
    assert all(name in done.stderr for name in BENCHES + ON_REQUEST)
