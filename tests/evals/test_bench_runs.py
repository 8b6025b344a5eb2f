"""Each bench at its smallest: it runs against the real parts and gives figures. How fast is not tested."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from evals.bench import chats, growth, ingestion, model, overhead, replay, search, traces
from evals.bench.figures import Figure, Skipped

SMALLEST: list[Any] = [
    pytest.param(traces.measure, {"runs": 300, "paced_s": 0.1}, id="traces"),
    pytest.param(ingestion.measure, {"passages": 6, "repetitions": 1}, id="ingestion", marks=pytest.mark.model),
    pytest.param(
        search.measure, {"passages": 120, "questions": 3, "local_questions": 1}, id="search", marks=pytest.mark.model
    ),
    pytest.param(growth.measure, {"passages": 3000}, id="growth"),
    pytest.param(overhead.measure, {"turns": 1}, id="overhead", marks=pytest.mark.model),
    pytest.param(
        chats.measure,
        {"repetitions": 1, "chats": 2, "tokens": 4, "passage_chars": 50},
        id="chats",
        marks=pytest.mark.model,
    ),
    pytest.param(replay.measure, {"requests": 3, "light": 2, "greedy": 1}, id="replay", marks=pytest.mark.model),
    pytest.param(
        model.measure, {"repetitions": 1, "tokens": 4, "prompt_chars": 50}, id="model", marks=pytest.mark.model
    ),
]


@pytest.mark.parametrize(("measure", "size"), SMALLEST)
def test_a_bench_gives_figures_beside_a_raw_engine_or_a_target(
    measure: Any, size: dict[str, int], tmp_path: Path
) -> None:
    try:
        figures: list[Figure] = measure(tmp_path, Progress(disable=True), **size)
    except Skipped as skipped:
        pytest.skip(str(skipped))
    assert figures
    for figure in figures:
        is_count, is_difference = not figure.unit, figure.what.startswith("added to")  # of two small samples
        assert figure.parley > 0 or is_count or is_difference, figure
        assert figure.raw or figure.target or figure.note, figure
        assert figure.against or not figure.raw, figure
        assert math.isfinite(figure.ratio or 0), figure
