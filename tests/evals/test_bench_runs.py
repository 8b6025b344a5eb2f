"""Each bench at its smallest: it runs against the real parts and gives figures. How fast is not tested."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from evals.bench import growth, ingestion, model, overhead, search, traces
from evals.bench.figures import Figure

SMALLEST: list[Any] = [
    pytest.param(traces.measure, {"runs": 300, "paced_s": 0.1}, id="traces"),
    pytest.param(ingestion.measure, {"passages": 6, "repetitions": 1}, id="ingestion", marks=pytest.mark.model),
    pytest.param(
        search.measure, {"passages": 120, "questions": 3, "local_questions": 1}, id="search", marks=pytest.mark.model
    ),
    pytest.param(growth.measure, {"passages": 3000}, id="growth"),
    pytest.param(overhead.measure, {"turns": 1}, id="overhead", marks=pytest.mark.model),
    pytest.param(
        model.measure, {"repetitions": 1, "tokens": 4, "prompt_chars": 50}, id="model", marks=pytest.mark.model
    ),
]


@pytest.mark.parametrize(("measure", "size"), SMALLEST)
def test_a_bench_gives_figures_beside_a_raw_engine_or_a_target(
    measure: Any, size: dict[str, int], tmp_path: Path
) -> None:
    figures: list[Figure] = measure(tmp_path, Progress(disable=True), **size)
    assert figures
    for figure in figures:
        assert figure.parley > 0 or figure.what.startswith("added to"), figure  # a difference of two small samples
        assert figure.raw or figure.target or figure.note, figure
        assert figure.against or not figure.raw, figure
        assert math.isfinite(figure.ratio or 0), figure
